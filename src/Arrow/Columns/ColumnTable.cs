namespace OrthoNative.Arrow;

/// <summary>Makes sequences of a table whose columns have types.</summary>
/// <param name="places">The table, with the names of its columns.</param>
/// <param name="kinds">Kinds of the columns.</param>
/// <param name="options">Valid ones.</param>
/// <param name="cancellationToken">Ends it.</param>
internal sealed class ColumnTable(TablePlaces places, ColumnKind[] kinds, TableOptions options, CancellationToken cancellationToken)
{
    private const int RowsBetweenChecks = 1 << 12;

    /// <summary>Reads a table.</summary>
    /// <param name="read">Reads some columns, in parts of rows one after another.</param>
    /// <exception cref="InvalidDataException">A column is absent or of no use, or a value is missing.</exception>
    public SequenceData Read(Func<int[], IEnumerable<(int Rows, ColumnData[] Columns)>> read)
    {
        TableLayout layout = TableLayout.Find(places, kinds.Length, options, hasNames: true);
        bool isWide = options.Form == TableForm.Wide;
        int[] features = layout.Features ?? [.. Enumerable.Range(0, kinds.Length).Where(column => !layout.IsUsed(column) && (isWide || kinds[column] == ColumnKind.Number))];
        if (features.Length == 0)
        {
            throw places.Fault("there is no column of numbers without another use; expected at least one");
        }

        bool hasLists = isWide && layout.Channels is null && kinds[features[0]] == ColumnKind.List;
        CheckKinds(layout, features, hasLists);
        string[] channels = layout.Channels ?? (hasLists || !isWide ? TableLayout.NamesOf(features, places) : ["value"]);
        WideTable? wide = isWide ? new WideTable(places, layout, options, channels) : null;
        LongTable? steps = isWide ? null : new LongTable(places, layout, options, features.Length) { Channels = ([.. Enumerable.Range(0, features.Length)], channels) };
        SequenceTable table = (SequenceTable?)wide ?? steps!;

        // Columns of the parts: those with a use, each once.
        int[] used = [.. features.Concat(layout.Targets).Concat([layout.Sequence, layout.Time, layout.Label, layout.Group]).Where(column => column >= 0).Distinct()];
        int[] slots = [.. Enumerable.Range(0, kinds.Length).Select(column => Array.IndexOf(used, column))];
        float[] values = new float[features.Length];
        float[] targets = new float[layout.Targets.Length];
        Span<char> scratch = stackalloc char[ColumnData.LongestText];
        long number = 0;
        foreach ((int rows, ColumnData[] columns) in read(used))
        {
            for (int row = 0; row < rows; row++)
            {
                if (row % RowsBetweenChecks == 0)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                }

                number++;
                table.Begin(number, layout.Sequence < 0 ? default : TextOf(columns[slots[layout.Sequence]], row, scratch));
                if (layout.Label >= 0)
                {
                    table.AddClass(TextOf(columns[slots[layout.Label]], row, scratch));
                }

                if (layout.Group >= 0)
                {
                    table.AddGroup(TextOf(columns[slots[layout.Group]], row, scratch));
                }

                if (targets.Length > 0)
                {
                    for (int i = 0; i < targets.Length; i++)
                    {
                        targets[i] = NumberOf(columns[slots[layout.Targets[i]]], row, number, layout.Targets[i]);
                        if (float.IsNaN(targets[i]))
                        {
                            throw places.Fault(number, layout.Targets[i], "the value is missing; expected a number");
                        }
                    }

                    table.AddTargets(targets);
                }

                if (hasLists)
                {
                    float[] lists = ReadLists(columns, slots, features, row, number);
                    wide!.AddSequence(lists, features);
                    continue;
                }

                for (int i = 0; i < features.Length; i++)
                {
                    values[i] = NumberOf(columns[slots[features[i]]], row, number, features[i]);
                    if (!isWide && table.RefusesMissing && float.IsNaN(values[i]))
                    {
                        throw table.MissingInput(number, features[i]);
                    }
                }

                wide?.AddSequence(values, features);
                steps?.AddFeatures(values);
                if (layout.Time >= 0)
                {
                    steps!.AddTime(TimeOf(columns[slots[layout.Time]], row, number, layout.Time));
                }
            }
        }

