using System.Text.Json;
using System.Text.Json.Serialization;
using OrthoNative.Cli.Training;

namespace OrthoNative.Cli.Output;

/// <summary>The content of run.json.</summary>
/// <param name="Task">Name of the task.</param>
/// <param name="Status">How the run ended.</param>
/// <param name="Version">Version of this program.</param>
/// <param name="Started">When it was started.</param>
/// <param name="Seed">Seed of weights, filter, order and samples.</param>
/// <param name="Settings">Everything else that it depends on.</param>
/// <param name="Parameters">Number of trained parameters.</param>
/// <param name="Machine">Where it ran.</param>
/// <param name="Epochs">What each epoch gave.</param>
/// <param name="Result">Result on the test samples; null if the run was interrupted.</param>
internal sealed record RunReport(
    string Task,
    RunStatus Status,
    string Version,
    DateTimeOffset Started,
    ulong Seed,
    TrainSettings Settings,
    long Parameters,
    Machine Machine,
    IReadOnlyList<EpochReport> Epochs,
    RunResult? Result)
{
    /// <summary>Writes the file.</summary>
    public void Save(string path)
    {
        using var file = new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.None);
        JsonSerializer.Serialize(file, this, RunReportJson.Default.RunReport);
        file.WriteByte((byte)'\n');
        file.Flush(flushToDisk: true);
    }
}

/// <summary>Result of a run on the test samples.</summary>
/// <param name="Metric">"mse" or "accuracy" (a fraction).</param>
/// <param name="Value">The metric after the last step.</param>
/// <param name="Baseline">The metric of a model that has learnt nothing.</param>
/// <param name="Seconds">Wall time of training and test.</param>
/// <param name="PeakBytes">Most memory that the process used at once.</param>
internal sealed record RunResult(string Metric, double Value, double Baseline, double Seconds, long PeakBytes);

[JsonSourceGenerationOptions(
    WriteIndented = true,
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    Converters = [typeof(CamelCaseEnumConverter<RunStatus>), typeof(CamelCaseEnumConverter<FilterChoice>),
        typeof(CamelCaseEnumConverter<ActivationChoice>), typeof(CamelCaseEnumConverter<OptimizerChoice>),
        typeof(CamelCaseEnumConverter<Schedule>), typeof(CamelCaseEnumConverter<InstructionSet>),
        typeof(CamelCaseEnumConverter<MatrixPrecision>)])]
[JsonSerializable(typeof(RunReport))]
internal sealed partial class RunReportJson : JsonSerializerContext;

/// <summary>Writes the members of an enumeration in camel case.</summary>
internal sealed class CamelCaseEnumConverter<T>() : JsonStringEnumConverter<T>(JsonNamingPolicy.CamelCase) where T : struct, Enum;
