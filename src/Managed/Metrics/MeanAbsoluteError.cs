namespace OrthoNative;

/// <summary>Mean of |output - target| over the outputs of the rows that count, by the weights of the rows.</summary>
/// <remarks>
/// The value does not depend on the order of the rows, nor on how they are cut into batches: sums are rounded once. The mean squared error is
/// <c>new MeanLoss(new MeanSquaredErrorLoss(), "mean_squared_error")</c>.
/// </remarks>
public sealed class MeanAbsoluteError : Metric
{
    private readonly MetricRows _rows = new();
    private readonly WeightedMean _mean = new();

    /// <inheritdoc/>
    public override string Name => "mean_absolute_error";

    /// <inheritdoc/>
    public override bool HigherIsBetter => false;

    /// <inheritdoc/>
    public override double Value => _mean.Value;

    /// <inheritdoc/>
    public override void Reset() => _mean.Reset();

    /// <inheritdoc/>
    protected override void Update(Tensor outputs, in Targets targets)
    {
        foreach (MetricRow row in _rows.WithValues(outputs, targets))
        {
            double sum = 0;
            for (int i = 0; i < row.Outputs.Length; i++)
            {
                sum += Math.Abs(row.Outputs[i] - row.Values[i]);
            }

            _mean.Add(sum / row.Outputs.Length, row.Weight);
        }
    }
}
