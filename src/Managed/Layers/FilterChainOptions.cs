namespace OrthoNative;

/// <summary>Options that recurrent and feedforward layers of orthogonal additive filters share.</summary>
public abstract record FilterChainOptions
{
    private protected FilterChainOptions() { }

    /// <summary>α, the factor of the filtered state: one number, or one for each unit. Default 1.</summary>
    public UnitValues Alpha { get; init; } = 1;

    /// <summary>
    /// β, the factor of the nonlinearity: one number, or one for each unit. Default 0.05; without values, as <see cref="RoaFnnOptions"/>
    /// has it by default, β follows from the depth.
    /// </summary>
    public UnitValues Beta { get; init; } = 0.05;

    /// <summary>The orthogonal matrix O. Default <see cref="Filter.Haar"/>.</summary>
    public Filter Filter { get; init; } = Filter.Haar;

    /// <summary>The nonlinearity φ. Default <see cref="Activation.Tanh"/>.</summary>
    public Activation Activation { get; init; } = Activation.Tanh;

    /// <summary>g, not negative: W starts normal with mean 0 and standard deviation g / √N. Default 0.2.</summary>
    public double WeightScale { get; init; } = 0.2;

    /// <summary>s, not negative: b starts uniform in <see cref="BiasOffset"/> ± s. Default 1.</summary>
    public double BiasScale { get; init; } = 1;

    /// <summary>Mean that b starts with. Default 0.</summary>
    public double BiasOffset { get; init; }

    /// <summary>Factor of the learning rate of W, not negative. Default 1.</summary>
    public double WeightLearningRateScale { get; init; } = 1;

    /// <summary>Factor of the learning rate of b, not negative. Default 1.</summary>
    public double BiasLearningRateScale { get; init; } = 1;

    /// <summary>
    /// Which states are kept for the backward pass. Null, the default: every √L-th in a <see cref="RoaFnn"/> of more than
    /// <see cref="RoaFnn.DeepLayers"/> layers, otherwise all.
    /// </summary>
    public Checkpointing? Checkpointing { get; init; }

    private protected static UnitValues ConvexAlpha(UnitValues beta)
    {
        foreach (double value in beta.Span)
        {
            Check.That(value is >= 0 and <= 1, value, "from 0 to 1", nameof(beta));
        }

        return beta.Complement();
    }
}
