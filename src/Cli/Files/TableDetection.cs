using OrthoNative.Arrow;
using OrthoNative.Cli.Output;
using OrthoNative.Interop;

namespace OrthoNative.Cli.Files;

/// <summary>Finds what the columns of a table are for.</summary>
internal sealed class TableDetection
{
    private const int SampleRows = 2000;
    private const int MostCandidates = 4;
    private const int MostColumnsOfSequences = 200;
    private const int MostClasses = 1000;

    /// <summary>Whole numbers in a column that has no name of classes are classes up to so many.</summary>
    private const int MostNumberedClasses = 100;

    /// <summary>Different numbers above which a column named as a target is predicted, and not told apart.</summary>
    private const int FewValues = 20;

    /// <summary>Steps from which numbered columns, and others, are taken for a row of steps.</summary>
    private const int FewestNumberedSteps = 8;
    private const int FewestSteps = 30;

    private readonly TableFile _table;
    private readonly DataRequest _request;
    private readonly TableScan _scan;
    private readonly List<string> _findings = [];
    private readonly HashSet<int> _used = [];
    private readonly int? _sequence;
    private readonly int? _time;
    private readonly int? _label;
    private readonly int? _group;
    private readonly int[]? _features;
    private readonly int[]? _targets;

    private TableDetection(TableFile table, DataRequest request, CancellationToken cancellationToken)
    {
        (_table, _request) = (table, request);
        _sequence = Resolve(request.Sequence, "--sequence");
        _time = Resolve(request.Time, "--time");
        _label = Resolve(request.Label, "--label");
        _group = Resolve(request.Group, "--group");
        _features = request.Features?.Select(name => Resolve(name, "--features")!.Value).ToArray();
        _targets = request.Targets?.Select(name => Resolve(name, "--target")!.Value).ToArray();
        _used.UnionWith(((int?[])[_sequence, _time, _label, _group]).OfType<int>());
        _used.UnionWith(_targets ?? []);
        TableScan sample = TableScan.Of(table, [], SampleRows, cancellationToken);
        _scan = TableScan.Of(table, Candidates(sample), long.MaxValue, cancellationToken);
        if (_scan.Rows == 0)
        {
            throw CliException.Failure($"{table.Place}: there are no rows of values; expected at least one");
        }
    }

    private ColumnSummary[] Columns => _scan.Columns;

    private bool HasLists => _table.Kinds?.Contains(ColumnKind.List) == true;

    /// <summary>Finds the form and the columns.</summary>
    /// <returns>Settings without missing values, horizon and look-back, the table as it is to be read, and what was found.</returns>
    /// <exception cref="CliException">Nothing sensible can be chosen, or the request does not fit.</exception>
    public static (DataSettings Settings, TableFile Table, List<string> Findings) Find(TableFile table, DataRequest request, CancellationToken cancellationToken)
    {
        var detection = new TableDetection(table, request, cancellationToken);
        detection.RefuseGroupedDigits();
        return detection.IsWide() ? detection.FindWide() : detection.FindLong();
    }

    /// <summary>A column that is given by its name, by its number from 1, or by its name in other capitals.</summary>
    private int? Resolve(string? given, string option)
    {
        if (given is null)
        {
            return null;
        }

        int found = Array.IndexOf(_table.Names, given);
        if (found < 0)
        {
            int[] alike = [.. Enumerable.Range(0, _table.Names.Length).Where(i => string.Equals(_table.Names[i], given, StringComparison.OrdinalIgnoreCase))];
            found = alike.Length == 1 ? alike[0]
                : int.TryParse(given, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out int number) && number >= 1 && number <= _table.Names.Length ? number - 1
                : -1;
        }

        return found >= 0 ? found : throw CliException.Usage(
            $"{option} is '{ForeignText.Clean(given)}'; it must be a column of {_table.Place}{TableLayout.Suggest(given, _table.Names)}: {ForeignText.CleanList(_table.Names, _table.Names.Length)}");
    }

    /// <summary>Columns that may tell sequences apart.</summary>
    private IEnumerable<int> Candidates(TableScan sample)
    {
        if (_sequence is { } given)
        {
            return [given];
        }

        if (_table.Names.Length > MostColumnsOfSequences)
        {
            return [];
        }

        IEnumerable<ColumnSummary> columns = sample.Columns.Where(column => !_used.Contains(column.Index) && _features?.Contains(column.Index) != true && column.Missing == 0);
        int[] named = [.. columns.Where(column => SequenceRank(column) < int.MaxValue && (column.IsText || column.IsWhole)).OrderBy(SequenceRank).Select(column => column.Index).Take(MostCandidates)];
        if (named.Length > 0)
        {
            return named;
        }

        return columns
            .Where(column => (column.IsText || (column.IsNumeric && column.IsWhole)) && !ColumnRoles.IsTime(column.Name) && ColumnRoles.Label(column.Name) < 0
                && !column.HasMany && column.Changes + 1 == column.Distinct && column.Rows >= 2L * column.Distinct)
            .Select(column => column.Index)
            .Take(MostCandidates);
    }

