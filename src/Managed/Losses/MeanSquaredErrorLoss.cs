using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Mean over all elements of (prediction - target)².</summary>
/// <remarks>One thread at a time may use a loss.</remarks>
public sealed unsafe class MeanSquaredErrorLoss : IDisposable
{
    private Tensor? _gradient;
    private bool _disposed;

    /// <summary>Gradient of the mean loss at the predictions of the last <see cref="Forward"/>, shaped as they were. Belongs to the loss.</summary>
    /// <exception cref="InvalidOperationException">There was no forward pass yet.</exception>
    /// <exception cref="ObjectDisposedException">The loss was disposed.</exception>
    public Tensor Gradient
    {
        get
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return _gradient ?? throw new InvalidOperationException("There was no forward pass yet.");
        }
    }

    /// <summary>Computes the loss and <see cref="Gradient"/>.</summary>
    /// <param name="predictions">Any shape.</param>
    /// <param name="targets">The same shape, element type and device.</param>
    /// <returns>The mean over all elements.</returns>
    /// <exception cref="ArgumentException">Shape, element type or device differ.</exception>
    /// <exception cref="InvalidDataException">A prediction or a target is NaN or infinite.</exception>
    /// <exception cref="ObjectDisposedException">The loss or a tensor was disposed.</exception>
    public double Forward(Tensor predictions, Tensor targets) => Run(predictions, targets, withGradient: true);

    /// <summary>Computes the loss alone, and leaves <see cref="Gradient"/> as it is.</summary>
    /// <param name="predictions">Any shape.</param>
    /// <param name="targets">The same shape, element type and device.</param>
    /// <returns>The mean over all elements.</returns>
    /// <exception cref="ArgumentException">Shape, element type or device differ.</exception>
    /// <exception cref="InvalidDataException">A prediction or a target is NaN or infinite.</exception>
    /// <exception cref="ObjectDisposedException">The loss or a tensor was disposed.</exception>
    public double Evaluate(Tensor predictions, Tensor targets) => Run(predictions, targets, withGradient: false);

    /// <summary>Frees the memory of the gradient.</summary>
    public void Dispose()
    {
        _disposed = true;
        _gradient?.Dispose();
    }

    private double Run(Tensor predictions, Tensor targets, bool withGradient)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        ArgumentNullException.ThrowIfNull(predictions);
        Check.Compatible(targets, predictions.Device, predictions.DType);
        Check.Shape(targets, predictions.Shape);

        double loss;
        using BufferScope predictionValues = predictions.Borrow();
        using BufferScope targetValues = targets.Borrow();
        using BufferScope gradient = withGradient
            ? Tensor.Ensure(ref _gradient, predictions.Device, predictions.DType, predictions.Shape).Borrow()
            : default;
        NativeMethods.ortho_mean_squared_error(
            predictions.Device.Handle, predictions.DType.ToNative(), predictions.Count,
            predictionValues.Address, targetValues.Address, &loss, gradient.Address).ThrowOnFailure();
        return loss;
    }
}
