namespace OrthoNative;

/// <summary>Options of a <see cref="Dense"/> layer, and of others that multiply with a matrix: <see cref="GatedLinear"/>, <see cref="Conv1D"/>.</summary>
public sealed record DenseOptions
{
    /// <summary>Gives the layer a bias. Default true.</summary>
    public bool Bias { get; init; } = true;

    /// <summary>s, not negative: A starts uniform in ± s / √inputs. Default 1.</summary>
    public double WeightScale { get; init; } = 1;

    /// <summary>s, not negative: c starts uniform in ± s / √inputs. Default 1.</summary>
    public double BiasScale { get; init; } = 1;

    /// <summary>Factor of the learning rate of A, not negative. Default 1.</summary>
    public double WeightLearningRateScale { get; init; } = 1;

    /// <summary>Factor of the learning rate of c, not negative. Default 1.</summary>
    public double BiasLearningRateScale { get; init; } = 1;

    /// <summary>Refuses values that are out of range.</summary>
    internal static void Check(DenseOptions options)
    {
        OrthoNative.Check.NotNegative(options.WeightScale);
        OrthoNative.Check.NotNegative(options.BiasScale);
        OrthoNative.Check.NotNegative(options.WeightLearningRateScale);
        OrthoNative.Check.NotNegative(options.BiasLearningRateScale);
    }

    /// <summary>Adds the options to a layer's description.</summary>
    internal LayerDescription Describe(LayerDescription description) => description
        .Add("bias", Bias).Add("weight_scale", WeightScale).Add("bias_scale", BiasScale)
        .Add("weight_learning_rate_scale", WeightLearningRateScale).Add("bias_learning_rate_scale", BiasLearningRateScale);

    /// <summary>The options that a file has.</summary>
    internal static DenseOptions Read(LayerReader reader) => new()
    {
        Bias = reader.GetBoolean("bias"),
        WeightScale = reader.GetDouble("weight_scale"),
        BiasScale = reader.GetDouble("bias_scale"),
        WeightLearningRateScale = reader.GetDouble("weight_learning_rate_scale"),
        BiasLearningRateScale = reader.GetDouble("bias_learning_rate_scale"),
    };

    /// <summary>A and c of a layer with these options.</summary>
    /// <param name="outputs">Rows of A.</param>
    /// <param name="shape">The other sizes of A; their product is the number of inputs.</param>
    internal IReadOnlyList<ParameterDefinition> Definitions(long outputs, params ReadOnlySpan<long> shape)
    {
        long inputs = 1;
        foreach (long size in shape)
        {
            inputs *= size;
        }

        double unit = 1 / Math.Sqrt(inputs);
        ParameterDefinition weight = ParameterDefinition.Uniform("weight", [outputs, .. shape], 0, WeightScale * unit) with
        {
            LearningRateScale = WeightLearningRateScale,
            Options = nameof(WeightScale),
        };
        return Bias
            ? [weight, ParameterDefinition.Uniform("bias", [outputs], 0, BiasScale * unit) with { Role = ParameterRole.Bias, LearningRateScale = BiasLearningRateScale, Options = nameof(BiasScale) }]
            : [weight];
    }
}
