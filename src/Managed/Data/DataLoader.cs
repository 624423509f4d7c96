using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Reads a data set batch by batch.</summary>
/// <remarks>
/// <para>
/// The tensors of a batch are reused, and reading a batch makes no managed allocation. The order of the samples in an epoch
/// depends on the seed and the epoch's number alone. A loader is used by one thread at a time.
/// </para>
/// <para>
/// An exception of <see cref="Dataset.Read"/> ends the call, not the epoch: the next <see cref="Enumerator.MoveNext"/> reads that batch again.
/// </para>
/// <para>
/// Where the batches lie on a GPU, each one is read while the GPU works on the one before it, and travels there meanwhile. An exception of
/// <see cref="Dataset.Read"/> is thrown when the batch that it concerns is asked for.
/// </para>
/// </remarks>
public sealed unsafe class DataLoader : IDisposable
{
    private readonly Dataset _dataset;
    private readonly ulong _seed;
    private readonly long _fullBatches;
    private readonly Batch? _full;
    private readonly Batch? _rest;
    private readonly UploadedBatches? _uploaded;
    private readonly long[]? _order;
    private readonly long[] _samples;
    private readonly float[]? _inputs;
    private readonly float[]? _values;
    private long _enumeration;
    private bool _disposed;

    /// <summary>Creates a loader and the memory for its batches.</summary>
    /// <param name="dataset">Where samples come from; referenced, not copied.</param>
    /// <param name="batchSize">Number B of samples in a batch, at least 1.</param>
    /// <param name="shuffle">True: each epoch has a random order of its own; false: the data set's order.</param>
    /// <param name="seed">Seed of the orders.</param>
    /// <param name="dropLast">True: leave out what does not fill a batch at the end; false: make a smaller batch of it.</param>
    /// <param name="device">Where the batches lie; null: <see cref="Device.Default"/>.</param>
    /// <param name="dtype">Element type of the batches.</param>
    /// <exception cref="ArgumentException">
    /// <paramref name="batchSize"/> is out of range, or the data set has fewer samples than it and the rest is dropped; or a size that the
    /// data set gives is out of range.
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

        // Asked for once: a data set that grows or shrinks later does not change the batches that there is memory for.
        long count = dataset.Count;
        Require(count, 1, shuffle ? Array.MaxLength : long.MaxValue, nameof(dataset.Count));
        CheckSequences(dataset);
        long fullBatches = count / batchSize;
        long rest = dropLast ? 0 : count % batchSize;
        if (fullBatches == 0 && rest == 0)
        {
            throw new ArgumentException(
                $"batchSize is {batchSize}; the data set has {count} samples, so with dropLast it must be at most as many.",
                nameof(batchSize));
        }

        long largest = fullBatches > 0 ? batchSize : rest;
        long limit = GetLargestBatchSize(dataset);
        if (largest > limit)
        {
            string targets = dataset.IsClassification ? $"{dataset.TargetSteps} classes" : $"{dataset.TargetSteps} x {dataset.Outputs} values";
            throw new ArgumentException(
                $"batchSize is {batchSize}; with sequences of {dataset.Steps} x {dataset.Features} inputs and {targets} it must be at most {limit}.",
                nameof(batchSize));
        }

        _dataset = dataset;
        _seed = seed;
        _fullBatches = fullBatches;
        BatchSize = batchSize;
        BatchesPerEpoch = fullBatches + (rest > 0 ? 1 : 0);
        device ??= Device.Default;
        _samples = new long[largest];
        if (shuffle)
        {
            _order = new long[count];
        }

        if (dtype != DType.Float32)
        {
            _inputs = new float[dataset.Steps * largest * dataset.Features];
            _values = dataset.IsClassification ? null : new float[dataset.TargetSteps * largest * dataset.Outputs];
        }

        try
        {
            if (device.Kind == DeviceKind.Cpu)
            {
                _full = fullBatches > 0 ? new Batch(dataset, batchSize, device, dtype) : null;
                _rest = rest > 0 ? new Batch(dataset, rest, device, dtype) : null;
            }
            else
            {
                _uploaded = new UploadedBatches(size => new Batch(dataset, size, device, dtype), batchSize, fullBatches, rest, Read);
            }
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
    /// <exception cref="ArgumentException">A size that the data set gives is out of range.</exception>
    public static long GetLargestBatchSize(Dataset dataset)
    {
        ArgumentNullException.ThrowIfNull(dataset);
        CheckSequences(dataset);
        long targets = dataset.TargetSteps * (dataset.IsClassification ? 1 : dataset.Outputs);
        return Array.MaxLength / Math.Max(dataset.Steps * dataset.Features, targets);
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
        _uploaded?.Dispose();
    }

    /// <summary>A data set may be anyone's. The limits let a batch of one sample fit into arrays, so that no product of sizes overflows.</summary>
    private static void CheckSequences(Dataset dataset)
    {
        Require(dataset.Steps, 1, Array.MaxLength, nameof(dataset.Steps));
        Require(dataset.Features, 1, Array.MaxLength / dataset.Steps, nameof(dataset.Features));
        Require(dataset.TargetSteps, 1, dataset.Steps, nameof(dataset.TargetSteps));
        Require(dataset.Outputs, 1, dataset.IsClassification ? int.MaxValue : Array.MaxLength / dataset.TargetSteps, nameof(dataset.Outputs));
    }

    private static void Require(long value, long minimum, long maximum, string property) =>
        Check.InRange(value, minimum, maximum, $"dataset.{property}");

    private long Begin(int epoch)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (_order is not null)
        {
            RandomNumbers.Permutation(_seed, ortho_stream.ORTHO_STREAM_SHUFFLE, (uint)epoch, _order);
        }

        _uploaded?.Reset();
        return ++_enumeration;
    }

