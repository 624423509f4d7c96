using System.Globalization;
using Microsoft.Extensions.Logging;

namespace OrthoNative.Extensions;

/// <summary>Logs a training to an <see cref="ILogger"/>: every so many steps, every epoch, the end, and warnings. One of <see cref="TrainerOptions.Callbacks"/>.</summary>
/// <remarks>
/// <para>Events, of which a structured log has the values by name:</para>
/// <list type="table">
/// <item><term>1 <c>Step</c></term><description>Debug. Step, Steps, Epoch, Loss, Metric, GradientNorm, LearningRate.</description></item>
/// <item><term>2 <c>Epoch</c></term><description>Information. Epoch, Step, Loss, Metric, SamplesPerSecond.</description></item>
/// <item><term>3 <c>Validation</c></term><description>Information. Epoch, Step, ValidationLoss, ValidationMetrics: a text such as <c>accuracy 0.98, macro_f1 0.97</c>.</description></item>
/// <item><term>4 <c>End</c></term><description>Information. Status, Steps, BestEpoch (0: none), Seconds.</description></item>
/// <item><term>5 <c>Interrupted</c></term><description>Warning, in the place of End where the training was cancelled or failed. Steps, Seconds.</description></item>
/// <item><term>6 <c>Warning</c></term><description>Warning. Message.</description></item>
/// </list>
/// <example><code>
/// new TrainerOptions { Callbacks = [new LoggingCallback(loggerFactory.CreateLogger("training"), stepInterval: 50)] }
/// </code></example>
/// </remarks>
public sealed partial class LoggingCallback : TrainingCallback
{
    private readonly ILogger _logger;
    private readonly int _stepInterval;

    /// <summary>Creates a callback.</summary>
    /// <param name="logger">Where it logs to.</param>
    /// <param name="stepInterval">Steps from one that is logged to the next, at least 0; 0: no step is logged. Default 100.</param>
    /// <exception cref="ArgumentNullException"><paramref name="logger"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="stepInterval"/> is negative.</exception>
    public LoggingCallback(ILogger logger, int stepInterval = 100)
    {
        ArgumentNullException.ThrowIfNull(logger);
        if (stepInterval < 0)
        {
            throw new ArgumentOutOfRangeException(
                nameof(stepInterval), FormattableString.Invariant($"{nameof(stepInterval)} is {stepInterval}; it must be at least 0."));
        }

        (_logger, _stepInterval) = (logger, stepInterval);
    }

    /// <inheritdoc/>
    public override void OnStep(TrainingState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        if (_stepInterval > 0 && state.Step % _stepInterval == 0)
        {
            LogStep(state.Step, state.Steps, state.Epoch, state.Loss, state.Metric, state.GradientNorm, state.LearningRate);
        }
    }

    /// <inheritdoc/>
    public override void OnEpochEnd(TrainingState state, EpochResult epoch)
    {
        ArgumentNullException.ThrowIfNull(epoch);
        LogEpoch(epoch.Epoch, epoch.Step, epoch.Loss, epoch.Metric, epoch.SamplesPerSecond);
        if (epoch.Validation is { } validation && _logger.IsEnabled(LogLevel.Information))
        {
            string metrics = string.Join(", ", validation.Metrics.Select(metric => string.Create(CultureInfo.InvariantCulture, $"{metric.Key} {metric.Value:G6}")));
            LogValidation(epoch.Epoch, epoch.Step, validation.Loss, metrics);
        }
    }

    /// <inheritdoc/>
    public override void OnEnd(TrainingResult result)
    {
        ArgumentNullException.ThrowIfNull(result);
        if (result.Status == TrainingStatus.Interrupted)
        {
            LogInterrupted(result.Steps, result.Duration.TotalSeconds);
        }
        else
        {
            LogEnd(result.Status, result.Steps, result.BestEpoch?.Epoch ?? 0, result.Duration.TotalSeconds);
        }
    }

    /// <inheritdoc/>
    public override void OnWarning(string message) => LogWarning(message);

    [LoggerMessage(1, LogLevel.Debug, "Step {Step} of {Steps}, epoch {Epoch}: loss {Loss:G6}, metric {Metric:G6}, gradient norm {GradientNorm:G4}, learning rate {LearningRate:G4}", EventName = "Step")]
    private partial void LogStep(long step, long steps, int epoch, double loss, double metric, double gradientNorm, double learningRate);

    [LoggerMessage(2, LogLevel.Information, "Epoch {Epoch} ended at step {Step}: loss {Loss:G6}, metric {Metric:G6}, {SamplesPerSecond:G4} samples/s", EventName = "Epoch")]
    private partial void LogEpoch(int epoch, long step, double loss, double metric, double samplesPerSecond);

    [LoggerMessage(3, LogLevel.Information, "Epoch {Epoch} validated at step {Step}: loss {ValidationLoss:G6}, {ValidationMetrics}", EventName = "Validation")]
    private partial void LogValidation(int epoch, long step, double validationLoss, string validationMetrics);

    [LoggerMessage(4, LogLevel.Information, "Training ended ({Status}) after {Steps} steps in {Seconds:F1} s; best epoch {BestEpoch}", EventName = "End")]
    private partial void LogEnd(TrainingStatus status, long steps, int bestEpoch, double seconds);

    [LoggerMessage(5, LogLevel.Warning, "Training was interrupted after {Steps} steps in {Seconds:F1} s", EventName = "Interrupted")]
    private partial void LogInterrupted(long steps, double seconds);

    [LoggerMessage(6, LogLevel.Warning, "{Message}", EventName = "Warning")]
    private partial void LogWarning(string message);
}