    /// <summary>Rank of a column's name as that of sequences, or else of groups.</summary>
    private static int SequenceRank(ColumnSummary column) =>
        ColumnRoles.Sequence(column.Name) is var rank and >= 0 ? rank : ColumnRoles.Group(column.Name) is var group and >= 0 ? 100 + group : int.MaxValue;

    private bool IsFree(ColumnSummary column) => !_used.Contains(column.Index);

    /// <summary>A name as an argument of a command, in quotes where a shell needs them.</summary>
    private static string Argument(string name)
    {
        string clean = ForeignText.Clean(name);
        return clean.All(character => char.IsLetterOrDigit(character) || character is '_' or '-' or '.' or ':' or '/') ? clean : $"'{clean.Replace("'", "'\\''", StringComparison.Ordinal)}'";
    }

    private string NameOf(int column) => $"'{ForeignText.Clean(_table.Names[column])}'";

    private string NamesOf(int[] columns)
    {
        const int Shown = 12;
        string names = string.Join(", ", columns.Take(Shown).Select(column => ForeignText.Clean(_table.Names[column])));
        return columns.Length <= Shown ? names : Texts.Format($"{names} and {columns.Length - Shown} more");
    }

    private CliException Unclear(string problem) => CliException.Failure(
        $"{_table.Place}: {problem}. Columns: {string.Join("; ", Columns.Take(12).Select(Describe))}{(Columns.Length > 12 ? Texts.Format($"; and {Columns.Length - 12} more") : "")}");

    private static string Describe(ColumnSummary column) =>
        $"'{ForeignText.Clean(column.Name)}' ({string.Join(", ", column.Examples.Take(3).Select(value => ForeignText.Clean(value, 20)))}{(column.Distinct > 3 ? ", …" : "")})";

    /// <summary>Tells whether the values of a column may be classes.</summary>
    /// <param name="column">The column.</param>
    /// <param name="units">Sequences or steps that have one each.</param>
    /// <param name="isNamed">True if its name says that it is one.</param>
    private static bool MayBeClass(ColumnSummary column, long units, bool isNamed) =>
        column.Distinct >= 2 && !column.HasMany && !column.IsDate
        && (column.IsText
            ? column.Distinct <= MostClasses && (isNamed || column.Distinct * 2L <= Math.Max(units, 4))
            : column.IsNumeric && column.IsWhole && column.Distinct <= (isNamed ? MostClasses : MostNumberedClasses) && column.Distinct * 2L <= Math.Max(units, 4));

    /// <summary>Tells whether a column that is named as a target has values to predict rather than classes.</summary>
    private static bool HasValues(ColumnSummary column, long units) =>
        column.IsNumeric && column.Distinct >= 2 && (!column.IsWhole || column.HasMany || column.Distinct > FewValues || column.Distinct * 2L > Math.Max(units, 4));

    /// <summary>Tells whether y is a coordinate, as of an accelerometer: there is x, z or another letter, and it has numbers that change within sequences.</summary>
    private bool IsCoordinate(ColumnSummary column, SequenceSummary? sequence) =>
        ColumnRoles.MayBeCoordinate(column.Name) && column.IsNumeric && (sequence is null || sequence.Varies[column.Index])
        && Columns.Any(other => other != column && other.IsNumeric && IsFree(other) && ColumnRoles.IsLetter(other.Name));

    /// <summary>Tells whether a column has an identifier of its own for each row.</summary>
    private bool IsRowIdentifier(ColumnSummary column) =>
        _table.HasHeader && column.Rows > 1 && ColumnRoles.Sequence(column.Name) >= 0 && column.Missing == 0 && (column.IsText || (column.IsNumeric && column.IsWhole))
        && (_scan.Sequences.FirstOrDefault(item => item.Column == column.Index) is { } sequence
            ? sequence.IsOfRows || sequence.Count == _scan.Rows
            : column.HasMany ? column.IsIncreasing : column.Distinct == _scan.Rows);

    /// <summary>Tells whether a column may be an input that nobody asked for.</summary>
    private bool MayBeInput(ColumnSummary column, SequenceSummary? sequence, int? time) =>
        IsFree(column) && column.IsNumeric && !CountsRows(column, sequence, time) && !ColumnRoles.IsTime(column.Name) && !IsRowIdentifier(column);

    /// <summary>Refuses a column named as the class that has one class alone.</summary>
    private void RefuseOneClass(IEnumerable<ColumnSummary> named)
    {
        if (_request.Horizon is null && !_scan.IsUneven && named.FirstOrDefault(column => column.Distinct == 1) is { } constant)
        {
            throw CliException.Failure($"{_table.Place}: column {NameOf(constant.Index)} has one class, {OneValue(constant)}; at least 2 are needed; give --label or --horizon for a forecast");
        }
    }

    private static string OneValue(ColumnSummary column) => $"'{ForeignText.Clean(column.Examples.First())}'";

