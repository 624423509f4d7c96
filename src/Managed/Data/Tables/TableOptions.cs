using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>The columns of a table that sequences are read from: one record for CSV, Parquet and Arrow.</summary>
/// <remarks>
/// A column is given by its name or by its number from 0. A column that the file does not have is refused with
/// <see cref="InvalidDataException"/>; the message lists the columns that there are.
/// </remarks>
public record TableOptions
{
    private static readonly string[] s_missingTexts = ["", "NA", "N/A", "NaN", "null", "?"];

    /// <summary>The form of the table. Default: <see cref="TableForm.Long"/>.</summary>
    public TableForm Form { get; init; } = TableForm.Long;

    /// <summary>
    /// Column with the identifier of a sequence. In the long form rows with the same one are the steps of a sequence; in the wide form every row has another one. Default: null; in the long
    /// form the whole table is one sequence, in the wide form sequences have no identifiers.
    /// </summary>
    /// <remarks>Sequences are in the order of their identifiers, so the order of rows does not matter: by number if all are whole numbers, otherwise by the codes of their characters.</remarks>
    public TableColumn? SequenceColumn { get; init; }

    /// <summary>
    /// Column with the time of a step, by which the steps of a sequence are sorted; no two steps of a sequence may have the same one. Numbers stay as they are; dates and times (ISO 8601, with or
    /// without zone; UTC without one) become seconds since 1970-01-01 00:00 UTC. Only in the long form. Default: null, steps are in the order of their rows.
    /// </summary>
    public TableColumn? TimeColumn { get; init; }

    /// <summary>
    /// Columns that are inputs, in the order of their channels; in the wide form the steps of one channel in their order, or columns of lists, each a channel. Default: null. In the long form those are all
    /// columns of numbers that have no other use; a column of text is one of numbers if the first value that is not missing is a number. In the wide form those are all columns that have no other use.
    /// </summary>
    public IReadOnlyList<TableColumn>? FeatureColumns { get; init; }

    /// <summary>
    /// In the wide form with several channels: pattern of the names of columns, with <c>{channel}</c> and <c>{step}</c>, as <c>{channel}_{step}</c> for <c>x_0, x_1, y_0, y_1</c>. Steps are whole numbers without gaps, from any first one; channels are
    /// in the order of their first columns. Columns of other names are left out. Default: null, one channel.
    /// </summary>
    public string? ChannelPattern { get; init; }

    /// <summary>Column with the class. Default: null, there are no classes.</summary>
    public TableColumn? LabelColumn { get; init; }

    /// <summary>True: every step has a class of its own. False (the default): a sequence has one, which must be the same in all of its rows.</summary>
    public bool LabelPerStep { get; init; }

    /// <summary>Columns with the values to predict. Default: null, there are none.</summary>
    public IReadOnlyList<TableColumn>? TargetColumns { get; init; }

    /// <summary>True: every step has values of its own to predict. False (the default): a sequence has them, and they must be the same in all of its rows.</summary>
    public bool TargetPerStep { get; init; }

    /// <summary>Column with the group of a sequence (person, device), for splits by group; the same in all of its rows. Default: null, there are no groups.</summary>
    public TableColumn? GroupColumn { get; init; }

    /// <summary>
    /// Names of the classes in the order of their numbers; a class that is none of them is refused. Default: null, those of the file, by number if all are whole numbers, otherwise by the codes of their characters.
    /// </summary>
    public IReadOnlyList<string>? ClassNames { get; init; }

    /// <summary>Handling of missing inputs. Default: <see cref="MissingValues.Refuse"/>. Identifiers, times, classes and values to predict must never be missing.</summary>
    public MissingValues MissingValues { get; init; } = MissingValues.Refuse;

    /// <summary>Texts that mean a missing value, in any case; blanks around a value do not count. Default: the empty text, NA, N/A, NaN, null and ?.</summary>
    public IReadOnlyList<string> MissingTexts { get; init; } = s_missingTexts;

