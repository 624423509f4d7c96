namespace OrthoNative;

/// <summary>Mean F1 score of the classes that occur: each class counts alike, however rare.</summary>
/// <remarks>
/// <para>
/// The F1 score of a class is 2·TP / (2·TP + FP + FN), the harmonic mean of precision and recall, with the weights of the rows. The prediction is the largest
/// output, the first one of equals. The mean is taken over the classes that occur as targets or as predictions: one that is predicted but is never a target counts
/// 0, and one that is neither does not count. This is what <c>f1_score(average="macro")</c> of scikit-learn does.
/// </para>
/// <para>
/// Weights that are whole numbers are summed exactly; with others the last bits may depend on how the rows are cut into batches. The number of classes must stay the
/// same until <see cref="Reset"/>.
/// </para>
/// </remarks>
public sealed class MacroF1 : Metric
{
    private readonly MetricRows _rows = new();
    private readonly ClassCounts _counts = new();
    private readonly int? _ignored;

    /// <summary>Creates a metric of nothing yet.</summary>
    /// <param name="ignoreIndex">A target that means that there is none: its row does not count. Null, the default: all rows have a target.</param>
    public MacroF1(int? ignoreIndex = null) => _ignored = ignoreIndex;

    /// <inheritdoc/>
    public override string Name => "macro_f1";

    /// <inheritdoc/>
    public override bool HigherIsBetter => true;

    /// <inheritdoc/>
    public override double Value
    {
        get
        {
            double sum = 0;
            int classes = 0;
            for (int i = 0; i < _counts.Count; i++)
            {
                double both = _counts.Targets(i) + _counts.Predictions(i);
                if (both > 0)
                {
                    sum += 2 * _counts.Correct(i) / both;
                    classes++;
                }
            }

            return sum / classes;
        }
    }

    /// <inheritdoc/>
    public override void Reset() => _counts.Reset();

    /// <inheritdoc/>
    protected override void Update(Tensor outputs, in Targets targets) => _counts.Add(outputs, _rows.WithClasses(outputs, targets, _ignored));
}
