namespace OrthoNative;

/// <summary>Coefficient of determination, R²: 1 - Σ w·(y - f)² / Σ w·(y - m)² with y a target, f its output, m the weighted mean of the targets.</summary>
/// <remarks>
/// <para>
/// It is computed for each output; the value is the mean over the outputs, all alike (<c>multioutput="uniform_average"</c> of scikit-learn). An output whose targets
/// are all equal has 1 if all are met, else 0. One row alone gives NaN. The number of outputs must stay the same until <see cref="Reset"/>.
/// </para>
/// <para>
/// The deviations from the mean are summed row by row, without cancellation (D. H. D. West, 1979). Rows are taken in their order, and the last bits depend on it; how
/// rows <c>[B, C]</c> are cut into batches does not matter.
/// </para>
/// </remarks>
public sealed class RSquared : Metric
{
    private readonly MetricRows _rows = new();
    private double[] _means = [];
    private double[] _deviations = [];
    private double[] _errors = [];
    private double _weights;
    private long _count;
    private int _outputs;

    /// <inheritdoc/>
    public override string Name => "r_squared";

    /// <inheritdoc/>
    public override bool HigherIsBetter => true;

    /// <summary>The metric of all rows that were added since the last <see cref="Reset"/>; NaN if fewer than two counted.</summary>
    public override double Value
    {
        get
        {
            if (_count < 2)
            {
                return double.NaN;
            }

            double sum = 0;
            for (int i = 0; i < _outputs; i++)
            {
                sum += _deviations[i] > 0 ? 1 - (_errors[i] / _deviations[i]) : _errors[i] == 0 ? 1 : 0;
            }

            return sum / _outputs;
        }
    }

    /// <inheritdoc/>
    public override void Reset()
    {
        _outputs = 0;
        _weights = 0;
        _count = 0;
        Array.Clear(_means);
        Array.Clear(_deviations);
        Array.Clear(_errors);
    }

    /// <inheritdoc/>
    protected override void Update(Tensor outputs, in Targets targets)
    {
        MetricRows.Rows rows = _rows.WithValues(outputs, targets);
        if (_outputs > 0)
        {
            MetricRows.CheckSize(outputs, _outputs, "as since the last reset");
        }
        else
        {
            (long steps, long batch) = outputs.StepsAndBatch;
            _outputs = checked((int)(outputs.Count / (steps * batch)));
            if (_means.Length != _outputs)
            {
                _means = new double[_outputs];
                _deviations = new double[_outputs];
                _errors = new double[_outputs];
            }
        }

        foreach (MetricRow row in rows)
        {
            _count++;
            _weights += row.Weight;
            for (int i = 0; i < row.Outputs.Length; i++)
            {
                double error = row.Values[i] - row.Outputs[i];
                _errors[i] += row.Weight * error * error;
                double before = row.Values[i] - _means[i];
                _means[i] += before * (row.Weight / _weights);
                _deviations[i] += row.Weight * before * (row.Values[i] - _means[i]);
            }
        }
    }
}
