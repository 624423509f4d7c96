namespace OrthoNative;

/// <summary>Random changes to samples: see <see cref="Dataset.Augment"/>. The defaults change nothing.</summary>
/// <remarks>
/// <para>
/// The changes follow one another in this order: crop, speed, shift, scaling, noise. The first three move steps; where every step has a target, targets and weights move along: values
/// are interpolated as inputs are, classes and weights are those of the nearest step. Targets of the last steps alone stay as they are. Scaling and noise leave targets as they are.
/// </para>
/// <para>
/// Features that tell which values are missing (<see cref="MissingValues.Mask"/>) are features as any others: where there are some, scaling and noise are given for each feature, 0 for these.
/// </para>
/// <para>T. Um et al.: Data augmentation of wearable sensor data (2017), describes changes of these kinds and what they are for.</para>
/// </remarks>
public sealed record AugmentationOptions
{
    /// <summary>
    /// Smallest part of a sequence that is kept, 0 to 1; the part's length and place are uniformly random. A part has at least <see cref="MinimumCropSteps"/> steps, and at
    /// least as many as have targets, if the sequence has them. Default 1: no crop.
    /// </summary>
    public double MinimumCropFraction { get; init; } = 1;

    /// <summary>Fewest steps of a part that is kept, at least 1; shorter sequences are kept whole. Default 1.</summary>
    public long MinimumCropSteps { get; init; } = 1;

    /// <summary>Smallest factor of speed, above 0. Default 1.</summary>
    public double MinimumSpeed { get; init; } = 1;

    /// <summary>
    /// Largest factor of speed, at least <see cref="MinimumSpeed"/>; the factor is uniformly random. A sequence of T steps becomes one of T / factor steps, rounded, but of no fewer than have
    /// targets. Its first and last step stay; those between them are interpolated linearly, indices taken from the nearest step. Default 1.
    /// </summary>
    public double MaximumSpeed { get; init; } = 1;

    /// <summary>
    /// The most steps by which a sequence is shifted, earlier or later, 0 or above; uniformly random, less than the sequence's length. Its length stays. Default 0.
    /// </summary>
    public long MaximumShift { get; init; }

    /// <summary>The inputs of steps that a shift leaves empty. Default <see cref="ShiftFill.Edge"/>.</summary>
    public ShiftFill ShiftFill { get; init; }

    /// <summary>
    /// Standard deviation of the factors of scaling, 0 or above, for all channels, or [D] for each: each channel of a sample is multiplied by a factor, normal with mean 1. Default empty: no scaling.
    /// </summary>
    public IReadOnlyList<double> ScaleDeviation { get; init; } = [];

    /// <summary>
    /// Standard deviation of the noise, 0 or above, for all channels, or [D] for each; normal numbers with mean 0 are added to every input. Default empty: no noise.
    /// </summary>
    public IReadOnlyList<double> NoiseDeviation { get; init; } = [];
}
