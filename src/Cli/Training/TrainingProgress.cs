using System.Runtime.ExceptionServices;

namespace OrthoNative.Cli.Training;

/// <summary>Where a run stands after a step.</summary>
/// <param name="Epoch">Number of the epoch, from 1.</param>
/// <param name="Epochs">Epochs planned.</param>
/// <param name="Step">Steps done.</param>
/// <param name="Steps">Steps planned.</param>
/// <param name="Loss">Training loss, averaged over the latest steps.</param>
/// <param name="Metric">Metric, averaged over the latest steps.</param>
/// <param name="SamplesPerSecond">Training samples per second.</param>
/// <param name="Remaining">Time that the remaining steps will take at this pace.</param>
internal readonly record struct TrainingProgress(
    int Epoch,
    int Epochs,
    long Step,
    long Steps,
    double Loss,
    double Metric,
    double SamplesPerSecond,
    TimeSpan Remaining);

/// <summary>The results of an epoch; part of run.json.</summary>
/// <param name="Epoch">Number of the epoch, from 1.</param>
/// <param name="Step">Training steps since the start of the run.</param>
/// <param name="Loss">Mean training loss of its steps; as all that follows, of those since the run was last taken up.</param>
/// <param name="Metric">Metric on its training samples, each measured just before it was learnt from.</param>
/// <param name="TestMetric">Metric on the test samples; null unless it was asked for.</param>
/// <param name="LearningRate">Learning rate of its last step.</param>
/// <param name="GradientNorm">Mean norm of the gradient before clipping.</param>
/// <param name="Seconds">Wall time of its training steps.</param>
/// <param name="SamplesPerSecond">Training samples per second.</param>
internal sealed record EpochReport(
    int Epoch,
    long Step,
    double Loss,
    double Metric,
    double? TestMetric,
    double LearningRate,
    double GradientNorm,
    double Seconds,
    double SamplesPerSecond);

/// <summary>The outcome of a run, or that it is still running.</summary>
internal enum RunStatus
{
    /// <summary>All planned steps were done.</summary>
    Completed,

    /// <summary>The metric reached the task's goal, and the rest was left out.</summary>
    GoalReached,

    /// <summary>The user ended it, or something that failed.</summary>
    Interrupted,

    /// <summary>It has not ended: what is saved is a state on the way.</summary>
    Running,
}

/// <summary>Answers to a test where every step has a target; part of run.json.</summary>
/// <param name="Steps">Steps of all samples.</param>
/// <param name="CorrectSteps">Steps with the right answer.</param>
/// <param name="Samples">Samples.</param>
/// <param name="CorrectLastSteps">Samples with the right answer at the last step.</param>
internal sealed record TestAnswers(long Steps, long CorrectSteps, long Samples, long CorrectLastSteps);

/// <summary>A test.</summary>
/// <param name="Metric">Metric on the test samples.</param>
/// <param name="Answers">The answers where every step has a target; otherwise null.</param>
internal sealed record TestResult(double Metric, TestAnswers? Answers);

/// <summary>The results of a run.</summary>
/// <param name="Status">The outcome of the run, or that it is still running.</param>
/// <param name="Steps">Training steps done.</param>
/// <param name="Epochs">One report for each epoch that was begun; on the way, that was done.</param>
/// <param name="Test">The test after the last step; null if the run was interrupted or is still running.</param>
/// <param name="Baseline">The metric of a model that has learnt nothing.</param>
/// <param name="Seconds">Wall time of training and test.</param>
/// <param name="Failure">The failure that ended the run; null: none did.</param>
internal sealed record TrainingOutcome(
    RunStatus Status,
    long Steps,
    IReadOnlyList<EpochReport> Epochs,
    TestResult? Test,
    double Baseline,
    double Seconds,
    ExceptionDispatchInfo? Failure = null);
