namespace OrthoNative;

/// <summary>The results of an epoch.</summary>
/// <param name="Epoch">Number of the epoch, from 1.</param>
/// <param name="Step">Training steps since the start of the run.</param>
/// <param name="Loss">Mean training loss of its steps, each measured just before the model learnt from the batch and weighted by its samples.</param>
/// <param name="Metric">Mean of the first metric on the training batches, likewise; the loss where there is no metric.</param>
/// <param name="Validation">Results on the validation data; null if there are none, or the epoch was not validated.</param>
/// <param name="LearningRate">Learning rate of its last step.</param>
/// <param name="GradientNorm">Mean norm of the gradient before clipping, of the steps since the run was last resumed.</param>
/// <param name="Seconds">Wall time of its training steps, since the run was last resumed.</param>
/// <param name="SamplesPerSecond">Training samples per second, since the run was last resumed.</param>
public sealed record EpochResult(
    int Epoch,
    long Step,
    double Loss,
    double Metric,
    EvaluationResult? Validation,
    double LearningRate,
    double GradientNorm,
    double Seconds,
    double SamplesPerSecond);
