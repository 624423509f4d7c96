using OrthoNative.Cli.Output;
using OrthoNative.Interop;

namespace OrthoNative.Cli.Files;

/// <summary>What the values of a column have in common.</summary>
/// <param name="index">Number of the column from 0.</param>
/// <param name="name">Its name.</param>
internal sealed class ColumnSummary(int index, string name)
{
    /// <summary>Different values that are counted; there may be more.</summary>
    public const int MaximumDistinct = 2000;

    private static readonly TableOptions s_options = new();

    private readonly NameTable _values = new();
    private double _last = double.NegativeInfinity;
    private long _lastLine;
    private int _lastHash;

    public int Index { get; } = index;

    public string Name { get; } = name;

    public long Rows { get; private set; }

    public long Missing { get; private set; }

    public long Numbers { get; private set; }

    public long Dates { get; private set; }

    /// <summary>Texts that are numbers with separators between groups of digits, as 1,000.5.</summary>
    public long Grouped { get; private set; }

    /// <summary>The first text that is neither a number nor a date; 0: there is none.</summary>
    public (long Line, string Text) FirstText { get; private set; } = (0, "");

    /// <summary>The first number.</summary>
    public (long Line, string Text) FirstNumber { get; private set; } = (0, "");

    /// <summary>The first date.</summary>
    public (long Line, string Text) FirstDate { get; private set; } = (0, "");

    /// <summary>The first line without a value.</summary>
    public long FirstMissing { get; private set; }

    /// <summary>The first line with the number or the date of the one before, and that one.</summary>
    public (long Line, long Before) FirstRepeat { get; private set; }

    /// <summary>True if all numbers are whole ones.</summary>
    public bool IsWhole { get; private set; } = true;

    /// <summary>True if each number or date is above the one of the row before.</summary>
    public bool IsIncreasing { get; private set; } = true;

    /// <summary>True if each number is the one of the row before and 1.</summary>
    public bool IsCounting { get; private set; } = true;

    /// <summary>Rows whose number or date is below that of the row before.</summary>
    public long Decreases { get; private set; }

    /// <summary>Rows with another value than the row before.</summary>
    public long Changes { get; private set; }

    /// <summary>Number of different values.</summary>
    public int Distinct => _values.Names.Count;

    /// <summary>True if there are more different values than are counted.</summary>
    public bool HasMany { get; private set; }

    /// <summary>True if it has numbers. A few other texts among them are damage, which the reader refuses with line and column.</summary>
    public bool IsNumeric => Numbers > 0 && Dates == 0 && (Rows - Missing - Numbers) * 10 <= Numbers;

    public bool IsDate => Dates > 0 && Dates + Missing == Rows;

    public bool IsText => Rows > Missing && !IsNumeric && !IsDate;

    /// <summary>True if most of its values are numbers, but too many others are not.</summary>
    public bool IsMixed => IsText && Numbers * 2 > Rows - Missing;

    public bool IsEmpty => Missing == Rows;

    /// <summary>Some values.</summary>
    public IEnumerable<string> Examples => _values.Names;

    /// <summary>The number or the date of the last value; NaN: it is none.</summary>
    public double Last { get; private set; }

    /// <summary>Tells the last value from others.</summary>
    public int Hash { get; private set; }

    public void Add(ReadOnlySpan<char> text, bool comma, long line)
    {
        Rows++;
        Last = double.NaN;
        Hash = string.GetHashCode(text);
        if (Rows > 1 && Hash != _lastHash)
        {
            Changes++;
        }

        _lastHash = Hash;
        if (TableText.TryNumber(text, comma, out double number) && (double.IsFinite(number) || text.ContainsAnyInRange('0', '9')))
        {
            // One that is too large is a number still, which the reader refuses.
            Numbers++;
            FirstNumber = FirstNumber.Line == 0 ? (line, Short(text)) : FirstNumber;
            Last = number;
            IsWhole &= number == Math.Floor(number);
        }
        else if (TableText.IsMissing(text, s_options))
        {
            Missing++;
            FirstMissing = FirstMissing == 0 ? line : FirstMissing;
            IsIncreasing = IsCounting = false;
            return;
        }
        else if (TimeText.TryParse(text, out double time))
        {
            Dates++;
            FirstDate = FirstDate.Line == 0 ? (line, Short(text)) : FirstDate;
            Last = time;
        }
        else
        {
            FirstText = FirstText.Line == 0 ? (line, Short(text)) : FirstText;
            Grouped += HasGroups(text) ? 1 : 0;
        }

        if (Last == _last && FirstRepeat.Line == 0)
        {
            FirstRepeat = (line, _lastLine);
        }

        IsIncreasing &= Last > _last;
        IsCounting &= Rows == 1 || Last == _last + 1;
        Decreases += Last < _last ? 1 : 0;
        _last = Last;
        _lastLine = line;
        if (!HasMany && _values.Find(text) < 0)
        {
            HasMany = Distinct == MaximumDistinct;
            if (!HasMany)
            {
                _values.Add(text);
            }
        }
    }

    /// <summary>Tells whether digits are grouped by points, commas, blanks or apostrophes: 1,000.5 or 1.000,5 or 1 000.</summary>
    private static bool HasGroups(ReadOnlySpan<char> text)
    {
        ReadOnlySpan<char> rest = text.TrimStart("+-");
        int at = rest.IndexOfAnyExceptInRange('0', '9');
        if (at is < 1 or > 3 || rest[at] is not (',' or '.' or ' ' or '\'' or '\u00A0' or '\u202F' or '\u2019'))
        {
            return false;
        }

        char separator = rest[at];
        rest = rest[at..];
        while (!rest.IsEmpty && rest[0] == separator)
        {
            if (rest.Length < 4 || rest[1..4].ContainsAnyExceptInRange('0', '9'))
            {
                return false;
            }

            rest = rest[4..];
        }

        return rest.IsEmpty || (rest[0] is '.' or ',' && !rest[1..].ContainsAnyExceptInRange('0', '9'));
    }

