using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>A loss whose targets are values: the mean of a function of an output and its target.</summary>
/// <remarks>Runs on the device of the outputs, where the gradient lies, too. The targets must lie on that GPU, or on any CPU device where the outputs lie on one.</remarks>
public abstract unsafe class ValueLoss : Loss
{
    private readonly ortho_loss_kind _kind;
    private readonly double[] _parameters;

    private protected ValueLoss(ortho_loss_kind kind, params double[] parameters)
    {
        _kind = kind;
        _parameters = parameters;
    }

    /// <inheritdoc cref="Forward(Tensor, Tensor, ReadOnlySpan{int})"/>
    public double Forward(Tensor outputs, Tensor targets) => Forward(outputs, targets, []);

    /// <summary>Computes the loss and <see cref="Loss.Gradient"/>.</summary>
    /// <param name="outputs">A model's outputs, <c>[T, B, C]</c>; any shape without lengths.</param>
    /// <param name="targets">The same shape, element type and device.</param>
    /// <param name="lengths">[B]: steps of each sample that count, 0 to T, not all 0; empty: all rows count.</param>
    /// <returns>The mean over the elements of the rows that count; infinite where a double is too small for their sum.</returns>
    /// <exception cref="ArgumentException">
    /// Shape, element type or device differ, or the number of lengths is not B; or there are lengths, and the outputs are not [T, B, C].
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException">A length, or a target that is a probability, is out of range.</exception>
    /// <exception cref="NotFiniteNumberException">An output or a target of a row that counts is NaN or infinite.</exception>
    /// <exception cref="ObjectDisposedException">The loss or a tensor was disposed.</exception>
    public double Forward(Tensor outputs, Tensor targets, ReadOnlySpan<int> lengths) =>
        Run(outputs, OneByOne(targets, lengths), wantsGradient: true, wantsValue: true);

    /// <inheritdoc cref="Evaluate(Tensor, Tensor, ReadOnlySpan{int})"/>
    public double Evaluate(Tensor outputs, Tensor targets) => Evaluate(outputs, targets, []);

    /// <summary>Computes the loss alone, and leaves <see cref="Loss.Gradient"/> as it is.</summary>
    /// <inheritdoc cref="Forward(Tensor, Tensor, ReadOnlySpan{int})"/>
    public double Evaluate(Tensor outputs, Tensor targets, ReadOnlySpan<int> lengths) =>
        Run(outputs, OneByOne(targets, lengths), wantsGradient: false, wantsValue: true);

    /// <inheritdoc cref="Differentiate(Tensor, Tensor, ReadOnlySpan{int})"/>
    public void Differentiate(Tensor outputs, Tensor targets) => Differentiate(outputs, targets, []);

    /// <summary>Computes <see cref="Loss.Gradient"/> alone, for which nothing waits for a GPU.</summary>
    /// <param name="outputs">A model's outputs, <c>[T, B, C]</c>; any shape without lengths.</param>
    /// <param name="targets">The same shape, element type and device.</param>
    /// <param name="lengths">[B]: steps of each sample that count, 0 to T, not all 0; empty: all rows count.</param>
    /// <exception cref="ArgumentException">
    /// Shape, element type or device differ, or the number of lengths is not B; or there are lengths, and the outputs are not [T, B, C].
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException">A length, or a target that is a probability, is out of range.</exception>
    /// <exception cref="NotFiniteNumberException">
    /// An output or a target of a row that counts is NaN or infinite. On a GPU the next call that waits says so: see <see cref="Device"/>.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The loss or a tensor was disposed.</exception>
    public void Differentiate(Tensor outputs, Tensor targets, ReadOnlySpan<int> lengths) =>
        Run(outputs, OneByOne(targets, lengths), wantsGradient: true, wantsValue: false);

    /// <inheritdoc/>
    protected sealed override double Compute(Tensor outputs, in Targets targets, Tensor? gradient, bool wantsValue)
    {
        (long steps, long batch) = outputs.StepsAndBatch;
        double loss = double.NaN;
        using BufferScope outputValues = outputs.Borrow();
        using BufferScope targetValues = targets.Values!.Borrow();
        using BufferScope gradientValues = Tensor.BorrowToWrite(gradient);
        using HandleScope<ortho_device> device = outputs.Device.Handle.Borrow();
        fixed (int* stepsOfSample = targets.Lengths)
        fixed (float* weightOfRow = targets.Weights)
        fixed (double* parameters = _parameters)
        {
            NativeMethods.ortho_elementwise_loss(
                device.Pointer, outputs.DType.ToNative(), (int)_kind, steps, batch, stepsOfSample, weightOfRow, null, outputs.Count / (steps * batch),
                parameters, _parameters.Length, outputValues.Address, targetValues.Address, wantsValue ? &loss : null, gradientValues.Address)
                .ThrowOnFailure(targets.ArgumentOf(nameof(Targets.Values)));
        }

        return loss;
    }

    private protected override void CheckTargets(Tensor outputs, in Targets targets) => targets.CheckValues(outputs, nameof(outputs));

    private static Targets OneByOne(Tensor targets, ReadOnlySpan<int> lengths) => (Targets.Of(targets) with { Lengths = lengths }).As(null);
}
