using System.Text.Json;
using System.Text.Json.Serialization;
using OrthoNative.Cli.Training;
using OrthoNative.Interop;

namespace OrthoNative.Cli.Output;

/// <summary>The content of run.json.</summary>
/// <param name="Task">Name of the task.</param>
/// <param name="Status">The outcome of the run, or that it is still running.</param>
/// <param name="Version">Version of this program.</param>
/// <param name="Started">When it was started.</param>
/// <param name="Seed">Seed of weights, filter, order and samples.</param>
/// <param name="Settings">Everything else that it depends on.</param>
/// <param name="Parameters">Number of trained parameters.</param>
/// <param name="Machine">Where it ran.</param>
/// <param name="Epochs">The results of each epoch; during the run, of the latest ones.</param>
/// <param name="Seconds">Wall time so far, of earlier parts of a resumed run too.</param>
/// <param name="Result">Result on the test samples; null if the run was interrupted or is still running.</param>
/// <param name="LossLog">The part of loss.csv that is of this save; null: all, or there is none.</param>
/// <param name="EpochLog">The part of epochs.jsonl that is of this save; null: all epochs are here.</param>
internal sealed record RunReport(
    string Task,
    TrainingStatus Status,
    string Version,
    DateTimeOffset Started,
    ulong Seed,
    TrainSettings Settings,
    long Parameters,
    Machine Machine,
    IReadOnlyList<EpochReport> Epochs,
    double Seconds,
    RunResult? Result,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] FileMark? LossLog = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] FileMark? EpochLog = null)
{
    /// <summary>Seconds that a run can have taken: 31 years.</summary>
    private const double MostSeconds = 1e9;

    /// <summary>Reads the report of a run that is to be resumed.</summary>
    /// <param name="folder">Folder of the run.</param>
    /// <param name="task">The task that it must be of.</param>
    /// <exception cref="CliException">There is none, it is of another task, or the run has ended.</exception>
    public static RunReport LoadForResuming(string folder, TrainingTask task)
    {
        string path = System.IO.Path.Combine(folder, RunFolder.Report), opened = path;
        foreach (string name in (string[])[RunFolder.Report, RunFolder.Epochs, RunFolder.Weights, RunFolder.OptimizerState, RunFolder.Losses])
        {
            RequireFile(System.IO.Path.Combine(folder, name));
        }

        RunReport report;
        try
        {
            using FileStream file = File.OpenRead(path);
            report = JsonSerializer.Deserialize(file, RunReportJson.Default.RunReport) ?? throw new JsonException("it is null");
            if (report.Epochs.Any(epoch => epoch is null))
            {
                throw new JsonException("an epoch of it is null");
            }

            if (report.EpochLog is { } mark)
            {
                RunChecks.RequireMark("epochLog", mark, 0);
                opened = System.IO.Path.Combine(folder, RunFolder.Epochs);
                report = report with { Epochs = OrthoNative.EpochLog.Load(opened, mark, EpochReport.Parse) };
            }
        }
        catch (InvalidDataException exception)
        {
            throw CliException.Failure($"--resume is given, and the run in '{ForeignText.CleanPath(folder)}' cannot be resumed: {exception.Message.TrimEnd('.')}");
        }
        catch (Exception exception) when (FileErrors.Is(exception) || exception is JsonException)
        {
            throw CliException.Failure($"--resume is given, and '{ForeignText.CleanPath(opened)}' cannot be read ({FileErrors.Reason(exception)}); --out must be the folder of an interrupted run");
        }

        if (report.Task != task.Name)
        {
            throw CliException.Usage($"--resume is given, and '{ForeignText.CleanPath(path)}' is of the task {ForeignText.Clean(report.Task)}; it must be of {task.Name}");
        }

        if (report.Status is not (TrainingStatus.Interrupted or TrainingStatus.Running))
        {
            throw CliException.Usage($"--resume is given, and the run in '{ForeignText.CleanPath(folder)}' has ended; only an interrupted run can be resumed");
        }

        try
        {
            report.RequireValues(task.Metric);
        }
        catch (InvalidDataException exception)
        {
            throw CliException.Failure($"--resume is given, and '{ForeignText.CleanPath(path)}' is damaged: {exception.Message}");
        }

        return report;
    }

    /// <summary>Refuses what is no file before it is opened: a pipe would keep the program waiting for someone to write into it.</summary>
    public static void RequireFile(string path)
    {
        if (FileStatus.Of(path, follow: true) is { IsDevice: true })
        {
            throw CliException.Failure($"--resume is given, and '{ForeignText.CleanPath(path)}' is a pipe or a device; it must be a file, as an interrupted run leaves it");
        }
    }

    /// <summary>The part of the report that the library resumes with.</summary>
    /// <param name="metric">Name of the metric.</param>
    public RunState ToState(string metric) => new(
        Status, [.. Epochs.Select(epoch => epoch.ToResult(metric))], Seconds, LossLog: LossLog, EpochLog: EpochLog);

    /// <summary>Checks every number that a run is resumed with, first: found at its end, a wrong one would cost the run.</summary>
    private void RequireValues(string metric)
    {
        RunChecks.Require("parameters", Parameters, 1, long.MaxValue);
        if (Seed != Settings.Seed)
        {
            throw new InvalidDataException(Texts.Format($"seed is {Seed}; expected: {Settings.Seed}, as settings.seed is"));
        }

        RunChecks.Require(ToState(metric), MostSeconds);
        for (int i = 0; i < Epochs.Count; i++)
        {
            RunChecks.Require(Texts.Format($"epochs[{i}].metric"), Epochs[i].Metric, 0, double.MaxValue);
            RunChecks.Require(Texts.Format($"epochs[{i}].testMetric"), Epochs[i].TestMetric ?? 0, 0, double.MaxValue);
        }
    }

    /// <summary>Refuses to resume with other settings; only the device, the number of threads and where the data are may differ.</summary>
    /// <param name="folder">Folder of the run.</param>
    /// <param name="settings">Those to resume with.</param>
    /// <exception cref="CliException">They differ.</exception>
    public void RequireSettings(string folder, TrainSettings settings)
    {
        TrainSettings given = settings with { Threads = Settings.Threads, Data = Settings.Data };
        // Earlier versions named no model, or roa with a feedforward one.
        TrainSettings earlier = Settings with { Model = Settings.Layers is null ? Settings.Model ?? ModelChoice.Roa : null };
        JsonElement before = JsonSerializer.SerializeToElement(earlier, RunReportJson.Default.TrainSettings);
        JsonElement now = JsonSerializer.SerializeToElement(given, RunReportJson.Default.TrainSettings);
        RequireSame(folder, "the setting ", before, now);
    }

    /// <summary>Refuses to resume a run of which a setting has changed.</summary>
    /// <param name="folder">Folder of the run.</param>
    /// <param name="prefix">Stands before the names of the settings.</param>
    /// <param name="before">Settings of the run.</param>
    /// <param name="now">Those to resume with.</param>
    /// <exception cref="CliException">They differ.</exception>
    public static void RequireSame(string folder, string prefix, JsonElement before, JsonElement now)
    {
        foreach (JsonProperty setting in before.EnumerateObject())
        {
            string value = now.GetProperty(setting.Name).GetRawText();
            if (value != setting.Value.GetRawText())
            {
                throw CliException.Usage(
                    $"--resume is given, and {prefix}{setting.Name} is {ForeignText.Clean(value)}, where the run in '{ForeignText.CleanPath(folder)}' has {ForeignText.Clean(setting.Value.GetRawText())}; it must be as in that run");
            }
        }
    }

    /// <summary>Writes the file.</summary>
    public void Save(string path)
    {
        using FileStream file = RunFolder.CreateNew(path);
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
/// <param name="Answers">The answers where every step has a target; otherwise left out.</param>
internal sealed record RunResult(
    string Metric,
    double Value,
    double Baseline,
    double Seconds,
    long PeakBytes,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] TestAnswers? Answers = null);

[JsonSourceGenerationOptions(
    WriteIndented = true,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true,
    // A report with a rate that is not finite is still a report.
    NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    Converters = [typeof(CamelCaseEnumConverter<TrainingStatus>), typeof(CamelCaseEnumConverter<ModelChoice>), typeof(CamelCaseEnumConverter<FilterChoice>),
        typeof(CamelCaseEnumConverter<Activation>), typeof(CamelCaseEnumConverter<OptimizerChoice>),
        typeof(CamelCaseEnumConverter<Schedule>), typeof(CamelCaseEnumConverter<InstructionSet>),
        typeof(CamelCaseEnumConverter<MatrixPrecision>)])]
[JsonSerializable(typeof(RunReport))]
[JsonSerializable(typeof(TrainSettings))]
internal sealed partial class RunReportJson : JsonSerializerContext;
