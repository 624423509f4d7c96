namespace OrthoNative;

/// <summary>Options of a data loader.</summary>
public sealed record DataLoaderOptions
{
    /// <summary>True: each epoch has a random order of its own; false (the default): the data set's order.</summary>
    public bool Shuffle { get; init; }

    /// <summary>Seed of the orders. Default 0.</summary>
    public ulong Seed { get; init; }

    /// <summary>True: leave out what does not fill a batch at the end; false (the default): make a smaller batch of it.</summary>
    public bool DropLast { get; init; }

    /// <summary>
    /// Number of batches whose samples are sorted by length together before they are cut into batches, so that samples of similar length share a
    /// batch and little of it is padding; at least 1. Default 1: samples are not sorted. 16 is a good number for lengths that differ
    /// much. If the loader shuffles, the full batches then come in a random order. The smaller batch at the end is not sorted.
    /// </summary>
    public int BucketBatches { get; init; } = 1;

    /// <summary>
    /// Number of batches that are read ahead on another thread while the caller works on one, 0 to 1024, on a CPU device; each takes the memory of a batch. Default 0: a batch is read when
    /// it is asked for. The batches are the same, and an exception of the data set is thrown when its batch is asked for. The data set is then read by threads of the
    /// thread pool and by the caller's, one at a time. On a GPU one batch is read ahead whatever the number is.
    /// </summary>
    public int Prefetch { get; init; }

    /// <summary>
    /// Number of loaders, one in each of several processes or devices, that share every batch; at least 1, at most the batch size. Default 1. Loaders of the same seed and data set have the same order, and each
    /// reads its part: batches of B samples are cut into parts of side by side samples whose sizes differ by at most one, the smaller batch at the end, too. It is left out if it
    /// has fewer samples than there are loaders.
    /// </summary>
    public int ShardCount { get; init; } = 1;

    /// <summary>Number of this loader's part, 0 to <see cref="ShardCount"/> - 1. Default 0.</summary>
    public int ShardIndex { get; init; }

    /// <summary>Where the batches lie; null (the default): <see cref="Device.Default"/>.</summary>
    public Device? Device { get; init; }

    /// <summary>Element type of the batches: <see cref="DType.Float32"/> (the default) or <see cref="DType.Float64"/>. Indices are Int32 whatever it is.</summary>
    public DType DType { get; init; } = DType.Float32;
}
