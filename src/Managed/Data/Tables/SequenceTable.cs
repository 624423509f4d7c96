using System.Globalization;

namespace OrthoNative;

/// <summary>Collects the rows of a table and makes sequences of them.</summary>
internal abstract class SequenceTable
{
    protected SequenceTable(TablePlaces places, TableLayout layout, TableOptions options)
    {
        Places = places;
        Layout = layout;
        Options = options;
        Ids = layout.Sequence < 0 ? null : new TableNames(places, layout.Sequence, "the identifier of a sequence", options, null);
        Classes = layout.Label < 0 ? null : new TableNames(places, layout.Label, "a class", options, options.ClassNames);
        Groups = layout.Group < 0 ? null : new TableNames(places, layout.Group, "a group", options, null);
    }

    protected TablePlaces Places { get; }

    protected TableLayout Layout { get; }

    protected TableOptions Options { get; }

    protected TableNames? Ids { get; }

    protected TableNames? Classes { get; }

    protected TableNames? Groups { get; }

    /// <summary>The sequences in the order of their rows.</summary>
    protected List<Entry> Entries { get; } = [];

    /// <summary>Values to predict of the sequences, [C] of each.</summary>
    protected ChunkedList<float> Targets { get; } = new();

    /// <summary>Classes of the steps by their names in <see cref="Classes"/>.</summary>
    protected ChunkedList<int> StepClasses { get; } = new();

    /// <summary>Values to predict of the steps, [C] of each.</summary>
    protected ChunkedList<float> StepTargets { get; } = new();

    /// <summary>The row that was begun last.</summary>
    protected long Row { get; private set; }

    /// <summary>Number of its sequence.</summary>
    protected int Sequence { get; private set; }

    /// <summary>Number of rows.</summary>
    protected int Count { get; private set; }

    /// <summary>True if a missing input is refused.</summary>
    public bool RefusesMissing => Options.MissingValues == MissingValues.Refuse;

    private bool IsNew => Entries[Sequence].Count == 1;

    /// <summary>Begins a row. Its other values follow.</summary>
    /// <param name="row">Number from 1.</param>
    /// <param name="id">The identifier of its sequence, if the layout has one.</param>
    /// <exception cref="InvalidDataException">There is no identifier, or another row of the wide form has it.</exception>
    public void Begin(long row, ReadOnlySpan<char> id)
    {
        if (Count == Array.MaxLength)
        {
            throw Places.Fault(row, $"found more rows; expected at most {Text(Array.MaxLength)}");
        }

        Count++;
        Row = row;
        bool isWide = Options.Form == TableForm.Wide;
        Sequence = Ids?.Read(row, id) ?? (isWide ? Entries.Count : 0);
        if (Sequence == Entries.Count)
        {
            Entries.Add(new Entry { Row = row, Count = 1 });
            return;
        }

        Entry entry = Entries[Sequence];
        if (isWide)
        {
            throw Places.Fault(row, Layout.Sequence, $"found {TablePlaces.Quote(Ids!.Names[Sequence])}, the identifier of {Places.Describe(entry.Row)}; expected another one");
        }

        entry.Count++;
        Entries[Sequence] = entry;
    }

    /// <summary>The row's class.</summary>
    public void AddClass(ReadOnlySpan<char> name)
    {
        int number = Classes!.Read(Row, name);
        if (Options.LabelPerStep)
        {
            StepClasses.Add(number);
            return;
        }

        Entry entry = Entries[Sequence];
        if (IsNew)
        {
            entry.Class = number;
            Entries[Sequence] = entry;
        }
        else if (entry.Class != number)
        {
            throw Changed(Layout.Label, TablePlaces.Quote(Classes.Names[number]), TablePlaces.Quote(Classes.Names[entry.Class]), nameof(TableOptions.LabelPerStep));
        }
    }

    /// <summary>The row's group.</summary>
    public void AddGroup(ReadOnlySpan<char> name)
    {
        int number = Groups!.Read(Row, name);
        Entry entry = Entries[Sequence];
        if (IsNew)
        {
            entry.Group = number;
            Entries[Sequence] = entry;
        }
        else if (entry.Group != number)
        {
            throw Changed(Layout.Group, TablePlaces.Quote(Groups.Names[number]), TablePlaces.Quote(Groups.Names[entry.Group]), null);
        }
    }

    /// <summary>The row's values to predict.</summary>
    public void AddTargets(ReadOnlySpan<float> values)
    {
        if (Options.TargetPerStep)
        {
            StepTargets.Add(values);
            return;
        }

        if (IsNew)
        {
            Targets.Add(values);
            return;
        }

        for (int i = 0; i < values.Length; i++)
        {
            float first = Targets[((long)Sequence * values.Length) + i];
            if (first != values[i])
            {
                throw Changed(Layout.Targets[i], FormattableString.Invariant($"{values[i]}"), FormattableString.Invariant($"{first}"), nameof(TableOptions.TargetPerStep));
            }
        }
    }

    /// <summary>Creates the data set of all rows. The table is of no use then.</summary>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="InvalidDataException">There are no rows, or two steps have the same time.</exception>
    public abstract SequenceData Build(CancellationToken cancellationToken);

    /// <summary>Creates the error about a missing input.</summary>
    public InvalidDataException MissingInput(long row, int column) =>
        Places.Fault(row, column, $"the value is missing; expected a number, or options.{nameof(TableOptions.MissingValues)} other than {nameof(MissingValues.Refuse)}");

    protected SequenceData Create(List<float[]> sequences, int[] order, int channels, SequenceDataOptions options)
    {
        if (Ids is not null)
        {
            options = options with { Ids = [.. order.Select(number => Ids.Names[number])] };
        }

        if (Groups is not null)
        {
            options = options with { Groups = [.. order.Select(number => Groups.Names[Entries[number].Group])] };
        }

        if (Classes is not null)
        {
            options = options with
            {
                ClassNames = Options.ClassNames,
                Labels = Options.LabelPerStep ? null : [.. order.Select(number => Classes.Names[Entries[number].Class])],
            };
        }

        if (Layout.Targets.Length > 0)
        {
            options = options with { TargetNames = TableLayout.NamesOf(Layout.Targets, Places) };
            if (!Options.TargetPerStep)
            {
                int width = Layout.Targets.Length;
                options = options with
                {
                    Targets = [.. order.Select(number =>
                    {
                        float[] values = new float[width];
                        Targets.CopyTo((long)number * width, values);
                        return values;
                    })],
                };
            }
        }

        return SequenceData.Create(sequences, channels, options with { MissingValues = Options.MissingValues });
    }

    /// <summary>A sequence.</summary>
    protected struct Entry
    {
        /// <summary>The first row, from 1.</summary>
        public long Row;

        /// <summary>Number of rows.</summary>
        public int Count;

        public int Class;

        public int Group;
    }

    protected string NameOf(int sequence) => Ids is null ? "" : $" {TablePlaces.Quote(Ids.Names[sequence])}";

    private InvalidDataException Changed(int column, string found, string first, string? option) => Places.Fault(
        Row, column,
        $"found {found}; expected {first}, as {Places.Describe(Entries[Sequence].Row)} of the same sequence{NameOf(Sequence)} has{(option is null ? "" : $", or options.{option}")}");

    protected static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);
}
