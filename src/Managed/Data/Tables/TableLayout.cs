using System.Globalization;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>The columns of a table by their use; -1: there is none.</summary>
internal sealed class TableLayout
{
    private const string Channel = "{channel}";
    private const string Step = "{step}";

    private TableLayout(TablePlaces places, int count, TableOptions options, bool hasNames)
    {
        var numbers = new Dictionary<string, int>(StringComparer.Ordinal);
        var repeated = new HashSet<string>(StringComparer.Ordinal);
        for (int i = 0; i < places.Columns.Count; i++)
        {
            if (!numbers.TryAdd(places.Columns[i], i))
            {
                repeated.Add(places.Columns[i]);
            }
        }

        Sequence = options.SequenceColumn is { } sequence ? Find(sequence, nameof(TableOptions.SequenceColumn)) : -1;
        Time = options.TimeColumn is { } time ? Find(time, nameof(TableOptions.TimeColumn)) : -1;
        Label = options.LabelColumn is { } label ? Find(label, nameof(TableOptions.LabelColumn)) : -1;
        Group = options.GroupColumn is { } group ? Find(group, nameof(TableOptions.GroupColumn)) : -1;
        Targets = FindAll(options.TargetColumns, nameof(TableOptions.TargetColumns)) ?? [];
        Features = FindAll(options.FeatureColumns, nameof(TableOptions.FeatureColumns));

        int Find(TableColumn column, string option)
        {
            if (column.Name is null)
            {
                return column.Index < count ? column.Index : throw places.Fault(string.Create(CultureInfo.InvariantCulture,
                    $"there is no column {column.Index} (from 0), which options.{option} gives; the table has {count} columns"));
            }

            if (!hasNames)
            {
                throw places.Fault($"there is no header with names of columns, but options.{option} gives the name {column}; it must be a number from 0");
            }

            if (repeated.Contains(column.Name))
            {
                throw places.Fault($"several columns have the name {column}, which options.{option} gives; it must be a number from 0");
            }

            return numbers.TryGetValue(column.Name, out int number) ? number : throw places.Fault(
                $"there is no column {column}, which options.{option} gives{Suggest(column.Name, places.Columns)}; the columns are {ForeignText.CleanList(places.Columns, places.Columns.Count)}");
        }

        int[]? FindAll(IReadOnlyList<TableColumn>? columns, string option)
        {
            if (columns is null)
            {
                return null;
            }

            int[] found = [.. columns.Select(column => Find(column, option))];
            var seen = new HashSet<int>();
            foreach (int column in found)
            {
                if (!seen.Add(column))
                {
                    throw places.Fault($"options.{option} gives {places.Describe(column)} twice; each must be there once");
                }
            }

            return found;
        }
    }

    public int Sequence { get; }

    public int Time { get; }

    public int Label { get; }

    public int Group { get; }

    public int[] Targets { get; }

    /// <summary>The inputs, or null: those that have no other use. With a pattern [T, D].</summary>
    public int[]? Features { get; private set; }

    /// <summary>Names of the channels that a pattern found; null: there is no pattern.</summary>
    public string[]? Channels { get; private set; }

    /// <summary>Finds the columns of a table.</summary>
    /// <param name="places">Has the names of the columns.</param>
    /// <param name="count">The number of columns.</param>
    /// <param name="options">Valid ones.</param>
    /// <param name="hasNames">False: the columns have no names.</param>
    /// <exception cref="InvalidDataException">A column is absent, or is given twice.</exception>
    public static TableLayout Find(TablePlaces places, int count, TableOptions options, bool hasNames)
    {
        var layout = new TableLayout(places, count, options, hasNames);
        if (options.ChannelPattern is { } pattern)
        {
            if (!hasNames)
            {
                throw places.Fault($"there is no header with names of columns; options.{nameof(TableOptions.ChannelPattern)} needs one");
            }

            layout.FindChannels(places, pattern);
        }

        return layout;
    }

    /// <summary>Tells whether a column has a use other than input.</summary>
    public bool IsUsed(int column) => column == Sequence || column == Time || column == Label || column == Group || Array.IndexOf(Targets, column) >= 0;

