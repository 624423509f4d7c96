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

    /// <summary>Where the batches lie; null (the default): <see cref="Device.Default"/>.</summary>
    public Device? Device { get; init; }

    /// <summary>Element type of the batches: <see cref="DType.Float32"/> (the default) or <see cref="DType.Float64"/>. Indices are Int32 whatever it is.</summary>
    public DType DType { get; init; } = DType.Float32;
}
