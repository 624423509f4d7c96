using System.Globalization;
using nietras.SeparatedValues;
using OrthoNative.Interop;

namespace OrthoNative.Data;

/// <summary>Reads the rows of a text into a table of sequences.</summary>
/// <param name="text">The text, at its beginning.</param>
/// <param name="options">Valid ones.</param>
/// <param name="cancellationToken">Ends the reading.</param>
internal sealed class CsvReader(CsvText text, CsvOptions options, CancellationToken cancellationToken)
{
    /// <summary>The most columns of a row.</summary>
    public const int MaximumColumns = 1 << 20;

    private const int MaximumName = 1000;

    private static readonly char[] s_separators = ['\t', ';', '|', ','];

    private readonly TablePlaces _places = text.Places;
    private readonly bool _comma = options.DecimalSeparator == ',';
    private readonly bool _numbersMayBeMissing = options.MissingTexts.Any(text => TableText.TryNumber(text, options.DecimalSeparator == ',', out double value) && double.IsFinite(value));
    private char[] _unquoted = [];
    private bool _timesAreDates;
    private bool _hasTime;

    /// <summary>State of a column that may be one of numbers.</summary>
    private enum Kind : byte
    {
        /// <summary>All values until now are missing.</summary>
        Unknown,

        Numbers,

        Text,
    }

    /// <summary>Refuses options that contradict each other.</summary>
    /// <exception cref="ArgumentException">They do.</exception>
    public static void Validate(CsvOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        RequireCharacter(options.DecimalSeparator is '.' or ',', options.DecimalSeparator, "'.' or ','", nameof(CsvOptions.DecimalSeparator));
        if (options.Separator is { } separator)
        {
            bool isValid = separator is '\t' or (> ' ' and <= '~') && !char.IsAsciiLetterOrDigit(separator) && separator is not ('"' or '.' or '-' or '+' or '#');
            RequireCharacter(isValid, separator, "a tab, or a printable ASCII character that is no letter, digit, quote, point, sign or '#'", nameof(CsvOptions.Separator));
            RequireCharacter(separator != options.DecimalSeparator, separator, "another one than the decimal separator", nameof(CsvOptions.Separator));
        }

        if (options.Comment is { } comment)
        {
            RequireCharacter(comment > ' ' && comment != '"' && comment != options.Separator && !char.IsSurrogate(comment), comment, "a visible character that is no quote or separator", nameof(CsvOptions.Comment));
        }

        static void RequireCharacter(bool condition, char given, string required, string option)
        {
            if (!condition)
            {
                throw new ArgumentException($"options.{option} is '{ForeignText.Clean(given.ToString())}'; it must be {required}.", nameof(options));
            }
        }
    }

    /// <summary>Reads all rows.</summary>
    /// <exception cref="InvalidDataException">The text is damaged.</exception>
    public SequenceData Read()
    {
        char separator = options.Separator ?? FindSeparator(text.Preview());
        var culture = (CultureInfo)CultureInfo.InvariantCulture.Clone();
        culture.NumberFormat = TableText.CreateFormat(_comma ? "," : ".");
        SepReaderOptions format = new(new Sep(separator))
        {
            HasHeader = false,
            DisableColCountCheck = true,
            DisableQuotesParsing = !options.HasQuotes,
            CultureInfo = culture,
        };
        using SepReader reader = format.From(text);
        if (!Next(reader))
        {
            throw _places.Fault("there are no rows; expected at least one");
        }

        bool hasHeader = options.HasHeader ?? (options.ChannelPattern is not null || options.GivenColumns().Any(given => given.Column.Name is not null) || LooksLikeHeader(reader.Current));
        int columns = reader.Current.ColCount;
        if (hasHeader)
        {
            ReadHeader(reader.Current);
        }

        TableLayout layout = TableLayout.Find(_places, columns, options, hasHeader);
        bool isThere = !hasHeader || Next(reader);
        SequenceTable table = options.Form == TableForm.Long
            ? ReadLong(reader, layout, columns, isThere)
            : ReadWide(reader, layout, columns, hasHeader, isThere);
        return table.Build(cancellationToken);
    }

    /// <summary>Number of the line in which a row begins; the parser, which has seen the first one before, counts that as the second.</summary>
    private static long LineOf(SepReader.Row row) => row.RowIndex == 0 ? 1 : row.LineNumberFrom;

