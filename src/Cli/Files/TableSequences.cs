using OrthoNative.Interop;

namespace OrthoNative.Cli.Files;

/// <summary>Makes sequences of a table whose columns are known by their names.</summary>
internal static class TableSequences
{
    /// <summary>Reads a table; the order of columns, separators and decimal signs may be others, and there may be more columns.</summary>
    /// <param name="table">The table.</param>
    /// <param name="settings">The columns.</param>
    /// <param name="classNames">The classes in the order of their numbers; null: those of the table.</param>
    /// <param name="requireTargets">False: classes or values to predict may be absent.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <exception cref="CliException">A column is absent.</exception>
    /// <exception cref="InvalidDataException">The table is damaged, or has values that do not fit.</exception>
    public static SequenceData Read(TableFile table, DataSettings settings, IReadOnlyList<string>? classNames, bool requireTargets, CancellationToken cancellationToken)
    {
        if (settings.HasHeader && !table.HasHeader)
        {
            throw CliException.Failure($"{table.Place} has no names of columns in its first row; expected {ForeignText.CleanList(settings.Features, settings.Features.Count)}");
        }

        bool isWide = settings.Form == TableForm.Wide;
        bool isPlain = settings.Format == DataFormat.Ucr && table.Text is not null;
        if (isPlain && !table.Text!.IsPlain)
        {
            table = table.With(table.Text with { IsPlain = true });
        }

        // A row without a class has one value less.
        bool lacksLabel = settings.RowValues is { } values && !requireTargets && !table.Text!.IsRagged && table.Names.Length == values - 1;
        bool isForecast = settings.Goal == Goal.Forecast;
        int? label = lacksLabel ? null : Find(settings.Label, requireTargets, "the class");
        int? sequence = Find(settings.Sequence, requireTargets && !isWide, "which tells sequences apart");
        int[] targets = isForecast ? [] : [.. settings.Targets.Select(name => Find(name, requireTargets, "a value to predict")).OfType<int>()];
        targets = targets.Length == settings.Targets.Count ? targets : [];
        var options = new TableOptions
        {
            Form = isWide ? TableForm.Wide : TableForm.Long,
            SequenceColumn = ToColumn(sequence),
            TimeColumn = isWide ? null : ToColumn(Find(settings.Time, false, "")),
            LabelColumn = ToColumn(label),
            LabelPerStep = label is not null && settings.Goal == Goal.ClassifySteps,
            TargetColumns = targets.Length == 0 ? null : [.. targets.Select(column => (TableColumn)column)],
            TargetPerStep = targets.Length > 0 && settings.Goal == Goal.PredictSteps,
            GroupColumn = ToColumn(Find(settings.Group, false, "")),
            ChannelPattern = settings.ChannelPattern,
            ClassNames = label is null || classNames is not { Count: > 0 } ? null : classNames,
            MissingValues = settings.Missing,
            FeatureColumns = settings.ChannelPattern is not null || settings.RowValues is not null || settings.Features.Count == 0
                ? null
                : [.. settings.Features.Select(name => (TableColumn)Find(name, true, "an input")!.Value)],
        };
        SequenceData data = table.Read(options, cancellationToken);
        return settings.ChannelPattern is null || settings.Features.Count == 0 || settings.Features.SequenceEqual(data.ChannelNames)
            ? data
            : settings.Features.FirstOrDefault(name => !data.ChannelNames.Contains(name)) is { } absent
                ? throw CliException.Failure($"{table.Place} has no columns of the channel '{ForeignText.Clean(absent)}', an input; its channels are {ForeignText.CleanList(data.ChannelNames, data.ChannelNames.Count)}")
                : data.SelectChannels([.. settings.Features]);

        int? Find(string? name, bool isRequired, string use)
        {
            if (name is null)
            {
                return null;
            }

            int found = settings.HasHeader || !table.HasHeader ? Array.IndexOf(table.Names, name) : NumberOf(name) is var number && number <= table.Names.Length ? number - 1 : -1;
            return found >= 0 ? found : !isRequired ? null : throw CliException.Failure(
                $"{table.Place} has no column '{ForeignText.Clean(name)}', {use}{TableLayout.Suggest(name, table.Names)}; its columns are {ForeignText.CleanList(table.Names, table.Names.Length)}");
        }

        static TableColumn? ToColumn(int? column) => column is { } number ? new TableColumn(number) : default(TableColumn?);
    }

    /// <summary>The number in the name of a column that has none.</summary>
    private static int NumberOf(string name) =>
        int.TryParse(name.AsSpan(name.LastIndexOf(' ') + 1), System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out int number) ? number : int.MaxValue;
}
