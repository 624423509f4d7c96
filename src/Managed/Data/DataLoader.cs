using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Reads a data set batch by batch.</summary>
/// <remarks>
/// The tensors of a batch are reused for the next one, and reading a batch makes no managed allocation. The order of the
/// samples in an epoch depends on the seed and the epoch's number alone. A loader is used by one thread at a time.
/// </remarks>
public sealed class DataLoader : IDisposable
{
    private readonly Dataset _dataset;
    private readonly ulong _seed;
    private readonly Batch? _full;
    private readonly Batch? _rest;
    private readonly long[]? _order;
    private readonly long[] _samples;
    private readonly float[]? _inputs;
    private readonly float[]? _values;
    private long _enumeration;
    private bool _disposed;

    /// <summary>Makes a loader and the memory for its batches.</summary>
    /// <param name="dataset">Where samples come from; referenced, not copied.</param>
    /// <param name="batchSize">Number B of samples in a batch, at least 1.</param>
    /// <param name="shuffle">True: each epoch has a random order of its own; false: the data set's order.</param>
    /// <param name="seed">Seed of the orders.</param>
    /// <param name="dropLast">True: leave out what does not fill a batch at the end; false: make a smaller batch of it.</param>
    /// <param name="device">Where the batches lie; null: <see cref="Device.Default"/>.</param>
    /// <param name="dtype">Element type of the batches.</param>
    /// <exception cref="ArgumentException">
    /// <paramref name="batchSize"/> is out of range, or the data set has fewer samples than it and the rest is dropped.
    /// </exception>
    /// <exception cref="OutOfMemoryException">The batches do not fit into memory.</exception>
    public DataLoader(
        Dataset dataset,
        int batchSize,
        bool shuffle = false,
        ulong seed = 0,
        bool dropLast = false,
        Device? device = null,
        DType dtype = DType.Float32)
    {
        ArgumentNullException.ThrowIfNull(dataset);
        Check.AtLeast(batchSize, 1);
        long fullBatches = dataset.Count / batchSize;
        long rest = dropLast ? 0 : dataset.Count % batchSize;
        if (fullBatches == 0 && rest == 0)
        {
            throw new ArgumentException(
                $"batchSize is {batchSize}; the data set has {dataset.Count} samples, so with dropLast at most as many are allowed.",
                nameof(batchSize));
        }

        long largest = fullBatches > 0 ? batchSize : rest;
        long limit = GetLargestBatchSize(dataset);
        if (largest > limit)
        {
            throw new ArgumentException(
                $"batchSize is {batchSize}; sequences of {dataset.Steps} x {dataset.Features} inputs allow at most {limit}.",
                nameof(batchSize));
        }

        _dataset = dataset;
        _seed = seed;
        BatchSize = batchSize;
        BatchesPerEpoch = fullBatches + (rest > 0 ? 1 : 0);
        device ??= Device.Default;
        _samples = new long[largest];
        if (shuffle)
        {
            _order = new long[dataset.Count];
        }

        if (dtype != DType.Float32)
        {
            _inputs = new float[dataset.Steps * largest * dataset.Features];
            _values = dataset.IsClassification ? null : new float[dataset.TargetSteps * largest * dataset.Outputs];
        }

        try
        {
            _full = fullBatches > 0 ? new Batch(dataset, batchSize, device, dtype) : null;
            _rest = rest > 0 ? new Batch(dataset, rest, device, dtype) : null;
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Number B of samples in a batch, apart from a smaller last one.</summary>
    public int BatchSize { get; }

    /// <summary>Number of batches in an epoch.</summary>
    public long BatchesPerEpoch { get; }

    /// <summary>The most samples of a data set that fit into a batch, whatever memory there is.</summary>
    /// <param name="dataset">The data set.</param>
    public static long GetLargestBatchSize(Dataset dataset)
    {
        ArgumentNullException.ThrowIfNull(dataset);
        return Array.MaxLength / (dataset.Steps * dataset.Features);
    }

    /// <summary>The batches of one epoch, for <c>foreach</c>.</summary>
    /// <param name="number">Number of the epoch, which picks the order if the loader shuffles; 0 or above.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="number"/> is negative.</exception>
    public EpochBatches Epoch(int number)
    {
        Check.AtLeast(number, 0);
        return new EpochBatches(this, number);
    }

    /// <summary>Frees the memory of the batches.</summary>
    public void Dispose()
    {
        _disposed = true;
        _full?.Release();
        _rest?.Release();
    }

    private long Begin(int epoch)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (_order is not null)
        {
            RandomNumbers.Permutation(_seed, ortho_stream.ORTHO_STREAM_SHUFFLE, (uint)epoch, _order);
        }

        return ++_enumeration;
    }

    private Batch Load(long enumeration, long index)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (enumeration != _enumeration)
        {
            throw new InvalidOperationException("Another epoch of this data loader was begun; its batches share one memory.");
        }

        long first = index * BatchSize;
        Batch batch = _dataset.Count - first >= BatchSize ? _full! : _rest!;
        Span<long> samples = _samples.AsSpan(0, (int)batch.Size);
        for (int i = 0; i < samples.Length; i++)
        {
            samples[i] = _order is null ? first + i : _order[first + i];
        }

        if (_inputs is null)
        {
            _dataset.Read(samples, batch.Inputs.AsSpan<float>(), batch.ClassBuffer, batch.Values is { } values ? values.AsSpan<float>() : []);
        }
        else
        {
            Span<float> inputs = _inputs.AsSpan(0, (int)batch.Inputs.Count);
            Span<float> values = _values.AsSpan(0, (int)(batch.Values?.Count ?? 0));
            _dataset.Read(samples, inputs, batch.ClassBuffer, values);
            Widen(inputs, batch.Inputs);
            Widen(values, batch.Values);
        }

        return batch;
    }

    private static void Widen(ReadOnlySpan<float> source, Tensor? target)
    {
        if (target is null)
        {
            return;
        }

        Span<double> destination = target.AsSpan<double>();
        for (int i = 0; i < source.Length; i++)
        {
            destination[i] = source[i];
        }
    }

    /// <summary>The batches of one epoch.</summary>
    public readonly struct EpochBatches
    {
        private readonly DataLoader _loader;
        private readonly int _number;

        internal EpochBatches(DataLoader loader, int number)
        {
            _loader = loader;
            _number = number;
        }

        /// <summary>Begins the epoch; an epoch of the same loader that was begun before cannot go on.</summary>
        public Enumerator GetEnumerator() => new(_loader, _loader.Begin(_number));
    }

    /// <summary>Goes through the batches of one epoch.</summary>
    public struct Enumerator
    {
        private readonly DataLoader _loader;
        private readonly long _enumeration;
        private long _next;
        private Batch? _current;

        internal Enumerator(DataLoader loader, long enumeration)
        {
            _loader = loader;
            _enumeration = enumeration;
        }

        /// <summary>The batch that the last <see cref="MoveNext"/> read; valid until the next one.</summary>
        public readonly Batch Current => _current ?? throw new InvalidOperationException("MoveNext has not been called.");

        /// <summary>Reads the next batch.</summary>
        /// <returns>False: the epoch is over.</returns>
        public bool MoveNext()
        {
            if (_next == _loader.BatchesPerEpoch)
            {
                return false;
            }

            _current = _loader.Load(_enumeration, _next++);
            return true;
        }
    }
}