    private void CheckTargets(IEnumerable<int> columns)
    {
        if (_request.Horizon is null && columns.Where(column => Columns[column].Distinct == 1).Select(column => Columns[column]).FirstOrDefault() is { } constant)
        {
            throw CliException.Usage($"--target is {NameOf(constant.Index)}, which is {OneValue(constant)} in all rows of {_table.Place}; it must have at least 2 values");
        }

        foreach (int column in columns.Where(column => !Columns[column].IsNumeric && _table.Kinds?[column] is not (ColumnKind.Number or ColumnKind.Logical)))
        {
            throw CliException.Usage($"--target is {NameOf(column)}, which has text in {_table.Place}; it must be a column of numbers, or use --label for classes");
        }
    }

    private void CheckLabel(int column, long units)
    {
        ColumnSummary label = Columns[column];
        if (label.Distinct == 1)
        {
            throw CliException.Usage($"--label is {NameOf(column)}, which has one class in {_table.Place}, {OneValue(label)}; at least 2 are needed");
        }

        if (label.HasMany || label.Distinct > MostClasses)
        {
            throw CliException.Usage($"--label is {NameOf(column)}, which has {(label.HasMany ? $"more than {ColumnSummary.MaximumDistinct}" : label.Distinct)} values in {_table.Place}; it must be a column of at most {MostClasses} classes, or use --target for numbers");
        }

        if (label.IsNumeric && !label.IsWhole && HasValues(label, units) && label.Distinct > FewValues)
        {
            throw CliException.Usage($"--label is {NameOf(column)}, which has {label.Distinct} numbers that are not whole in {_table.Place}; it must be a column of classes, or use --target for numbers");
        }
    }

    private bool IsWide()
    {
        if (_request.Form is { } form)
        {
            return form == TableForm.Wide;
        }

        if (_request.Pattern is not null || (HasLists && !Columns.Any(column => column.IsNumeric && IsFree(column) && ColumnRoles.Label(column.Name) < 0 && SequenceRank(column) == int.MaxValue)))
        {
            return true;
        }

        if (_request.Time is not null || _request.Horizon is not null)
        {
            return false;
        }

        if (_scan.Sequences.Any(sequence => IsRepeated(sequence) && (_sequence is not null || ColumnRoles.Sequence(_table.Names[sequence.Column]) >= 0)))
        {
            return false;
        }

        if (Columns.Any(column => IsFree(column) && ColumnRoles.IsTime(column.Name) && !column.IsEmpty) || Columns.Any(column => column.IsDate && column.IsIncreasing))
        {
            return false;
        }

        if (_table.Text?.IsRagged == true && !_table.HasHeader)
        {
            return true;
        }

        (int? label, int? target) = FindWideTarget();
        if ((label ?? target) is not { } answer)
        {
            return false;
        }

        int[] steps = StepsOf(answer);
        return !_table.HasHeader
            ? steps.Length >= FewestNumberedSteps
            : steps.Length >= FewestSteps || FindPattern(steps) is not null || (FindNumbering(steps) is { Length: >= FewestNumberedSteps } numbered && numbered.Length * 5 >= steps.Length * 4);
    }

    /// <summary>Tells whether there are several rows to a value.</summary>
    private bool IsRepeated(SequenceSummary sequence) => !sequence.IsOfRows && sequence.Count >= 2 && _scan.Rows >= 2L * sequence.Count;

    /// <summary>Columns that may be steps beside the class.</summary>
    private int[] StepsOf(int answer) =>
        [.. Columns.Where(column => column.IsNumeric && IsFree(column) && column.Index != answer && ColumnRoles.Sequence(column.Name) < 0 && ColumnRoles.Group(column.Name) < 0).Select(column => column.Index)];

    /// <summary>The class or the value to predict of a row.</summary>
    private (int? Label, int? Target) FindWideTarget()
    {
        if (_label is not null || _targets is not null)
        {
            return (_label, _targets?[0]);
        }

        long rows = _scan.Rows;
        foreach (ColumnSummary column in Columns.Where(column => IsFree(column) && _table.HasHeader && ColumnRoles.Label(column.Name) >= 0 && !IsCoordinate(column, null)).OrderBy(column => ColumnRoles.Label(column.Name)))
        {
            if (ColumnRoles.Target(column.Name) >= 0 && HasValues(column, rows))
            {
                return (null, column.Index);
            }

            if (MayBeClass(column, rows, isNamed: true))
            {
                return (column.Index, null);
            }
        }

        ColumnSummary[] texts = [.. Columns.Where(column => IsFree(column) && column.IsText && MayBeClass(column, rows, isNamed: false) && SequenceRank(column) == int.MaxValue && !ColumnRoles.IsTime(column.Name))];
        if (texts.Length == 1)
        {
            return (texts[0].Index, null);
        }

        // Without names, or beside numbered steps, the first or the last column may have numbers of classes.
        foreach (ColumnSummary column in (ColumnSummary[])[Columns[0], Columns[^1]])
        {
            bool isApart = !_table.HasHeader || FindNumbering(StepsOf(column.Index)) is { Length: >= FewestNumberedSteps } numbered && !numbered.Contains(column.Index) && numbered.Length == StepsOf(column.Index).Length;
            if (texts.Length == 0 && IsFree(column) && isApart && column.Missing == 0 && MayBeClass(column, rows, isNamed: false) && Columns.Any(other => other.IsNumeric && !other.IsWhole))
            {
                return (column.Index, null);
            }
        }

        return (null, null);
    }

