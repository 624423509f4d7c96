using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Reads a data set batch by batch.</summary>
/// <remarks>
/// <para>
/// The tensors of a batch are reused, and reading a batch makes no managed allocation. The order of the samples in an epoch
/// depends on the seed and the epoch's number alone. A loader is used by one thread at a time.
/// </para>
/// <para>
/// Where the data set has lengths, a batch is as long as its longest sample; <see cref="DataLoaderOptions.BucketBatches"/> puts samples of similar
/// length together. The memory is that of the data set's longest sample.
/// </para>
/// <para>
/// An exception of the data set ends the call, not the epoch: the next <see cref="Enumerator.MoveNext"/> reads that batch again.
/// </para>
/// <para>
/// With <see cref="DataLoaderOptions.Prefetch"/>, batches are read ahead on another thread. Where the batches lie on a GPU, each one is read while the GPU works on the one before it, and travels there meanwhile. An exception of
/// the data set is thrown when the batch that it concerns is asked for.
/// </para>
/// </remarks>
public sealed unsafe class DataLoader : IDisposable
{
    private const int MaximumPrefetch = 1024;

    private readonly Dataset _dataset;
    private readonly ulong _seed;
    private readonly bool _shuffle;
    private readonly bool _hasLengths;
    private readonly long _shortest;
    private readonly long _fullBatches;
    private readonly Batch? _full;
    private readonly Batch? _rest;
    private readonly UploadedBatches? _uploaded;
    private readonly PrefetchedBatches? _prefetched;
    private readonly long[]? _order;

    /// <summary>Keys to sort samples by; null: they are not sorted.</summary>
    private readonly long[]? _keys;

    /// <summary>Order of the full batches; null: as they come.</summary>
    private readonly long[]? _batchOrder;

    private readonly long[] _samples;
    private readonly float[]? _inputs;
    private readonly float[]? _values;
    private long _enumeration;
    private bool _disposed;

