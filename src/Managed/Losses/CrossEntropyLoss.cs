using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Mean cross-entropy of softmax(logits) with the target class.</summary>
/// <remarks>Runs on the device of the logits, where the gradient lies, too.</remarks>
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

    /// <summary>Rows that counted in the last <c>Forward</c> or <c>Evaluate</c> and whose largest logit, the first one of equals, was the target.</summary>
    public long Correct { get; private set; }

    /// <summary>Computes the loss, <see cref="Correct"/> and <see cref="Loss.Gradient"/>.</summary>
    /// <param name="logits"><c>[..., classes]</c>; all dimensions but the last count as rows.</param>
    /// <param name="targets">One class, 0 to classes - 1, for each row.</param>
    /// <returns>The mean over the rows; infinite where a double is too small for their sum.</returns>
    /// <exception cref="ArgumentException">The number of targets is not that of the rows, or the logits are integers.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A target is not a class.</exception>
    /// <exception cref="NotFiniteNumberException">A logit is NaN or infinite.</exception>
    /// <exception cref="ObjectDisposedException">The loss or the logits were disposed.</exception>
    public double Forward(Tensor logits, ReadOnlySpan<int> targets) => Forward(logits, targets, []);

    /// <summary>Computes the loss, <see cref="Correct"/> and <see cref="Loss.Gradient"/>.</summary>
    /// <param name="logits"><c>[T, B, classes]</c>; <c>[..., classes]</c> without lengths.</param>
    /// <param name="targets">One class, 0 to classes - 1, for each row that counts, <c>[T, B]</c>.</param>
    /// <param name="lengths">
    /// [B]: steps of each sample that count, 0 to T, not all 0; empty: all rows count. Rows beyond are not read, and their gradients are 0.
    /// </param>
    /// <returns>The mean over the rows that count; infinite where a double is too small for their sum.</returns>
    /// <exception cref="ArgumentException">
    /// The number of targets is not that of the rows, or that of lengths is not B; or there are lengths, and the logits are not [T, B, classes].
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException">A target of a row that counts is not a class, or a length is out of range.</exception>
    /// <exception cref="NotFiniteNumberException">A logit of a row that counts is NaN or infinite.</exception>
    /// <exception cref="ObjectDisposedException">The loss or the logits were disposed.</exception>
    public double Forward(Tensor logits, ReadOnlySpan<int> targets, ReadOnlySpan<int> lengths)
    {
        ForgetGradient();
        CheckArguments(logits, targets, lengths);
        using BufferScope gradient = BeginGradient(logits);
        double loss = Measure(logits, targets, lengths, gradient.Address);
        EndGradient();
        return loss;
    }

    /// <summary>
    /// Computes <see cref="Loss.Gradient"/> alone, for which nothing waits for a GPU, and leaves <see cref="Correct"/> as it is.
    /// </summary>
    /// <param name="logits"><c>[..., classes]</c>; all dimensions but the last count as rows.</param>
    /// <param name="targets">One class, 0 to classes - 1, for each row.</param>
    /// <exception cref="ArgumentException">The number of targets is not that of the rows, or the logits are integers.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A target is not a class.</exception>
    /// <exception cref="NotFiniteNumberException">A logit is NaN or infinite. On a GPU the next call that waits says so: see <see cref="Device"/>.</exception>
    /// <exception cref="ObjectDisposedException">The loss or the logits were disposed.</exception>
    public void Differentiate(Tensor logits, ReadOnlySpan<int> targets) => Differentiate(logits, targets, []);

    /// <summary>
    /// Computes <see cref="Loss.Gradient"/> alone, for which nothing waits for a GPU, and leaves <see cref="Correct"/> as it is.
    /// </summary>
    /// <param name="logits"><c>[T, B, classes]</c>; <c>[..., classes]</c> without lengths.</param>
    /// <param name="targets">One class, 0 to classes - 1, for each row that counts, <c>[T, B]</c>.</param>
    /// <param name="lengths">
    /// [B]: steps of each sample that count, 0 to T, not all 0; empty: all rows count. Rows beyond are not read, and their gradients are 0.
    /// </param>
    /// <exception cref="ArgumentException">
    /// The number of targets is not that of the rows, or that of lengths is not B; or there are lengths, and the logits are not [T, B, classes].
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException">A target of a row that counts is not a class, or a length is out of range.</exception>
    /// <exception cref="NotFiniteNumberException">A logit of a row that counts is NaN or infinite. On a GPU the next call that waits says so: see <see cref="Device"/>.</exception>
    /// <exception cref="ObjectDisposedException">The loss or the logits were disposed.</exception>
    public void Differentiate(Tensor logits, ReadOnlySpan<int> targets, ReadOnlySpan<int> lengths)
    {
        ForgetGradient();
        CheckArguments(logits, targets, lengths);
        using BufferScope gradient = BeginGradient(logits);
        Run(logits, targets, lengths, null, null, gradient.Address);
        EndGradient();
    }

    /// <summary>Computes the loss and <see cref="Correct"/> alone, and leaves <see cref="Loss.Gradient"/> as it is.</summary>
    /// <param name="logits"><c>[..., classes]</c>; all dimensions but the last count as rows.</param>
    /// <param name="targets">One class, 0 to classes - 1, for each row.</param>
    /// <returns>The mean over the rows; infinite where a double is too small for their sum.</returns>
    /// <exception cref="ArgumentException">The number of targets is not that of the rows, or the logits are integers.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A target is not a class.</exception>
    /// <exception cref="NotFiniteNumberException">A logit is NaN or infinite.</exception>
    /// <exception cref="ObjectDisposedException">The loss or the logits were disposed.</exception>
    public double Evaluate(Tensor logits, ReadOnlySpan<int> targets) => Evaluate(logits, targets, []);

    /// <summary>Computes the loss and <see cref="Correct"/> alone, and leaves <see cref="Loss.Gradient"/> as it is.</summary>
    /// <param name="logits"><c>[T, B, classes]</c>; <c>[..., classes]</c> without lengths.</param>
    /// <param name="targets">One class, 0 to classes - 1, for each row that counts, <c>[T, B]</c>.</param>
    /// <param name="lengths">
    /// [B]: steps of each sample that count, 0 to T, not all 0; empty: all rows count. Rows beyond are not read, and their gradients are 0.
    /// </param>
    /// <returns>The mean over the rows that count; infinite where a double is too small for their sum.</returns>
    /// <exception cref="ArgumentException">
    /// The number of targets is not that of the rows, or that of lengths is not B; or there are lengths, and the logits are not [T, B, classes].
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException">A target of a row that counts is not a class, or a length is out of range.</exception>
    /// <exception cref="NotFiniteNumberException">A logit of a row that counts is NaN or infinite.</exception>
    /// <exception cref="ObjectDisposedException">The loss or the logits were disposed.</exception>
    public double Evaluate(Tensor logits, ReadOnlySpan<int> targets, ReadOnlySpan<int> lengths)
    {
        CheckArguments(logits, targets, lengths);
        return Measure(logits, targets, lengths, null);
    }

    private void CheckArguments(Tensor logits, ReadOnlySpan<int> targets, ReadOnlySpan<int> lengths)
    {
        ThrowIfDisposed();
        ArgumentNullException.ThrowIfNull(logits);
        Check.FloatingPoint(logits);
        if (logits.Rank < 2)
        {
            throw new ArgumentException($"{nameof(logits)} has shape {Check.FormatShape(logits.Shape)}; it must be [..., classes] with at least 2 dimensions.", nameof(logits));
        }

        long rows = logits.Count / logits.Shape[^1];
        if (targets.Length != rows)
        {
            throw new ArgumentException($"{nameof(targets)} has {targets.Length} elements; it must have {rows}, one for each row of {nameof(logits)}.", nameof(targets));
        }

        CheckLengths(logits, lengths, nameof(logits));
    }

    private double Measure(Tensor logits, ReadOnlySpan<int> targets, ReadOnlySpan<int> lengths, void* gradient)
    {
        double loss;
        long correct;
        Run(logits, targets, lengths, &loss, &correct, gradient);
        Correct = correct;
        return loss;
    }

    private void Run(Tensor logits, ReadOnlySpan<int> targets, ReadOnlySpan<int> lengths, double* loss, long* correct, void* gradient)
    {
        (long steps, long batch) = logits.StepsAndBatch;
        using BufferScope logitValues = logits.Borrow();
        using HandleScope<ortho_device> device = logits.Device.Handle.Borrow();
        fixed (int* classOfRow = targets, stepsOfSample = lengths)
        {
            NativeMethods.ortho_softmax_cross_entropy(
                device.Pointer, logits.DType.ToNative(), steps, batch, stepsOfSample, null, null, logits.Shape[^1], null, LabelSmoothing,
                logitValues.Address, classOfRow, loss, correct, gradient).ThrowOnFailure(nameof(targets));
        }
    }
}