    private void ThrowUnlessCurrent(long enumeration)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (enumeration != _enumeration)
        {
            throw new InvalidOperationException("Another epoch of this data loader was begun; its batches share one memory.");
        }
    }

    private Batch Load(long enumeration, long index)
    {
        ThrowUnlessCurrent(enumeration);
        if (_uploaded is not null)
        {
            return _uploaded.Take(index);
        }

        Batch batch = index < _fullBatches ? _full! : _rest!;
        using BufferScope inputs = batch.Inputs.BorrowToWrite();
        using BufferScope values = Tensor.BorrowToWrite(batch.Values);
        Read(index, batch, inputs.Address, values.Address);
        return batch;
    }

    /// <summary>Reads a batch into the host's memory.</summary>
    /// <param name="index">Number in the epoch.</param>
    /// <param name="batch">Tells the sizes; its classes are written.</param>
    /// <param name="inputs">[T, B, D] of the batch's element type, written.</param>
    /// <param name="values">[K, B, C] of the batch's element type, written; null if the targets are classes.</param>
    private void Read(long index, Batch batch, void* inputs, void* values)
    {
        long first = index * BatchSize;
        Span<long> samples = _samples.AsSpan(0, (int)batch.Size);
        for (int i = 0; i < samples.Length; i++)
        {
            samples[i] = _order is null ? first + i : _order[first + i];
        }

        int inputCount = (int)batch.Inputs.Count;
        int valueCount = checked((int)(batch.Values?.Count ?? 0));
        if (_inputs is null)
        {
            _dataset.Read(samples, new Span<float>(inputs, inputCount), batch.ClassBuffer, new Span<float>(values, valueCount));
        }
        else
        {
            Span<float> singleInputs = _inputs.AsSpan(0, inputCount);
            Span<float> singleValues = _values.AsSpan(0, valueCount);
            _dataset.Read(samples, singleInputs, batch.ClassBuffer, singleValues);
            Widen(singleInputs, (double*)inputs);
            Widen(singleValues, (double*)values);
        }
    }

    private static void Widen(ReadOnlySpan<float> source, double* destination)
    {
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

        /// <summary>Begins the epoch; an epoch of the same loader that was begun before cannot continue.</summary>
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

        /// <summary>The batch that the last <see cref="MoveNext"/> read; valid until the next one, and until another epoch is begun.</summary>
        /// <exception cref="InvalidOperationException">
        /// There is none: <see cref="MoveNext"/> has not been called, has failed or has returned false, or another epoch was begun.
        /// </exception>
        /// <exception cref="ObjectDisposedException">The loader was disposed.</exception>
        public readonly Batch Current
        {
            get
            {
                _loader.ThrowUnlessCurrent(_enumeration);
                return _current ?? throw new InvalidOperationException("There is no batch: MoveNext has not been called, has failed, or has reached the end of the epoch.");
            }
        }

        /// <summary>Leaves out the next batches, without reading them: to continue within an epoch.</summary>
        /// <param name="batches">The number of batches, from 0 to those that are left.</param>
        /// <exception cref="ArgumentOutOfRangeException"><paramref name="batches"/> is out of range.</exception>
        public void Skip(long batches)
        {
            Check.InRange(batches, 0, _loader.BatchesPerEpoch - _next);
            _next += batches;
        }

        /// <summary>Reads the next batch. Where <see cref="Dataset.Read"/> throws, the next call reads the same batch again.</summary>
        /// <returns>False: the epoch is over.</returns>
        /// <exception cref="InvalidOperationException">Another epoch of the loader was begun.</exception>
        /// <exception cref="ObjectDisposedException">The loader was disposed.</exception>
        public bool MoveNext()
        {
            _current = null;
            if (_next == _loader.BatchesPerEpoch)
            {
                return false;
            }

            _current = _loader.Load(_enumeration, _next);
            _next++;
            return true;
        }
    }
}
