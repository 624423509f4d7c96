using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Windows of sequences, each with the steps behind it to forecast, for models that forecast; made by <see cref="SequenceData.Windows"/>.</summary>
/// <remarks>
/// <para>
/// Inputs are the channels at T steps, <c>[T, B, D]</c>. The target, at the last step, is the values of the C target channels at the next H steps, <c>[B, H C]</c>: those of the first step, then
/// those of the second one, and so on. Windows never reach from one sequence into another. They come sequence by sequence, in the order of time.
/// </para>
/// <para>
/// Where the data have a scaling, inputs and targets are scaled by the same numbers; <see cref="Restore"/> gives forecasts the units of the data. Nothing is copied before a batch is read.
/// </para>
/// </remarks>
public sealed class WindowDataset : Dataset
{
    private readonly int[] _channels;
    private readonly long _stride;

    /// <summary>Windows of one sequence at equal distances, in the order of the samples.</summary>
    private readonly Run[] _runs;

    internal WindowDataset(SequenceData data, WindowOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        Check.InRange(options.Length, 1, Array.MaxLength / data.Features);
        _channels = ChannelsOf(data, options);
        Check.InRange(options.Horizon, 1, Array.MaxLength / _channels.Length);
        Check.InRange(options.Stride, 1, int.MaxValue);
        Check.InRange(options.From, 0, int.MaxValue);
        if (options.To is { } to)
        {
            Check.AtLeast(to, options.From + 1, $"{nameof(options)}.{nameof(options.To)}");
        }

        CheckTime(data, options.FromTime, $"{nameof(options)}.{nameof(options.FromTime)}");
        CheckTime(data, options.ToTime, $"{nameof(options)}.{nameof(options.ToTime)}");
        Data = data;
        Horizon = options.Horizon;
        Steps = options.Length;
        _stride = options.Stride;
        var runs = new List<Run>();
        for (int sequence = 0; sequence < data.Count; sequence++)
        {
            AddRuns(sequence, options, runs);
        }

        if (runs.Count == 0)
        {
            throw new ArgumentException(
                $"{nameof(options)} have no window: of {data.Count} sequences of at most {data.Steps} steps, none has {Steps} steps and {Horizon} behind them to forecast{(options.SkipMissing ? " without missing values" : "")}, " +
                $"within the bounds that are given.",
                nameof(options));
        }

        _runs = [.. runs];
        Count = _runs[^1].FirstSample + _runs[^1].Count;
    }

    /// <summary>The sequences.</summary>
    public SequenceData Data { get; }

    /// <summary>Steps H to forecast.</summary>
    public long Horizon { get; }

    /// <summary>Numbers of the C target channels among those of the inputs, for <see cref="WindowScalingOptions.TargetChannels"/>.</summary>
    public IReadOnlyList<int> TargetChannels => _channels;

    /// <summary>Number of windows.</summary>
    public override long Count { get; }

    /// <summary>Steps T of the inputs.</summary>
    public override long Steps { get; }

    /// <summary>Number D of inputs at a step, those of the data.</summary>
    public override long Features => Data.Features;

    /// <summary>1: the steps to forecast are asked for together, at the last step.</summary>
    public override long TargetSteps => 1;

    /// <summary>H C.</summary>
    public override long Outputs => Horizon * _channels.Length;

    /// <summary>False.</summary>
    public override bool IsClassification => false;

    /// <summary>Number of the sequence that a window is of.</summary>
    /// <param name="sample">0 to <see cref="Count"/> - 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such sample.</exception>
    public long SequenceOf(long sample)
    {
        Check.InRange(sample, 0, Count - 1);
        return Find(sample).Sequence;
    }

    /// <summary>The first step that is forecast, in its sequence; the inputs are the <see cref="Steps"/> steps before it.</summary>
    /// <param name="sample">0 to <see cref="Count"/> - 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such sample.</exception>
    public long StepOf(long sample)
    {
        Check.InRange(sample, 0, Count - 1);
        return Find(sample).Step;
    }