    /// <summary>The pattern of names of channels and steps, as {channel}_{step}.</summary>
    private string? FindPattern(int[] steps)
    {
        const int FewestPatternSteps = 3;
        foreach (char separator in "_-.: ")
        {
            foreach (bool channelIsFirst in (bool[])[true, false])
            {
                var channels = new Dictionary<string, List<int>>(StringComparer.Ordinal);
                int count = 0;
                foreach (int column in steps)
                {
                    string name = _table.Names[column];
                    int at = channelIsFirst ? name.LastIndexOf(separator) : name.IndexOf(separator);
                    if (at <= 0 || at == name.Length - 1)
                    {
                        continue;
                    }

                    (string channel, string step) = channelIsFirst ? (name[..at], name[(at + 1)..]) : (name[(at + 1)..], name[..at]);
                    if (!int.TryParse(step, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out int number))
                    {
                        continue;
                    }

                    channels.TryAdd(channel, []);
                    channels[channel].Add(number);
                    count++;
                }

                if (channels.Count >= 1 && count == steps.Length && count / channels.Count >= FewestPatternSteps
                    && channels.Values.All(numbers => numbers.Count == count / channels.Count && numbers.Min() == channels.Values.First().Min() && numbers.Max() - numbers.Min() == numbers.Count - 1 && numbers.Distinct().Count() == numbers.Count))
                {
                    return channelIsFirst ? $"{{channel}}{separator}{{step}}" : $"{{step}}{separator}{{channel}}";
                }
            }
        }

        return null;
    }

    /// <summary>Columns with one beginning of their names and numbers behind it without gaps, by number.</summary>
    private int[] FindNumbering(int[] steps) =>
        steps.Select(column =>
            {
                string name = _table.Names[column];
                int digits = name.Length - name.AsSpan().TrimEnd("0123456789").Length;
                return (Column: column, Prefix: name[..^digits], Number: digits is > 0 and < 10 ? int.Parse(name.AsSpan(name.Length - digits), System.Globalization.CultureInfo.InvariantCulture) : -1);
            })
            .Where(item => item.Number >= 0)
            .GroupBy(item => item.Prefix, StringComparer.Ordinal)
            .Select(group => group.OrderBy(item => item.Number).ToArray())
            .Where(items => items[^1].Number - items[0].Number == items.Length - 1 && items.Select(item => item.Number).Distinct().Count() == items.Length)
            .OrderByDescending(items => items.Length)
            .FirstOrDefault()?.Select(item => item.Column).ToArray() ?? [];

    private string FormFinding(string form, string option)
    {
        string columns = Texts.Format($"{form}: {_table.Names.Length} {(_table.Names.Length == 1 ? "column" : "columns")}");
        string names = _table.HasHeader ? "" : " without names";
        return _table.Text is { } text
            ? _table.Names.Length == 1 ? $"{columns}{names} ({option})" : $"{columns}{names} separated by {text.SeparatorName}{(text.Decimal == ',' ? ", with decimal commas" : "")} ({option})"
            : $"{columns} of {ContentKind.Name(_table.Format)} ({option})";
    }

