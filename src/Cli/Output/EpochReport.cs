using System.Text.Json;
using System.Text.Json.Serialization;
using OrthoNative.Cli.Training;

namespace OrthoNative.Cli.Output;

/// <summary>The results of an epoch; part of run.json, and until the run ends a line of epochs.jsonl.</summary>
/// <param name="Epoch">Number of the epoch, from 1.</param>
/// <param name="Step">Training steps since the start of the run.</param>
/// <param name="Loss">Mean training loss of its steps.</param>
/// <param name="Metric">Metric on its training samples, each measured just before it was learnt from.</param>
/// <param name="TestMetric">Metric on the test samples; null unless it was asked for.</param>
/// <param name="LearningRate">Learning rate of its last step.</param>
/// <param name="GradientNorm">Mean norm of the gradient before clipping; as all that follows, of the steps since the run was last resumed.</param>
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
    double SamplesPerSecond)
{
    /// <summary>The report of what the library measured.</summary>
    public static EpochReport Of(EpochResult epoch, string metric) => new(
        epoch.Epoch, epoch.Step, epoch.Loss, epoch.Metric, epoch.Validation is { } test ? Metrics.ValueOf(test, metric) : null, epoch.LearningRate, epoch.GradientNorm, epoch.Seconds,
        epoch.SamplesPerSecond);

    /// <summary>Reads a line of epochs.jsonl.</summary>
    public static EpochReport? Parse(string line) => JsonSerializer.Deserialize(line, EpochReportJson.Default.EpochReport);

    /// <summary>A line of epochs.jsonl.</summary>
    public string ToLine() => JsonSerializer.Serialize(this, EpochReportJson.Default.EpochReport);

    /// <summary>What the library measured.</summary>
    public EpochResult ToResult(string metric) => new(
        Epoch, Step, Loss, Metric, TestMetric is { } test ? Metrics.ToResult(test, metric) : null, LearningRate, GradientNorm, Seconds, SamplesPerSecond);
}

[JsonSourceGenerationOptions(
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true,
    NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(EpochReport))]
internal sealed partial class EpochReportJson : JsonSerializerContext;