    /// <summary>Gives forecasts, or targets that were read, the units of the data, in place. Does nothing if these have no scaling.</summary>
    /// <param name="forecasts">[..., H C].</param>
    /// <exception cref="ArgumentException">The number of elements is no multiple of H C.</exception>
    public void Restore(Span<float> forecasts)
    {
        if (forecasts.Length % Outputs != 0)
        {
            throw new ArgumentException($"{nameof(forecasts)} has {forecasts.Length} elements; it must have a multiple of {Outputs}.", nameof(forecasts));
        }

        if (Data.Scaling is not { } scaling)
        {
            return;
        }

        for (int i = 0; i < forecasts.Length; i++)
        {
            forecasts[i] = scaling.Restore(forecasts[i], _channels[i % _channels.Length]);
        }
    }

    /// <summary>True if there are windows of more than one sequence.</summary>
    internal bool HasSeveralSequences => _runs[0].Sequence != _runs[^1].Sequence;

    /// <inheritdoc/>
    public override void Read(ReadOnlySpan<long> samples, Span<float> inputs, Span<int> classes, Span<float> values)
    {
        CheckBuffers(samples, inputs, classes, values);
        int channels = Data.ChannelNames.Count;
        int length = (int)Steps;
        for (int row = 0; row < samples.Length; row++)
        {
            Check.InRange(samples[row], 0, Count - 1, nameof(samples));
            (int sequence, int step) = Find(samples[row]);
            ReadOnlySpan<float> stored = Data.Values(sequence);
            Data.Read(stored.Slice((step - length) * channels, length * channels), inputs, row, samples.Length);
            Span<float> targets = values.Slice(row * (int)Outputs, (int)Outputs);
            for (int i = 0; i < targets.Length; i++)
            {
                int channel = _channels[i % _channels.Length];
                float value = stored[((step + (i / _channels.Length)) * channels) + channel];
                targets[i] = Data.Scaling is { } scaling ? scaling.Apply(value, channel) : value;
            }
        }
    }

    private static int[] ChannelsOf(SequenceData data, WindowOptions options)
    {
        const string Name = $"{nameof(options)}.{nameof(options.Targets)}";
        if (options.Targets is not { } names)
        {
            return [.. Enumerable.Range(0, data.ChannelNames.Count)];
        }

        if (names.Count == 0)
        {
            throw new ArgumentException($"{Name} is empty; at least one is required.", nameof(options));
        }

        string[] known = [.. data.ChannelNames];
        int[] channels = new int[names.Count];
        for (int i = 0; i < channels.Length; i++)
        {
            channels[i] = Array.IndexOf(known, names[i]);
            if (channels[i] < 0)
            {
                throw new ArgumentException(
                    $"{Name}[{i}] is {(names[i] is null ? "null" : $"'{ForeignText.Clean(names[i])}'")}; it must be one of {ForeignText.CleanList(known, known.Length)}.",
                    nameof(options));
            }

            if (Array.IndexOf(channels, channels[i], 0, i) >= 0)
            {
                throw new ArgumentException($"{Name}[{i}] is '{ForeignText.Clean(names[i])}', which is there already; names must be unique.", nameof(options));
            }
        }

        return channels;
    }

    private static void CheckTime(SequenceData data, double? time, string name)
    {
        if (time is { } given)
        {
            Check.Finite(given, name);
            if (!data.HasTimeStamps)
            {
                throw new ArgumentException($"{name} is given, but the data have no time stamps; it must be null.", Check.Parameter(name));
            }
        }
    }

    /// <summary>First step of a time or a later one.</summary>
    private static long FirstAt(ReadOnlySpan<double> stamps, double time)
    {
        int low = 0, high = stamps.Length;
        while (low < high)
        {
            int middle = (low + high) / 2;
            (low, high) = stamps[middle] < time ? (middle + 1, high) : (low, middle);
        }

        return low;
    }