    private (DataSettings Settings, TableFile Table, List<string> Findings) FindWide()
    {
        if (_request.Time is not null)
        {
            throw CliException.Usage($"--time is given, but a row of {_table.Place} is a sequence; --time requires --form long");
        }

        (int? label, int? target) = _request.Horizon is not null && _label is null ? (null, null) : FindWideTarget();
        if ((label ?? target) is null)
        {
            RefuseOneClass(Columns.Where(column => IsFree(column) && _table.HasHeader && ColumnRoles.Label(column.Name) >= 0 && !IsCoordinate(column, null)));
        }

        int[] targets = _targets ?? (target is { } one ? [one] : []);
        CheckTargets(targets);
        if (label is { } named)
        {
            CheckLabel(named, _scan.Rows);
        }

        foreach (int column in targets.Append(label ?? -1))
        {
            _used.Add(column);
        }

        int? sequence = _sequence ?? Columns.Where(column => IsFree(column) && ColumnRoles.Sequence(column.Name) >= 0 && column.Missing == 0 && (column.HasMany ? _scan.Rows > column.Distinct && column.IsIncreasing : column.Distinct == _scan.Rows))
            .OrderBy(SequenceRank).Select(column => (int?)column.Index).FirstOrDefault();
        _used.Add(sequence ?? -1);
        int? group = _group ?? Columns.Where(column => IsFree(column) && ColumnRoles.Group(column.Name) >= 0 && column.Missing == 0 && !column.HasMany && column.Distinct < _scan.Rows)
            .OrderBy(SequenceRank).Select(column => (int?)column.Index).FirstOrDefault();
        _used.Add(group ?? -1);

        bool isRagged = !_table.HasHeader && _features is null;
        int[] lists = HasLists ? [.. Columns.Where(column => IsFree(column) && _table.Kinds![column.Index] == ColumnKind.List).Select(column => column.Index)] : [];
        int[] free = [.. Columns.Where(column => IsFree(column) && (column.IsNumeric || (column.IsEmpty && isRagged))).Select(column => column.Index)];
        string? pattern = _request.Pattern ?? (lists.Length > 0 || isRagged || _features is not null ? null : FindPattern(free));
        if (pattern is not null && !TableLayout.IsPattern(pattern))
        {
            throw CliException.Usage($"--pattern is '{ForeignText.Clean(pattern)}'; with a table it must have {{channel}} and {{step}} once each, with text between them");
        }

        int[] numbered = FindNumbering(free);
        int[] features = _features ?? (lists.Length > 0 ? lists : numbered.Length >= FewestNumberedSteps && numbered.Length * 5 >= free.Length * 4 ? numbered : free);
        if (features.Length == 0)
        {
            throw Unclear("a row is a sequence, but there is no column of numbers for its steps; give --features, or --form long");
        }

        Goal goal = label is not null ? Goal.ClassifySequences : targets.Length > 0 ? Goal.PredictSequences : Goal.Forecast;
        bool isUcr = isRagged && label == 0 && targets.Length == 0 && _table.Text is { Separator: '\t' };
        _findings.Add(FormFinding("wide form, a row is a sequence", "--form"));
        if (sequence is { } id)
        {
            _findings.Add($"column {NameOf(id)} names the sequences (--sequence)");
        }

        AddTargets(label, targets, isPerStep: false);
        if (group is { } owner)
        {
            _findings.Add(Texts.Format($"column {NameOf(owner)} is the group: {Columns[owner].Distinct} of them (--group)"));
        }

        if (pattern is null)
        {
            _findings.Add(HasLists && features.All(column => _table.Kinds![column] == ColumnKind.List)
                ? $"inputs: lists of {NamesOf(features)} (--features)"
                : Texts.Format($"inputs: {(isRagged ? _scan.MostValues - _used.Count(column => column >= 0) : features.Length)} steps of one channel, {NameOf(features[0])} to {(isRagged ? LastOfRow() : NameOf(features[^1]))} (--features)"));
            ReportLeftOut(features);
        }
        else
        {
            _findings.Add($"the columns are channels and steps by the pattern {pattern} (--pattern)");
        }

        var settings = new DataSettings
        {
            Goal = goal,
            Format = isUcr ? DataFormat.Ucr : _table.Format,
            Form = TableForm.Wide,
            Label = NameOrNull(label),
            Sequence = NameOrNull(sequence),
            Group = NameOrNull(group),
            Features = pattern is not null || isRagged ? [] : [.. features.Select(column => _table.Names[column])],
            ChannelPattern = pattern,
            Targets = [.. targets.Select(column => _table.Names[column])],
            HasHeader = _table.HasHeader,
            RowValues = isRagged ? _scan.MostValues : null,
        };
        return (settings, isUcr ? _table.With(_table.Text! with { IsPlain = true }) : _table, _findings);
    }

    /// <summary>The last input of the longest row.</summary>
    private string LastOfRow()
    {
        int last = _scan.MostValues - 1;
        while (_used.Contains(last))
        {
            last--;
        }

        return last == _scan.MostValues - 1 ? "the last" : last < _table.Names.Length ? NameOf(last) : Texts.Format($"'column {last + 1}'");
    }

