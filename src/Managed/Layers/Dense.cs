namespace OrthoNative;

/// <summary>A linear layer, y = A x + c, over the last dimension of its inputs.</summary>
/// <remarks>
/// Inputs <c>[..., inputs]</c> give outputs <c>[..., outputs]</c>. Parameters: <c>weight</c> A <c>[outputs, inputs]</c> and,
/// unless turned off, <c>bias</c> c <c>[outputs]</c>.
/// </remarks>
public sealed class Dense : Layer
{
    private const long MaximumSize = 1 << 20;

    private readonly DenseOptions _options;

    /// <summary>Describes a layer; memory comes with the model.</summary>
    /// <param name="inputs">Number of inputs, 1 to 1048576.</param>
    /// <param name="outputs">Number of outputs, 1 to 1048576.</param>
    /// <param name="options">Null: the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size or an option is out of range.</exception>
    public Dense(long inputs, long outputs, DenseOptions? options = null)
    {
        Check.InRange(inputs, 1, MaximumSize);
        Check.InRange(outputs, 1, MaximumSize);
        options ??= new DenseOptions();
        DenseOptions.Check(options);
        InputSize = inputs;
        OutputSize = outputs;
        _options = options;
    }

    /// <inheritdoc/>
    public override long InputSize { get; }

    /// <inheritdoc/>
    public override long OutputSize { get; }

    /// <inheritdoc/>
    protected internal override IReadOnlyList<ParameterDefinition> Definitions => _options.Definitions(OutputSize, InputSize);

    /// <inheritdoc/>
    protected internal override LayerDescription Describe() => _options.Describe(new LayerDescription(nameof(Dense)).Add("inputs", InputSize).Add("outputs", OutputSize));

    internal static Dense Read(LayerReader reader) => new(reader.GetInt64("inputs"), reader.GetInt64("outputs"), DenseOptions.Read(reader));

    /// <summary>The layer in a few words: <c>Dense 784 -> 64</c>.</summary>
    public override string ToString() => $"{nameof(Dense)} {InputSize} -> {OutputSize}";

    private Parameter Weight => Parameters[0];

    private Parameter? Bias => _options.Bias ? Parameters[1] : null;

    /// <inheritdoc/>
    protected internal override bool IsStepwise => true;

    /// <inheritdoc/>
    protected internal override Tensor Forward(in ForwardContext context, Tensor inputs)
    {
        RowsOf(inputs);
        Span<long> shape = stackalloc long[inputs.Rank];
        inputs.Shape.CopyTo(shape);
        shape[^1] = OutputSize;
        Tensor outputs = context.Outputs(shape);
        DenseProducts.Forward(context.Device, inputs, Weight, Bias, outputs);
        return outputs;
    }

    /// <inheritdoc/>
    protected internal override void Backward(in BackwardContext context, Tensor outputGradient, Tensor? inputGradient) =>
        DenseProducts.Backward(context, context.Inputs, outputGradient, Weight, Bias, inputGradient);
}
