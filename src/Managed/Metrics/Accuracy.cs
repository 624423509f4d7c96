namespace OrthoNative;

/// <summary>Fraction of the rows whose largest output, the first one of equals, is that of the target class; with weights, of their sum.</summary>
public sealed class Accuracy : Metric
{
    private readonly MetricRows _rows = new();
    private readonly int? _ignored;
    private double _correct;
    private double _counted;

    /// <summary>Creates a metric of nothing yet.</summary>
    /// <param name="ignoreIndex">A target that means that there is none: its row does not count. Null, the default: all rows have a target.</param>
    public Accuracy(int? ignoreIndex = null) => _ignored = ignoreIndex;

    /// <inheritdoc/>
    public override string Name => "accuracy";

    /// <inheritdoc/>
    public override bool HigherIsBetter => true;

    /// <inheritdoc/>
    public override double Value => _correct / _counted;

    /// <inheritdoc/>
    public override void Reset() => _correct = _counted = 0;

    /// <summary>Adds the rows of a batch by what a loss has just counted of them, so that they are not read a second time.</summary>
    /// <param name="loss">Was evaluated for the batch, unless all its targets are ignored.</param>
    /// <param name="batch">The batch.</param>
    /// <param name="wasEvaluated">True if it certainly was.</param>
    /// <returns>False: the loss counts otherwise, and nothing is added.</returns>
    internal bool TryAdd(Loss loss, Batch batch, bool wasEvaluated)
    {
        if (loss is not CrossEntropyLoss entropy || !entropy.CountsAs(_ignored) || !batch.Weights.IsEmpty || !(wasEvaluated || _ignored is null))
        {
            return false;
        }

        _correct += entropy.Correct;
        _counted += entropy.WeightSum;
        return true;
    }

    /// <inheritdoc/>
    protected override void Update(Tensor outputs, in Targets targets)
    {
        double correct = 0;
        double counted = 0;
        foreach (MetricRow row in _rows.WithClasses(outputs, targets, _ignored))
        {
            counted += row.Weight;
            correct += row.Predicted == row.Class ? row.Weight : 0;
        }

        _correct += correct;
        _counted += counted;
    }
}
