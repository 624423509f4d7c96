using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Mean over all elements of (prediction - target)².</summary>
public sealed unsafe class MeanSquaredErrorLoss : Loss
{
    /// <summary>Computes the loss and <see cref="Loss.Gradient"/>.</summary>
    /// <param name="predictions">Any shape.</param>
    /// <param name="targets">The same shape, element type and device.</param>
    /// <returns>The mean over all elements; infinite where a double is too small for their sum.</returns>
    /// <exception cref="ArgumentException">Shape, element type or device differ.</exception>
    /// <exception cref="NotFiniteNumberException">A prediction or a target is NaN or infinite.</exception>
    /// <exception cref="ObjectDisposedException">The loss or a tensor was disposed.</exception>
    public double Forward(Tensor predictions, Tensor targets)
    {
        ForgetGradient();
        CheckArguments(predictions, targets);
        using BufferScope gradient = BeginGradient(predictions);
        double loss;
        Run(predictions, targets, &loss, gradient.Address);
        EndGradient();
        return loss;
    }

    /// <summary>Computes <see cref="Loss.Gradient"/> alone, for which nothing waits for a GPU.</summary>
    /// <param name="predictions">Any shape.</param>
    /// <param name="targets">The same shape, element type and device.</param>
    /// <exception cref="ArgumentException">Shape, element type or device differ.</exception>
    /// <exception cref="NotFiniteNumberException">
    /// A prediction or a target is NaN or infinite. On a GPU the next call that waits says so: see <see cref="Device"/>.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The loss or a tensor was disposed.</exception>
    public void Differentiate(Tensor predictions, Tensor targets)
    {
        ForgetGradient();
        CheckArguments(predictions, targets);
        using BufferScope gradient = BeginGradient(predictions);
        Run(predictions, targets, null, gradient.Address);
        EndGradient();
    }

    /// <summary>Computes the loss alone, and leaves <see cref="Loss.Gradient"/> as it is.</summary>
    /// <param name="predictions">Any shape.</param>
    /// <param name="targets">The same shape, element type and device.</param>
    /// <returns>The mean over all elements; infinite where a double is too small for their sum.</returns>
    /// <exception cref="ArgumentException">Shape, element type or device differ.</exception>
    /// <exception cref="NotFiniteNumberException">A prediction or a target is NaN or infinite.</exception>
    /// <exception cref="ObjectDisposedException">The loss or a tensor was disposed.</exception>
    public double Evaluate(Tensor predictions, Tensor targets)
    {
        CheckArguments(predictions, targets);
        double loss;
        Run(predictions, targets, &loss, null);
        return loss;
    }

    private void CheckArguments(Tensor predictions, Tensor targets)
    {
        ThrowIfDisposed();
        ArgumentNullException.ThrowIfNull(predictions);
        Check.Compatible(targets, predictions.Device, predictions.DType);
        Check.Shape(targets, predictions.Shape);
    }

    private static void Run(Tensor predictions, Tensor targets, double* loss, void* gradient)
    {
        (long steps, long batch) = predictions.StepsAndBatch;
        using BufferScope predictionValues = predictions.Borrow();
        using BufferScope targetValues = targets.Borrow();
        using HandleScope<ortho_device> device = predictions.Device.Handle.Borrow();
        NativeMethods.ortho_mean_squared_error(
            device.Pointer, predictions.DType.ToNative(), steps, batch, null, null, predictions.Count / (steps * batch),
            predictionValues.Address, targetValues.Address, loss, gradient).ThrowOnFailure(nameof(predictions));
    }
}
