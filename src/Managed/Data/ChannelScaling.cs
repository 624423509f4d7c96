using System.Globalization;

namespace OrthoNative;

/// <summary>Mean and standard deviation of each channel of a data set, to standardize inputs: (x - mean) / deviation.</summary>
/// <remarks>
/// Take those of the training samples for validation and test samples, too, and for what a trained model is given later. Two scalings
/// are equal if all their numbers are.
/// </remarks>
public sealed record ChannelScaling
{
    private readonly double[] _mean;
    private readonly double[] _deviation;

    /// <summary>Creates a scaling of given numbers.</summary>
    /// <param name="mean">[D], finite. Copied.</param>
    /// <param name="deviation">[D], finite and above 0. Copied.</param>
    /// <exception cref="ArgumentException">There are no numbers, or of one more than of the other.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of range.</exception>
    public ChannelScaling(IReadOnlyList<double> mean, IReadOnlyList<double> deviation)
    {
        ArgumentNullException.ThrowIfNull(mean);
        ArgumentNullException.ThrowIfNull(deviation);
        if (mean.Count == 0)
        {
            throw new ArgumentException($"{nameof(mean)} is empty; at least one is required.", nameof(mean));
        }

        Check.Length(deviation.Count, mean.Count, nameof(deviation));
        _mean = [.. mean];
        _deviation = [.. deviation];
        for (int channel = 0; channel < _mean.Length; channel++)
        {
            Check.Finite(_mean[channel], $"{nameof(mean)}[{channel}]");
            Check.Positive(_deviation[channel], $"{nameof(deviation)}[{channel}]");
        }
    }

    /// <summary>Mean of each channel, [D].</summary>
    public IReadOnlyList<double> Mean => _mean;

    /// <summary>Standard deviation of each channel, [D], with the number of values as the divisor; 1 for a channel whose values are all the same.</summary>
    public IReadOnlyList<double> Deviation => _deviation;

    /// <summary>Measures all steps of all samples of a data set, reading each sample once.</summary>
    /// <param name="dataset">
    /// Has inputs that are numbers. Of a <see cref="SequenceData"/>, its values as stored are measured, before its scaling, and those that are missing are
    /// skipped; in any other data set, none may be missing.
    /// </param>
    /// <exception cref="ArgumentException">The inputs are indices, or a size that the data set gives is out of range.</exception>
    /// <exception cref="NotFiniteNumberException">An input is NaN or infinite.</exception>
    public static ChannelScaling Of(Dataset dataset)
    {
        ArgumentNullException.ThrowIfNull(dataset);
        RequireNumbers(dataset);
        DataLoader.CheckSequences(dataset);
        if (dataset is SequenceData sequences)
        {
            return Of(sequences);
        }

        int channels = (int)dataset.Features;
        var moments = new Moments[channels];
        float[] inputs = new float[dataset.Steps * channels];
        int[] classes = new int[dataset.HasClasses ? dataset.TargetSteps : 0];
        int width = (int)dataset.ValueWidth;
        float[] values = new float[dataset.HasValues ? dataset.TargetSteps * width : 0];
        for (long sample = 0; sample < dataset.Count; sample++)
        {
            ReadOnlySpan<long> samples = [sample];
            int steps = (int)dataset.StepsOf(samples);
            int targetSteps = (int)dataset.TargetStepsOf(samples);
            Span<float> rows = inputs.AsSpan(0, steps * channels);
            dataset.Read(
                samples, rows, dataset.HasClasses ? classes.AsSpan(0, targetSteps) : [], values.AsSpan(0, targetSteps * width));
            for (int i = 0; i < rows.Length; i++)
            {
                if (!float.IsFinite(rows[i]))
                {
                    (int step, int channel) = Math.DivRem(i, channels);
                    throw new NotFiniteNumberException(
                        string.Create(CultureInfo.InvariantCulture, $"Channel {channel} of sample {sample} is {rows[i]} at step {step}; it must be finite."), rows[i]);
                }

                moments[i % channels].Add(rows[i]);
            }
        }

        return From(moments);
    }

    /// <summary>Measures all values of a file that are not missing.</summary>
    /// <param name="file">The file; it may have missing values.</param>
    public static ChannelScaling Of(TimeSeriesFile file)
    {
        ArgumentNullException.ThrowIfNull(file);
        var moments = new Moments[file.Channels];
        for (int sample = 0; sample < file.Count; sample++)
        {
            for (int channel = 0; channel < moments.Length; channel++)
            {
                foreach (float value in file.Values(sample, channel))
                {
                    if (!float.IsNaN(value))
                    {
                        moments[channel].Add(value);
                    }
                }
            }
        }

        return From(moments);
    }

    /// <summary>Measures the target values of all samples, as they are stored.</summary>
    /// <param name="data">Has values to predict.</param>
    /// <returns>Of the C values of a target.</returns>
    /// <exception cref="ArgumentException">The data have no values to predict.</exception>
    public static ChannelScaling OfTargets(SequenceData data)
    {
        ArgumentNullException.ThrowIfNull(data);
        if (!data.HasValues)
        {
            throw new ArgumentException($"{nameof(data)} has no target values; target values are required.", nameof(data));
        }

        var moments = new Moments[data.TargetNames.Count];
        for (long sample = 0; sample < data.Count; sample++)
        {
            ReadOnlySpan<float> targets = data.Targets(sample);
            for (int i = 0; i < targets.Length; i++)
            {
                moments[i % moments.Length].Add(targets[i]);
            }
        }

        return From(moments);
    }