    private (DataSettings Settings, TableFile Table, List<string> Findings) FindLong()
    {
        if (_request.Pattern is not null)
        {
            throw CliException.Usage($"--pattern is '{ForeignText.Clean(_request.Pattern)}', but a row of {_table.Place} is a step; --pattern requires --form wide, or WAV files");
        }

        if (_label is not null && _request.Horizon is not null)
        {
            throw CliException.Usage("--label and --horizon are given; only one of the two may be given");
        }

        SequenceSummary? sequence = FindSequence();
        _used.Add(sequence?.Column ?? -1);
        int? time = FindTime(sequence);
        _used.Add(time ?? -1);
        int? group = FindGroup(sequence);
        _used.Add(group ?? -1);
        (int? label, int[] targets, bool isPerStep) = _request.Horizon is not null ? (null, _targets ?? [], false) : FindTargets(sequence, time);
        if (sequence is null && _request.Form is null && (label is not null || (targets.Length > 0 && _request.Horizon is null))
            && Columns.FirstOrDefault(column => IsFree(column) && IsRowIdentifier(column)) is { } identifier)
        {
            throw CliException.Failure($"{_table.Place}: each row has its own {NameOf(identifier.Index)}; give --form wide or --sequence");
        }

        Goal goal = label is not null
            ? isPerStep ? Goal.ClassifySteps : Goal.ClassifySequences
            : targets.Length > 0 && _request.Horizon is null ? isPerStep ? Goal.PredictSteps : Goal.PredictSequences : Goal.Forecast;
        if (goal == Goal.Forecast)
        {
            // What is forecast is an input, too.
            _used.ExceptWith(targets);
        }
        else
        {
            _used.UnionWith(targets);
            _used.Add(label ?? -1);
        }

        int[] features = _features ?? [.. Columns.Where(column => MayBeInput(column, sequence, time)).Select(column => column.Index)];
        if (goal == Goal.Forecast)
        {
            features = [.. features.Union(targets)];
        }

        if (features.Length == 0)
        {
            throw Columns.Where(column => IsFree(column) && column.Numbers > 0 && column.FirstText.Line > 0).MaxBy(column => column.Numbers) is { } mixed
                ? CliException.Failure(Texts.Format($"{_table.Place}: {NameOf(mixed.Index)} has {mixed.Numbers} {(mixed.Numbers == 1 ? "number" : "numbers")}, but '{ForeignText.Clean(mixed.FirstText.Text)}' in {_table.LineName} {mixed.FirstText.Line}; expected a column of numbers for the inputs"))
                : Unclear("there is no column of numbers for the inputs; give --features");
        }

        foreach (int column in features.Where(column => !Columns[column].IsNumeric && _table.Kinds?[column] is not ColumnKind.Logical))
        {
            throw CliException.Usage($"--features has {NameOf(column)}, which has text in {_table.Place}; it must have columns of numbers");
        }

        _findings.Add(FormFinding("long form, a row is a step", "--form"));
        _findings.Add(sequence is { } found
            ? Texts.Format($"column {NameOf(found.Column)} tells {found.Count} sequences apart (--sequence)")
            : Texts.Format($"the table is one sequence of {_scan.Rows} {(_scan.Rows == 1 ? "step" : "steps")} (--sequence)"));
        if (time is { } at)
        {
            _findings.Add($"column {NameOf(at)} is the time (--time)");
        }

        if (group is { } owner)
        {
            _findings.Add(Texts.Format($"column {NameOf(owner)} is the group: {Columns[owner].Distinct} of them (--group)"));
        }

        if (goal != Goal.Forecast)
        {
            AddTargets(label, targets, isPerStep);
        }

        _findings.Add($"inputs: {NamesOf(features)} (--features)");
        ReportLeftOut(features);
        return (
            new DataSettings
            {
                Goal = goal,
                Format = _table.Format,
                Form = TableForm.Long,
                Label = NameOrNull(label),
                Sequence = NameOrNull(sequence?.Column),
                Time = NameOrNull(time),
                Group = NameOrNull(group),
                Features = [.. features.Select(column => _table.Names[column])],
                Targets = [.. (goal == Goal.Forecast && targets.Length == 0 ? features : targets).Select(column => _table.Names[column])],
                HasHeader = _table.HasHeader,
            },
            _table,
            _findings);
    }

    private string? NameOrNull(int? column) => column is { } number ? _table.Names[number] : null;

    private void AddTargets(int? label, int[] targets, bool isPerStep)
    {
        if (label is { } column)
        {
            _findings.Add(Texts.Format($"column {NameOf(column)} is the class{(isPerStep ? " of each step" : "")}: {Columns[column].Distinct} of them (--label)"));
        }
        else if (targets.Length > 0)
        {
            _findings.Add($"{(targets.Length == 1 ? "column" : "columns")} {string.Join(", ", targets.Select(NameOf))} {(targets.Length == 1 ? "has" : "have")} the values to predict{(isPerStep ? " at each step" : "")} (--target)");
        }
    }

    private void ReportLeftOut(int[] features)
    {
        int[] left = [.. Columns.Where(column => IsFree(column) && !features.Contains(column.Index)).Select(column => column.Index)];
        if (_features is null && left.Length > 0)
        {
            string[] reasons = [.. left.Select(column => Columns[column].IsEmpty ? "no values" : Columns[column].IsDate ? "dates" : Columns[column].IsText ? "text" : ColumnRoles.IsTime(Columns[column].Name) ? "times" : "numbers of rows or steps").Distinct()];
            _findings.Add($"left out: {NamesOf(left)}, {(left.Length == 1 ? "which has" : "which have")} {string.Join(" or ", reasons)}");
        }
    }

