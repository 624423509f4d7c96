namespace OrthoNative;

/// <summary>Mean of a loss over all rows that count, whatever the batches that they came in.</summary>
public sealed class MeanLoss : Metric
{
    private readonly Loss _loss;
    private double _sum;
    private double _weights;

    /// <summary>Creates a metric of nothing yet.</summary>
    /// <param name="loss">Evaluated for each batch; its gradient stays as it is. Belongs to the caller.</param>
    /// <param name="name">Name of the metric.</param>
    public MeanLoss(Loss loss, string name = "loss")
    {
        ArgumentNullException.ThrowIfNull(loss);
        ArgumentException.ThrowIfNullOrEmpty(name);
        _loss = loss;
        Name = name;
    }

    /// <inheritdoc/>
    public override string Name { get; }

    /// <inheritdoc/>
    public override bool HigherIsBetter => false;

    /// <inheritdoc/>
    public override double Value => _sum / _weights;

    /// <inheritdoc/>
    public override void Reset() => _sum = _weights = 0;

    /// <inheritdoc/>
    protected override void Update(Tensor outputs, in Targets targets)
    {
        // A batch of which nothing counts, all of whose targets are ignored, say, adds nothing.
        if (_loss.WeightOf(outputs, targets) > 0)
        {
            double mean = _loss.Run(outputs, targets, wantsGradient: false, wantsValue: true);
            _sum += mean * _loss.WeightSum;
            _weights += _loss.WeightSum;
        }
    }
}