    /// <summary>Creates a loader and the memory for its batches.</summary>
    /// <param name="dataset">Where samples come from; referenced, not copied.</param>
    /// <param name="batchSize">Number B of samples in a batch, at least 1.</param>
    /// <param name="options">Order, buckets, device and element type. Null: the defaults.</param>
    /// <exception cref="ArgumentException">
    /// <paramref name="batchSize"/> is out of range, or the data set has fewer samples than it and the rest is dropped; or an option or a size that the
    /// data set gives is out of range.
    /// </exception>
    /// <exception cref="OutOfMemoryException">The batches do not fit into memory.</exception>
    public DataLoader(Dataset dataset, int batchSize, DataLoaderOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(dataset);
        options ??= new DataLoaderOptions();
        Check.AtLeast(batchSize, 1);
        Check.FloatingPoint(options.DType, $"{nameof(options)}.{nameof(options.DType)}");
        Check.AtLeast(options.BucketBatches, 1);
        Check.InRange(options.Prefetch, 0, MaximumPrefetch);
        Check.AtLeast(options.ShardCount, 1);
        Check.InRange(options.ShardIndex, 0, options.ShardCount - 1);
        if (batchSize < options.ShardCount)
        {
            throw new ArgumentOutOfRangeException(
                nameof(batchSize), batchSize, $"batchSize is {batchSize}; it must be at least {options.ShardCount}, {nameof(options)}.{nameof(options.ShardCount)}.");
        }

        // Asked for once: a data set that grows or shrinks later does not change the batches that there is memory for.
        long count = dataset.Count;
        _hasLengths = dataset.HasLengths;
        bool isSorted = _hasLengths && options.BucketBatches > 1;
        Require(count, 1, options.Shuffle || isSorted ? Array.MaxLength : long.MaxValue, nameof(dataset.Count));
        CheckSequences(dataset);
        _shortest = !dataset.HasTargets || dataset.TargetSteps == dataset.Steps ? 1 : dataset.TargetSteps;
        long fullBatches = count / batchSize;
        long rest = options.DropLast ? 0 : count % batchSize;
        if (rest < options.ShardCount)
        {
            rest = 0;
        }

        if (fullBatches == 0 && rest == 0)
        {
            if (!options.DropLast)
            {
                throw new ArgumentException(
                    $"{nameof(options)}.{nameof(options.ShardCount)} is {options.ShardCount}; the data set has {count} samples, so it must be at most as many.", nameof(options));
            }

            throw new ArgumentException(
                $"batchSize is {batchSize}; the data set has {count} samples, so with {nameof(options)}.{nameof(options.DropLast)} it must be at most as many.",
                nameof(batchSize));
        }

        // Of a batch, the loader has the part of its shard.
        (long fullFirst, long fullSize) = PartOf(batchSize, options);
        (long restFirst, long restSize) = PartOf(rest, options);
        long largest = fullBatches > 0 ? fullSize : restSize;
        long limit = GetLargestBatchSize(dataset);
        if (largest > limit)
        {
            string targets =
                dataset.HasClasses ? $" and {dataset.TargetSteps} classes" : dataset.HasValues ? $" and {dataset.TargetSteps} x {dataset.Outputs} values" : "";
            throw new ArgumentException(
                $"batchSize is {batchSize}; with sequences of {dataset.Steps} x {dataset.Features} inputs{targets} it must be at most {limit}.",
                nameof(batchSize));
        }

        _dataset = dataset;
        _seed = options.Seed;
        _shuffle = options.Shuffle;
        _fullBatches = fullBatches;
        BatchSize = batchSize;
        BatchesPerEpoch = fullBatches + (rest > 0 ? 1 : 0);
        Device device = options.Device ?? Device.Default;
        DType dtype = options.DType;
        _samples = new long[largest];
        if (_shuffle || isSorted)
        {
            _order = new long[count];
        }

        if (isSorted && fullBatches > 0)
        {
            _keys = new long[Math.Min(options.BucketBatches, fullBatches) * batchSize];
            _batchOrder = _shuffle ? new long[fullBatches] : null;
        }

        if (dtype != DType.Float32)
        {
            _inputs = dataset.InputType == DType.Int32 ? null : new float[dataset.Steps * largest * dataset.Features];
            _values = dataset.HasValues ? new float[dataset.TargetSteps * largest * dataset.Outputs] : null;
        }

        try
        {
            if (device.Kind != DeviceKind.Cpu)
            {
                _uploaded = new UploadedBatches(CreateFull, CreateRest, fullBatches, BatchesPerEpoch, Prepare, Read);
            }
            else if (Math.Min(options.Prefetch, BatchesPerEpoch - 1) is > 0 and long prefetch)
            {
                _prefetched = new PrefetchedBatches(CreateFull, CreateRest, (int)prefetch, fullBatches, BatchesPerEpoch, Load);
            }
            else
            {
                _full = CreateFull();
                _rest = CreateRest();
            }
        }
        catch
        {
            Dispose();
            throw;
        }

        Batch? CreateFull() => fullBatches > 0 ? new Batch(dataset, fullSize, fullFirst, device, dtype) : null;

        Batch? CreateRest() => rest > 0 ? new Batch(dataset, restSize, restFirst, device, dtype) : null;
    }

    /// <summary>Number B of samples in a batch, apart from a smaller last one; those of all shards together.</summary>
    public int BatchSize { get; }

    /// <summary>Number of batches in an epoch.</summary>
    public long BatchesPerEpoch { get; }

    /// <summary>Number of samples in an epoch.</summary>
    internal long SamplesPerEpoch => (_fullBatches * BatchSize) + (BatchesPerEpoch > _fullBatches ? _dataset.Count % BatchSize : 0);

    /// <summary>The most samples of a data set that fit into a batch, whatever memory there is.</summary>
    /// <param name="dataset">The data set.</param>
    /// <exception cref="ArgumentException">A size that the data set gives is out of range.</exception>
    internal static long GetLargestBatchSize(Dataset dataset)
    {
        ArgumentNullException.ThrowIfNull(dataset);
        CheckSequences(dataset);
        long targets = dataset.HasTargets ? dataset.TargetSteps * (dataset.IsClassification ? 1 : dataset.Outputs) : 0;
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
        _prefetched?.Dispose();
        _full?.Release();
        _rest?.Release();
        _uploaded?.Dispose();
    }

