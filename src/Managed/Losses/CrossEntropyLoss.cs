using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Mean cross-entropy of softmax(outputs) with the target class.</summary>
/// <remarks>Runs on the device of the outputs, where the gradient lies, too.</remarks>
public sealed unsafe class CrossEntropyLoss : Loss
{
    private readonly float[]? _classWeights;
    private readonly int? _ignored;

    /// <summary>Weights of the rows of a call, where some targets are ignored.</summary>
    private float[] _rowWeights = [];

    /// <summary>Creates a loss of all rows and classes alike.</summary>
    public CrossEntropyLoss()
        : this(new CrossEntropyOptions())
    {
    }

    /// <summary>Creates a loss.</summary>
    /// <param name="options">Label smoothing, weights of classes, and which target is none.</param>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public CrossEntropyLoss(CrossEntropyOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        Check.Fraction(options.LabelSmoothing);
        LabelSmoothing = options.LabelSmoothing;
        _ignored = options.IgnoreIndex;
        if (options.ClassWeights is not { } weights)
        {
            return;
        }

        _classWeights = new float[weights.Count];
        bool counts = false;
        for (int i = 0; i < _classWeights.Length; i++)
        {
            Check.That(weights[i] >= 0 && Check.IsFinite(weights[i], DType.Float32), weights[i], "finite in Float32 and not negative", $"options.ClassWeights[{i}]");
            _classWeights[i] = Targets.Counted((float)weights[i]);
            counts |= _classWeights[i] > 0;
        }