        return table.Build(cancellationToken);
    }

    private void CheckKinds(TableLayout layout, int[] features, bool hasLists)
    {
        foreach (int column in features)
        {
            bool fits = hasLists ? kinds[column] == ColumnKind.List : kinds[column] is ColumnKind.Number or ColumnKind.Logical;
            Require(fits, column, hasLists ? "lists of numbers, as the first input is" : "numbers");
        }

        foreach (int column in layout.Targets)
        {
            Require(kinds[column] is ColumnKind.Number or ColumnKind.Logical, column, "numbers");
        }

        if (layout.Time >= 0)
        {
            Require(kinds[layout.Time] is ColumnKind.Number or ColumnKind.Time or ColumnKind.Text, layout.Time, "numbers, times or dates of ISO 8601");
        }

        int[] names = [layout.Sequence, layout.Label, layout.Group];
        foreach (int column in names.Where(column => column >= 0))
        {
            Require(kinds[column] is not (ColumnKind.Other or ColumnKind.List), column, "text, numbers, times or logical values");
        }

        void Require(bool condition, int column, string expected)
        {
            if (!condition)
            {
                string found = kinds[column] switch
                {
                    ColumnKind.Number => "numbers",
                    ColumnKind.Logical => "logical values",
                    ColumnKind.Time => "times",
                    ColumnKind.Text => "text",
                    ColumnKind.List => "lists",
                    _ => "values of a type that is not read",
                };
                throw places.Fault($"{places.Describe(column)} has {found}; expected {expected}");
            }
        }
    }

    /// <summary>Text of a value; empty if it is missing.</summary>
    private static ReadOnlySpan<char> TextOf(ColumnData column, int row, Span<char> scratch) => column.IsMissing(row) ? default : column.Text(row, scratch);

    private float NumberOf(ColumnData column, int row, long number, int place)
    {
        if (column.IsMissing(row))
        {
            return float.NaN;
        }

        double value = column.Number(row);
        return double.IsNaN(value) || float.IsFinite((float)value) ? (float)value : throw places.Fault(number, place,
            FormattableString.Invariant($"found {value}; expected a finite number of single precision"));
    }

    private double TimeOf(ColumnData column, int row, long number, int place)
    {
        double time = column.IsMissing(row) ? double.NaN : column.Time(row);
        return double.IsFinite(time) ? time : throw places.Fault(number, place,
            $"found {TablePlaces.Quote(TextOf(column, row, stackalloc char[ColumnData.LongestText]))}; expected a number or a date of ISO 8601");
    }

    /// <summary>The lists of a row, each a channel: [T, D].</summary>
    private float[] ReadLists(ColumnData[] columns, int[] slots, int[] features, int row, long number)
    {
        float[] values = [];
        int steps = -1;
        for (int channel = 0; channel < features.Length; channel++)
        {
            ColumnData column = columns[slots[features[channel]]];
            (ColumnData items, int start, int count) = column.IsMissing(row) ? (column, 0, 0) : column.List(row);
            if (steps < 0)
            {
                steps = count;
                values = (long)count * features.Length <= Array.MaxLength ? new float[count * features.Length] : throw places.Fault(number, features[channel],
                    FormattableString.Invariant($"found a list of {count} values; expected at most {Array.MaxLength / features.Length}"));
            }
            else if (steps != count)
            {
                throw places.Fault(number, features[channel], FormattableString.Invariant($"found a list of {count} values; expected {steps}, as the first list of the row has"));
            }

            for (int step = 0; step < count; step++)
            {
                values[(step * features.Length) + channel] = NumberOf(items, start + step, number, features[channel]);
            }
        }

        return values;
    }
}