    /// <summary>Adds the windows of a sequence.</summary>
    private void AddRuns(int sequence, WindowOptions options, List<Run> runs)
    {
        long length = Data.LengthOf(sequence);
        ReadOnlySpan<double> stamps = Data.TimeStamps(sequence);
        long from = Math.Max(options.From, Steps);
        long to = Math.Min(options.To ?? length, length);
        from = options.FromTime is { } fromTime ? Math.Max(from, FirstAt(stamps, fromTime)) : from;
        to = options.ToTime is { } toTime ? Math.Min(to, FirstAt(stamps, toTime)) : to;
        long last = to - Horizon;
        if (last < from)
        {
            return;
        }

        long count = ((last - from) / _stride) + 1;
        (int[] any, int[] targets) = Data.HasMissingValues ? MissingOf(sequence, (int)length) : ([], []);
        if (any.Length == 0 || any[^1] == 0)
        {
            Add(from, count);
            return;
        }

        long begin = 0;
        for (long i = 0; i <= count; i++)
        {
            long step = from + (i * _stride);
            bool lacksTarget = i < count && targets[step + Horizon] > targets[step];
            if (lacksTarget && !options.SkipMissing && !options.SkipMissingTargets)
            {
                int missing = (int)step;
                while (targets[missing + 1] == targets[step])
                {
                    missing++;
                }

                throw new ArgumentException(
                    $"Sequence {sequence} ('{ForeignText.Clean(Data.Ids[sequence])}') lacks a value to forecast at step {missing}, counted from 0; " +
                    $"{nameof(options)}.{nameof(options.SkipMissing)} or {nameof(options.SkipMissingTargets)} must be true.",
                    nameof(options));
            }

            if (i == count || lacksTarget || (options.SkipMissing && any[step] > any[step - Steps]))
            {
                if (i > begin)
                {
                    Add(from + (begin * _stride), i - begin);
                }

                begin = i + 1;
            }
        }

        void Add(long step, long windows) =>
            runs.Add(new Run(runs.Count == 0 ? 0 : runs[^1].FirstSample + runs[^1].Count, sequence, (int)step, windows));
    }

    /// <summary>Numbers of steps before each one that lack a value: of any channel, and of those to forecast.</summary>
    private (int[] Any, int[] Targets) MissingOf(int sequence, int length)
    {
        int channels = Data.ChannelNames.Count;
        ReadOnlySpan<float> values = Data.Values(sequence);
        int[] any = new int[length + 1], targets = new int[length + 1];
        for (int step = 0; step < length; step++)
        {
            ReadOnlySpan<float> row = values.Slice(step * channels, channels);
            bool isTargetMissing = false;
            foreach (int channel in _channels)
            {
                isTargetMissing |= float.IsNaN(row[channel]);
            }

            // NaN is equal to NaN here.
            any[step + 1] = any[step] + (row.Contains(float.NaN) ? 1 : 0);
            targets[step + 1] = targets[step] + (isTargetMissing ? 1 : 0);
        }

        return (any, targets);
    }

    private (int Sequence, int Step) Find(long sample)
    {
        int low = 0, high = _runs.Length - 1;
        while (low < high)
        {
            int middle = (low + high + 1) / 2;
            (low, high) = _runs[middle].FirstSample <= sample ? (middle, high) : (low, middle - 1);
        }

        return (_runs[low].Sequence, (int)(_runs[low].FirstStep + ((sample - _runs[low].FirstSample) * _stride)));
    }

    /// <summary>Windows at equal distances.</summary>
    /// <param name="FirstSample">Number of the first.</param>
    /// <param name="Sequence">The sequence that they are of.</param>
    /// <param name="FirstStep">The first step that the first one forecasts.</param>
    /// <param name="Count">Number of windows.</param>
    private readonly record struct Run(long FirstSample, int Sequence, int FirstStep, long Count);
}
