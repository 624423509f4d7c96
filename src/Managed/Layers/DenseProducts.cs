using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Products of rows with a matrix A and a bias c, y = A x + c, forward and backward.</summary>
internal static unsafe class DenseProducts
{
    /// <summary>Computes the outputs.</summary>
    /// <param name="device">Where it runs.</param>
    /// <param name="inputs">x, <c>[..., n]</c>; n is the number of elements of a row of A.</param>
    /// <param name="weight">A, <c>[outputs, ...]</c>.</param>
    /// <param name="bias">c, <c>[outputs]</c>; null: none.</param>
    /// <param name="outputs">y, <c>[..., outputs]</c>, written.</param>
    public static void Forward(Device device, Tensor inputs, Parameter weight, Parameter? bias, Tensor outputs)
    {
        long size = weight.Shape[0];
        long columns = weight.Value.Count / size;
        using BufferScope a = weight.Value.Borrow();
        using BufferScope c = Tensor.Borrow(bias?.Value);
        using BufferScope x = inputs.Borrow();
        using BufferScope y = outputs.BorrowToWrite();
        using HandleScope<ortho_device> scope = device.Handle.Borrow();
        NativeMethods.ortho_dense_forward(
            scope.Pointer, outputs.DType.ToNative(), inputs.Count / columns, columns, size, a.Address, c.Address, x.Address, y.Address)
            .ThrowOnFailure(nameof(inputs));
    }

    /// <summary>Computes the gradients.</summary>
    /// <param name="context">The pass.</param>
    /// <param name="inputs">x.</param>
    /// <param name="outputGradient">Gradient at y.</param>
    /// <param name="weight">A.</param>
    /// <param name="bias">c; null: none.</param>
    /// <param name="inputGradient">Gradient at x, written; null: not wanted.</param>
    public static void Backward(in BackwardContext context, Tensor inputs, Tensor outputGradient, Parameter weight, Parameter? bias, Tensor? inputGradient)
    {
        (long steps, long batch) = inputs.StepsAndBatch;
        long size = weight.Shape[0];
        long columns = weight.Value.Count / size;
        using BufferScope a = weight.Value.Borrow();
        using BufferScope x = inputs.Borrow();
        using BufferScope yGradient = outputGradient.Borrow();
        using BufferScope aGradient = weight.Gradient.BorrowToWrite();
        using BufferScope cGradient = Tensor.BorrowToWrite(bias?.Gradient);
        using BufferScope xGradient = Tensor.BorrowToWrite(inputGradient);
        using HandleScope<ortho_device> scope = context.Device.Handle.Borrow();
        NativeMethods.ortho_dense_backward(
            scope.Pointer, context.DType.ToNative(), null, context.Accumulate ? 1 : 0, steps, batch, columns, size,
            a.Address, x.Address, yGradient.Address, aGradient.Address, cGradient.Address, xGradient.Address)
            .ThrowOnFailure(nameof(outputGradient));
    }
}
