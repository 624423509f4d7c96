using System.Text.Json;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>The content of epochs.jsonl: a line of JSON for each epoch of a run that has not ended. Once the run ends, they are in its record.</summary>
internal static class EpochLog
{
    /// <summary>Reads a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="mark">The part of the file that counts.</param>
    /// <param name="parse">Reads an epoch from a line.</param>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="InvalidDataException">It holds something else.</exception>
    public static List<T> Load<T>(string path, FileMark mark, Func<string, T?> parse) where T : class
    {
        var epochs = new List<T>();
        foreach ((string line, _) in Lines.Read(path, mark.Bytes))
        {
            try
            {
                epochs.Add(parse(line) ?? throw new JsonException("it is null"));
            }
            catch (JsonException exception)
            {
                throw new InvalidDataException(FormattableString.Invariant(
                    $"'{ForeignText.CleanPath(path)}': line {epochs.Count + 1} is '{ForeignText.Clean(line)}'; expected: the report of an epoch ({ForeignText.Clean(exception.Message)})."));
            }
        }

        return epochs.Count == mark.Lines
            ? epochs
            : throw new InvalidDataException(FormattableString.Invariant(
                $"'{ForeignText.CleanPath(path)}' has {epochs.Count} epochs in {mark.Bytes} bytes; expected: {mark.Lines}, as run.json says in epochLog.lines."));
    }
}
