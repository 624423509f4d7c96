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

    /// <summary>Adds the options to a layer's description.</summary>
    internal LayerDescription Describe(LayerDescription description)
    {
        (Checkpointing ?? OrthoNative.Checkpointing.None).Describe(description);
        return description
            .Add("alpha", Alpha.Span).Add("beta", Beta.Span).Add("filter", Filter.Describe()).Add("activation", Activation.ToString())
            .Add("weight_scale", WeightScale).Add("bias_scale", BiasScale).Add("bias_offset", BiasOffset)
            .Add("weight_learning_rate_scale", WeightLearningRateScale).Add("bias_learning_rate_scale", BiasLearningRateScale);
    }

    /// <summary>Options with those that a file has.</summary>
    internal static T Read<T>(T options, LayerReader reader) where T : FilterChainOptions => options with
    {
        Checkpointing = OrthoNative.Checkpointing.Read(reader),
        Alpha = reader.GetDoubles("alpha"),
        Beta = reader.GetDoubles("beta"),
        Filter = Filter.Read(reader.GetPart("filter")),
        Activation = reader.GetEnum<Activation>("activation"),
        WeightScale = reader.GetDouble("weight_scale"),
        BiasScale = reader.GetDouble("bias_scale"),
        BiasOffset = reader.GetDouble("bias_offset"),
        WeightLearningRateScale = reader.GetDouble("weight_learning_rate_scale"),
        BiasLearningRateScale = reader.GetDouble("bias_learning_rate_scale"),
    };

    private protected static UnitValues ConvexAlpha(UnitValues beta)
    {
        foreach (double value in beta.Span)
        {
            Check.That(value is >= 0 and <= 1, value, "from 0 to 1", nameof(beta));
        }

        return beta.Complement();
    }
}
