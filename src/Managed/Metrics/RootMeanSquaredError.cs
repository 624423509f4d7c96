namespace OrthoNative;

/// <summary>Square root of the mean of (output - target)² over the outputs of the rows that count, by the weights of the rows.</summary>
/// <remarks>
/// With several outputs it is one root of the mean over all of them, not the mean of a root for each. The value does not depend on the order of the rows, nor on how
/// they are cut into batches: sums are rounded once.
/// </remarks>
public sealed class RootMeanSquaredError : Metric
{
    private readonly MetricRows _rows = new();
    private readonly WeightedMean _mean = new();

    /// <inheritdoc/>
    public override string Name => "root_mean_squared_error";

    /// <inheritdoc/>
    public override bool HigherIsBetter => false;

    /// <inheritdoc/>
    public override double Value => Math.Sqrt(_mean.Value);

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
                double error = row.Outputs[i] - row.Values[i];
                sum += error * error;
            }

            _mean.Add(sum / row.Outputs.Length, row.Weight);
        }
    }
}
