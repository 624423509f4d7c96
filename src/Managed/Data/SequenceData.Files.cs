namespace OrthoNative;

public sealed partial class SequenceData
{
    /// <summary>Creates data of the cases of a file of time series; each case's class, or its target value, is its target, if the file has those.</summary>
    /// <param name="file">The cases. Their values are copied.</param>
    /// <param name="options">
    /// Names, missing values and scaling, as for arrays; null: the defaults. Its <see cref="SequenceDataOptions.ClassNames"/> are the order of classes: those of the
    /// training file, for a test file; null: that of the file. Targets of its own are for a file that has none.
    /// </param>
    /// <remarks>
    /// Steps by which a channel is shorter than its case are missing values. Time stamps are those of the file, where in every case all channels have the same
    /// ones and none is below the one before it; otherwise, there are none.
    /// </remarks>
    /// <exception cref="ArgumentException">
    /// A value is missing and <see cref="MissingValues.Refuse"/> is given, a case's class is none of the option's, the option has targets or time stamps that the file
    /// has too, or an option does not fit.
    /// </exception>
    public static SequenceData FromTimeSeries(TimeSeriesFile file, SequenceDataOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(file);
        options ??= new SequenceDataOptions();
        bool hasTargets = options.Labels is not null || options.StepLabels is not null || options.Targets is not null || options.StepTargets is not null;
        if (hasTargets && (file.ClassNames.Count > 0 || !file.Targets.IsEmpty))
        {
            throw new ArgumentException($"options has targets, and so has file, {(file.Targets.IsEmpty ? "classes" : "values")}; options must have none.", nameof(options));
        }

        double[][]? stamps = CommonTimeStamps(file);
        if (stamps is not null && options.TimeStamps is not null)
        {
            throw new ArgumentException($"options.{nameof(SequenceDataOptions.TimeStamps)} is given, but file has time stamps; it must be null.", nameof(options));
        }

        var values = new ReadOnlyMemory<float>[file.Count];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = CopyCase(file, i);
        }

        if (file.ClassNames.Count > 0)
        {
            string[] labels = new string[file.Count];
            for (int i = 0; i < labels.Length; i++)
            {
                labels[i] = file.ClassNames[file.Classes[i]];
            }

            options = options with { Labels = labels, ClassNames = options.ClassNames ?? file.ClassNames };
        }
        else if (!file.Targets.IsEmpty)
        {
            float[][] targets = new float[file.Count][];
            for (int i = 0; i < targets.Length; i++)
            {
                targets[i] = [file.Targets[i]];
            }

            options = options with { Targets = targets };
        }

        return Create(values, file.Channels, stamps is null ? options : options with { TimeStamps = stamps }, nameof(file));
    }

    /// <summary>The values of a case, [T, D].</summary>
    private static float[] CopyCase(TimeSeriesFile file, int index)
    {
        int channels = file.Channels;
        float[] rows = new float[file.LengthOf(index) * channels];
        for (int channel = 0; channel < channels; channel++)
        {
            ReadOnlySpan<float> source = file.Values(index, channel);
            for (int step = 0; step < source.Length; step++)
            {
                rows[(step * channels) + channel] = source[step];
            }

            for (int step = source.Length; step < file.LengthOf(index); step++)
            {
                rows[(step * channels) + channel] = float.NaN;
            }
        }

        return rows;
    }

    /// <summary>The time stamps, if those of all channels are the same and in order.</summary>
    private static double[][]? CommonTimeStamps(TimeSeriesFile file)
    {
        if (!file.HasTimeStamps)
        {
            return null;
        }

        double[][] all = new double[file.Count][];
        for (int i = 0; i < all.Length; i++)
        {
            ReadOnlySpan<double> stamps = file.TimeStamps(i, 0);
            if (stamps.Length != file.LengthOf(i))
            {
                return null;
            }

            for (int step = 0; step < stamps.Length; step++)
            {
                if (!double.IsFinite(stamps[step]) || (step > 0 && stamps[step] < stamps[step - 1]))
                {
                    return null;
                }
            }

            for (int channel = 1; channel < file.Channels; channel++)
            {
                if (!stamps.SequenceEqual(file.TimeStamps(i, channel)))
                {
                    return null;
                }
            }

            all[i] = stamps.ToArray();
        }

        return all;
    }
}
