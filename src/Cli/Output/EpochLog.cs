using System.Text.Json;
using System.Text.Json.Serialization;
using OrthoNative.Cli.Training;
using OrthoNative.Interop;

namespace OrthoNative.Cli.Output;

/// <summary>The content of epochs.jsonl: a line of JSON for each epoch of a run that has not ended. Once the run ends, they are in run.json.</summary>
internal static class EpochLog
{
    /// <summary>An empty log.</summary>
    public static GrowingFile<EpochReport> Create() => new(header: null, (_, epoch) => JsonSerializer.Serialize(epoch, EpochJson.Default.EpochReport));

    /// <summary>Reads a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="mark">The part of the file that counts.</param>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="InvalidDataException">It holds something else.</exception>
    public static List<EpochReport> Load(string path, FileMark mark)
    {
        var epochs = new List<EpochReport>();
        foreach ((string line, _) in Lines.Read(path, mark.Bytes))
        {
            try
            {
                epochs.Add(JsonSerializer.Deserialize(line, EpochJson.Default.EpochReport) ?? throw new JsonException("it is null"));
            }
            catch (JsonException exception)
            {
                throw new InvalidDataException(Texts.Format($"'{ForeignText.CleanPath(path)}': line {epochs.Count + 1} is '{ForeignText.Clean(line)}'; expected: the report of an epoch ({ForeignText.Clean(exception.Message)})."));
            }
        }

        return epochs.Count == mark.Lines
            ? epochs
            : throw new InvalidDataException(Texts.Format($"'{ForeignText.CleanPath(path)}' has {epochs.Count} epochs in {mark.Bytes} bytes; expected: {mark.Lines}, as run.json says in epochLog.lines."));
    }
}

[JsonSourceGenerationOptions(
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true,
    NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(EpochReport))]
internal sealed partial class EpochJson : JsonSerializerContext;
