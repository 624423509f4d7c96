using System.Globalization;

namespace OrthoNative;

/// <summary>Mean absolute scaled error: the mean of |output - target| / scale, with scale the mean absolute error of a naive forecast of the training series.</summary>
/// <remarks>
/// <para>
/// Below 1 the model is better than the naive forecast was on the training series (R. J. Hyndman and A. B. Koehler, "Another look at measures of forecast accuracy",
/// 2006). The mean is taken over the outputs of the rows that count, by the weights of the rows. The value does not depend on the order of the rows, nor on how they are
/// cut into batches: sums are rounded once.
/// </para>
/// <example><code>
/// var mase = new MeanAbsoluteScaledError(MeanAbsoluteScaledError.ScaleOf(trainingSeries, season: 24));
/// </code></example>
/// </remarks>
public sealed class MeanAbsoluteScaledError : Metric
{
    private readonly MetricRows _rows = new();
    private readonly WeightedMean _mean = new();
    private readonly double[] _scales;

    /// <summary>Creates a metric of nothing yet.</summary>
    /// <param name="scales">One scale for all outputs, or one for each; finite and above 0, see <see cref="ScaleOf"/>. Copied.</param>
    /// <exception cref="ArgumentException">There are none, or one is out of range.</exception>
    public MeanAbsoluteScaledError(params double[] scales)
    {
        ArgumentNullException.ThrowIfNull(scales);
        if (scales.Length == 0)
        {
            throw new ArgumentException($"{nameof(scales)} is empty; at least one is required.", nameof(scales));
        }

        for (int i = 0; i < scales.Length; i++)
        {
            Check.Positive(scales[i], $"{nameof(scales)}[{i}]");
        }

        _scales = [.. scales];
        Scales = Array.AsReadOnly(_scales);
    }

    /// <summary>The scales.</summary>
    public IReadOnlyList<double> Scales { get; }

    /// <inheritdoc/>
    public override string Name => "mean_absolute_scaled_error";

    /// <inheritdoc/>
    public override bool HigherIsBetter => false;

    /// <inheritdoc/>
    public override double Value => _mean.Value;

    /// <summary>Mean absolute error of the seasonal naive forecast within a series: the mean of |s_t - s_(t - season)|.</summary>
    /// <param name="series">The training series, longer than the season, in the unit of the targets.</param>
    /// <param name="season">Steps of a period, at least 1: 24 for hours of days. Default 1: the forecast is the last value.</param>
    /// <returns>At least 0, and 0 for a series that repeats itself, which is no scale.</returns>
    /// <exception cref="ArgumentException">The series is not longer than the season.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="season"/> is below 1.</exception>
    /// <exception cref="NotFiniteNumberException">A value is NaN or infinite.</exception>
    public static double ScaleOf(ReadOnlySpan<float> series, int season = 1)
    {
        Check.AtLeast(season, 1);
        if (series.Length <= season)
        {
            throw new ArgumentException(
                string.Create(CultureInfo.InvariantCulture, $"{nameof(series)} has {series.Length} elements; it must have more than {season}, the season."), nameof(series));
        }

        var sum = new ExactSum();
        for (int i = 0; i < series.Length; i++)
        {
            if (!float.IsFinite(series[i]))
            {
                throw new NotFiniteNumberException(
                    string.Create(CultureInfo.InvariantCulture, $"{nameof(series)}[{i}] is {series[i]}; it must be finite."), series[i]);
            }

            if (i >= season)
            {
                sum.Add(Math.Abs((double)series[i] - series[i - season]));
            }
        }

        return sum.Value / (series.Length - season);
    }

    /// <inheritdoc/>
    public override void Reset() => _mean.Reset();

    /// <inheritdoc/>
    protected override void Update(Tensor outputs, in Targets targets)
    {
        MetricRows.Rows rows = _rows.WithValues(outputs, targets);
        if (_scales.Length > 1)
        {
            MetricRows.CheckSize(outputs, _scales.Length, "the number of scales");
        }

        foreach (MetricRow row in rows)
        {
            double sum = 0;
            for (int i = 0; i < row.Outputs.Length; i++)
            {
                sum += Math.Abs(row.Outputs[i] - row.Values[i]) / _scales[_scales.Length == 1 ? 0 : i];
            }

            _mean.Add(sum / row.Outputs.Length, row.Weight);
        }
    }
}
