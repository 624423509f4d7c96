namespace OrthoNative;

/// <summary>Mean cross-entropy of the targets with the probabilities that logits stand for.</summary>
/// <remarks>
/// <para>Outputs and targets may be:</para>
/// <list type="bullet">
/// <item>Classes, outputs <c>[..., C]</c> with C of 2 or more: the mean of -log softmax(outputs) at the target class.</item>
/// <item>Classes 0 and 1, outputs <c>[..., 1]</c>: the output is the logit of class 1, whose probability is the logistic function of it.</item>
/// <item>Values 0 to 1, shaped as the outputs: each output is the logit of a label of its own; the mean over the labels is taken, too.</item>
/// </list>
/// <para>
/// It is computed in double, without overflow, whatever the size of the logits. The value does not depend on the order of the rows, nor on how they are cut into
/// batches: sums are rounded once. <c>MeanLoss(new CrossEntropyLoss())</c> is the same but for rounding, and knows class weights and label smoothing.
/// </para>
/// </remarks>
public sealed class LogLoss : Metric
{
    private readonly MetricRows _rows = new();
    private readonly WeightedMean _mean = new();
    private readonly int? _ignored;

    /// <summary>Creates a metric of nothing yet.</summary>
    /// <param name="ignoreIndex">A target class that means that there is none: its row does not count. Null, the default: all rows have a target.</param>
    public LogLoss(int? ignoreIndex = null) => _ignored = ignoreIndex;

    /// <inheritdoc/>
    public override string Name => "log_loss";

    /// <inheritdoc/>
    public override bool HigherIsBetter => false;

    /// <inheritdoc/>
    public override double Value => _mean.Value;

    /// <inheritdoc/>
    public override void Reset() => _mean.Reset();

    /// <inheritdoc/>
    protected override void Update(Tensor outputs, in Targets targets)
    {
        if (targets.Values is not null)
        {
            AddLabels(_rows.WithValues(outputs, targets), targets);
            return;
        }

        foreach (MetricRow row in _rows.WithClasses(outputs, targets, _ignored, oneIsBinary: true))
        {
            if (row.Outputs.Length == 1)
            {
                _mean.Add(LogProbability.BinaryCrossEntropy(row.Outputs[0], row.Class), row.Weight);
            }
            else
            {
                (double largest, double logOfSum) = LogProbability.Of(row);
                _mean.Add(largest - row.Outputs[row.Class] + logOfSum, row.Weight);
            }
        }
    }

    private void AddLabels(MetricRows.Rows rows, in Targets targets)
    {
        foreach (MetricRow row in rows)
        {
            for (int i = 0; i < row.Values.Length; i++)
            {
                if (row.Values[i] is < 0 or > 1)
                {
                    Check.That(false, row.Values[i], "from 0 to 1", $"{targets.NameOf(nameof(Targets.Values))}[{(row.Index * row.Values.Length) + i}]");
                }
            }
        }

        foreach (MetricRow row in rows)
        {
            double sum = 0;
            for (int i = 0; i < row.Outputs.Length; i++)
            {
                sum += LogProbability.BinaryCrossEntropy(row.Outputs[i], row.Values[i]);
            }

            _mean.Add(sum / row.Outputs.Length, row.Weight);
        }
    }
}
