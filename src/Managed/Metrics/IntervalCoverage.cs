using System.Globalization;

namespace OrthoNative;

/// <summary>Fraction of the targets that lie between two predicted quantiles, ends included: near <see cref="Nominal"/> if the quantiles are right.</summary>
/// <remarks>
/// <para>
/// Outputs are those of <see cref="QuantileLoss"/>: for targets <c>[..., C]</c> they are <c>[..., C·Q]</c>, and output c·Q + i is the i-th quantile of target c. The
/// mean is taken over the targets of the rows that count, by the weights of the rows. Where the lower quantile is above the upper one, no target lies between.
/// </para>
/// <para>
/// Wide intervals cover much, so look at <see cref="MeanWidth"/>, too. Both values do not depend on the order of the rows, nor on how they are cut into batches: sums
/// are rounded once.
/// </para>
/// </remarks>
public sealed class IntervalCoverage : Metric
{
    private readonly MetricRows _rows = new();
    private readonly WeightedMean _covered = new();
    private readonly WeightedMean _width = new();
    private readonly int _quantiles;
    private readonly int _lower;
    private readonly int _upper;

    /// <summary>Creates a metric of nothing yet.</summary>
    /// <param name="quantiles">Quantiles in the order of the outputs, each above 0 and below 1.</param>
    /// <param name="lower">Lower end of the interval: one of the quantiles.</param>
    /// <param name="upper">Upper end of the interval: one of the quantiles, above the lower end.</param>
    /// <exception cref="ArgumentException">There are no quantiles, one is out of range, or an end is none of them.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The upper end is not above the lower one.</exception>
    public IntervalCoverage(IReadOnlyList<double> quantiles, double lower, double upper)
    {
        ArgumentNullException.ThrowIfNull(quantiles);
        double[] copy = QuantileLoss.CopyOf([.. quantiles]);
        _quantiles = copy.Length;
        _lower = IndexOf(copy, lower, nameof(lower));
        _upper = IndexOf(copy, upper, nameof(upper));
        Check.That(upper > lower, upper, string.Create(CultureInfo.InvariantCulture, $"above {lower}, the lower end"), nameof(upper));
        Nominal = upper - lower;
    }

    /// <summary>The coverage of the true quantiles: upper minus lower end.</summary>
    public double Nominal { get; }

    /// <summary>Mean of upper minus lower quantile, negative where they are crossed; NaN if no row counted. The smaller, the better, at the same coverage.</summary>
    public double MeanWidth => _width.Value;

    /// <inheritdoc/>
    public override string Name => "interval_coverage";

    /// <summary>True; but a coverage above <see cref="Nominal"/> comes from intervals that are wider than need be.</summary>
    public override bool HigherIsBetter => true;

    /// <inheritdoc/>
    public override double Value => _covered.Value;

    /// <inheritdoc/>
    public override void Reset()
    {
        _covered.Reset();
        _width.Reset();
    }

    /// <inheritdoc/>
    protected override void Update(Tensor outputs, in Targets targets)
    {
        foreach (MetricRow row in _rows.WithValues(outputs, targets, _quantiles))
        {
            int covered = 0;
            double width = 0;
            for (int target = 0; target < row.Values.Length; target++)
            {
                double lower = row.Outputs[(target * _quantiles) + _lower];
                double upper = row.Outputs[(target * _quantiles) + _upper];
                covered += lower <= row.Values[target] && row.Values[target] <= upper ? 1 : 0;
                width += upper - lower;
            }

            _covered.Add((double)covered / row.Values.Length, row.Weight);
            _width.Add(width / row.Values.Length, row.Weight);
        }
    }

    private static int IndexOf(double[] quantiles, double end, string name)
    {
        int index = Array.IndexOf(quantiles, end);
        return index >= 0
            ? index
            : throw new ArgumentException(string.Create(
                CultureInfo.InvariantCulture, $"{name} is {end}; it must be one of the quantiles, {string.Join(", ", quantiles.Select(quantile => quantile.ToString(CultureInfo.InvariantCulture)))}."), name);
    }
}
