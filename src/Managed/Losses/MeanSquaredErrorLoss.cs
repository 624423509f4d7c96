using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Mean of (prediction - target)² over all elements, or over those of the rows that count.</summary>
/// <remarks>Runs on the device of the predictions, where the gradient lies, too.</remarks>
public sealed unsafe class MeanSquaredErrorLoss : Loss
{
    /// <summary>Computes the loss and <see cref="Loss.Gradient"/>.</summary>
    /// <param name="predictions">Any shape.</param>
    /// <param name="targets">The same shape, element type and device.</param>
    /// <returns>The mean over all elements; infinite where a double is too small for their sum.</returns>
    /// <exception cref="ArgumentException">Shape, element type or device differ.</exception>
    /// <exception cref="NotFiniteNumberException">A prediction or a target is NaN or infinite.</exception>
    /// <exception cref="ObjectDisposedException">The loss or a tensor was disposed.</exception>
    public double Forward(Tensor predictions, Tensor targets) => Forward(predictions, targets, []);

    /// <summary>Computes the loss and <see cref="Loss.Gradient"/>.</summary>
    /// <param name="predictions"><c>[T, B, C]</c>; any shape without lengths.</param>
    /// <param name="targets">The same shape, element type and device.</param>
    /// <param name="lengths">
    /// [B]: steps of each sample that count, 0 to T, not all 0; empty: all rows count. Rows beyond are not read, and their gradients are 0.
    /// </param>
    /// <returns>The mean over the elements of the rows that count; infinite where a double is too small for their sum.</returns>
    /// <exception cref="ArgumentException">
    /// Shape, element type or device differ, or the number of lengths is not B; or there are lengths, and the predictions are not [T, B, C].
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException">A length is out of range.</exception>
    /// <exception cref="NotFiniteNumberException">A prediction or a target of a row that counts is NaN or infinite.</exception>
    /// <exception cref="ObjectDisposedException">The loss or a tensor was disposed.</exception>
    public double Forward(Tensor predictions, Tensor targets, ReadOnlySpan<int> lengths)
    {
        ForgetGradient();
        CheckArguments(predictions, targets, lengths);
        using BufferScope gradient = BeginGradient(predictions);
        double loss;
        Run(predictions, targets, lengths, &loss, gradient.Address);
        EndGradient();
        return loss;
    }

    /// <summary>Computes <see cref="Loss.Gradient"/> alone, for which nothing waits for a GPU.</summary>
    /// <param name="predictions">Any shape.</param>
    /// <param name="targets">The same shape and element type, on the same GPU device, or on any CPU device where the predictions lie on one.</param>
    /// <exception cref="ArgumentException">Shape or element type differ, the elements are integers, or only one of both lies on that GPU device.</exception>
    /// <exception cref="NotFiniteNumberException">
    /// A prediction or a target is NaN or infinite. On a GPU the next call that waits says so: see <see cref="Device"/>.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The loss or a tensor was disposed.</exception>
    public void Differentiate(Tensor predictions, Tensor targets) => Differentiate(predictions, targets, []);

    /// <summary>Computes <see cref="Loss.Gradient"/> alone, for which nothing waits for a GPU.</summary>
    /// <param name="predictions"><c>[T, B, C]</c>; any shape without lengths.</param>
    /// <param name="targets">The same shape, element type and device.</param>
    /// <param name="lengths">
    /// [B]: steps of each sample that count, 0 to T, not all 0; empty: all rows count. Rows beyond are not read, and their gradients are 0.
    /// </param>
    /// <exception cref="ArgumentException">
    /// Shape, element type or device differ, or the number of lengths is not B; or there are lengths, and the predictions are not [T, B, C].
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException">A length is out of range.</exception>
    /// <exception cref="NotFiniteNumberException">
    /// A prediction or a target of a row that counts is NaN or infinite. On a GPU the next call that waits says so: see <see cref="Device"/>.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The loss or a tensor was disposed.</exception>
    public void Differentiate(Tensor predictions, Tensor targets, ReadOnlySpan<int> lengths)
    {
        ForgetGradient();
        CheckArguments(predictions, targets, lengths);
        using BufferScope gradient = BeginGradient(predictions);
        Run(predictions, targets, lengths, null, gradient.Address);
        EndGradient();
    }

    /// <summary>Computes the loss alone, and leaves <see cref="Loss.Gradient"/> as it is.</summary>
    /// <param name="predictions">Any shape.</param>
    /// <param name="targets">The same shape, element type and device.</param>
    /// <returns>The mean over all elements; infinite where a double is too small for their sum.</returns>
    /// <exception cref="ArgumentException">Shape, element type or device differ.</exception>
    /// <exception cref="NotFiniteNumberException">A prediction or a target is NaN or infinite.</exception>
    /// <exception cref="ObjectDisposedException">The loss or a tensor was disposed.</exception>
    public double Evaluate(Tensor predictions, Tensor targets) => Evaluate(predictions, targets, []);

    /// <summary>Computes the loss alone, and leaves <see cref="Loss.Gradient"/> as it is.</summary>
    /// <param name="predictions"><c>[T, B, C]</c>; any shape without lengths.</param>
    /// <param name="targets">The same shape, element type and device.</param>
    /// <param name="lengths">
    /// [B]: steps of each sample that count, 0 to T, not all 0; empty: all rows count. Rows beyond are not read, and their gradients are 0.
    /// </param>
    /// <returns>The mean over the elements of the rows that count; infinite where a double is too small for their sum.</returns>
    /// <exception cref="ArgumentException">
    /// Shape, element type or device differ, or the number of lengths is not B; or there are lengths, and the predictions are not [T, B, C].
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException">A length is out of range.</exception>
    /// <exception cref="NotFiniteNumberException">A prediction or a target of a row that counts is NaN or infinite.</exception>
    /// <exception cref="ObjectDisposedException">The loss or a tensor was disposed.</exception>
    public double Evaluate(Tensor predictions, Tensor targets, ReadOnlySpan<int> lengths)
    {
        CheckArguments(predictions, targets, lengths);
        double loss;
        Run(predictions, targets, lengths, &loss, null);
        return loss;
    }

    private void CheckArguments(Tensor predictions, Tensor targets, ReadOnlySpan<int> lengths)
    {
        ThrowIfDisposed();
        ArgumentNullException.ThrowIfNull(predictions);
        Check.FloatingPoint(predictions);
        Check.Compatible(targets, predictions.Device, predictions.DType);
        Check.Shape(targets, predictions.Shape);
        CheckLengths(predictions, lengths, nameof(predictions));
    }

    private static void Run(Tensor predictions, Tensor targets, ReadOnlySpan<int> lengths, double* loss, void* gradient)
    {
        (long steps, long batch) = predictions.StepsAndBatch;
        using BufferScope predictionValues = predictions.Borrow();
        using BufferScope targetValues = targets.Borrow();
        using HandleScope<ortho_device> device = predictions.Device.Handle.Borrow();
        fixed (int* stepsOfSample = lengths)
        {
            NativeMethods.ortho_elementwise_loss(
                device.Pointer, predictions.DType.ToNative(), (int)ortho_loss_kind.ORTHO_LOSS_SQUARED_ERROR, steps, batch, stepsOfSample, null, null, predictions.Count / (steps * batch), null, 0,
                predictionValues.Address, targetValues.Address, loss, gradient).ThrowOnFailure(nameof(predictions));
        }
    }
}
