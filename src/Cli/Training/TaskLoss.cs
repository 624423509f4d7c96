namespace OrthoNative.Cli.Training;

/// <summary>The loss that fits a data set's targets, and the metric that goes with it.</summary>
internal sealed class TaskLoss(Dataset data, double labelSmoothing) : IDisposable
{
    private readonly Loss _loss = data.IsClassification
        ? new CrossEntropyLoss(new CrossEntropyOptions { LabelSmoothing = labelSmoothing })
        : new MeanSquaredErrorLoss();

    /// <summary>Gradient of the last loss at the outputs.</summary>
    public Tensor Gradient => _loss.Gradient;

    /// <summary>Fraction of right answers, or mean squared error, of the last outputs.</summary>
    public double Metric { get; private set; }

    /// <summary>Rows with the right answer in the last batch; 0 where targets are values.</summary>
    public long Correct => _loss is CrossEntropyLoss entropy ? entropy.Correct : 0;

    /// <summary>Mean loss of a batch, and its gradient.</summary>
    public double Forward(Tensor outputs, Batch batch)
    {
        double loss = _loss.Forward(outputs, batch);
        Metric = MetricOf(loss);
        return loss;
    }

    /// <summary>Metric of a batch, without a gradient.</summary>
    public double Evaluate(Tensor outputs, Batch batch) => Metric = MetricOf(_loss.Evaluate(outputs, batch));

    public void Dispose() => _loss.Dispose();

    private double MetricOf(double loss) => _loss is CrossEntropyLoss entropy ? entropy.Correct / entropy.WeightSum : loss;
}