    private static bool IsBlank(SepReader.Row row) => row.ColCount == 1 && row.Span.Trim().IsEmpty;

    /// <summary>The separator that the first lines have the same number of times; of several ones the first.</summary>
    private char FindSeparator(ReadOnlySpan<char> start)
    {
        const int Lines = 20;
        Span<int> counts = stackalloc int[s_separators.Length];
        Span<int> least = stackalloc int[s_separators.Length];
        Span<int> most = stackalloc int[s_separators.Length];
        least.Fill(int.MaxValue);
        int lines = 0;
        bool inQuotes = false, isEmpty = true;
        for (int i = 0; i <= start.Length && lines < Lines; i++)
        {
            char character = i < start.Length ? start[i] : '\n';
            if (isEmpty && !inQuotes && character == options.Comment)
            {
                int end = start[i..].IndexOfAny('\n', '\r');
                i = end < 0 ? start.Length : i + end;
                continue;
            }

            if (character is '\n' or '\r' && !inQuotes)
            {
                // What was cut in the middle of a line says nothing, unless it is the only one.
                if (!isEmpty && (i < start.Length || lines == 0))
                {
                    for (int k = 0; k < counts.Length; k++)
                    {
                        least[k] = Math.Min(least[k], counts[k]);
                        most[k] = Math.Max(most[k], counts[k]);
                    }

                    lines++;
                }

                counts.Clear();
                isEmpty = true;
                continue;
            }

            isEmpty = isEmpty && char.IsWhiteSpace(character) && character != '\t';
            if (character == '"' && options.HasQuotes)
            {
                inQuotes = !inQuotes;
            }
            else if (!inQuotes && Array.IndexOf(s_separators, character) is var which && which >= 0)
            {
                counts[which]++;
            }
        }

        int best = -1;
        for (int k = 0; k < s_separators.Length && lines > 0; k++)
        {
            // The same number in all lines counts most, then the least number in a line.
            if (s_separators[k] != options.DecimalSeparator && most[k] > 0
                && (best < 0 || (most[best] != least[best] && (most[k] == least[k] || least[k] > least[best]))))
            {
                best = k;
            }
        }

        return best >= 0 ? s_separators[best] : _comma ? ';' : ',';
    }

    /// <summary>Goes to the next row that is not empty.</summary>
    private bool Next(SepReader reader)
    {
        do
        {
            try
            {
                if (!reader.MoveNext())
                {
                    return false;
                }
            }
            catch (Exception exception) when (exception is NotSupportedException or ArgumentException or InvalidOperationException or IndexOutOfRangeException)
            {
                throw _places.Fault($"the text cannot be parsed ({exception.GetType().Name}); expected separated values", exception);
            }
        }
        while (IsBlank(reader.Current));

        return reader.Current.ColCount <= MaximumColumns ? true : throw _places.Fault(LineOf(reader.Current), string.Create(CultureInfo.InvariantCulture,
            $"found {reader.Current.ColCount} columns; expected at most {MaximumColumns}"));
    }

    private bool LooksLikeHeader(SepReader.Row row)
    {
        bool hasText = false;
        for (int i = 0; i < row.ColCount; i++)
        {
            ReadOnlySpan<char> cell = Text(row, i);
            if (TableText.TryNumber(cell, _comma, out double value) && double.IsFinite(value))
            {
                return false;
            }

            hasText |= !TableText.IsMissing(cell, options);
        }

        return hasText;
    }

    private void ReadHeader(SepReader.Row row)
    {
        string[] names = new string[row.ColCount];
        for (int i = 0; i < names.Length; i++)
        {
            ReadOnlySpan<char> name = Text(row, i);
            if (name.Length > MaximumName)
            {
                throw _places.Fault(LineOf(row), i, $"found the name {TablePlaces.Quote(name)}; expected at most {MaximumName} characters");
            }

            names[i] = name.ToString();
        }

        _places.Columns = names;
    }

