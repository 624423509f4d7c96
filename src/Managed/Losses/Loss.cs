using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>A measure of a model's outputs.</summary>
/// <remarks>
/// One thread at a time may use a loss. <c>Forward</c> and <c>Evaluate</c> return the loss and so wait for a GPU; <c>Differentiate</c> gives the
/// gradient alone and lets the GPU work on. Outputs <c>[T, B, C]</c> of sequences of different lengths may come with these: the loss is then the mean over
/// the steps within them, and what lies beyond is neither read nor checked.
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
        _gradient?.Release();
        GC.SuppressFinalize(this);
    }

    /// <summary>A call that computes the gradient begins: where it fails, no older gradient stands for its own.</summary>
    private protected void ForgetGradient() => _gradientIsValid = false;

    /// <summary>Memory for a gradient that is about to be computed.</summary>
    private protected BufferScope BeginGradient(Tensor outputs) =>
        Tensor.Ensure(ref _gradient, outputs.Device, outputs.DType, outputs.Shape, source: outputs).BorrowToWrite();

    /// <summary>Refuses lengths that are not those of outputs <c>[T, B, C]</c>; there may be none.</summary>
    /// <param name="outputs">The outputs.</param>
    /// <param name="lengths">Empty, or steps of each sample.</param>
    /// <param name="name">Name of the outputs.</param>
    private protected static void CheckLengths(Tensor outputs, ReadOnlySpan<int> lengths, string name)
    {
        if (lengths.IsEmpty)
        {
            return;
        }

        if (outputs.Rank != 3)
        {
            throw new ArgumentException($"{name} has shape {Check.FormatShape(outputs.Shape)}; with {nameof(lengths)} it must be [T, B, C].", name);
        }

        Check.Length(lengths.Length, outputs.Shape[1], nameof(lengths));
        bool counts = false;
        for (int i = 0; i < lengths.Length; i++)
        {
            if (lengths[i] < 0 || lengths[i] > outputs.Shape[0])
            {
                Check.InRange(lengths[i], 0, outputs.Shape[0], $"{nameof(lengths)}[{i}]");
            }

            counts |= lengths[i] > 0;
        }

        if (!counts)
        {
            throw new ArgumentException($"{nameof(lengths)} has zeros only; at least one must be above 0.", nameof(lengths));
        }
    }

    private protected void EndGradient() => _gradientIsValid = true;

    private protected void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(_disposed, this);
}