    private SequenceSummary? FindSequence()
    {
        if (_sequence is not null)
        {
            SequenceSummary given = _scan.Sequences[0];
            return given.Count > 1 && (given.IsOfRows || given.Count == _scan.Rows)
                ? throw CliException.Usage($"--sequence is {NameOf(given.Column)}, which has another value in each row, or nearly, of {_table.Place}; it must be the same in all rows of a sequence, or use --form wide for a sequence in each row")
                : given;
        }

        SequenceSummary[] repeated = [.. _scan.Sequences.Where(IsRepeated)];
        bool areNamed = repeated.Length > 0 && SequenceRank(Columns[repeated[0].Column]) < int.MaxValue;
        if (!areNamed)
        {
            // By content alone: blocks of equal values at which the time begins anew, or within which a column named as the class stays as it is.
            return repeated.FirstOrDefault(item => Columns[item.Column] is var column && !column.HasMany && column.Changes + 1 == column.Distinct && Columns.Any(other =>
                other.Index != column.Index
                && ((ColumnRoles.IsTime(other.Name) && !other.IsIncreasing && !item.Falls[other.Index])
                    || (ColumnRoles.Label(other.Name) >= 0 && !item.Varies[other.Index] && other.Distinct >= 2 && other.Distinct < column.Distinct))));
        }

        SequenceSummary best = repeated[0];
        if (Columns.FirstOrDefault(column => column.Index != best.Column && IsFree(column) && ColumnRoles.Group(column.Name) >= 0 && (column.IsText || column.IsWhole) && !column.HasMany && best.Varies[column.Index]) is { } outer)
        {
            // Trial 1 of each person: the number alone is not enough.
            return repeated.FirstOrDefault(item => item != best && ColumnRoles.Sequence(_table.Names[item.Column]) >= 0 && !item.Varies[outer.Index]) ?? throw Unclear(
                $"column {NameOf(best.Column)} may tell sequences apart, but column {NameOf(outer.Index)} changes within {NameOf(best.Column)} {ForeignText.Clean(best.Where[outer.Index])}; add a column with one value for each sequence and give it with --sequence");
        }

        return best;
    }

    private int? FindTime(SequenceSummary? sequence)
    {
        if (_time is { } given)
        {
            return given;
        }

        foreach (ColumnSummary column in Columns.Where(column => IsFree(column) && column.Missing == 0 && (column.IsDate || column.IsNumeric) && (ColumnRoles.IsTime(column.Name) || column.IsDate || ColumnRoles.MayBeTime(column.Name)))
            .OrderBy(column => ColumnRoles.IsTime(column.Name) ? 0 : column.IsDate ? 1 : 2))
        {
            bool increases = sequence is null ? column.IsIncreasing : !sequence.Falls[column.Index];
            if (increases)
            {
                return column.Index;
            }

            // Rows may come in any order, but a time must not come twice.
            bool isSure = column.IsDate || ColumnRoles.IsTime(column.Name);
            if (isSure && sequence is not null && !sequence.Repeats[column.Index])
            {
                return column.Index;
            }

            if (isSure && sequence is null && column.Decreases > 0)
            {
                bool isUnique = column.HasMany ? column.Decreases == _scan.Rows - 1 : column.Distinct == _scan.Rows;
                return isUnique ? column.Index : throw Unclear(Texts.Format(
                    $"column {NameOf(column.Index)} goes back {column.Decreases} {(column.Decreases == 1 ? "time" : "times")}, but no column tells sequences apart; give --sequence, or another --time"));
            }
        }

        if (_features is null)
        {
            RefuseTimes(sequence);
        }

        return null;
    }

    /// <summary>Refuses a column named as the time that cannot be one, rather than leave it out without a word.</summary>
    private void RefuseTimes(SequenceSummary? sequence)
    {
        const string Expected = "an ISO date such as 2024-01-03, or a number, is expected (--time, --features)";
        foreach (ColumnSummary column in Columns.Where(column => _table.HasHeader && IsFree(column) && ColumnRoles.IsTime(column.Name) && !column.IsEmpty))
        {
            if (column.FirstText is { Line: > 0 } text)
            {
                throw Fault(text.Line, $": {NameOf(column.Index)} is '{ForeignText.Clean(text.Text)}'; {Expected}");
            }

            if (column.Numbers > 0 && column.Dates > 0)
            {
                bool isNumberFirst = column.FirstNumber.Line < column.FirstDate.Line;
                (long line, string value) = isNumberFirst ? column.FirstDate : column.FirstNumber;
                throw Fault(line, $": {NameOf(column.Index)} is '{ForeignText.Clean(value)}'; {(isNumberFirst ? "a number" : "an ISO date")}, as the rows before have, is expected (--time, --features)");
            }

            if (column.Missing > 0)
            {
                throw Fault(column.FirstMissing, $": {NameOf(column.Index)} has no value; {Expected}");
            }

            (long at, long before) = sequence is null ? column.FirstRepeat : sequence.FirstRepeats[column.Index];
            if (at > 0)
            {
                throw Fault(at, Texts.Format($" has the time of {_table.LineName} {before}, {NameOf(column.Index)}; give --sequence, another --time, or --features"));
            }
        }

        CliException Fault(long line, string problem) => CliException.Failure(Texts.Format($"{_table.Place}: {_table.LineName} {line}{problem}"));
    }

