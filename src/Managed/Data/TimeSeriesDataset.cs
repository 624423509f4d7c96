using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>The cases of a file of time series as a data set: the class, or the target value, is asked for at the last step of each.</summary>
public sealed class TimeSeriesDataset : Dataset
{
    private readonly TimeSeriesFile _file;
    private readonly MissingValues _missing;
    private readonly ChannelScaling? _scaling;

    /// <summary>Class of each case; empty for regression.</summary>
    private readonly int[] _classes;

    /// <summary>Creates a data set.</summary>
    /// <param name="file">The cases; referenced, not copied.</param>
    /// <param name="options">Missing values, scaling and order of classes; null: the defaults.</param>
    /// <exception cref="ArgumentException">
    /// The cases have neither classes nor targets, a class is none of the option's, a value is missing and <see cref="MissingValues.Refuse"/> is given, or the
    /// scaling is of another number of channels.
    /// </exception>
    public TimeSeriesDataset(TimeSeriesFile file, TimeSeriesDatasetOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(file);
        options ??= new TimeSeriesDatasetOptions();
        Check.Defined(options.MissingValues);
        if (options.Scaling is { } scaling && scaling.Mean.Count != file.Channels)
        {
            throw new ArgumentException($"options.Scaling is of {scaling.Mean.Count} channels; it must be of {file.Channels}, as the file.", nameof(options));
        }

        IsClassification = file.ClassNames.Count > 0;
        if (!IsClassification && file.Targets.IsEmpty)
        {
            throw new ArgumentException("file has cases without classes or targets; a data set needs those.", nameof(file));
        }

        if (options.MissingValues == MissingValues.Refuse)
        {
            RefuseMissing(file);
        }

        _file = file;
        _missing = options.MissingValues;
        _scaling = options.Scaling;
        ClassNames = IsClassification ? options.ClassNames ?? file.ClassNames : [];
        _classes = FindClasses(file, ClassNames, nameof(options));
        for (int i = 1; i < file.Count && !HasLengths; i++)
        {
            HasLengths = file.LengthOf(i) != file.LengthOf(0);
        }
    }

    /// <inheritdoc/>
    public override long Count => _file.Count;

    /// <summary>Length T of the longest case.</summary>
    public override long Steps => _file.Steps;

    /// <summary>The number of channels.</summary>
    public override long Features => _file.Channels;

    /// <summary>1: the target is asked for at the last step of a case.</summary>
    public override long TargetSteps => 1;

    /// <summary>The number of classes; 1 for regression.</summary>
    public override long Outputs => IsClassification ? ClassNames.Count : 1;

    /// <summary>True if the cases have classes; false if they have target values.</summary>
    public override bool IsClassification { get; }

    /// <summary>True if the cases have different lengths.</summary>
    public override bool HasLengths { get; }

    /// <summary>Names of the classes in the order of their numbers; empty for regression.</summary>
    public IReadOnlyList<string> ClassNames { get; }

    /// <inheritdoc/>
    public override long LengthOf(long sample)
    {
        Check.InRange(sample, 0, Count - 1);
        return _file.LengthOf((int)sample);
    }

    /// <inheritdoc/>
    public override void Read(ReadOnlySpan<long> samples, Span<float> inputs, Span<int> classes, Span<float> values)
    {
        CheckBuffers(samples, inputs, classes, values);
        int channels = _file.Channels;
        int stride = samples.Length * channels;
        for (int row = 0; row < samples.Length; row++)
        {
            Check.InRange(samples[row], 0, Count - 1, nameof(samples));
            int sample = (int)samples[row];
            int length = _file.LengthOf(sample);
            for (int channel = 0; channel < channels; channel++)
            {
                var destination = new Strided(inputs[((row * channels) + channel)..], stride);
                ReadOnlySpan<float> source = _file.Values(sample, channel);
                for (int step = 0; step < source.Length; step++)
                {
                    // NaN stays NaN.
                    destination[step] = _scaling is null ? source[step] : _scaling.Apply(source[step], channel);
                }

                for (int step = source.Length; step < length; step++)
                {
                    destination[step] = float.NaN;
                }

                if (_missing != MissingValues.Refuse)
                {
                    Fill(destination, length);
                }
            }

            if (IsClassification)
            {
                classes[row] = _classes[sample];
            }
            else
            {
                values[row] = _file.Targets[sample];
            }
        }
    }

