namespace OrthoNative;

/// <summary>A table in the long form: a row is a step.</summary>
/// <param name="places">The table, for messages.</param>
/// <param name="layout">Its columns.</param>
/// <param name="options">Valid ones.</param>
/// <param name="slots">Number of inputs that a row gives, those included that turn out to be none.</param>
internal sealed class LongTable(TablePlaces places, TableLayout layout, TableOptions options, int slots) : SequenceTable(places, layout, options)
{
    private readonly ChunkedList<float> _features = new();
    private readonly ChunkedList<int> _sequences = new();
    private readonly ChunkedList<double> _times = new();
    private readonly ChunkedList<long> _rows = new();
    /// <summary>The row's inputs, one for each slot; NaN: missing.</summary>
    public void AddFeatures(ReadOnlySpan<float> values)
    {
        _features.Add(values);
        if (Ids is not null)
        {
            _sequences.Add(Sequence);
        }
    }

    /// <summary>The row's time.</summary>
    public void AddTime(double time)
    {
        _times.Add(time);
        _rows.Add(Row);
    }

    /// <summary>The slots that are inputs, in the order of the channels, and their names; given once, when all rows are read.</summary>
    public (int[] Slots, string[] Names) Channels { get; set; }

    public override SequenceData Build(CancellationToken cancellationToken)
    {
        if (Count == 0)
        {
            throw Places.Fault("there are no rows of values; expected at least one");
        }

        (int[] channels, string[] names) = Channels;
        if (channels.Length == 0)
        {
            throw Places.Fault($"there is no column of numbers without another use; expected at least one, or options.{nameof(TableOptions.FeatureColumns)}");
        }

        // Rows of each sequence, one sequence after another, in their order in the table.
        int[] starts = new int[Entries.Count + 1];
        for (int i = 0; i < Entries.Count; i++)
        {
            starts[i + 1] = starts[i] + Entries[i].Count;
            if (Entries[i].Count > Array.MaxLength / channels.Length)
            {
                throw Places.Fault($"the sequence{NameOf(i)} has {Text(Entries[i].Count)} rows; expected at most {Text(Array.MaxLength / channels.Length)} with {Text(channels.Length)} channels");
            }
        }

        int[] rows = new int[Count];
        int[] next = starts[..^1];
        for (int row = 0; row < rows.Length; row++)
        {
            rows[next[Ids is null ? 0 : _sequences[row]]++] = row;
        }

        int[] order = Ids?.Sort() ?? [0];
        List<float[]> sequences = new(order.Length);
        List<double[]> times = [];
        List<string[]> classes = [];
        List<float[]> targets = [];
        bool isWhole = channels.Length == slots;
        float[] all = new float[slots];
        foreach (int number in order)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Span<int> own = rows.AsSpan(starts[number]..starts[number + 1]);
            if (Layout.Time >= 0)
            {
                times.Add(SortByTime(own, number));
            }

            float[] values = new float[own.Length * channels.Length];
            for (int step = 0; step < own.Length; step++)
            {
                Span<float> destination = values.AsSpan(step * channels.Length, channels.Length);
                long start = (long)own[step] * slots;
                if (isWhole)
                {
                    _features.CopyTo(start, destination);
                    continue;
                }

                _features.CopyTo(start, all);
                for (int channel = 0; channel < channels.Length; channel++)
                {
                    destination[channel] = all[channels[channel]];
                }
            }

            sequences.Add(values);
            if (Options.LabelPerStep)
            {
                string[] steps = new string[own.Length];
                for (int step = 0; step < steps.Length; step++)
                {
                    steps[step] = Classes!.Names[StepClasses[own[step]]];
                }

                classes.Add(steps);
            }

            if (Options.TargetPerStep)
            {
                int width = Layout.Targets.Length;
                float[] steps = new float[own.Length * width];
                for (int step = 0; step < own.Length; step++)
                {
                    StepTargets.CopyTo((long)own[step] * width, steps.AsSpan(step * width, width));
                }

                targets.Add(steps);
            }
        }

        return Create(sequences, order, channels.Length, new SequenceDataOptions
        {
            ChannelNames = names,
            TimeStamps = Layout.Time >= 0 ? times : null,
            StepLabels = Options.LabelPerStep ? classes : null,
            StepTargets = Options.TargetPerStep ? targets : null,
        });
    }

    private double[] SortByTime(Span<int> rows, int sequence)
    {
        double[] times = new double[rows.Length];
        bool isSorted = true;
        for (int i = 0; i < times.Length; i++)
        {
            times[i] = _times[rows[i]];
            isSorted = isSorted && (i == 0 || times[i - 1] < times[i]);
        }

        if (isSorted)
        {
            return times;
        }

        times.AsSpan().Sort(rows);
        for (int i = 1; i < times.Length; i++)
        {
            if (times[i - 1] == times[i])
            {
                (long first, long second) = (_rows[Math.Min(rows[i - 1], rows[i])], _rows[Math.Max(rows[i - 1], rows[i])]);
                throw Places.Fault(second, Layout.Time, $"the time is that of {Places.Describe(first)} of the same sequence{NameOf(sequence)}; expected another one");
            }
        }

        return times;
    }
}
