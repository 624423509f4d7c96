namespace OrthoNative;

/// <summary>Symmetric mean absolute percentage error as a fraction, 0 to 2: the mean of 2·|y - f| / (|y| + |f|) with y a target and f its output.</summary>
/// <remarks>
/// Where both are 0 the term is 0. The mean is taken over the outputs of the rows that count, by the weights of the rows. This is the definition of the M4 competition
/// without its factor of 100. The value does not depend on the order of the rows, nor on how they are cut into batches: sums are rounded once.
/// </remarks>
public sealed class SymmetricMape : Metric
{
    private readonly MetricRows _rows = new();
    private readonly WeightedMean _mean = new();

    /// <inheritdoc/>
    public override string Name => "symmetric_mape";

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
                // Halves, since the sum of two large numbers may be infinite.
                double output = row.Outputs[i] / 2;
                double target = row.Values[i] / 2;
                double size = Math.Abs(target) + Math.Abs(output);
                sum += size == 0 ? 0 : 2 * (Math.Abs(target - output) / size);
            }

            _mean.Add(sum / row.Outputs.Length, row.Weight);
        }
    }
}
