namespace OrthoNative;

/// <summary>Options of sequences of pixels.</summary>
public sealed record PixelSequenceOptions
{
    /// <summary>Seed of the order in which all images are read; null (the default): row by row.</summary>
    public ulong? PermutationSeed { get; init; }

    /// <summary>
    /// Pixels read at a step, a divisor of their number. Default 1; with all pixels, the sequence is one step, and the image a vector.
    /// </summary>
    public int PixelsPerStep { get; init; } = 1;

    /// <summary>Subtracted from every pixel, where 255 counts as 1. Default: <see cref="PixelSequence.MnistMean"/>.</summary>
    public double Mean { get; init; } = PixelSequence.MnistMean;

    /// <summary>
    /// The number that every pixel is then divided by, above 0. Default: <see cref="PixelSequence.MnistStandardDeviation"/>.
    /// </summary>
    public double StandardDeviation { get; init; } = PixelSequence.MnistStandardDeviation;

    /// <summary>At most so many images are used, the first ones; null (the default): all.</summary>
    public long? Limit { get; init; }
}
