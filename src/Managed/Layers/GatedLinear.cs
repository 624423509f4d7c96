using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>A gated linear unit (Dauphin et al., arXiv 1612.08083): y = a ∘ σ(b) for the halves [a, b] = A x + c, with the logistic function σ.</summary>
/// <remarks>
/// Inputs <c>[..., inputs]</c> give outputs <c>[..., outputs]</c>. Parameters: <c>weight</c> A <c>[2 outputs, inputs]</c> and, unless turned off,
/// <c>bias</c> c <c>[2 outputs]</c>.
/// </remarks>
public sealed unsafe class GatedLinear : Layer
{
    private const long MaximumSize = 1 << 20;
    private const int Halves = 0;
    private const int HalvesGradient = 1;

    private readonly DenseOptions _options;

    /// <summary>Describes a layer; memory comes with the model.</summary>
    /// <param name="inputs">Number of inputs, 1 to 1048576.</param>
    /// <param name="outputs">Number of outputs, 1 to 1048576.</param>
    /// <param name="options">Null: the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size or an option is out of range.</exception>
    public GatedLinear(long inputs, long outputs, DenseOptions? options = null)
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
    protected internal override IReadOnlyList<ParameterDefinition> Definitions => _options.Definitions(2 * OutputSize, InputSize);

    private Parameter Weight => Parameters[0];

    private Parameter? Bias => _options.Bias ? Parameters[1] : null;

    /// <inheritdoc/>
    protected internal override LayerDescription Describe() => _options.Describe(new LayerDescription(nameof(GatedLinear)).Add("inputs", InputSize).Add("outputs", OutputSize));

    internal static GatedLinear Read(LayerReader reader) =>
        new(reader.GetInt64("inputs"), reader.GetInt64("outputs"), DenseOptions.Read(reader));

    /// <inheritdoc/>
    protected internal override bool IsStepwise => true;

    /// <inheritdoc/>
    protected internal override Tensor Forward(in ForwardContext context, Tensor inputs)
    {
        long rows = RowsOf(inputs);
        Tensor halves = context.Buffer(Halves, rows, 2 * OutputSize);
        DenseProducts.Forward(context.Device, inputs, Weight, Bias, halves);
        Span<long> shape = stackalloc long[inputs.Rank];
        inputs.Shape.CopyTo(shape);
        shape[^1] = OutputSize;
        Tensor outputs = context.Outputs(shape);
        using BufferScope x = halves.Borrow();
        using BufferScope y = outputs.BorrowToWrite();
        using HandleScope<ortho_device> device = context.Device.Handle.Borrow();
        NativeMethods.ortho_gate_forward(device.Pointer, context.DType.ToNative(), rows, OutputSize, x.Address, y.Address).ThrowOnFailure(nameof(inputs));
        return outputs;
    }

    /// <inheritdoc/>
    protected internal override void Backward(in BackwardContext context, Tensor outputGradient, Tensor? inputGradient)
    {
        Tensor halves = context.Buffer(Halves);
        Tensor halvesGradient = context.Buffer(HalvesGradient, halves.Shape);
        using (BufferScope x = halves.Borrow())
        using (BufferScope yGradient = outputGradient.Borrow())
        using (BufferScope xGradient = halvesGradient.BorrowToWrite())
        using (HandleScope<ortho_device> device = context.Device.Handle.Borrow())
        {
            NativeMethods.ortho_gate_backward(
                device.Pointer, context.DType.ToNative(), halves.Shape[0], OutputSize, x.Address, yGradient.Address, xGradient.Address)
                .ThrowOnFailure(nameof(outputGradient));
        }

        DenseProducts.Backward(context, context.Inputs, halvesGradient, Weight, Bias, inputGradient);
    }

    /// <inheritdoc/>
    protected internal override long GetActivationBytes(long steps, long batch) =>
        base.GetActivationBytes(steps, batch) + (4 * steps * batch * OutputSize * Owner.DType.Bytes());
}
