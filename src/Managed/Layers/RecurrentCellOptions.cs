namespace OrthoNative;

/// <summary>Options that <see cref="Elman"/>, <see cref="Gru"/> and <see cref="Lstm"/> share.</summary>
/// <remarks>
/// By default, weights start as PyTorch's. The one bias of <see cref="Elman"/> replaces two of PyTorch; <see cref="Lstm"/> adds a forget bias of 1.
/// </remarks>
public abstract record RecurrentCellOptions
{
    private protected RecurrentCellOptions() { }

    /// <summary>Which states are the output. Default <see cref="SequenceOutput.Last"/>.</summary>
    public SequenceOutput Output { get; init; }

    /// <summary>s, not negative: W starts uniform in ± s / √N. Default 1.</summary>
    public double WeightScale { get; init; } = 1;

    /// <summary>s, not negative: V starts uniform in ± s / √N. Default 1.</summary>
    public double InputScale { get; init; } = 1;

    /// <summary>s, not negative: all biases start uniform in ± s / √N. Default 1.</summary>
    public double BiasScale { get; init; } = 1;

    /// <summary>Factor of the learning rate of W, not negative. Default 1.</summary>
    public double WeightLearningRateScale { get; init; } = 1;

    /// <summary>Factor of the learning rate of V, not negative. Default 1.</summary>
    public double InputLearningRateScale { get; init; } = 1;

    /// <summary>Factor of the learning rate of all biases, not negative. Default 1.</summary>
    public double BiasLearningRateScale { get; init; } = 1;

    /// <summary>Which states are kept for the backward pass. Null, the default: all.</summary>
    public Checkpointing? Checkpointing { get; init; }

    /// <summary>Adds the options to a layer's description.</summary>
    internal LayerDescription Describe(LayerDescription description)
    {
        Output.Describe(description);
        (Checkpointing ?? OrthoNative.Checkpointing.None).Describe(description);
        description
            .Add("weight_scale", WeightScale).Add("input_scale", InputScale).Add("bias_scale", BiasScale)
            .Add("weight_learning_rate_scale", WeightLearningRateScale).Add("input_learning_rate_scale", InputLearningRateScale)
            .Add("bias_learning_rate_scale", BiasLearningRateScale);
        return this is GatedCellOptions gated ? description.Add("recurrent_bias", gated.RecurrentBias) : description;
    }

    /// <summary>Options with those that a file has.</summary>
    internal static T Read<T>(T options, LayerReader reader) where T : RecurrentCellOptions => options with
    {
        Output = SequenceOutput.Read(reader),
        Checkpointing = OrthoNative.Checkpointing.Read(reader),
        WeightScale = reader.GetDouble("weight_scale"),
        InputScale = reader.GetDouble("input_scale"),
        BiasScale = reader.GetDouble("bias_scale"),
        WeightLearningRateScale = reader.GetDouble("weight_learning_rate_scale"),
        InputLearningRateScale = reader.GetDouble("input_learning_rate_scale"),
        BiasLearningRateScale = reader.GetDouble("bias_learning_rate_scale"),
    };

    /// <summary>Refuses values that are out of range.</summary>
    /// <param name="options">Those of a layer.</param>
    /// <returns>The options.</returns>
    internal static T Checked<T>(T options) where T : RecurrentCellOptions
    {
        Check.NotNegative(options.WeightScale);
        Check.NotNegative(options.InputScale);
        Check.NotNegative(options.BiasScale);
        Check.NotNegative(options.WeightLearningRateScale);
        Check.NotNegative(options.InputLearningRateScale);
        Check.NotNegative(options.BiasLearningRateScale);
        return options;
    }

    /// <summary>The parameters of a layer with these options: W, b and V.</summary>
    /// <param name="inputSize">D.</param>
    /// <param name="hiddenSize">N.</param>
    /// <param name="gates">G.</param>
    /// <param name="recurrentBias">True for a second bias.</param>
    /// <param name="offset">Added to a part of b.</param>
    internal IReadOnlyList<ParameterDefinition> Definitions(
        long inputSize, long hiddenSize, int gates, bool recurrentBias = false, BiasOffset? offset = null)
    {
        double unit = 1 / Math.Sqrt(hiddenSize);
        long rows = gates * hiddenSize;
        long[] biasShape = recurrentBias ? [2, rows] : [rows];
        ParameterDefinition bias = Uniform("bias", biasShape, BiasScale * unit, BiasLearningRateScale, nameof(BiasScale)) with { Role = ParameterRole.Bias };
        return
        [
            Uniform("weight", [rows, hiddenSize], WeightScale * unit, WeightLearningRateScale, nameof(WeightScale)) with { Role = ParameterRole.RecurrentWeight },
            offset is null ? bias : bias.WithOffset(offset),
            Uniform("input_weight", [rows, inputSize], InputScale * unit, InputLearningRateScale, nameof(InputScale)),
        ];

        static ParameterDefinition Uniform(string name, long[] shape, double radius, double learningRateScale, string option) =>
            ParameterDefinition.Uniform(name, shape, 0, radius) with { LearningRateScale = learningRateScale, Options = option };
    }
}

/// <summary>Options that the layers with gates, <see cref="Gru"/> and <see cref="Lstm"/>, share.</summary>
public abstract record GatedCellOptions : RecurrentCellOptions
{
    private protected GatedCellOptions() { }

    /// <summary>
    /// Gives each gate two biases, that of the inputs and that of the state, as PyTorch does: <c>bias</c> is <c>[2, G N]</c>. False: one,
    /// <c>[G N]</c>. Default true, so that weights can be exchanged with PyTorch and train alike.
    /// </summary>
    public bool RecurrentBias { get; init; } = true;
}
