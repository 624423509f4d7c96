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
    private const int MaximumName = 1000;

    private readonly TablePlaces _places = text.Places;
    private readonly bool _comma = options.DecimalSeparator == ',';
    private readonly bool _numbersMayBeMissing = options.MissingTexts.Any(text => TableText.TryNumber(text, options.DecimalSeparator == ',', out double value) && double.IsFinite(value));
    private CsvRows? _rows;
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
        using var rows = new CsvRows(text, options);
        _rows = rows;
        if (!Next())
        {
            throw _places.Fault("there are no rows; expected at least one");
        }

        SepReader.Row first = rows.Row;
        bool hasHeader = options.HasHeader ?? (options.ChannelPattern is not null || options.GivenColumns().Any(given => given.Column.Name is not null) || LooksLikeHeader(first));
        int columns = first.ColCount;
        if (hasHeader)
        {
            ReadHeader(first);
        }

        TableLayout layout = TableLayout.Find(_places, columns, options, hasHeader);
        bool isThere = !hasHeader || Next();
        SequenceTable table = options.Form == TableForm.Long
            ? ReadLong(layout, columns, isThere)
            : ReadWide(layout, columns, hasHeader, isThere);
        return table.Build(cancellationToken);
    }

    private static long LineOf(SepReader.Row row) => CsvRows.LineOf(row);

    private bool Next() => _rows!.Next();

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

    private LongTable ReadLong(TableLayout layout, int columns, bool isThere)
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
            CheckCount(_rows!.Row, columns);
            for (int i = 0; i < features.Length; i++)
            {
                kinds[i] = KindOf(Text(_rows!.Row, features[i]));
            }

            features = [.. features.Where((_, i) => kinds[i] != Kind.Text)];
            kinds = [.. kinds.Where(kind => kind != Kind.Text)];
        }

        long[] firstMissing = new long[features.Length];
        float[] values = new float[features.Length];
        float[] targets = new float[layout.Targets.Length];
        var table = new LongTable(_places, layout, options, features.Length);
        for (; isThere; isThere = Next())
        {
            SepReader.Row row = _rows!.Row;
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

    private WideTable ReadWide(TableLayout layout, int columns, bool hasHeader, bool isThere)
    {
        bool isFixed = hasHeader || layout.Features is not null;
        string[] channels = layout.Channels ?? ["value"];
        int[] features = layout.Features ?? [];
        int width = -1;
        float[] values = [];
        float[] targets = new float[layout.Targets.Length];
        var table = new WideTable(_places, layout, options, channels);
        for (; isThere; isThere = Next())
        {
            SepReader.Row row = _rows!.Row;
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

        // Infinity in words is no number; one of digits is, however large.
        const int LongestNumber = 60;
        bool isTooLarge = TableText.TryNumber(cell, _comma, out double large) && (double.IsFinite(large) || cell.ContainsAnyInRange('0', '9'));
        string found = isTooLarge && cell.Length > LongestNumber ? string.Create(CultureInfo.InvariantCulture, $"a number of {cell.Length} characters") : TablePlaces.Quote(cell);
        throw _places.Fault(LineOf(row), column, $"found {found}; expected {(isTooLarge ? "a number of single precision, up to 3.4E+38" : "a number")}");
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

    private ReadOnlySpan<char> Text(SepReader.Row row, int column) => _rows!.Text(row, column);
}
