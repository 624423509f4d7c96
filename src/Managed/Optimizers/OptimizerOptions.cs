namespace OrthoNative;

/// <summary>Options that all optimizers share.</summary>
public abstract record OptimizerOptions
{
    private protected OptimizerOptions() { }

    /// <summary>Weight decay, not negative. Null, the default: 0.01 for <see cref="AdamW"/>, 0 for other optimizers.</summary>
    public double? WeightDecay { get; init; }

    /// <summary>Applies <see cref="WeightDecay"/> also to biases. Default false.</summary>
    public bool DecayBiases { get; init; }

    /// <summary>Parameters that are treated apart. Default none: all are treated alike.</summary>
    public IReadOnlyList<ParameterGroup> Groups { get; init; } = [];
}

/// <summary>Options of <see cref="Sgd"/>.</summary>
public sealed record SgdOptions : OptimizerOptions
{
    /// <summary>Momentum, 0 to 1, 1 excluded. Default 0.</summary>
    public double Momentum { get; init; }

    /// <summary>Uses Nesterov's momentum; it must then be above 0. Default false.</summary>
    public bool Nesterov { get; init; }
}

/// <summary>Options of <see cref="Adam"/> and <see cref="AdamW"/>.</summary>
public sealed record AdamOptions : OptimizerOptions
{
    /// <summary>β₁, the decay of the mean of gradients, 0 to 1, 1 excluded. Default 0.9.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>β₂, the decay of the mean of squared gradients, 0 to 1, 1 excluded. Default 0.999.</summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>
    /// ε, added to the root of the mean of squared gradients. Default 1e-8. At least 2·√(m / (1 - β₂)), where m is the smallest normal number
    /// of the model's type: 6.9e-18 in float32 with the default β₂. With less, squares that are too small for the type would count.
    /// </summary>
    public double Epsilon { get; init; } = 1e-8;
}
