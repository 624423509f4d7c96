using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Applies a function to every element of its inputs: tanh, relu, sigmoid, silu or gelu.</summary>
/// <remarks>Inputs and outputs <c>[..., size]</c>, no parameters.</remarks>
public sealed unsafe class ActivationLayer : Layer
{
    private const long MaximumSize = 1 << 20;

    /// <summary>Describes a layer; memory comes with the model.</summary>
    /// <param name="size">Size of the last dimension, 1 to 1048576.</param>
    /// <param name="function">The function.</param>
    /// <exception cref="ArgumentOutOfRangeException">An argument is out of range.</exception>
    public ActivationLayer(long size, Activation function)
    {
        Check.InRange(size, 1, MaximumSize);
        Check.Defined(function);
        InputSize = size;
        Function = function;
    }

    /// <summary>The function.</summary>
    public Activation Function { get; }

    /// <inheritdoc/>
    public override long InputSize { get; }

    /// <inheritdoc/>
    public override long OutputSize => InputSize;

    /// <inheritdoc/>
    protected internal override IEnumerable<KeyValuePair<string, string>> Settings => [new("function", Function.ToString())];

    /// <inheritdoc/>
    protected internal override LayerDescription Describe() => new LayerDescription(nameof(ActivationLayer)).Add("size", InputSize).Add("function", Function.ToString());

    internal static ActivationLayer Read(LayerReader reader) => new(reader.GetInt64("size"), reader.GetEnum<Activation>("function"));

    /// <summary>The layer in a few words: <c>Gelu</c>.</summary>
    public override string ToString() => Function.ToString();

    /// <inheritdoc/>
    protected internal override bool IsStepwise => true;

    /// <inheritdoc/>
    protected internal override Tensor Forward(in ForwardContext context, Tensor inputs)
    {
        RowsOf(inputs);
        Tensor outputs = context.Outputs(inputs.Shape);
        using BufferScope x = inputs.Borrow();
        using BufferScope y = outputs.BorrowToWrite();
        using HandleScope<ortho_device> device = context.Device.Handle.Borrow();
        NativeMethods.ortho_activation_forward(device.Pointer, context.DType.ToNative(), (int)Function, inputs.Count, x.Address, y.Address)
            .ThrowOnFailure(nameof(inputs));
        return outputs;
    }

    /// <inheritdoc/>
    protected internal override void Backward(in BackwardContext context, Tensor outputGradient, Tensor? inputGradient)
    {
        if (inputGradient is null)
        {
            return;
        }

        using BufferScope x = context.Inputs.Borrow();
        using BufferScope yGradient = outputGradient.Borrow();
        using BufferScope xGradient = inputGradient.BorrowToWrite();
        using HandleScope<ortho_device> device = context.Device.Handle.Borrow();
        NativeMethods.ortho_activation_backward(
            device.Pointer, context.DType.ToNative(), (int)Function, inputGradient.Count, x.Address, yGradient.Address, xGradient.Address)
            .ThrowOnFailure(nameof(outputGradient));
    }
}
