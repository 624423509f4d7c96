namespace OrthoNative;

/// <summary>Mean recall of the classes that occur as targets: each class counts alike, however rare.</summary>
/// <remarks>
/// The recall of a class is the fraction of its rows, with weights of their sum, whose largest output, the first one of equals, is that of the class. Weights that
/// are whole numbers are summed exactly; with others the last bits may depend on how the rows are cut into batches. The number of classes must stay the same until
/// <see cref="Reset"/>.
/// </remarks>
public sealed class BalancedAccuracy : Metric
{
    private readonly MetricRows _rows = new();
    private readonly ClassCounts _counts = new();
    private readonly int? _ignored;

    /// <summary>Creates a metric of nothing yet.</summary>
    /// <param name="ignoreIndex">A target that means that there is none: its row does not count. Null, the default: all rows have a target.</param>
    public BalancedAccuracy(int? ignoreIndex = null) => _ignored = ignoreIndex;

    /// <inheritdoc/>
    public override string Name => "balanced_accuracy";

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
                if (_counts.Targets(i) > 0)
                {
                    sum += _counts.Correct(i) / _counts.Targets(i);
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
