using System.Globalization;
using System.Text;
using OrthoNative.Cli.Output;
using OrthoNative.Interop;

namespace OrthoNative.Cli.Files;

/// <summary>Rows of a table of text that arrives line by line: unlike a reader of files, it waits for no more than the line.</summary>
internal sealed class RowReader
{
    /// <summary>Characters of a line at most.</summary>
    private const int LongestLine = 1 << 24;

    private static readonly char[] s_separators = ['\t', ';', '|', ','];

    private static readonly IReadOnlyList<string> s_missing = new TableOptions().MissingTexts;

    private readonly TextReader _reader;
    private readonly string _name;
    private readonly List<string> _columns;
    private readonly int[] _features;
    private readonly int _sequence = -1;
    private readonly char _separator;
    private readonly bool _decimalComma;
    private readonly bool _refusesMissing;
    private string? _pending;

    /// <summary>Reads the header, if there is one.</summary>
    /// <param name="reader">The text.</param>
    /// <param name="name">Name of the text, for messages.</param>
    /// <param name="settings">The columns.</param>
    /// <exception cref="InvalidDataException">A column is missing.</exception>
    public RowReader(TextReader reader, string name, DataSettings settings)
    {
        (_reader, _name, _refusesMissing) = (reader, name, settings.Missing == MissingValues.Refuse);
        string first = NextLine() ?? throw new InvalidDataException($"{name} is empty; rows are expected");
        _separator = s_separators.FirstOrDefault(separator => first.Contains(separator, StringComparison.Ordinal), ',');
        _columns = Split(first);
        bool hasHeader = settings.Features.All(feature => _columns.Contains(feature));
        if (hasHeader)
        {
            _features = [.. settings.Features.Select(feature => _columns.IndexOf(feature))];
            _sequence = settings.Sequence is { } sequence ? _columns.IndexOf(sequence) : -1;
        }
        else
        {
            bool areNumbers = _columns.All(text => s_missing.Contains(text.Trim(), StringComparer.OrdinalIgnoreCase) || TryNumber(text, decimalComma: false, out _) || TryNumber(text, decimalComma: true, out _));
            if (!areNumbers || _columns.Count != settings.Features.Count)
            {
                string missing = settings.Features.First(feature => !_columns.Contains(feature));
                throw new InvalidDataException($"{name}, line 1 has no column '{ForeignText.Clean(missing)}'; it must have the columns {string.Join(", ", settings.Features.Select(feature => $"'{ForeignText.Clean(feature)}'"))}, or no header and these columns alone");
            }

            _features = [.. Enumerable.Range(0, settings.Features.Count)];
            _pending = first;
        }

        _decimalComma = _separator != ',' && (_pending ?? "").Contains(',', StringComparison.Ordinal);
    }

    /// <summary>Number of the line that was read last, from 1.</summary>
    public long Line { get; private set; }

    /// <summary>Identifier of the sequence of the row that was read last; null: there is no such column.</summary>
    public string? Sequence { get; private set; }

    /// <summary>Reads the next row.</summary>
    /// <param name="values">The inputs; NaN: missing.</param>
    /// <returns>False: there are no more.</returns>
    /// <exception cref="InvalidDataException">It is damaged.</exception>
    public bool Read(Span<float> values)
    {
        string? line = _pending ?? NextLine();
        _pending = null;
        if (line is null)
        {
            return false;
        }

        List<string> fields = Split(line);
        if (fields.Count != _columns.Count)
        {
            throw Fault(Texts.Format($"there are {fields.Count} values; expected: {_columns.Count}, as in the first line"));
        }

        Sequence = _sequence < 0 ? null : fields[_sequence];
        bool decimalComma = _decimalComma || (_separator != ',' && _features.Any(column => fields[column].Contains(',', StringComparison.Ordinal)));
        for (int i = 0; i < _features.Length; i++)
        {
            string text = fields[_features[i]].Trim();
            if (s_missing.Contains(text, StringComparer.OrdinalIgnoreCase))
            {
                values[i] = _refusesMissing
                    ? throw Fault(Texts.Format($"column {_features[i] + 1} has no value, and the model was trained without missing values; train it with --missing"))
                    : float.NaN;
            }
            else if (!TryNumber(text, decimalComma, out values[i]))
            {
                throw Fault(Texts.Format($"column {_features[i] + 1} is '{ForeignText.Clean(text)}'; a finite number is expected"));
            }
        }

        return true;
    }

    private static bool TryNumber(string text, bool decimalComma, out float value) =>
        float.TryParse(decimalComma ? text.Replace(',', '.') : text, NumberStyles.Float, CultureInfo.InvariantCulture, out value) && float.IsFinite(value);

    private InvalidDataException Fault(string problem) => new(Texts.Format($"{_name}, line {Line}: {problem}"));

    /// <summary>The next line that is not empty.</summary>
    private string? NextLine()
    {
        while (true)
        {
            string? line;
            try
            {
                line = ReadLine();
            }
            catch (DecoderFallbackException)
            {
                Line++;
                throw Fault("it is no UTF-8 text");
            }

            if (line is null)
            {
                return null;
            }

            Line++;
            if (line.Length > 0)
            {
                return line;
            }
        }
    }

    private string? ReadLine()
    {
        var text = new StringBuilder();
        int read;
        while ((read = _reader.Read()) >= 0 && read != '\n')
        {
            if (text.Length == LongestLine)
            {
                Line++;
                throw Fault(Texts.Format($"it has more than {LongestLine:#,0} characters"));
            }

            text.Append((char)read);
        }

        if (read < 0 && text.Length == 0)
        {
            return null;
        }

        return text.ToString().TrimEnd('\r');
    }

    /// <summary>The values of a line, without the quotes around them.</summary>
    private List<string> Split(string line)
    {
        var fields = new List<string>();
        var field = new StringBuilder();
        bool inQuotes = false;
        for (int i = 0; i < line.Length; i++)
        {
            char character = line[i];
            if (inQuotes && character == '"' && i + 1 < line.Length && line[i + 1] == '"')
            {
                field.Append(line[++i]);
            }
            else if (character == '"' && (inQuotes || field.Length == 0))
            {
                inQuotes = !inQuotes;
            }
            else if (character == _separator && !inQuotes)
            {
                fields.Add(field.ToString());
                field.Clear();
            }
            else
            {
                field.Append(character);
            }
        }

        if (inQuotes)
        {
            throw Fault("a quote is not closed; a value of a stream must not go over lines");
        }

        fields.Add(field.ToString());
        return fields;
    }
}
