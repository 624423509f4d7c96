using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>A measure of a model's outputs.</summary>
/// <remarks>
/// One thread at a time may use a loss. <c>Forward</c> and <c>Evaluate</c> return the loss and so wait for a GPU; <c>Differentiate</c> gives the
/// gradient alone and lets the GPU work on.
/// </remarks>
public abstract class Loss : IDisposable
{
    private Tensor? _gradient;
    private bool _gradientIsValid;
    private bool _disposed;

    private protected Loss() { }

    /// <summary>
    /// Gradient of the loss at the outputs of the last <c>Forward</c> or <c>Differentiate</c>, shaped as they were. Belongs to the loss and changes
    /// with the next such call.
    /// </summary>
    /// <exception cref="InvalidOperationException">There was no such call yet, or the last one failed.</exception>
    /// <exception cref="ObjectDisposedException">The loss was disposed.</exception>
    public Tensor Gradient
    {
        get
        {
            ThrowIfDisposed();
            return _gradientIsValid ? _gradient! : throw new InvalidOperationException("There was no forward pass yet, or the last one failed.");
        }
    }

    /// <summary>Frees the memory of the gradient.</summary>
    public void Dispose()
    {
        _disposed = true;
        _gradient?.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>A call that computes the gradient begins: where it fails, no older gradient stands for its own.</summary>
    private protected void ForgetGradient() => _gradientIsValid = false;

    /// <summary>Memory for a gradient that is about to be computed.</summary>
    private protected BufferScope BeginGradient(Tensor outputs) =>
        Tensor.Ensure(ref _gradient, outputs.Device, outputs.DType, outputs.Shape, source: outputs).BorrowToWrite();

    private protected void EndGradient() => _gradientIsValid = true;

    private protected void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(_disposed, this);
}