    /// <summary>A data set whose inputs are those of another one, standardized when they are read.</summary>
    /// <param name="dataset">Has D features that are numbers, or is a <see cref="SequenceData"/> of D channels without a scaling; referenced, not copied.</param>
    /// <returns>For a <see cref="SequenceData"/>, one: that of <see cref="SequenceData.WithScaling"/>.</returns>
    /// <exception cref="ArgumentException">The inputs are indices, or another number of features; or the data set is a <see cref="SequenceData"/> that has a scaling.</exception>
    public Dataset Apply(Dataset dataset)
    {
        ArgumentNullException.ThrowIfNull(dataset);
        RequireNumbers(dataset);
        var sequences = dataset as SequenceData;
        long features = sequences?.ChannelNames.Count ?? dataset.Features;
        if (features != _mean.Length)
        {
            throw new ArgumentException($"{nameof(dataset)} has {features} features; it must have {_mean.Length}, as the scaling.", nameof(dataset));
        }

        // Two scalings would be mistaken for one: that of the sequences is what forecasts are given units by.
        return sequences is null ? new ScaledDataset(dataset, this)
            : sequences.Scaling is null ? sequences.WithScaling(this)
            : throw new ArgumentException($"{nameof(dataset)} has a scaling already; {nameof(SequenceData.WithScaling)} replaces it.", nameof(dataset));
    }

    /// <summary>Standardizes inputs in place.</summary>
    /// <param name="rows">[..., D].</param>
    /// <exception cref="ArgumentException">The number of elements is no multiple of D.</exception>
    public void Apply(Span<float> rows)
    {
        if (rows.Length % _mean.Length != 0)
        {
            throw new ArgumentException($"{nameof(rows)} has {rows.Length} elements; it must have a multiple of {_mean.Length}.", nameof(rows));
        }

        for (int start = 0; start < rows.Length; start += _mean.Length)
        {
            for (int channel = 0; channel < _mean.Length; channel++)
            {
                rows[start + channel] = Apply(rows[start + channel], channel);
            }
        }
    }

    /// <summary>Undoes <see cref="Apply(Span{float})"/> in place: x deviation + mean.</summary>
    /// <param name="rows">[..., D].</param>
    /// <exception cref="ArgumentException">The number of elements is no multiple of D.</exception>
    public void Restore(Span<float> rows)
    {
        if (rows.Length % _mean.Length != 0)
        {
            throw new ArgumentException($"{nameof(rows)} has {rows.Length} elements; it must have a multiple of {_mean.Length}.", nameof(rows));
        }

        for (int i = 0; i < rows.Length; i++)
        {
            rows[i] = Restore(rows[i], i % _mean.Length);
        }
    }

    /// <summary>Tells whether another scaling has the same numbers.</summary>
    /// <param name="other">The other scaling.</param>
    public bool Equals(ChannelScaling? other) =>
        other is not null && _mean.AsSpan().SequenceEqual(other._mean) && _deviation.AsSpan().SequenceEqual(other._deviation);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = new HashCode();
        foreach (double number in _mean)
        {
            hash.Add(number);
        }

        foreach (double number in _deviation)
        {
            hash.Add(number);
        }

        return hash.ToHashCode();
    }

    /// <summary>Gives a standardized value of a channel the units of the data.</summary>
    internal float Restore(float value, int channel) => (float)((value * _deviation[channel]) + _mean[channel]);

    /// <summary>Standardizes a value of a channel.</summary>
    internal float Apply(float value, int channel) => (float)((value - _mean[channel]) / _deviation[channel]);

    private static ChannelScaling Of(SequenceData sequences)
    {
        var moments = new Moments[sequences.ChannelNames.Count];
        for (int sample = 0; sample < sequences.Count; sample++)
        {
            ReadOnlySpan<float> values = sequences.Values(sample);
            for (int i = 0, channel = 0; i < values.Length; i++, channel = channel + 1 == moments.Length ? 0 : channel + 1)
            {
                if (!float.IsNaN(values[i]))
                {
                    moments[channel].Add(values[i]);
                }
            }
        }

        return From(moments);
    }

    private static void RequireNumbers(Dataset dataset)
    {
        if (dataset.InputType != DType.Float32)
        {
            throw new ArgumentException($"{nameof(dataset)} has inputs of {dataset.InputType}; they must be {DType.Float32}.", nameof(dataset));
        }
    }

    private static ChannelScaling From(Moments[] moments) =>
        new([.. moments.Select(channel => channel.Mean)], [.. moments.Select(channel => channel.Deviation)]);

    /// <summary>Mean and deviation of numbers that come one after another, by Welford's recurrence, in which nothing cancels.</summary>
    private struct Moments
    {
        private long _count;
        private double _mean;
        private double _squares;
        private bool _differs;

        public readonly double Mean => _mean;

        /// <summary>1 where no two numbers differ, or none did by more than the recurrence can tell.</summary>
        public readonly double Deviation => _differs && _squares > 0 ? Math.Sqrt(_squares / _count) : 1;

        public void Add(float value)
        {
            _count++;
            double distance = value - _mean;

            // The mean of equal numbers stays what it is, as their distance to it is 0.
            _differs |= _count > 1 && distance != 0;
            _mean += distance / _count;
            _squares += distance * (value - _mean);
        }
    }
}