    /// <summary>A data set may be anyone's. The limits let a batch of one sample fit into arrays, so that no product of sizes overflows.</summary>
    internal static void CheckSequences(Dataset dataset)
    {
        Require(dataset.Steps, 1, Array.MaxLength, nameof(dataset.Steps));
        Require(dataset.Features, 1, Array.MaxLength / dataset.Steps, nameof(dataset.Features));
        if (dataset.InputType is not (DType.Float32 or DType.Int32))
        {
            throw new ArgumentException($"dataset.InputType is {dataset.InputType}; it must be {DType.Float32} or {DType.Int32}.", nameof(dataset));
        }

        if (!dataset.HasTargets)
        {
            return;
        }

        Require(dataset.TargetSteps, 1, dataset.Steps, nameof(dataset.TargetSteps));
        Require(dataset.Outputs, 1, dataset.IsClassification ? int.MaxValue : Array.MaxLength / dataset.TargetSteps, nameof(dataset.Outputs));
    }

    private static void Require(long value, long minimum, long maximum, string property) =>
        Check.InRange(value, minimum, maximum, $"dataset.{property}");

    /// <summary>First sample and size of the loader's part of a batch.</summary>
    private static (long First, long Size) PartOf(long batch, DataLoaderOptions options)
    {
        long first = batch * options.ShardIndex / options.ShardCount;
        return (first, (batch * (options.ShardIndex + 1) / options.ShardCount) - first);
    }

    /// <summary>Waits until nothing is read ahead, and lets nothing be until an epoch is begun.</summary>
    internal void Pause() => _prefetched?.Pause();

