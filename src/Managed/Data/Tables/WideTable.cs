namespace OrthoNative;

/// <summary>A table in the wide form: a row is a sequence.</summary>
/// <param name="places">The table, for messages.</param>
/// <param name="layout">Its columns.</param>
/// <param name="options">Valid ones.</param>
/// <param name="channels">Names of the channels.</param>
internal sealed class WideTable(TablePlaces places, TableLayout layout, TableOptions options, string[] channels) : SequenceTable(places, layout, options)
{
    private readonly List<float[]> _sequences = [];

    /// <summary>The row's values.</summary>
    /// <param name="values">[T, D]; NaN: missing. Steps without any value at the end are cut off.</param>
    /// <param name="columns">Their columns: as many, or one for each channel.</param>
    public void AddSequence(ReadOnlySpan<float> values, ReadOnlySpan<int> columns)
    {
        int last = values.LastIndexOfAnyExcept(float.NaN);
        if (last < 0)
        {
            throw Places.Fault(Row, "found no value of a step; expected at least one");
        }

        values = values[..(((last / channels.Length) + 1) * channels.Length)];
        int missing = RefusesMissing ? values.IndexOf(float.NaN) : -1;
        if (missing >= 0)
        {
            throw MissingInput(Row, columns[missing % columns.Length]);
        }

        _sequences.Add(values.ToArray());
    }

    public override SequenceData Build(CancellationToken cancellationToken)
    {
        if (_sequences.Count == 0)
        {
            throw Places.Fault("there are no rows of values; expected at least one");
        }

        int[] order = Ids?.Sort() ?? [.. Enumerable.Range(0, _sequences.Count)];
        return Create([.. order.Select(number => _sequences[number])], order, channels.Length, new SequenceDataOptions { ChannelNames = channels });
    }
}
