namespace OrthoNative;

/// <summary>Ends a training whose validation does not improve any more.</summary>
public sealed record EarlyStopping
{
    /// <summary>Validations in a row without an improvement after which training ends; at least 1. Default 10.</summary>
    public int Patience { get; init; } = 10;

    /// <summary>By how much a value has to be better than the best one before to count as an improvement; finite and not negative. Default 0.</summary>
    public double MinimumChange { get; init; }

    internal void Validate(string name)
    {
        Check.AtLeast(Patience, 1, $"{name}.{nameof(Patience)}");
        Check.NotNegative(MinimumChange, $"{name}.{nameof(MinimumChange)}");
    }
}
