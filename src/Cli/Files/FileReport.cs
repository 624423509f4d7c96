using System.Text.Json;
using System.Text.Json.Serialization;
using OrthoNative.Cli.Output;
using OrthoNative.Cli.Training;
using OrthoNative.Interop;

namespace OrthoNative.Cli.Files;

/// <summary>The content of run.json of a run on a file.</summary>
/// <param name="Path">The file or folder.</param>
/// <param name="Status">The outcome of the run, or that it is still running.</param>
/// <param name="Version">Version of this program.</param>
/// <param name="Started">When it was started.</param>
/// <param name="Data">How the file was read.</param>
/// <param name="DataChecksum">Checksum of what was read.</param>
/// <param name="Samples">Samples of the parts.</param>
/// <param name="Plan">The model and its training.</param>
/// <param name="Parameters">Number of trained parameters.</param>
/// <param name="Machine">Where it ran.</param>
/// <param name="Epochs">The results of each epoch; during the run, of the latest ones.</param>
/// <param name="Seconds">Wall time so far, of earlier parts of a resumed run too.</param>
/// <param name="Result">The result; null if the run was interrupted or is still running.</param>
/// <param name="LossLog">The part of loss.csv that is of this save; null: all, or there is none.</param>
/// <param name="EpochLog">The part of epochs.jsonl that is of this save; null: all epochs are here.</param>
/// <param name="LinearStart">Where the training of a forecast began; null: with random weights.</param>
internal sealed record FileReport(
    string Path,
    TrainingStatus Status,
    string Version,
    DateTimeOffset Started,
    DataSettings Data,
    string DataChecksum,
    PartSizes Samples,
    ModelPlan Plan,
    long Parameters,
    Machine Machine,
    IReadOnlyList<EpochResult> Epochs,
    double Seconds,
    FileResult? Result,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] FileMark? LossLog = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] FileMark? EpochLog = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] LinearStartReport? LinearStart = null)
{
    /// <summary>Seconds that a run can have taken: 31 years.</summary>
    private const double MostSeconds = 1e9;

    /// <summary>The state that a run is resumed with.</summary>
    public RunState State => new(Status, Epochs, Seconds, LossLog: LossLog, EpochLog: EpochLog);

    /// <summary>Reads the report of a run that is to be resumed.</summary>
    /// <param name="folder">Folder of the run.</param>
    /// <exception cref="CliException">There is none, or it cannot be resumed.</exception>
    public static FileReport LoadForResuming(string folder)
    {
        string path = System.IO.Path.Combine(folder, RunFolder.Report), opened = path, shown = ForeignText.CleanPath(folder);
        foreach (string name in (string[])[RunFolder.Report, RunFolder.Epochs, RunFolder.Weights, RunFolder.BestWeights, RunFolder.OptimizerState, RunFolder.Losses])
        {
            RunReport.RequireFile(System.IO.Path.Combine(folder, name));
        }

        FileReport report;
        try
        {
            using (FileStream file = File.OpenRead(path))
            {
                report = JsonSerializer.Deserialize(file, FileReportJson.Default.FileReport) ?? throw new JsonException("it is null");
            }

            if (report.EpochLog is { } mark)
            {
                RunChecks.RequireMark("epochLog", mark, 0);
                opened = System.IO.Path.Combine(folder, RunFolder.Epochs);
                report = report with { Epochs = OrthoNative.EpochLog.Load(opened, mark, line => JsonSerializer.Deserialize(line, EpochJson.Default.EpochResult)) };
            }

            RunChecks.Require(report.State, MostSeconds);
        }
        catch (InvalidDataException exception)
        {
            throw CliException.Failure($"--resume is given, and the run in '{shown}' cannot be resumed: {exception.Message.TrimEnd('.')}");
        }
        catch (Exception exception) when (FileErrors.Is(exception) || exception is JsonException)
        {
            throw CliException.Failure($"--resume is given, and '{ForeignText.CleanPath(opened)}' cannot be read ({FileErrors.Reason(exception)}); --out must be the folder of an interrupted run on a file");
        }

        return report.State.HasEnded
            ? throw CliException.Usage($"--resume is given, and the run in '{shown}' has ended; only an interrupted run can be resumed")
            : report;
    }

    /// <summary>Refuses to resume with other data or settings.</summary>
    /// <param name="folder">Folder of the run.</param>
    /// <param name="now">The run as it would be now.</param>
    /// <exception cref="CliException">They differ.</exception>
    public void RequireSame(string folder, FileReport now)
    {
        if (DataChecksum != now.DataChecksum)
        {
            throw CliException.Usage($"--resume is given, and the data of '{ForeignText.CleanPath(now.Path)}' have changed since the run in '{ForeignText.CleanPath(folder)}' began; they must be as they were");
        }

        RunReport.RequireSame(folder, "data.", JsonSerializer.SerializeToElement(Data, FileReportJson.Default.DataSettings), JsonSerializer.SerializeToElement(now.Data, FileReportJson.Default.DataSettings));
        RunReport.RequireSame(folder, "samples.", JsonSerializer.SerializeToElement(Samples, FileReportJson.Default.PartSizes), JsonSerializer.SerializeToElement(now.Samples, FileReportJson.Default.PartSizes));
        RunReport.RequireSame(folder, "plan.", JsonSerializer.SerializeToElement(Plan, FileReportJson.Default.ModelPlan), JsonSerializer.SerializeToElement(now.Plan, FileReportJson.Default.ModelPlan));
    }

    /// <summary>Writes the file.</summary>
    public void Save(string path)
    {
        using FileStream file = RunFolder.CreateNew(path);
        JsonSerializer.Serialize(file, this, FileReportJson.Default.FileReport);
        file.WriteByte((byte)'\n');
        file.Flush(flushToDisk: true);
    }
}

/// <summary>Samples of the parts: sequences, or windows of a forecast.</summary>
internal sealed record PartSizes(long Training, long Validation, long Test);

/// <summary>The start of a forecast.</summary>
/// <param name="Factor">Ridge factor of the linear path.</param>
/// <param name="Validation">Mean squared error on the validation windows.</param>
internal sealed record LinearStartReport(double Factor, double Validation);

/// <summary>The result of a run on a file.</summary>
/// <param name="Validation">On the validation data, with the weights that are best on them.</param>
/// <param name="Test">On the test data; null: there are none.</param>
/// <param name="Baselines">Values of simple methods on the same data, by name.</param>
/// <param name="BestEpoch">The epoch whose weights were kept; 0: those of before the first step.</param>
/// <param name="Seconds">Wall time of training and test.</param>
/// <param name="PeakBytes">Most memory that the process used at once.</param>
internal sealed record FileResult(
    EvaluationResult Validation,
    EvaluationResult? Test,
    IReadOnlyDictionary<string, double> Baselines,
    int? BestEpoch,
    double Seconds,
    long PeakBytes);

[JsonSourceGenerationOptions(
    WriteIndented = true,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true,
    NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    Converters = [typeof(CamelCaseEnumConverter<TrainingStatus>), typeof(CamelCaseEnumConverter<ModelChoice>), typeof(CamelCaseEnumConverter<Regime>),
        typeof(CamelCaseEnumConverter<Goal>), typeof(CamelCaseEnumConverter<DataFormat>), typeof(CamelCaseEnumConverter<TableForm>), typeof(CamelCaseEnumConverter<MissingValues>),
        typeof(CamelCaseEnumConverter<InstructionSet>)])]
[JsonSerializable(typeof(FileReport))]
internal sealed partial class FileReportJson : JsonSerializerContext;