        if (!counts)
        {
            throw new ArgumentException($"options.ClassWeights has {(weights.Count == 0 ? "no elements" : "zeros only")}; at least one must be above 0.", nameof(options));
        }
    }

    /// <summary>Part of the target distribution that is spread over all classes.</summary>
    public double LabelSmoothing { get; }

    /// <summary>Number of rows, whatever their weights, that counted in the last <c>Forward</c> or <c>Evaluate</c> and whose largest output, the first one of equals, was the target.</summary>
    public long Correct { get; private set; }

    /// <summary>Tells whether <see cref="Correct"/> and <see cref="Loss.WeightSum"/> of rows without weights are those of an accuracy.</summary>
    /// <param name="ignored">The target that the accuracy does not count; null: there is none.</param>
    internal bool CountsAs(int? ignored) => _classWeights is null && _ignored == ignored;

    /// <inheritdoc cref="Forward(Tensor, ReadOnlySpan{int}, ReadOnlySpan{int})"/>
    public double Forward(Tensor outputs, ReadOnlySpan<int> targets) => Forward(outputs, targets, []);

    /// <summary>Computes the loss, <see cref="Correct"/> and <see cref="Loss.Gradient"/>.</summary>
    /// <param name="outputs">Logits, <c>[T, B, classes]</c>; <c>[..., classes]</c> without lengths.</param>
    /// <param name="targets">One class, 0 to classes - 1, for each row that counts, <c>[T, B]</c>.</param>
    /// <param name="lengths">[B]: steps of each sample that count, 0 to T, not all 0; empty: all rows count.</param>
    /// <returns>The mean over the rows that count; infinite where a double is too small for their sum.</returns>
    /// <exception cref="ArgumentException">
    /// The number of targets is not that of the rows, or that of lengths is not B; or there are lengths, and the outputs are not [T, B, classes].
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException">A target of a row that counts is not a class, or a length is out of range.</exception>
    /// <exception cref="NotFiniteNumberException">An output of a row that counts is NaN or infinite.</exception>
    /// <exception cref="ObjectDisposedException">The loss or the outputs were disposed.</exception>
    public double Forward(Tensor outputs, ReadOnlySpan<int> targets, ReadOnlySpan<int> lengths) =>
        Run(outputs, OneByOne(targets, lengths), wantsGradient: true, wantsValue: true);

    /// <inheritdoc cref="Evaluate(Tensor, ReadOnlySpan{int}, ReadOnlySpan{int})"/>
    public double Evaluate(Tensor outputs, ReadOnlySpan<int> targets) => Evaluate(outputs, targets, []);

    /// <summary>Computes the loss and <see cref="Correct"/> alone, and leaves <see cref="Loss.Gradient"/> as it is.</summary>
    /// <inheritdoc cref="Forward(Tensor, ReadOnlySpan{int}, ReadOnlySpan{int})"/>
    public double Evaluate(Tensor outputs, ReadOnlySpan<int> targets, ReadOnlySpan<int> lengths) =>
        Run(outputs, OneByOne(targets, lengths), wantsGradient: false, wantsValue: true);

    /// <inheritdoc cref="Differentiate(Tensor, ReadOnlySpan{int}, ReadOnlySpan{int})"/>
    public void Differentiate(Tensor outputs, ReadOnlySpan<int> targets) => Differentiate(outputs, targets, []);

    /// <summary>
    /// Computes <see cref="Loss.Gradient"/> alone, for which nothing waits for a GPU, and leaves <see cref="Correct"/> as it is.
    /// </summary>
    /// <param name="outputs">Logits, <c>[T, B, classes]</c>; <c>[..., classes]</c> without lengths.</param>
    /// <param name="targets">One class, 0 to classes - 1, for each row that counts, <c>[T, B]</c>.</param>
    /// <param name="lengths">[B]: steps of each sample that count, 0 to T, not all 0; empty: all rows count.</param>
    /// <exception cref="ArgumentException">
    /// The number of targets is not that of the rows, or that of lengths is not B; or there are lengths, and the outputs are not [T, B, classes].
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException">A target of a row that counts is not a class, or a length is out of range.</exception>
    /// <exception cref="NotFiniteNumberException">
    /// An output of a row that counts is NaN or infinite. On a GPU the next call that waits says so: see <see cref="Device"/>.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The loss or the outputs were disposed.</exception>
    public void Differentiate(Tensor outputs, ReadOnlySpan<int> targets, ReadOnlySpan<int> lengths) =>
        Run(outputs, OneByOne(targets, lengths), wantsGradient: true, wantsValue: false);

    /// <inheritdoc/>
    protected override double Compute(Tensor outputs, in Targets targets, Tensor? gradient, bool wantsValue)
    {
        Targets counted = WithoutIgnored(targets);
        if (_classWeights is not null || counted.Weights != targets.Weights)
        {
            WeightSum = SumWeights(counted, out double rows);
            if (WeightSum == 0)
            {
                string name = targets.NameOf(nameof(Targets.Classes));
                throw new ArgumentException(
                    rows == 0 ? $"{name} is {_ignored} in all rows that count; at least one must not be ignored." : $"{name} has classes of weight 0 only; at least one must have a weight.",
                    targets.ArgumentOf(nameof(Targets.Classes)));
            }
        }

        (long steps, long batch) = outputs.StepsAndBatch;
        double loss = double.NaN;
        long correct = 0;
        using BufferScope outputValues = outputs.Borrow();
        using BufferScope gradientValues = Tensor.BorrowToWrite(gradient);
        using HandleScope<ortho_device> device = outputs.Device.Handle.Borrow();
        fixed (int* classOfRow = counted.Classes, stepsOfSample = counted.Lengths)
        fixed (float* weightOfRow = counted.Weights, weightOfClass = _classWeights)
        {
            NativeMethods.ortho_softmax_cross_entropy(
                device.Pointer, outputs.DType.ToNative(), steps, batch, stepsOfSample, weightOfRow, null, outputs.Shape[^1], weightOfClass, LabelSmoothing,
                outputValues.Address, classOfRow, wantsValue ? &loss : null, wantsValue ? &correct : null, gradientValues.Address).ThrowOnFailure();
        }

        if (wantsValue)
        {
            Correct = correct;
        }

        return loss;
    }

    private protected override void CheckTargets(Tensor outputs, in Targets targets)
    {
        if (_classWeights is not null && outputs.Shape[^1] != _classWeights.Length)
        {
            throw new ArgumentException(
                $"{nameof(outputs)} has shape {Check.FormatShape(outputs.Shape)}; it must be [..., {_classWeights.Length}], the number of class weights.", nameof(outputs));
        }

        targets.CheckClasses(outputs, nameof(outputs), _ignored);
    }

    private static Targets OneByOne(ReadOnlySpan<int> targets, ReadOnlySpan<int> lengths) => (Targets.Of(targets) with { Lengths = lengths }).As(null);

    /// <summary>The targets with weights of 0 where they are ignored.</summary>
    private Targets WithoutIgnored(in Targets targets)
    {
        int first = _ignored is { } ignored ? targets.Classes.IndexOf(ignored) : -1;
        if (first < 0)
        {
            return targets;
        }

        if (_rowWeights.Length < targets.Classes.Length)
        {
            _rowWeights = new float[targets.Classes.Length];
        }

        Span<float> weights = _rowWeights.AsSpan(0, targets.Classes.Length);
        for (int row = 0; row < weights.Length; row++)
        {
            weights[row] = targets.Classes[row] == _ignored ? 0 : targets.WeightOf(row);
        }

        return targets with { Weights = weights };
    }

    private protected override double SumOf(in Targets targets, double rows) => SumWeights(WithoutIgnored(targets), out _);

    /// <summary>Sum of the weights of rows, times those of their targets.</summary>
    /// <param name="targets">Without those that are ignored.</param>
    /// <param name="rows">Sum of the weights of rows alone.</param>
    private double SumWeights(in Targets targets, out double rows)
    {
        double sum = 0;
        rows = 0;
        for (int row = 0; row < targets.Classes.Length; row++)
        {
            float weight = targets.WeightOf(row);
            if (weight > 0)
            {
                rows += weight;
                sum += _classWeights is null ? weight : (double)weight * _classWeights[targets.Classes[row]];
            }
        }

        return sum;
    }
}
