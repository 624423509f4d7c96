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
