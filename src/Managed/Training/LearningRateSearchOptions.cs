namespace OrthoNative;

/// <summary>Options of <see cref="Trainer.FindLearningRate"/>.</summary>
public sealed record LearningRateSearchOptions
{
    /// <summary>Learning rate of the first step, above 0. Default 1e-6.</summary>
    public double Lowest { get; init; } = 1e-6;

    /// <summary>Learning rate of the last step, above <see cref="Lowest"/>. Default 1.</summary>
    public double Highest { get; init; } = 1;

    /// <summary>Number of steps, at least 10. The rate is multiplied by the same factor from one to the next. Default 100.</summary>
    public int Steps { get; init; } = 100;

    /// <summary>The search ends once the smoothed loss is this many times its lowest value; above 1. Default 4.</summary>
    public double StopFactor { get; init; } = 4;

    internal void Validate()
    {
        const string Name = "options";
        Check.Positive(Lowest, $"{Name}.{nameof(Lowest)}");
        Check.That(double.IsFinite(Highest) && Highest > Lowest, Highest, FormattableString.Invariant($"finite and above {nameof(Lowest)}, {Lowest}"), $"{Name}.{nameof(Highest)}");
        Check.AtLeast(Steps, 10, $"{Name}.{nameof(Steps)}");
        Check.That(double.IsFinite(StopFactor) && StopFactor > 1, StopFactor, "finite and above 1", $"{Name}.{nameof(StopFactor)}");
    }
}