    private long Begin(int epoch)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);

        // First: if the data set throws, the order is that of no epoch. Nothing is read any more when the data set learns of the next one.
        _enumeration++;
        _uploaded?.Reset();
        _prefetched?.Reset();
        _dataset.BeginEpoch(epoch);
        if (_order is not null)
        {
            MakeOrder((uint)epoch);
        }

        return _enumeration;
    }

    private void MakeOrder(uint epoch)
    {
        Span<long> order = _order;
        if (_shuffle)
        {
            RandomNumbers.Permutation(_seed, ortho_stream.ORTHO_STREAM_SHUFFLE, epoch, order);
        }
        else
        {
            for (int i = 0; i < order.Length; i++)
            {
                order[i] = i;
            }
        }

        if (_keys is null)
        {
            return;
        }

        // The smaller batch at the end keeps its samples: sorted with the others, it would always have the longest.
        order = order[..(int)(_fullBatches * BatchSize)];
        while (!order.IsEmpty)
        {
            Span<long> bucket = order[..Math.Min(order.Length, _keys.Length)];
            Span<long> keys = _keys.AsSpan(0, bucket.Length);
            for (int i = 0; i < bucket.Length; i++)
            {
                // No two keys are equal, so the order is that of any way to sort.
                keys[i] = ((long)LengthOf(bucket[i]) << 32) + i;
            }

            keys.Sort(bucket);
            order = order[bucket.Length..];
        }

        if (_batchOrder is not null)
        {
            // Numbers of epochs are below 2^31: the upper half of the streams is free.
            RandomNumbers.Permutation(_seed, ortho_stream.ORTHO_STREAM_SHUFFLE, (1u << 31) + epoch, _batchOrder);
        }
    }

    /// <summary>Length of a sample, checked: a data set may be anyone's.</summary>
    private int LengthOf(long sample)
    {
        long length = _dataset.LengthOf(sample);
        return length >= _shortest && length <= _dataset.Steps
            ? (int)length
            : throw new InvalidOperationException(
                $"The data set has a sample of an invalid length: LengthOf({sample}) is {length}; it must be from {_shortest} " +
                $"({(_shortest == 1 ? "one step" : nameof(Dataset.TargetSteps))}) to {_dataset.Steps} ({nameof(Dataset.Steps)}).");
    }

    private void ThrowUnlessCurrent(long enumeration)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (enumeration != _enumeration)
        {
            throw new InvalidOperationException("Another epoch of this data loader was begun; its batches share one memory.");
        }
    }

    private Batch Take(long enumeration, long index)
    {
        ThrowUnlessCurrent(enumeration);
        if (_uploaded is not null)
        {
            return _uploaded.Take(index);
        }

        if (_prefetched is not null)
        {
            return _prefetched.Take(index);
        }

        Batch batch = index < _fullBatches ? _full! : _rest!;
        Load(index, batch);
        return batch;
    }

    /// <summary>Reads a batch into the host's memory.</summary>
    private void Load(long index, Batch batch)
    {
        Prepare(index, batch);
        using BufferScope inputs = batch.Inputs.BorrowToWrite();
        using BufferScope values = Tensor.BorrowToWrite(batch.Values);
        Read(batch, inputs.Address, values.Address);
    }

    /// <summary>Finds the samples of a batch, their lengths and so the shapes of its tensors.</summary>
    /// <param name="index">Number in the epoch.</param>
    /// <param name="batch">The batch.</param>
    private void Prepare(long index, Batch batch)
    {
        long first = ((_batchOrder is not null && index < _fullBatches ? _batchOrder[index] : index) * BatchSize) + batch.FirstSample;
        Span<long> samples = _samples.AsSpan(0, (int)batch.Size);
        for (int i = 0; i < samples.Length; i++)
        {
            samples[i] = _order is null ? first + i : _order[first + i];
        }

        if (_hasLengths)
        {
            Span<int> lengths = batch.LengthBuffer;
            for (int i = 0; i < samples.Length; i++)
            {
                lengths[i] = LengthOf(samples[i]);
            }

            batch.FitToLengths();
        }
    }

    /// <summary>Reads the batch that was prepared last into the host's memory.</summary>
    /// <param name="batch">Has the sizes; its classes and weights are written.</param>
    /// <param name="inputs">[T, B, D] of the inputs' element type, written.</param>
    /// <param name="values">[K, B, C] of the batch's element type, written; null if the targets are not values.</param>
    private void Read(Batch batch, void* inputs, void* values)
    {
        ReadOnlySpan<long> samples = _samples.AsSpan(0, (int)batch.Size);
        int inputCount = (int)batch.Inputs.Count;
        int valueCount = checked((int)(batch.Values?.Count ?? 0));
        Span<float> singleValues = _values is null ? new Span<float>(values, valueCount) : _values.AsSpan(0, valueCount);
        if (batch.Inputs.DType == DType.Int32)
        {
            var indices = new Span<int>(inputs, inputCount);
            _dataset.Read(samples, indices, batch.ClassBuffer, singleValues);
            ClearPadding(indices, batch);
        }
        else
        {
            Span<float> singleInputs = _inputs is null ? new Span<float>(inputs, inputCount) : _inputs.AsSpan(0, inputCount);
            _dataset.Read(samples, singleInputs, batch.ClassBuffer, singleValues);
            ClearPadding(singleInputs, batch);
            if (_inputs is not null)
            {
                Widen(singleInputs, (double*)inputs);
            }
        }

        if (!batch.WeightBuffer.IsEmpty)
        {
            _dataset.ReadWeights(samples, batch.WeightBuffer);
        }

        if (batch.HasPaddedTargets)
        {
            ClearPadding(batch.ClassBuffer, batch);
            ClearPadding(singleValues, batch);
            ClearPadding(batch.WeightBuffer, batch);
        }

        if (_values is not null)
        {
            Widen(singleValues, (double*)values);
        }
    }

    /// <summary>Sets what lies beyond the samples' lengths to zero.</summary>
    /// <param name="rows">[T, B, ...], or empty.</param>
    /// <param name="batch">Has the lengths.</param>
    private static void ClearPadding<T>(Span<T> rows, Batch batch)
    {
        ReadOnlySpan<int> lengths = batch.Lengths;
        int steps = (int)batch.Inputs.Shape[0];
        if (lengths.IsEmpty || rows.IsEmpty)
        {
            return;
        }

        int width = rows.Length / (steps * lengths.Length);
        for (int row = 0; row < lengths.Length; row++)
        {
            for (int step = lengths[row]; step < steps; step++)
            {
                rows.Slice(((step * lengths.Length) + row) * width, width).Clear();
            }
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

        /// <summary>Reads the next batch. Where the data set throws, the next call reads the same batch again.</summary>
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

            _current = _loader.Take(_enumeration, _next);
            _next++;
            return true;
        }
    }
}
