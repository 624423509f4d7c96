namespace OrthoNative.Cli.Training;

/// <summary>The loss that fits a data set's targets, and the metric that goes with it.</summary>
internal sealed class TaskLoss : IDisposable
{
    private readonly CrossEntropyLoss? _crossEntropy;
    private readonly MeanSquaredErrorLoss? _squaredError;

    public TaskLoss(Dataset data, double labelSmoothing)
    {
        if (data.IsClassification)
        {
            _crossEntropy = new CrossEntropyLoss(labelSmoothing);
        }
        else
        {
            _squaredError = new MeanSquaredErrorLoss();
        }
    }

    /// <summary>Gradient of the last loss at the outputs.</summary>
    public Tensor Gradient => _crossEntropy?.Gradient ?? _squaredError!.Gradient;

    /// <summary>Fraction of right answers, or mean squared error, of the last outputs.</summary>
    public double Metric { get; private set; }

    /// <summary>Mean loss of a batch, and its gradient.</summary>
    public double Forward(Tensor outputs, Batch batch)
    {
        if (_crossEntropy is null)
        {
            return Metric = _squaredError!.Forward(outputs, batch.Values!);
        }

        double loss = _crossEntropy.Forward(outputs, batch.Classes);
        Metric = (double)_crossEntropy.Correct / batch.Classes.Length;
        return loss;
    }

    /// <summary>Metric of a batch, without a gradient.</summary>
    public double Evaluate(Tensor outputs, Batch batch)
    {
        if (_crossEntropy is null)
        {
            return Metric = _squaredError!.Evaluate(outputs, batch.Values!);
        }

        _crossEntropy.Evaluate(outputs, batch.Classes);
        return Metric = (double)_crossEntropy.Correct / batch.Classes.Length;
    }

    public void Dispose()
    {
        _crossEntropy?.Dispose();
        _squaredError?.Dispose();
    }
}
