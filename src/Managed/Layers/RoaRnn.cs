using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>
/// The recurrent network of random orthogonal additive filters (roaRNN):
/// x_t = α O x_{t-1} + β φ(W x_{t-1} + V u_t + b).
/// </summary>
/// <remarks>
/// Inputs <c>[T, B, D]</c>; outputs by <see cref="RoaRnnOptions.Output"/>. Parameters: <c>weight</c> W <c>[N, N]</c>,
/// <c>bias</c> b <c>[N]</c> and <c>input_weight</c> V <c>[N, D]</c>. O is orthogonal and fixed.
/// </remarks>
public sealed class RoaRnn : RecurrentLayer
{
    private readonly RoaRnnOptions _options;

    /// <summary>Describes a layer; memory comes with the model.</summary>
    /// <param name="inputSize">Number of inputs D at a step, 1 to 1048576.</param>
    /// <param name="hiddenSize">Number of units N, 1 to 65536.</param>
    /// <param name="options">Null: the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size or an option is out of range.</exception>
    /// <exception cref="ArgumentException">α, β or a given filter do not match <paramref name="hiddenSize"/>.</exception>
    public RoaRnn(long inputSize, long hiddenSize, RoaRnnOptions? options = null)
        : base(
            inputSize, hiddenSize, (options ??= new RoaRnnOptions()).Output, options.Checkpointing, new FilterCell(hiddenSize, options, matrices: 1))
    {
        Check.NotNegative(options.InputScale);
        Check.Finite(options.InputOffset);
        Check.NotNegative(options.InputLearningRateScale);
        _options = options;
    }

    /// <summary>α, the factor of the filtered state: one number, or one for each unit.</summary>
    public UnitValues Alpha => Filters!.Alpha;

    /// <summary>β, the factor of the nonlinearity: one number, or one for each unit.</summary>
    public UnitValues Beta => Filters!.Beta;

    /// <summary>The nonlinearity φ.</summary>
    public Activation Activation => _options.Activation;

    /// <inheritdoc/>
    protected internal override IReadOnlyList<ParameterDefinition> Definitions =>
    [
        .. Filters!.Definitions([HiddenSize, HiddenSize], [HiddenSize]),
        ParameterDefinition.Uniform("input_weight", [HiddenSize, InputSize], _options.InputOffset, _options.InputScale) with
        {
            LearningRateScale = _options.InputLearningRateScale,
            Options = $"{nameof(RoaRnnOptions.InputOffset)} and {nameof(RoaRnnOptions.InputScale)}",
        },
    ];

    /// <inheritdoc/>
    protected internal override LayerDescription Describe()
    {
        LayerDescription description = new LayerDescription(nameof(RoaRnn)).Add("input_size", InputSize).Add("hidden_size", HiddenSize);
        _options.Output.Describe(description);
        return _options.Describe(description)
            .Add("input_scale", _options.InputScale).Add("input_offset", _options.InputOffset).Add("input_learning_rate_scale", _options.InputLearningRateScale);
    }

    internal static RoaRnn Read(LayerReader reader) => new(
        reader.GetInt64("input_size"),
        reader.GetInt64("hidden_size"),
        FilterChainOptions.Read(new RoaRnnOptions(), reader) with
        {
            Output = SequenceOutput.Read(reader),
            InputScale = reader.GetDouble("input_scale"),
            InputOffset = reader.GetDouble("input_offset"),
            InputLearningRateScale = reader.GetDouble("input_learning_rate_scale"),
        });

    /// <summary>The options that the layer was made with.</summary>
    internal RoaRnnOptions Options => _options;

    internal override long FilterStreams => Filters!.Filter.Streams;

    /// <summary>A copy of the orthogonal matrix O, <c>[N, N]</c>, in double precision as it was drawn.</summary>
    /// <exception cref="InvalidOperationException">The layer is not part of a model yet.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public double[,] GetFilter() => CopyFilter(0);

    private protected override ortho_chain_options Kind => new() { model = (int)ortho_chain_model.ORTHO_RECURRENT, input_size = InputSize };

    /// <inheritdoc/>
    protected internal override IEnumerable<KeyValuePair<string, string>> Settings => Filters!.Settings(perLayer: false);
}
