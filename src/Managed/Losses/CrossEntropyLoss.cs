using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Mean cross-entropy of softmax(logits) with the target class.</summary>
public sealed unsafe class CrossEntropyLoss : Loss
{
    /// <summary>Creates a loss.</summary>
    /// <param name="labelSmoothing">s in [0, 1): the target distribution is 1 - s at the class plus s / classes everywhere.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="labelSmoothing"/> is outside 0 to 1, 1 excluded.</exception>
    public CrossEntropyLoss(double labelSmoothing = 0)
    {
        Check.Fraction(labelSmoothing);
        LabelSmoothing = labelSmoothing;
    }

    /// <summary>Part of the target distribution that is spread over all classes.</summary>
    public double LabelSmoothing { get; }

    /// <summary>Rows of the last <see cref="Forward"/> or <see cref="Evaluate"/> whose largest logit, the first one of equals, was the target.</summary>
    public long Correct { get; private set; }

    /// <summary>Computes the loss, <see cref="Correct"/> and <see cref="Loss.Gradient"/>.</summary>
    /// <param name="logits"><c>[..., classes]</c>; all dimensions but the last count as rows.</param>
    /// <param name="targets">One class, 0 to classes - 1, for each row.</param>
    /// <returns>The mean over the rows; infinite where a double is too small for their sum.</returns>
    /// <exception cref="ArgumentException">The number of targets is not that of the rows.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A target is not a class.</exception>
    /// <exception cref="NotFiniteNumberException">A logit is NaN or infinite.</exception>
    /// <exception cref="ObjectDisposedException">The loss or the logits were disposed.</exception>
    public double Forward(Tensor logits, ReadOnlySpan<int> targets)
    {
        ForgetGradient();
        CheckArguments(logits, targets);
        using BufferScope gradient = BeginGradient(logits);
        double loss = Measure(logits, targets, gradient.Address);
        EndGradient();
        return loss;
    }

    /// <summary>
    /// Computes <see cref="Loss.Gradient"/> alone, for which nothing waits for a GPU, and leaves <see cref="Correct"/> as it is.
    /// </summary>
    /// <param name="logits"><c>[..., classes]</c>; all dimensions but the last count as rows.</param>
    /// <param name="targets">One class, 0 to classes - 1, for each row.</param>
    /// <exception cref="ArgumentException">The number of targets is not that of the rows.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A target is not a class.</exception>
    /// <exception cref="NotFiniteNumberException">A logit is NaN or infinite. On a GPU the next call that waits says so: see <see cref="Device"/>.</exception>
    /// <exception cref="ObjectDisposedException">The loss or the logits were disposed.</exception>
    public void Differentiate(Tensor logits, ReadOnlySpan<int> targets)
    {
        ForgetGradient();
        CheckArguments(logits, targets);
        using BufferScope gradient = BeginGradient(logits);
        Run(logits, targets, null, null, gradient.Address);
        EndGradient();
    }

    /// <summary>Computes the loss and <see cref="Correct"/> alone, and leaves <see cref="Loss.Gradient"/> as it is.</summary>
    /// <param name="logits"><c>[..., classes]</c>; all dimensions but the last count as rows.</param>
    /// <param name="targets">One class, 0 to classes - 1, for each row.</param>
    /// <returns>The mean over the rows; infinite where a double is too small for their sum.</returns>
    /// <exception cref="ArgumentException">The number of targets is not that of the rows.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A target is not a class.</exception>
    /// <exception cref="NotFiniteNumberException">A logit is NaN or infinite.</exception>
    /// <exception cref="ObjectDisposedException">The loss or the logits were disposed.</exception>
    public double Evaluate(Tensor logits, ReadOnlySpan<int> targets)
    {
        CheckArguments(logits, targets);
        return Measure(logits, targets, null);
    }

    private void CheckArguments(Tensor logits, ReadOnlySpan<int> targets)
    {
        ThrowIfDisposed();
        ArgumentNullException.ThrowIfNull(logits);
        if (logits.Rank < 2)
        {
            throw new ArgumentException($"{nameof(logits)} has shape {Check.FormatShape(logits.Shape)}; it must be [..., classes] with at least 2 dimensions.", nameof(logits));
        }

        long rows = logits.Count / logits.Shape[^1];
        if (targets.Length != rows)
        {
            throw new ArgumentException($"{nameof(targets)} has {targets.Length} elements; it must have {rows}, one for each row of {nameof(logits)}.", nameof(targets));
        }
    }

    private double Measure(Tensor logits, ReadOnlySpan<int> targets, void* gradient)
    {
        double loss;
        long correct;
        Run(logits, targets, &loss, &correct, gradient);
        Correct = correct;
        return loss;
    }

    private void Run(Tensor logits, ReadOnlySpan<int> targets, double* loss, long* correct, void* gradient)
    {
        (long steps, long batch) = logits.StepsAndBatch;
        using BufferScope logitValues = logits.Borrow();
        using HandleScope<ortho_device> device = logits.Device.Handle.Borrow();
        fixed (int* classOfRow = targets)
        {
            NativeMethods.ortho_softmax_cross_entropy(
                device.Pointer, logits.DType.ToNative(), steps, batch, null, null, logits.Shape[^1], LabelSmoothing,
                logitValues.Address, classOfRow, loss, correct, gradient).ThrowOnFailure(nameof(targets));
        }
    }
}
