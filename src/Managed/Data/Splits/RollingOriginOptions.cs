namespace OrthoNative;

/// <summary>Options of <see cref="Split.RollingOrigin(SequenceData, RollingOriginOptions)"/>; all numbers are of samples.</summary>
public sealed record RollingOriginOptions
{
    /// <summary>Samples to learn from in the first fold, at least 1.</summary>
    public required long Initial { get; init; }

    /// <summary>Samples to judge by in each fold, at least 1.</summary>
    public required long Horizon { get; init; }

    /// <summary>Samples from the origin of a fold to that of the next one, at least 1; null (the default): <see cref="Horizon"/>.</summary>
    public long? Step { get; init; }

    /// <summary>
    /// Samples between those to learn from and those to judge by, which belong to neither, 0 or above: T + H - 1 for windows of T steps with H to forecast at a stride of 1, which share no step then.
    /// Default 0.
    /// </summary>
    public long Gap { get; init; }

    /// <summary>True: each fold learns from the last <see cref="Initial"/> samples before its origin; false (the default): from all before it.</summary>
    public bool Sliding { get; init; }
}