    private LongTable ReadLong(SepReader reader, TableLayout layout, int columns, bool isThere)
    {
        // Without a choice of inputs a column is one once it has a number.
        int[] features = layout.Features ?? [.. Enumerable.Range(0, columns).Where(column => !layout.IsUsed(column))];
        var kinds = new Kind[features.Length];
        if (layout.Features is not null)
        {
            Array.Fill(kinds, Kind.Numbers);
        }
        else if (isThere)
        {
            CheckCount(reader.Current, columns);
            for (int i = 0; i < features.Length; i++)
            {
                kinds[i] = KindOf(Text(reader.Current, features[i]));
            }

            features = [.. features.Where((_, i) => kinds[i] != Kind.Text)];
            kinds = [.. kinds.Where(kind => kind != Kind.Text)];
        }

        long[] firstMissing = new long[features.Length];
        float[] values = new float[features.Length];
        float[] targets = new float[layout.Targets.Length];
        var table = new LongTable(_places, layout, options, features.Length);
        for (; isThere; isThere = Next(reader))
        {
            SepReader.Row row = reader.Current;
            CheckCount(row, columns);
            long line = LineOf(row);
            table.Begin(line, layout.Sequence < 0 ? default : Text(row, layout.Sequence));
            for (int i = 0; i < features.Length; i++)
            {
                values[i] = kinds[i] == Kind.Numbers ? ReadInput(table, row, features[i]) : ReadUnknown(table, row, features[i], ref kinds[i], ref firstMissing[i]);
            }

            table.AddFeatures(values);
            if (layout.Time >= 0)
            {
                table.AddTime(ReadTime(row, layout.Time));
            }

            ReadTargets(table, row, layout, targets);
        }

        int[] slots = [.. Enumerable.Range(0, features.Length).Where(i => kinds[i] == Kind.Numbers)];
        table.Channels = (slots, TableLayout.NamesOf(slots.Select(slot => features[slot]), _places));
        return table;
    }

    private WideTable ReadWide(SepReader reader, TableLayout layout, int columns, bool hasHeader, bool isThere)
    {
        bool isFixed = hasHeader || layout.Features is not null;
        string[] channels = layout.Channels ?? ["value"];
        int[] features = layout.Features ?? [];
        int width = -1;
        float[] values = [];
        float[] targets = new float[layout.Targets.Length];
        var table = new WideTable(_places, layout, options, channels);
        for (; isThere; isThere = Next(reader))
        {
            SepReader.Row row = reader.Current;
            long line = LineOf(row);
            if (hasHeader)
            {
                CheckCount(row, columns);
            }

            // Without names a row has as many steps as it likes.
            if (layout.Features is null && (width < 0 || (!isFixed && row.ColCount > width)))
            {
                width = isFixed ? columns : row.ColCount;
                features = [.. Enumerable.Range(0, width).Where(column => !layout.IsUsed(column))];
            }

            if (values.Length < features.Length)
            {
                values = new float[features.Length];
            }

            for (int i = 0; i < features.Length; i++)
            {
                values[i] = features[i] < row.ColCount ? ReadNumber(row, features[i]) : float.NaN;
            }

            table.Begin(line, layout.Sequence < 0 ? default : Text(row, layout.Sequence));
            ReadTargets(table, row, layout, targets);
            table.AddSequence(values.AsSpan(0, features.Length), features);
        }

        return table;
    }

    private void CheckCount(SepReader.Row row, int columns)
    {
        if (row.ColCount != columns)
        {
            throw _places.Fault(LineOf(row), string.Create(CultureInfo.InvariantCulture, $"found {row.ColCount} values; expected {columns}, as the first row has"));
        }
    }

    /// <summary>The class, the group and the values to predict of a row.</summary>
    private void ReadTargets(SequenceTable table, SepReader.Row row, TableLayout layout, Span<float> targets)
    {
        if (layout.Label >= 0)
        {
            table.AddClass(Text(row, layout.Label));
        }

        if (layout.Group >= 0)
        {
            table.AddGroup(Text(row, layout.Group));
        }

        if (targets.IsEmpty)
        {
            return;
        }

        for (int i = 0; i < targets.Length; i++)
        {
            targets[i] = ReadNumber(row, layout.Targets[i]);
            if (float.IsNaN(targets[i]))
            {
                throw _places.Fault(LineOf(row), layout.Targets[i], $"found {TablePlaces.Quote(Text(row, layout.Targets[i]))}, a missing value; expected a number");
            }
        }

        table.AddTargets(targets);
    }

