using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>
/// The feedforward network of random orthogonal additive filters (roaFNN):
/// x_l = α O x_{l-1} + β φ(W_l x_{l-1} + b_l), l = 1..L.
/// </summary>
/// <remarks>
/// Inputs and outputs <c>[..., N]</c>. Parameters: <c>weight</c> W <c>[L, N, N]</c> and <c>bias</c> b <c>[L, N]</c>. O is
/// orthogonal and fixed: one for all layers, or one for each (<see cref="RoaFnnOptions.FilterPerLayer"/>).
/// </remarks>
public sealed unsafe class RoaFnn : ChainLayer
{
    /// <summary>Number of layers up to which all states are kept by default; in deeper networks they are recomputed in chunks.</summary>
    public const long DeepLayers = 256;

    private readonly RoaFnnOptions _options;

    /// <summary>Describes a layer; memory comes with the model.</summary>
    /// <param name="hiddenSize">Number of units N, 1 to 65536.</param>
    /// <param name="layers">Number of layers L, 1 to 2147483647.</param>
    /// <param name="options">Null: the defaults, among them β = 1 / L.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size or an option is out of range.</exception>
    /// <exception cref="ArgumentException">α, β or a given filter do not match the sizes.</exception>
    public RoaFnn(long hiddenSize, long layers, RoaFnnOptions? options = null)
        : base(hiddenSize, (options = Resolve(options, layers)).Checkpointing, new FilterCell(hiddenSize, options, options.FilterPerLayer ? layers : 1))
    {
        Layers = layers;
        _options = options;
    }

    /// <summary>Number of layers L.</summary>
    public long Layers { get; }

    /// <summary>α, the factor of the filtered state: one number, or one for each unit.</summary>
    public UnitValues Alpha => Filters!.Alpha;

    /// <summary>β, the factor of the nonlinearity: one number, or one for each unit.</summary>
    public UnitValues Beta => Filters!.Beta;

    /// <summary>The nonlinearity φ.</summary>
    public Activation Activation => _options.Activation;

    /// <inheritdoc/>
    public override long InputSize => HiddenSize;

    /// <inheritdoc/>
    protected internal override IReadOnlyList<ParameterDefinition> Definitions =>
        Filters!.Definitions([Layers, HiddenSize, HiddenSize], [Layers, HiddenSize]);

    private Parameter Weight => Parameters[0];

    private Parameter Bias => Parameters[1];

    /// <summary>The options that the layer was made with, with everything filled in that follows from the depth.</summary>
    internal RoaFnnOptions Options => _options;

    internal override long FilterStreams => Filters!.Filter.Streams * (_options.FilterPerLayer ? Layers : 1);

    /// <summary>A copy of an orthogonal matrix O, <c>[N, N]</c>, in double precision as it was drawn.</summary>
    /// <param name="layer">Which layer's, from 0, with <see cref="RoaFnnOptions.FilterPerLayer"/>; otherwise 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such layer.</exception>
    /// <exception cref="InvalidOperationException">The layer is not part of a model yet.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public double[,] GetFilter(long layer = 0)
    {
        Check.InRange(layer, 0, _options.FilterPerLayer ? Layers - 1 : 0);
        return CopyFilter(layer);
    }

    /// <summary>Tells how much memory a forward pass would keep, before it is made.</summary>
    /// <param name="batch">Rows B, at least 1.</param>
    /// <param name="training">True if a backward pass follows.</param>
    /// <returns>Bytes, outputs not among them.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="batch"/> is less than 1.</exception>
    /// <exception cref="InvalidOperationException">The layer is not part of a model yet.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public long GetStateBytes(long batch, bool training = true)
    {
        Check.AtLeast(batch, 1);
        return StateBytes(0, batch, training);
    }

    /// <inheritdoc/>
    protected internal override LayerDescription Describe() => _options.Describe(new LayerDescription(nameof(RoaFnn))
        .Add("hidden_size", HiddenSize).Add("layers", Layers).Add("filter_per_layer", _options.FilterPerLayer));

    internal static RoaFnn Read(LayerReader reader) => new(
        reader.GetInt64("hidden_size"),
        reader.GetInt64("layers"),
        FilterChainOptions.Read(new RoaFnnOptions(), reader) with { FilterPerLayer = reader.GetBoolean("filter_per_layer") });

    /// <summary>The layer in a few words: <c>RoaFnn 50000 layers of 64 units</c>.</summary>
    public override string ToString() => $"{nameof(RoaFnn)} {Layers} layers of {HiddenSize} units";

    /// <inheritdoc/>
    protected internal override bool ReadsInputsAgain => false;

    /// <inheritdoc/>
    protected internal override bool IsStepwise => true;

    /// <inheritdoc/>
    protected internal override Tensor Forward(in ForwardContext context, Tensor inputs)
    {
        long rows = RowsOf(inputs);
        Tensor outputs = context.Outputs(inputs.Shape);
        using BufferScope weight = Weight.Value.Borrow();
        using BufferScope bias = Bias.Value.Borrow();
        using BufferScope initial = inputs.Borrow();
        using BufferScope x = outputs.BorrowToWrite();
        using HandleScope<ortho_chain> chain = Chain.Borrow();
        ThrowOnFailure(
            NativeMethods.ortho_chain_forward(
                chain.Pointer, 0, rows, null, null, 1, context.Training ? 1 : 0,
                weight.Address, null, bias.Address, null, initial.Address, x.Address, null),
            nameof(inputs));
        Chain.AddStatePressure(StateBytes(0, rows, context.Training));
        return outputs;
    }

    /// <inheritdoc/>
    protected internal override void Backward(in BackwardContext context, Tensor outputGradient, Tensor? inputGradient)
    {
        using BufferScope weight = Weight.Value.Borrow();
        using BufferScope bias = Bias.Value.Borrow();
        using BufferScope xGradient = outputGradient.Borrow();
        using BufferScope weightGradient = Weight.Gradient.BorrowToWrite();
        using BufferScope biasGradient = Bias.Gradient.BorrowToWrite();
        using BufferScope initialGradient = Tensor.BorrowToWrite(inputGradient);
        using HandleScope<ortho_chain> chain = Chain.Borrow();
        ThrowOnFailure(
            NativeMethods.ortho_chain_backward(
                chain.Pointer, context.Accumulate ? 1 : 0,
                weight.Address, null, bias.Address, null, xGradient.Address, null,
                weightGradient.Address, null, biasGradient.Address, null, initialGradient.Address),
            nameof(outputGradient));
    }

    /// <inheritdoc/>
    protected internal override long GetActivationBytes(long steps, long batch) =>
        GetStateBytes(steps * batch) + (steps * batch * OutputSize * Owner.DType.Bytes());

    internal override long GradientSumBytes(long steps, long batch) => SumBytes(0, steps * batch);

    private static RoaFnnOptions Resolve(RoaFnnOptions? options, long layers)
    {
        Check.InRange(layers, 1, int.MaxValue);
        return (options ?? new RoaFnnOptions()).For(layers);
    }

    private protected override ortho_chain_options Kind => new()
    {
        model = (int)ortho_chain_model.ORTHO_FEEDFORWARD,
        layers = Layers,
        filter_per_layer = _options.FilterPerLayer ? 1 : 0,
    };

    /// <inheritdoc/>
    protected internal override IEnumerable<KeyValuePair<string, string>> Settings => Filters!.Settings(HasFilterPerLayer);

    private protected override string Describe(in NativeError error) =>
        error.Argument == "initial" ? $"{Element("inputs", error)}{InputPlace} {error.Problem}" : base.Describe(error);
}
