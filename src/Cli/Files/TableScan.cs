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
    private int _lastHash;

    public int Index { get; } = index;

    public string Name { get; } = name;

    public long Rows { get; private set; }

    public long Missing { get; private set; }

    public long Numbers { get; private set; }

    public long Dates { get; private set; }

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

    public bool IsEmpty => Missing == Rows;

    /// <summary>Some values.</summary>
    public IEnumerable<string> Examples => _values.Names;

    /// <summary>The number or the date of the last value; NaN: it is none.</summary>
    public double Last { get; private set; }

    /// <summary>Tells the last value from others.</summary>
    public int Hash { get; private set; }

    public void Add(ReadOnlySpan<char> text, bool comma)
    {
        Rows++;
        Last = double.NaN;
        Hash = string.GetHashCode(text);
        if (Rows > 1 && Hash != _lastHash)
        {
            Changes++;
        }

        _lastHash = Hash;
        if (TableText.TryNumber(text, comma, out double number) && double.IsFinite(number))
        {
            Numbers++;
            Last = number;
            IsWhole &= number == Math.Floor(number);
        }
        else if (TableText.IsMissing(text, s_options))
        {
            Missing++;
            IsIncreasing = IsCounting = false;
            return;
        }
        else if (TimeText.TryParse(text, out double time))
        {
            Dates++;
            Last = time;
        }

        IsIncreasing &= Last > _last;
        IsCounting &= Rows == 1 || Last == _last + 1;
        Decreases += Last < _last ? 1 : 0;
        _last = Last;
        if (!HasMany && _values.Find(text) < 0)
        {
            HasMany = Distinct == MaximumDistinct;
            if (!HasMany)
            {
                _values.Add(text);
            }
        }
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
            Repeats[i] |= all[i].Last == before[i];
            before[i] = all[i].Last;
        }
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

    /// <summary>Looks at a table.</summary>
    /// <param name="table">The table.</param>
    /// <param name="sequences">Columns that may tell sequences apart.</param>
    /// <param name="mostRows">Rows to look at.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public static TableScan Of(TableFile table, IEnumerable<int> sequences, long mostRows, CancellationToken cancellationToken)
    {
        var scan = new TableScan(table) { Sequences = [.. sequences.Select(column => new SequenceSummary(column, table.Names.Length))] };
        bool comma = table.Text?.Decimal == ',';
        table.Visit(
            row =>
            {
                scan.Rows++;
                scan.MostValues = Math.Max(scan.MostValues, row.Count);
                for (int i = 0; i < scan.Columns.Length; i++)
                {
                    scan.Columns[i].Add(i < row.Count ? row.Text(i) : default, comma);
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