    /// <summary>An input of a column of numbers.</summary>
    private float ReadInput(SequenceTable table, SepReader.Row row, int column)
    {
        float value = ReadNumber(row, column);
        return !float.IsNaN(value) || !table.RefusesMissing ? value : throw table.MissingInput(LineOf(row), column);
    }

    /// <summary>An input of a column that may be one of numbers; NaN: it is missing, or the column is one of text.</summary>
    private float ReadUnknown(SequenceTable table, SepReader.Row row, int column, ref Kind kind, ref long firstMissing)
    {
        if (kind == Kind.Unknown)
        {
            kind = KindOf(Text(row, column));
            if (kind == Kind.Numbers)
            {
                return firstMissing == 0 || !table.RefusesMissing ? ReadInput(table, row, column) : throw table.MissingInput(firstMissing, column);
            }

            firstMissing = firstMissing == 0 ? LineOf(row) : firstMissing;
        }

        return float.NaN;
    }

    private Kind KindOf(ReadOnlySpan<char> cell) =>
        TableText.IsMissing(cell, options) ? Kind.Unknown : TableText.TryNumber(cell, _comma, out double value) && double.IsFinite(value) ? Kind.Numbers : Kind.Text;

    /// <summary>A number; NaN: it is missing.</summary>
    private float ReadNumber(SepReader.Row row, int column)
    {
        // The parser's own way needs no text, and refuses what is in quotes. It knows no numbers that stand for missing values.
        float value = 0;
        if (!_numbersMayBeMissing && column < row.ColCount && row[column].TryParse(out value) && float.IsFinite(value))
        {
            return value;
        }

        ReadOnlySpan<char> cell = Text(row, column);
        if (TableText.IsMissing(cell, options))
        {
            return float.NaN;
        }

        if (TableText.TryNumber(cell, _comma, out value) && float.IsFinite(value))
        {
            return value;
        }

        if (cell.Equals("true", StringComparison.OrdinalIgnoreCase) || cell.Equals("false", StringComparison.OrdinalIgnoreCase))
        {
            return cell.Length == 4 ? 1 : 0;
        }

        bool isTooLarge = TableText.TryNumber(cell, _comma, out double large) && double.IsFinite(large);
        throw _places.Fault(LineOf(row), column, $"found {TablePlaces.Quote(cell)}; expected {(isTooLarge ? "a number of single precision, up to 3.4E+38" : "a number")}");
    }

    private double ReadTime(SepReader.Row row, int column)
    {
        ReadOnlySpan<char> cell = Text(row, column);
        bool isNumber = TableText.TryNumber(cell, _comma, out double time) && double.IsFinite(time);
        bool isDate = !isNumber && TimeText.TryParse(cell, out time);
        if (!_hasTime && (isNumber || isDate))
        {
            _hasTime = true;
            _timesAreDates = isDate;
        }

        return _hasTime && (_timesAreDates ? isDate : isNumber) ? time : throw _places.Fault(LineOf(row), column,
            $"found {TablePlaces.Quote(cell)}; expected {(!_hasTime ? "a number or a date of ISO 8601" : _timesAreDates ? "a date of ISO 8601, as the rows before have" : "a number, as the rows before have")}");
    }

    /// <summary>The text of a cell, without blanks and quotes around it. Valid until the next one is asked for.</summary>
    private ReadOnlySpan<char> Text(SepReader.Row row, int column)
    {
        if (column >= row.ColCount)
        {
            return [];
        }

        ReadOnlySpan<char> cell = row[column].Span.Trim();
        if (!options.HasQuotes || cell.IsEmpty || cell[0] != '"')
        {
            return cell;
        }

        if (_unquoted.Length < cell.Length)
        {
            _unquoted = new char[Math.Max(cell.Length, 256)];
        }

        int length = 0;
        for (int i = 1; i < cell.Length; i++)
        {
            if (cell[i] == '"' && ++i < cell.Length && cell[i] != '"')
            {
                throw _places.Fault(LineOf(row), column, $"found {TablePlaces.Quote(cell)}; expected nothing behind the quote that ends a value, or a quote written twice");
            }

            if (i < cell.Length)
            {
                _unquoted[length++] = cell[i];
            }
        }

        return _unquoted.AsSpan(0, length).Trim();
    }
}