    /// <summary>Refuses options that contradict each other.</summary>
    /// <exception cref="ArgumentException">They do.</exception>
    internal void Validate()
    {
        const string Options = "options";
        Check.Defined(Form, $"{Options}.{nameof(Form)}");
        Check.Defined(MissingValues, $"{Options}.{nameof(MissingValues)}");
        Check.NotNull(MissingTexts, $"{Options}.{nameof(MissingTexts)}");
        for (int i = 0; i < MissingTexts.Count; i++)
        {
            Check.NotNull(MissingTexts[i], $"{Options}.{nameof(MissingTexts)}[{i}]");
        }

        for (int i = 0; i < (ClassNames?.Count ?? 0); i++)
        {
            Check.NotNull(ClassNames![i], $"{Options}.{nameof(ClassNames)}[{i}]");
        }

        if (ClassNames is { } names && names.Distinct(StringComparer.Ordinal).Count() != names.Count)
        {
            throw new ArgumentException($"options.{nameof(ClassNames)} has a name twice; each must be there once.", Options);
        }

        Require(FeatureColumns is not { Count: 0 }, $"{nameof(FeatureColumns)} is empty; it must have at least one column or be null");
        Require(TargetColumns is not { Count: 0 }, $"{nameof(TargetColumns)} is empty; it must have at least one column or be null");
        Require(LabelColumn is null || TargetColumns is null, $"{nameof(LabelColumn)} and {nameof(TargetColumns)} are given; at most one of them may be given");
        Require(LabelColumn is not null || !LabelPerStep, $"{nameof(LabelPerStep)} is true; it needs {nameof(LabelColumn)}");
        Require(TargetColumns is not null || !TargetPerStep, $"{nameof(TargetPerStep)} is true; it needs {nameof(TargetColumns)}");
        Require(LabelColumn is not null || ClassNames is null, $"{nameof(ClassNames)} is given; it needs {nameof(LabelColumn)}");
        Require(Form == TableForm.Long || TimeColumn is null, $"{nameof(TimeColumn)} is given; only {nameof(TableForm)}.{nameof(TableForm.Long)} has one");
        Require(Form == TableForm.Long || !LabelPerStep, $"{nameof(LabelPerStep)} is true; only {nameof(TableForm)}.{nameof(TableForm.Long)} has classes of steps");
        Require(Form == TableForm.Long || !TargetPerStep, $"{nameof(TargetPerStep)} is true; only {nameof(TableForm)}.{nameof(TableForm.Long)} has values of steps");
        Require(Form == TableForm.Wide || ChannelPattern is null, $"{nameof(ChannelPattern)} is given; only {nameof(TableForm)}.{nameof(TableForm.Wide)} has one");
        Require(ChannelPattern is null || FeatureColumns is null, $"{nameof(ChannelPattern)} and {nameof(FeatureColumns)} are given; at most one of them may be given");
        Require(ChannelPattern is null || TableLayout.IsPattern(ChannelPattern),
            $"{nameof(ChannelPattern)} is '{ForeignText.Clean(ChannelPattern)}'; it must have {{channel}} and {{step}} once each, with text between them");

        static void Require(bool condition, string problem)
        {
            if (!condition)
            {
                throw new ArgumentException($"{Options}.{problem}.", Options);
            }
        }
    }

    /// <summary>The columns that are given, with the names of the options.</summary>
    internal IEnumerable<(TableColumn Column, string Option)> GivenColumns()
    {
        (TableColumn?, string)[] single = [(SequenceColumn, nameof(SequenceColumn)), (TimeColumn, nameof(TimeColumn)), (LabelColumn, nameof(LabelColumn)), (GroupColumn, nameof(GroupColumn))];
        return single.Where(item => item.Item1 is not null).Select(item => (item.Item1!.Value, item.Item2))
            .Concat((FeatureColumns ?? []).Select(column => (column, nameof(FeatureColumns))))
            .Concat((TargetColumns ?? []).Select(column => (column, nameof(TargetColumns))));
    }
}
