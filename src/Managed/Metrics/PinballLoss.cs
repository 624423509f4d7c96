namespace OrthoNative;

/// <summary>Mean of the pinball loss max(q·e, (q - 1)·e) with e = target - output, over the outputs of the rows that count, by the weights of the rows.</summary>
/// <remarks>
/// Q quantiles take Q outputs for each target, as in <see cref="QuantileLoss"/>: for targets <c>[..., C]</c> outputs are <c>[..., C·Q]</c>, and output c·Q + i is the
/// i-th quantile of target c. The value does not depend on the order of the rows, nor on how they are cut into batches: sums are rounded once.
/// </remarks>
public sealed class PinballLoss : Metric
{
    private readonly MetricRows _rows = new();
    private readonly WeightedMean _mean = new();
    private readonly double[] _quantiles;

    /// <summary>Creates a metric of nothing yet.</summary>
    /// <param name="quantiles">Quantiles in the order of the outputs, each above 0 and below 1; at least one. Copied.</param>
    /// <exception cref="ArgumentException">There are none, or one is out of range.</exception>
    public PinballLoss(params double[] quantiles)
    {
        _quantiles = QuantileLoss.CopyOf(quantiles);
        Quantiles = Array.AsReadOnly(_quantiles);
    }

    /// <summary>Quantiles in the order of the outputs.</summary>
    public IReadOnlyList<double> Quantiles { get; }

    /// <inheritdoc/>
    public override string Name => "pinball_loss";

    /// <inheritdoc/>
    public override bool HigherIsBetter => false;

    /// <inheritdoc/>
    public override double Value => _mean.Value;

    /// <inheritdoc/>
    public override void Reset() => _mean.Reset();

    /// <inheritdoc/>
    protected override void Update(Tensor outputs, in Targets targets)
    {
        foreach (MetricRow row in _rows.WithValues(outputs, targets, _quantiles.Length))
        {
            double sum = 0;
            for (int target = 0; target < row.Values.Length; target++)
            {
                for (int i = 0; i < _quantiles.Length; i++)
                {
                    double error = row.Values[target] - row.Outputs[(target * _quantiles.Length) + i];
                    sum += Math.Max(_quantiles[i] * error, (_quantiles[i] - 1) * error);
                }
            }

            _mean.Add(sum / row.Outputs.Length, row.Weight);
        }
    }
}
