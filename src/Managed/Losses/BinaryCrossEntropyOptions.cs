namespace OrthoNative;

/// <summary>Options of <see cref="BinaryCrossEntropyLoss"/>.</summary>
public sealed record BinaryCrossEntropyOptions
{
    /// <summary>
    /// A weight for each output, finite and not negative, that the part of the loss with target 1 is multiplied by: n₀ / n₁ makes up for labels that are
    /// rare. Null, the default: all are 1.
    /// </summary>
    public IReadOnlyList<double>? PositiveWeights { get; init; }
}
