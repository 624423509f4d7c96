using System.Globalization;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>
/// Layer normalization (Ba et al., arXiv 1607.06450) of the last dimension: y = γ (x - m) / √(v + ε) + δ, with the mean m and the mean square deviation v of
/// the row's elements.
/// </summary>
/// <remarks>Inputs and outputs <c>[..., size]</c>. Parameters: <c>scale</c> γ <c>[size]</c>, which starts at 1, and <c>offset</c> δ <c>[size]</c>, which starts at 0.</remarks>
public sealed unsafe class LayerNorm : Layer
{
    private const long MaximumSize = 1 << 20;
    private const int Statistics = 0;

    /// <summary>Describes a layer; memory comes with the model.</summary>
    /// <param name="size">Size of the last dimension, 1 to 1048576.</param>
    /// <param name="epsilon">ε, above 0, finite. Default 1e-5.</param>
    /// <exception cref="ArgumentOutOfRangeException">An argument is out of range.</exception>
    public LayerNorm(long size, double epsilon = 1e-5)
    {
        Check.InRange(size, 1, MaximumSize);
        Check.Positive(epsilon);
        InputSize = size;
        Epsilon = epsilon;
    }

    /// <summary>ε, which is added to the mean square deviation.</summary>
    public double Epsilon { get; }

    /// <inheritdoc/>
    public override long InputSize { get; }

    /// <inheritdoc/>
    public override long OutputSize => InputSize;

    /// <inheritdoc/>
    protected internal override IReadOnlyList<ParameterDefinition> Definitions =>
    [
        ParameterDefinition.Constant("scale", [InputSize], 1) with { Role = ParameterRole.Norm },
        ParameterDefinition.Constant("offset", [InputSize], 0) with { Role = ParameterRole.Norm },
    ];

    /// <inheritdoc/>
    protected internal override IEnumerable<KeyValuePair<string, string>> Settings =>
        [new("epsilon", Epsilon.ToString("R", CultureInfo.InvariantCulture))];

    private Parameter Scale => Parameters[0];

    private Parameter Offset => Parameters[1];

    internal override void CheckFor(DType dtype, string name) =>
        Check.That((dtype == DType.Float32 ? (float)Epsilon : Epsilon) > 0 && Check.IsFinite(Epsilon, dtype), Epsilon, $"above 0 and finite in {dtype}", $"{name}.{nameof(Epsilon)}");

    /// <inheritdoc/>
    protected internal override LayerDescription Describe() => new LayerDescription(nameof(LayerNorm)).Add("size", InputSize).Add("epsilon", Epsilon);

    internal static LayerNorm Read(LayerReader reader) => new(reader.GetInt64("size"), reader.GetDouble("epsilon"));

    /// <summary>The layer in a few words: <c>LayerNorm 128</c>.</summary>
    public override string ToString() => $"{nameof(LayerNorm)} {InputSize}";

    /// <inheritdoc/>
    protected internal override bool IsStepwise => true;

    /// <inheritdoc/>
    protected internal override Tensor Forward(in ForwardContext context, Tensor inputs)
    {
        long rows = RowsOf(inputs);
        Tensor outputs = context.Outputs(inputs.Shape);
        Tensor? statistics = context.Training ? context.Buffer(Statistics, rows, 2) : null;
        using BufferScope scale = Scale.Value.Borrow();
        using BufferScope offset = Offset.Value.Borrow();
        using BufferScope x = inputs.Borrow();
        using BufferScope y = outputs.BorrowToWrite();
        using BufferScope kept = Tensor.BorrowToWrite(statistics);
        using HandleScope<ortho_device> device = context.Device.Handle.Borrow();
        NativeMethods.ortho_layer_norm_forward(
            device.Pointer, context.DType.ToNative(), rows, InputSize, Epsilon, scale.Address, offset.Address, x.Address, y.Address, kept.Address)
            .ThrowOnFailure(nameof(inputs));
        return outputs;
    }

    /// <inheritdoc/>
    protected internal override void Backward(in BackwardContext context, Tensor outputGradient, Tensor? inputGradient)
    {
        (long steps, long batch) = context.Inputs.StepsAndBatch;
        using BufferScope scale = Scale.Value.Borrow();
        using BufferScope x = context.Inputs.Borrow();
        using BufferScope kept = context.Buffer(Statistics).Borrow();
        using BufferScope yGradient = outputGradient.Borrow();
        using BufferScope scaleGradient = Scale.Gradient.BorrowToWrite();
        using BufferScope offsetGradient = Offset.Gradient.BorrowToWrite();
        using BufferScope xGradient = Tensor.BorrowToWrite(inputGradient);
        using HandleScope<ortho_device> device = context.Device.Handle.Borrow();
        NativeMethods.ortho_layer_norm_backward(
            device.Pointer, context.DType.ToNative(), null, context.Accumulate ? 1 : 0, steps, batch, InputSize, scale.Address, x.Address, kept.Address,
            yGradient.Address, scaleGradient.Address, offsetGradient.Address, xGradient.Address).ThrowOnFailure(nameof(outputGradient));
    }

    /// <inheritdoc/>
    protected internal override long GetActivationBytes(long steps, long batch) => base.GetActivationBytes(steps, batch) + (steps * batch * 2 * Owner.DType.Bytes());
}
