namespace OrthoNative;

/// <summary>Where a training stands after a step.</summary>
/// <param name="Epoch">Number of the epoch, from 1.</param>
/// <param name="Epochs">Epochs planned.</param>
/// <param name="Step">Steps done.</param>
/// <param name="Steps">Steps planned.</param>
/// <param name="Loss">Training loss, averaged over the latest 20 steps.</param>
/// <param name="Metric">The first metric on the training batches, averaged likewise; the loss where there is no metric.</param>
/// <param name="SamplesPerSecond">Training samples per second in this epoch.</param>
/// <param name="Remaining">Time that the remaining steps will take at this pace.</param>
/// <param name="EpochResult">The result of the epoch that ended with this step; null at other steps.</param>
public readonly record struct TrainingProgress(
    int Epoch,
    int Epochs,
    long Step,
    long Steps,
    double Loss,
    double Metric,
    double SamplesPerSecond,
    TimeSpan Remaining,
    EpochResult? EpochResult);