    /// <summary>Refuses numbers that are text for their grouped digits alone.</summary>
    private void RefuseGroupedDigits()
    {
        if (Columns.FirstOrDefault(column => (_features is null ? IsFree(column) && SequenceRank(column) == int.MaxValue : _features.Contains(column.Index)) && column.Grouped > 0 && column.Grouped + column.Numbers + column.Missing == column.Rows) is { } grouped)
        {
            throw CliException.Failure(Texts.Format($"{_table.Place}: {_table.LineName} {grouped.FirstText.Line}: {NameOf(grouped.Index)} is '{ForeignText.Clean(grouped.FirstText.Text)}', whose digits are grouped; remove the separators"));
        }
    }

    private int? FindGroup(SequenceSummary? sequence) => _group ?? (sequence is null
        ? null
        : Columns.Where(column => IsFree(column) && ColumnRoles.Group(column.Name) >= 0 && column.Missing == 0 && !column.HasMany && !sequence.Varies[column.Index] && column.Distinct >= 2 && column.Distinct < sequence.Count)
            .OrderBy(SequenceRank).Select(column => (int?)column.Index).FirstOrDefault());

    private (int? Label, int[] Targets, bool IsPerStep) FindTargets(SequenceSummary? sequence, int? time)
    {
        if (_label is not null && _targets is not null)
        {
            throw CliException.Usage("--label and --target are given; only one of the two may be given");
        }

        if (_label is { } given)
        {
            bool varies = Varies(given);
            CheckLabel(given, Units(given));
            return (given, [], varies);
        }

        if (_targets is not null)
        {
            CheckTargets(_targets);
            return (null, _targets, _targets.Any(Varies));
        }

        ColumnSummary[] named =
        [
            .. Columns.Where(column => IsFree(column) && _table.HasHeader && _features?.Contains(column.Index) != true && ColumnRoles.Label(column.Name) >= 0 && !IsCoordinate(column, sequence)

                // The only numbers that there are must be the input: their next ones are to be forecast.
                && !(column.IsNumeric && !Columns.Any(other => other != column && MayBeInput(other, sequence, time))))
                .OrderBy(column => ColumnRoles.Label(column.Name)),
        ];
        foreach (ColumnSummary column in named)
        {

            if (ColumnRoles.Target(column.Name) >= 0 && HasValues(column, Units(column.Index)) && (column.Missing == 0) && (sequence is not null || time is null))
            {
                return (null, [column.Index], Varies(column.Index));
            }

            // Counts over time, as y of a forecast often is, are no classes.
            bool isSeries = sequence is null && time is not null && column.IsNumeric && ColumnRoles.Target(column.Name) >= 0 && !column.Name.Contains("label", StringComparison.OrdinalIgnoreCase);
            if (!isSeries && MayBeClass(column, Units(column.Index), isNamed: true))
            {
                return (column.Index, [], Varies(column.Index));
            }
        }

        RefuseOneClass(named);
        ColumnSummary[] texts = [.. Columns.Where(column => IsFree(column) && column.IsText && column.Missing == 0 && column.Distinct >= 2 && !column.IsMixed && !ColumnRoles.IsTime(column.Name) && _features?.Contains(column.Index) != true)];
        if (sequence is not null)
        {
            ColumnSummary[] constant = [.. texts.Where(column => !sequence.Varies[column.Index] && MayBeClass(column, sequence.Count, isNamed: false))];
            return constant.Length switch
            {
                0 => (null, [], false),
                1 => (constant[0].Index, [], false),
                _ => throw Unclear($"several columns may be the class ({string.Join(", ", constant.Select(column => NameOf(column.Index)))}); give --label, or --horizon for a forecast"),
            };
        }

        if (time is null && texts.FirstOrDefault(column => MayBeClass(column, _scan.Rows, isNamed: false)) is { } text)
        {
            throw Unclear($"it is unclear what column {NameOf(text.Index)} says; give --label {Argument(text.Name)} for the class of each row, with --sequence for rows that belong together or --form wide if a row is a sequence, or --horizon for a forecast");
        }

        return (null, [], false);

        bool Varies(int column) => sequence is null ? Columns[column].Changes > 0 : sequence.Varies[column];

        long Units(int column) => Varies(column) || sequence is null ? _scan.Rows : sequence.Count;
    }

    /// <summary>Tells whether a column counts rows or steps, which says nothing of them.</summary>
    private static bool CountsRows(ColumnSummary column, SequenceSummary? sequence, int? time)
    {
        bool increases = sequence is null ? column.IsIncreasing : !sequence.Falls[column.Index];
        return column.Rows > 2 && column.IsWhole && ((column.IsCounting && ColumnRoles.CountsRows(column.Name)) || (column.Index == 0 && column.IsCounting && column.Name == "column 1")
            || (time is not null && increases && ColumnRoles.MayBeTime(column.Name)));
    }
}
