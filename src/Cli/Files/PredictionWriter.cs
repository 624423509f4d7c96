using System.Globalization;
using System.Text;
using System.Text.Json;

namespace OrthoNative.Cli.Files;

/// <summary>The format of predictions.</summary>
internal enum PredictionFormat
{
    /// <summary>A table with a header (RFC 4180).</summary>
    Csv,

    /// <summary>An array of objects, one on each line.</summary>
    Json,

    /// <summary>An object on each line, for streams.</summary>
    JsonLines,
}

/// <summary>A value of a row of predictions.</summary>
/// <param name="Name">Name of the column.</param>
/// <param name="Text">A text; null: it is a number.</param>
/// <param name="Number">A number.</param>
internal readonly record struct PredictionValue(string Name, string? Text, double Number)
{
    public static PredictionValue Of(string name, string text) => new(name, text, 0);

    public static PredictionValue Of(string name, double number) => new(name, null, number);
}

/// <summary>Writes rows of predictions, all with the same columns.</summary>
internal sealed class PredictionWriter(TextWriter output, PredictionFormat format)
{
    /// <summary>Digits that tell float32 numbers apart.</summary>
    private const string Digits = "G9";

    private bool _begun;

    /// <summary>Writes a row.</summary>
    public void Write(IReadOnlyList<PredictionValue> row)
    {
        string line = format == PredictionFormat.Csv ? string.Join(',', row.Select(Field)) : Object(row);
        if (!_begun && format == PredictionFormat.Csv)
        {
            output.WriteLine(string.Join(',', row.Select(value => Quote(value.Name))));
        }

        if (format == PredictionFormat.Json)
        {
            output.Write(_begun ? ",\n " : "[\n ");
            output.Write(line);
        }
        else
        {
            output.WriteLine(line);
        }

        _begun = true;
    }

    /// <summary>Writes what is still in memory.</summary>
    public void Flush() => output.Flush();

    /// <summary>Ends what was written; without it, an array has no end, and is seen to be cut off.</summary>
    public void Complete()
    {
        if (format == PredictionFormat.Json)
        {
            output.WriteLine(_begun ? "\n]" : "[]");
        }

        output.Flush();
    }

    private static string Field(PredictionValue value) => value.Text is { } text ? Quote(text) : Number(value.Number);

    private static string Number(double value) => double.IsFinite(value) ? ((float)value).ToString(Digits, CultureInfo.InvariantCulture) : "";

    private static string Quote(string text) =>
        text.AsSpan().IndexOfAny("\",\r\n") < 0 && text.Trim() == text ? text : $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";

    private static string Object(IReadOnlyList<PredictionValue> row)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            json.WriteStartObject();
            foreach (PredictionValue value in row)
            {
                json.WritePropertyName(value.Name);
                if (value.Text is { } text)
                {
                    json.WriteStringValue(text);
                }
                else if (double.IsFinite(value.Number))
                {
                    json.WriteRawValue(Number(value.Number));
                }
                else
                {
                    json.WriteNullValue();
                }
            }

            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(stream.ToArray());
    }
}