    private static void RefuseMissing(TimeSeriesFile file)
    {
        for (int sample = 0; sample < file.Count; sample++)
        {
            for (int channel = 0; channel < file.Channels; channel++)
            {
                ReadOnlySpan<float> values = file.Values(sample, channel);
                int step = values.IndexOf(float.NaN);
                if (step >= 0 || values.Length < file.LengthOf(sample))
                {
                    throw new ArgumentException(
                        $"file lacks a value of case {sample}, channel {channel}, step {(step >= 0 ? step : values.Length)} (all from 0); " +
                        $"options.{nameof(TimeSeriesDatasetOptions.MissingValues)} must be other than {nameof(MissingValues.Refuse)}.",
                        nameof(file));
                }
            }
        }
    }

    private static int[] FindClasses(TimeSeriesFile file, IReadOnlyList<string> names, string argument)
    {
        int[] numbers = new int[file.ClassNames.Count];
        for (int i = 0; i < numbers.Length; i++)
        {
            numbers[i] = IndexOf(names, file.ClassNames[i]);
        }

        int[] classes = new int[file.Classes.Length];
        for (int i = 0; i < classes.Length; i++)
        {
            // A class that no case has may be unknown.
            classes[i] = numbers[file.Classes[i]] is var number && number >= 0 ? number : throw new ArgumentException(
                $"{argument}.{nameof(TimeSeriesDatasetOptions.ClassNames)} lacks '{ForeignText.Clean(file.ClassNames[file.Classes[i]])}', the class of case {i} of the file; " +
                $"it has {ForeignText.CleanList(names, names.Count)}.",
                argument);
        }

        return classes;
    }

    private static int IndexOf(IReadOnlyList<string> names, string name)
    {
        for (int i = 0; i < names.Count; i++)
        {
            if (names[i] == name)
            {
                return i;
            }
        }

        return -1;
    }

    private void Fill(Strided values, int length)
    {
        int last = -1;
        double sum = 0;
        int count = 0;
        for (int step = 0; step < length; step++)
        {
            float value = values[step];
            if (float.IsNaN(value))
            {
                continue;
            }

            sum += value;
            count++;
            if (_missing == MissingValues.Interpolate && last + 1 < step)
            {
                Interpolate(values, last, step);
            }

            last = step;
        }

        if (count == length)
        {
            return;
        }

        if (_missing == MissingValues.Interpolate && count > 0)
        {
            for (int step = last + 1; step < length; step++)
            {
                values[step] = values[last];
            }

            return;
        }

        float other = _missing == MissingValues.Mean && count > 0 ? (float)(sum / count) : 0;
        for (int step = 0; step < length; step++)
        {
            if (float.IsNaN(values[step]))
            {
                values[step] = other;
            }
        }
    }

    /// <summary>Fills the gap between two values.</summary>
    /// <param name="values">A channel.</param>
    /// <param name="before">Step of the value before the gap; -1: there is none.</param>
    /// <param name="behind">Step of the value behind the gap.</param>
    private static void Interpolate(Strided values, int before, int behind)
    {
        double end = values[behind];
        double start = before < 0 ? end : values[before];
        for (int step = before + 1; step < behind; step++)
        {
            values[step] = (float)(start + ((end - start) * (step - before) / (behind - before)));
        }
    }

    /// <summary>One channel of one sample in [T, B, D].</summary>
    private readonly ref struct Strided(Span<float> elements, int stride)
    {
        private readonly Span<float> _elements = elements;

        public float this[int step]
        {
            get => _elements[step * stride];
            set => _elements[step * stride] = value;
        }
    }
}
