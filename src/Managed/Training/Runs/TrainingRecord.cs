using System.Text.Json;
using System.Text.Json.Serialization;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>The record of a <see cref="Trainer"/>: run.json.</summary>
/// <param name="settings">What the run's steps depend on.</param>
internal sealed class TrainingRecord(TrainingSettings settings) : RunRecord
{
    /// <summary>Seconds that a run can have taken: 31 years.</summary>
    private const double MostSeconds = 1e9;

    public override void Write(string path, RunState state)
    {
        using FileStream file = RunFolder.CreateNew(path);
        JsonSerializer.Serialize(
            file,
            new TrainingFile(SystemInfo.Version, state.Status, settings, state.Epochs, state.Seconds, state.StepsBefore, state.LossLog, state.EpochLog),
            TrainingJson.Default.TrainingFile);
        file.WriteByte((byte)'\n');
        file.Flush(flushToDisk: true);
    }

    public override string Format(EpochResult epoch) => JsonSerializer.Serialize(epoch, EpochJson.Default.EpochResult);

    /// <summary>Reads the state of a run.</summary>
    /// <param name="folder">Path of its folder.</param>
    /// <returns>Null: there is no run.</returns>
    /// <exception cref="InvalidDataException">It is damaged, or of other settings.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public RunState? Read(string folder)
    {
        string path = Path.Combine(folder, RunFolder.Report);
        if (!File.Exists(path))
        {
            return null;
        }

        foreach (string name in (string[])[RunFolder.Report, RunFolder.Epochs, RunFolder.Weights, RunFolder.BestWeights, RunFolder.OptimizerState, RunFolder.States, RunFolder.Losses])
        {
            // Before it is opened: a pipe would keep the program waiting for someone to write into it.
            string file = Path.Combine(folder, name);
            if (FileStatus.Of(file, follow: true) is { IsDevice: true })
            {
                throw new InvalidDataException($"'{ForeignText.CleanPath(file)}' is a pipe or a device; it must be a file, as an interrupted run leaves it.");
            }
        }

        TrainingFile content;
        try
        {
            using FileStream file = File.OpenRead(path);
            content = JsonSerializer.Deserialize(file, TrainingJson.Default.TrainingFile) ?? throw new JsonException("it is null");
        }
        catch (JsonException exception)
        {
            throw new InvalidDataException($"'{ForeignText.CleanPath(path)}': {ForeignText.Clean(exception.Message)}", exception);
        }

        try
        {
            if (content.Settings is null || content.Epochs is null)
            {
                throw new InvalidDataException($"{(content.Settings is null ? "settings" : "epochs")} is missing.");
            }

            settings.RequireSame(content.Settings);
            var state = new RunState(content.Status, content.Epochs, content.Seconds, content.StepsBefore, content.LossLog, content.EpochLog);
            if (state.EpochLog is { } mark)
            {
                RunChecks.RequireMark("epochLog", mark, 0);
                state = state with { Epochs = ReadEpochs(Path.Combine(folder, RunFolder.Epochs), mark) };
            }

            RunChecks.Require(state, MostSeconds);
            return state;
        }
        catch (InvalidDataException exception)
        {
            throw new InvalidDataException($"'{ForeignText.CleanPath(path)}': {exception.Message}", exception);
        }
    }

    private static List<EpochResult> ReadEpochs(string path, FileMark mark) =>
        EpochLog.Load(path, mark, line => JsonSerializer.Deserialize(line, EpochJson.Default.EpochResult));
}

/// <summary>What the steps of a run depend on, beside the program: a run is resumed with the same alone.</summary>
internal sealed record TrainingSettings(
    int BatchSize, int AccumulateBatches, long StepsPerEpoch, bool Shuffle, ulong Seed, bool DropLast, int BucketBatches, double? ClipNorm, bool KeepBest, string? Metric, string Monitor, long Samples, long Parameters,
    long? ValidationSamples, int? Window = null, long? SequenceSteps = null, long? ValidationSteps = null)
{
    /// <summary>Refuses those of another run.</summary>
    /// <exception cref="InvalidDataException">They differ.</exception>
    public void RequireSame(TrainingSettings earlier)
    {
        JsonElement before = JsonSerializer.SerializeToElement(earlier, TrainingJson.Default.TrainingSettings);
        JsonElement now = JsonSerializer.SerializeToElement(this, TrainingJson.Default.TrainingSettings);
        foreach (JsonProperty setting in before.EnumerateObject())
        {
            string value = now.GetProperty(setting.Name).GetRawText();
            if (value != setting.Value.GetRawText())
            {
                throw new InvalidDataException($"settings.{setting.Name} is {ForeignText.Clean(setting.Value.GetRawText())}; expected: {ForeignText.Clean(value)}, as now.");
            }
        }
    }
}

/// <summary>The content of run.json.</summary>
internal sealed record TrainingFile(
    string Version,
    TrainingStatus Status,
    TrainingSettings? Settings,
    IReadOnlyList<EpochResult>? Epochs,
    double Seconds,
    long StepsBefore,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] FileMark? LossLog = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] FileMark? EpochLog = null);

[JsonSourceGenerationOptions(
    WriteIndented = true,
    NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    Converters = [typeof(CamelCaseEnumConverter<TrainingStatus>)])]
[JsonSerializable(typeof(TrainingFile))]
[JsonSerializable(typeof(TrainingSettings))]
internal sealed partial class TrainingJson : JsonSerializerContext;

[JsonSourceGenerationOptions(
    NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(EpochResult))]
internal sealed partial class EpochJson : JsonSerializerContext;

/// <summary>Writes the members of an enumeration in camel case.</summary>
internal sealed class CamelCaseEnumConverter<T>() : JsonStringEnumConverter<T>(JsonNamingPolicy.CamelCase) where T : struct, Enum;