    /// <summary>A text for a message.</summary>
    private static string Short(ReadOnlySpan<char> text)
    {
        const int Most = 200;
        return text[..Math.Min(Most, text.Length)].ToString();
    }
}

/// <summary>What columns have in common within the values of one of them, which may tell sequences apart.</summary>
/// <param name="column">Number of that column.</param>
/// <param name="columns">Number of all columns.</param>
internal sealed class SequenceSummary(int column, int columns)
{
    private const int FewestRows = 2000;

    private readonly NameTable _ids = new();
    private readonly ChunkedList<int> _hashes = new();
    private readonly List<double[]> _last = [];
    private readonly List<long> _lines = [];

    public int Column { get; } = column;

    /// <summary>Number of different values.</summary>
    public int Count => _ids.Names.Count;

    /// <summary>True if nearly each row has a value of its own, so that nothing more was counted.</summary>
    public bool IsOfRows { get; private set; }

    /// <summary>True for the columns that have several values within one.</summary>
    public bool[] Varies { get; } = new bool[columns];

    /// <summary>True for the columns whose numbers or dates do not increase within one.</summary>
    public bool[] Falls { get; } = new bool[columns];

    /// <summary>True for the columns with the same number or date twice in succession within one.</summary>
    public bool[] Repeats { get; } = new bool[columns];

    /// <summary>The first such line, and the one before.</summary>
    public (long Line, long Before)[] FirstRepeats { get; } = new (long, long)[columns];

    /// <summary>A value within which a column varies.</summary>
    public string[] Where { get; } = new string[columns];

    public void Add(TableRow row, ColumnSummary[] all, long rows)
    {
        if (IsOfRows)
        {
            return;
        }

        ReadOnlySpan<char> id = row.Text(Column);
        int number = _ids.Find(id);
        if (number < 0)
        {
            number = _ids.Add(id);
            Span<int> hashes = new int[all.Length];
            double[] last = new double[all.Length];
            for (int i = 0; i < all.Length; i++)
            {
                hashes[i] = all[i].Hash;
                last[i] = all[i].Last;
            }

            _hashes.Add(hashes);
            _last.Add(last);
            _lines.Add(row.Line);
            IsOfRows = rows > FewestRows && Count > rows * 2 / 3;
            return;
        }

        double[] before = _last[number];
        for (int i = 0; i < all.Length; i++)
        {
            if (!Varies[i] && _hashes[((long)number * all.Length) + i] != all[i].Hash)
            {
                (Varies[i], Where[i]) = (true, _ids.Names[number]);
            }

            Falls[i] |= !(all[i].Last > before[i]);
            if (!Repeats[i] && all[i].Last == before[i])
            {
                (Repeats[i], FirstRepeats[i]) = (true, (row.Line, _lines[number]));
            }

            before[i] = all[i].Last;
        }

        _lines[number] = row.Line;
    }
}

/// <summary>A look at the values of a table.</summary>
internal sealed class TableScan
{
    private TableScan(TableFile table) => Columns = [.. table.Names.Select((name, i) => new ColumnSummary(i, name))];

    public ColumnSummary[] Columns { get; }

    public SequenceSummary[] Sequences { get; private set; } = [];

    public long Rows { get; private set; }

    /// <summary>Values of the longest row.</summary>
    public int MostValues { get; private set; }

    /// <summary>True if a row has another number of values than there are names, which the reader refuses with its line.</summary>
    public bool IsUneven { get; private set; }

    /// <summary>Looks at a table.</summary>
    /// <param name="table">The table.</param>
    /// <param name="sequences">Columns that may tell sequences apart.</param>
    /// <param name="mostRows">Rows to look at.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public static TableScan Of(TableFile table, IEnumerable<int> sequences, long mostRows, CancellationToken cancellationToken)
    {
        var scan = new TableScan(table) { Sequences = [.. sequences.Select(column => new SequenceSummary(column, table.Names.Length))] };
        bool comma = table.Text?.Decimal == ',', isText = table.Text is not null;
        table.Visit(
            row =>
            {
                scan.Rows++;
                scan.MostValues = Math.Max(scan.MostValues, row.Count);
                scan.IsUneven |= row.Count != scan.Columns.Length;
                long line = row.Line;
                for (int i = 0; i < Math.Max(scan.Columns.Length, row.Count); i++)
                {
                    ReadOnlySpan<char> text = i < row.Count ? row.Text(i) : default;
                    if (isText && text.Contains('\uFFFD'))
                    {
                        string column = i < table.Names.Length && table.HasHeader ? $" ('{ForeignText.Clean(table.Names[i])}')" : "";
                        throw CliException.Failure(Texts.Format($"{table.Place}: line {line}, column {i + 1}{column}: found '{ForeignText.Clean(text.ToString())}'; it is no UTF-8 text; save it as UTF-8"));
                    }

                    if (i < scan.Columns.Length)
                    {
                        scan.Columns[i].Add(text, comma, line);
                    }
                }

                foreach (SequenceSummary sequence in scan.Sequences)
                {
                    sequence.Add(row, scan.Columns, scan.Rows);
                }

                return scan.Rows < mostRows;
            },
            cancellationToken);
        return scan;
    }
}
