using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Mean cross-entropy of softmax(logits) with the target class.</summary>
/// <remarks>One thread at a time may use a loss.</remarks>
public sealed unsafe class CrossEntropyLoss : IDisposable
{
    private Tensor? _gradient;
    private bool _disposed;

    /// <summary>Makes a loss.</summary>
    /// <param name="labelSmoothing">s in [0, 1): the target distribution is 1 - s at the class plus s / classes everywhere.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="labelSmoothing"/> is outside 0 to 1, 1 excluded.</exception>
    public CrossEntropyLoss(double labelSmoothing = 0)
    {
        Check.Fraction(labelSmoothing);
        LabelSmoothing = labelSmoothing;
    }

    /// <summary>Part of the target distribution that is spread over all classes.</summary>
    public double LabelSmoothing { get; }

    /// <summary>Rows of the last call whose largest logit, the first one of equals, was the target.</summary>
    public long Correct { get; private set; }

    /// <summary>Gradient of the mean loss at the logits of the last <see cref="Forward"/>, shaped as they were. Belongs to the loss.</summary>
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

    /// <summary>Computes the loss, <see cref="Correct"/> and <see cref="Gradient"/>.</summary>
    /// <param name="logits"><c>[..., classes]</c>; all dimensions but the last count as rows.</param>
    /// <param name="targets">One class, 0 to classes - 1, for each row.</param>
    /// <returns>The mean over the rows.</returns>
    /// <exception cref="ArgumentException">The number of targets is not that of the rows, or a target is not a class.</exception>
    /// <exception cref="InvalidDataException">A logit is NaN or infinite.</exception>
    /// <exception cref="ObjectDisposedException">The loss or the logits were disposed.</exception>
    public double Forward(Tensor logits, ReadOnlySpan<int> targets) => Run(logits, targets, withGradient: true);

    /// <summary>Computes the loss and <see cref="Correct"/> alone, and leaves <see cref="Gradient"/> as it is.</summary>
    /// <param name="logits"><c>[..., classes]</c>; all dimensions but the last count as rows.</param>
    /// <param name="targets">One class, 0 to classes - 1, for each row.</param>
    /// <returns>The mean over the rows.</returns>
    /// <exception cref="ArgumentException">The number of targets is not that of the rows, or a target is not a class.</exception>
    /// <exception cref="InvalidDataException">A logit is NaN or infinite.</exception>
    /// <exception cref="ObjectDisposedException">The loss or the logits were disposed.</exception>
    public double Evaluate(Tensor logits, ReadOnlySpan<int> targets) => Run(logits, targets, withGradient: false);

    /// <summary>Frees the memory of the gradient.</summary>
    public void Dispose()
    {
        _disposed = true;
        _gradient?.Dispose();
    }

    private double Run(Tensor logits, ReadOnlySpan<int> targets, bool withGradient)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        ArgumentNullException.ThrowIfNull(logits);
        if (logits.Rank < 2)
        {
            throw new ArgumentException($"{nameof(logits)} has shape {Check.FormatShape(logits.Shape)}; [..., classes] with at least 2 dimensions is allowed.", nameof(logits));
        }

        long classes = logits.Shape[^1];
        long rows = logits.Count / classes;
        if (targets.Length != rows)
        {
            throw new ArgumentException($"{nameof(targets)} has {targets.Length} elements; {rows}, one for each row of {nameof(logits)}, are allowed.", nameof(targets));
        }

        double loss;
        long correct;
        using BufferScope logitValues = logits.Borrow();
        using BufferScope gradient = withGradient
            ? Tensor.Ensure(ref _gradient, logits.Device, logits.DType, logits.Shape).Borrow()
            : default;
        fixed (int* classOfRow = targets)
        {
            NativeMethods.ortho_softmax_cross_entropy(
                logits.Device.Handle, logits.DType.ToNative(), rows, classes, LabelSmoothing,
                logitValues.Address, classOfRow, &loss, &correct, gradient.Address).ThrowOnFailure();
        }

        Correct = correct;
        return loss;
    }
}