    /// <summary>Names of channels, which are columns: each its own.</summary>
    public static string[] NamesOf(IEnumerable<int> columns, TablePlaces places)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        return [.. columns.Select(column =>
        {
            string name = column < places.Columns.Count ? places.Columns[column] : "";
            string number = string.Create(CultureInfo.InvariantCulture, $"column {column + 1}");
            string unique = name.Length == 0 ? number : name;
            while (!seen.Add(unique))
            {
                unique = $"{unique} ({number})";
            }

            return unique;
        })];
    }

    /// <summary>Tells whether a text is a pattern of names.</summary>
    public static bool IsPattern(string pattern)
    {
        int channel = pattern.IndexOf(Channel, StringComparison.Ordinal), step = pattern.IndexOf(Step, StringComparison.Ordinal);
        return channel >= 0 && step >= 0
            && pattern.IndexOf(Channel, channel + 1, StringComparison.Ordinal) < 0 && pattern.IndexOf(Step, step + 1, StringComparison.Ordinal) < 0
            && Math.Max(channel, step) > Math.Min(channel, step) + (channel < step ? Channel : Step).Length;
    }

    private void FindChannels(TablePlaces places, string pattern)
    {
        List<string> channels = [];
        var numbers = new Dictionary<string, int>(StringComparer.Ordinal);
        List<SortedDictionary<int, int>> steps = [];
        for (int column = 0; column < places.Columns.Count; column++)
        {
            if (IsUsed(column) || !Match(places.Columns[column], pattern, out string channel, out int step))
            {
                continue;
            }

            if (!numbers.TryGetValue(channel, out int number))
            {
                numbers.Add(channel, number = channels.Count);
                channels.Add(channel);
                steps.Add([]);
            }

            if (!steps[number].TryAdd(step, column))
            {
                throw places.Fault($"{places.Describe(column)} and {places.Describe(steps[number][step])} are the same step of a channel; each must have one column");
            }
        }

        if (channels.Count == 0)
        {
            throw places.Fault(
                $"no column has a name like '{ForeignText.Clean(pattern)}', options.{nameof(TableOptions.ChannelPattern)}; the columns are {ForeignText.CleanList(places.Columns, places.Columns.Count)}");
        }

        int first = steps[0].Keys.First(), count = steps[0].Count;
        foreach ((string channel, SortedDictionary<int, int> columns) in channels.Zip(steps))
        {
            if (columns.Count != count || columns.Keys.First() != first || columns.Keys.Last() != first + (long)count - 1)
            {
                throw places.Fault(string.Create(CultureInfo.InvariantCulture,
                    $"the channel '{ForeignText.Clean(channel)}' has {columns.Count} columns with the steps {columns.Keys.First()} to {columns.Keys.Last()}; expected the {count} steps from {first} on without gaps, as the first channel has"));
            }
        }

        int[] features = new int[count * channels.Count];
        for (int channel = 0; channel < channels.Count; channel++)
        {
            int at = channel;
            foreach (int column in steps[channel].Values)
            {
                features[at] = column;
                at += channels.Count;
            }
        }

        Features = features;
        Channels = [.. channels];
    }

    private static bool Match(string name, string pattern, out string channel, out int step)
    {
        (channel, step) = ("", 0);
        int channelAt = pattern.IndexOf(Channel, StringComparison.Ordinal), stepAt = pattern.IndexOf(Step, StringComparison.Ordinal);
        bool channelIsFirst = channelAt < stepAt;
        (string first, string second) = channelIsFirst ? (Channel, Step) : (Step, Channel);
        int firstAt = Math.Min(channelAt, stepAt), secondAt = Math.Max(channelAt, stepAt);
        string start = pattern[..firstAt], middle = pattern[(firstAt + first.Length)..secondAt], end = pattern[(secondAt + second.Length)..];
        if (name.Length < start.Length + middle.Length + end.Length || !name.StartsWith(start, StringComparison.Ordinal) || !name.EndsWith(end, StringComparison.Ordinal))
        {
            return false;
        }

        string inner = name[start.Length..^end.Length];

        // A name of a channel may have the text between the two: the step is what is shortest.
        int at = channelIsFirst ? inner.LastIndexOf(middle, StringComparison.Ordinal) : inner.IndexOf(middle, StringComparison.Ordinal);
        if (at < 0)
        {
            return false;
        }

        string left = inner[..at], right = inner[(at + middle.Length)..];
        channel = channelIsFirst ? left : right;
        return channel.Length > 0 && int.TryParse(channelIsFirst ? right : left, NumberStyles.None, CultureInfo.InvariantCulture, out step);
    }

    /// <summary>Names the column whose name is nearest to one that is absent, if one is near.</summary>
    public static string Suggest(string name, IReadOnlyList<string> columns)
    {
        const int LongestName = 100, MostColumns = 10_000;
        int best = name.Length < 3 ? 2 : Math.Max(2, name.Length / 3) + 1;
        string nearest = "";
        foreach (string column in columns.Take(MostColumns).Where(column => column.Length is > 0 and <= LongestName && name.Length <= LongestName))
        {
            int distance = string.Equals(column, name, StringComparison.OrdinalIgnoreCase) ? 0 : Distance(name, column);
            if (distance < best)
            {
                (best, nearest) = (distance, column);
            }
        }

        return nearest.Length == 0 ? "" : $" (perhaps '{ForeignText.Clean(nearest)}')";
    }

    /// <summary>The Levenshtein distance of two texts.</summary>
    private static int Distance(string a, string b)
    {
        int[] row = new int[b.Length + 1];
        for (int j = 0; j < row.Length; j++)
        {
            row[j] = j;
        }

        for (int i = 1; i <= a.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j < row.Length; j++)
            {
                int change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(change, Math.Min(row[j], row[j - 1]) + 1);
            }
        }

        return row[^1];
    }
}
