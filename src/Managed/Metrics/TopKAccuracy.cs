using System.Globalization;

namespace OrthoNative;

/// <summary>Fraction of the rows whose target class is among those of the k largest outputs; with weights, of their sum.</summary>
/// <remarks>
/// Of equal outputs those of lower classes are larger, so that k = 1 is <see cref="Accuracy"/>. With k of at least the number of classes the value is 1. It does
/// not depend on how the rows are cut into batches.
/// </remarks>
public sealed class TopKAccuracy : Metric
{
    private readonly MetricRows _rows = new();
    private readonly WeightedMean _mean = new();
    private readonly int? _ignored;

    /// <summary>Creates a metric of nothing yet.</summary>
    /// <param name="k">The number of classes that a row may name, at least 1.</param>
    /// <param name="ignoreIndex">A target that means that there is none: its row does not count. Null, the default: all rows have a target.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="k"/> is below 1.</exception>
    public TopKAccuracy(int k, int? ignoreIndex = null)
    {
        Check.AtLeast(k, 1);
        K = k;
        _ignored = ignoreIndex;
        Name = string.Create(CultureInfo.InvariantCulture, $"top_{k}_accuracy");
    }

    /// <summary>The number of classes that a row may name.</summary>
    public int K { get; }

    /// <summary>Name in tables and files: <c>top_5_accuracy</c> for k = 5.</summary>
    public override string Name { get; }

    /// <inheritdoc/>
    public override bool HigherIsBetter => true;

    /// <inheritdoc/>
    public override double Value => _mean.Value;

    /// <inheritdoc/>
    public override void Reset() => _mean.Reset();

    /// <inheritdoc/>
    protected override void Update(Tensor outputs, in Targets targets)
    {
        foreach (MetricRow row in _rows.WithClasses(outputs, targets, _ignored))
        {
            double target = row.Outputs[row.Class];
            int larger = 0;
            for (int i = 0; i < row.Outputs.Length; i++)
            {
                larger += row.Outputs[i] > target || (row.Outputs[i] == target && i < row.Class) ? 1 : 0;
            }

            _mean.Add(larger < K ? 1 : 0, row.Weight);
        }
    }
}
