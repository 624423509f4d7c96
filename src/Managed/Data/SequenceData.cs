using System.Collections.ObjectModel;
using System.Globalization;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Sequences in memory, of any lengths, with their names, groups and time stamps, and classes or values to predict, if there are any.</summary>
/// <remarks>
/// <para>
/// All readers of files give this type, and it is the one to bring in data of your own: <see cref="Create(IReadOnlyList{float[]}, int, SequenceDataOptions)"/>. What is stored never changes: other
/// missing values, scaling, samples, channels or steps are those of a new object, which shares the storage where it says so.
/// </para>
/// <para>
/// Arrays are referenced, not copied, and must not change while the data are in use.
/// </para>
/// <example><code>
/// SequenceData data = SequenceData.Create(sequences, channels: 3, new SequenceDataOptions { Labels = labels });
/// data = data.WithScaling(ChannelScaling.Of(data));
/// </code></example>
/// </remarks>
public sealed partial class SequenceData : Dataset
{
    private readonly Parts _parts;

    private SequenceData(Parts parts)
    {
        _parts = parts;
        int first = parts.Values[0].Length;
        int longest = 0;
        foreach (ReadOnlyMemory<float> values in parts.Values)
        {
            longest = Math.Max(longest, values.Length);
            HasLengths |= values.Length != first;
        }

        Steps = longest / parts.ChannelNames.Count;
    }

    /// <summary>Number of sequences, at least 1.</summary>
    public override long Count => _parts.Values.Length;

    /// <summary>Length T of the longest sequence.</summary>
    public override long Steps { get; }

    /// <summary>Number of inputs at a step: that of the channels D; 2 D with <see cref="MissingValues.Mask"/>.</summary>
    public override long Features => _parts.MissingValues == MissingValues.Mask ? 2L * ChannelNames.Count : ChannelNames.Count;

    /// <summary>1 where each sequence has a target, <see cref="Steps"/> where each step has one, 0 where there are none.</summary>
    public override long TargetSteps => !HasTargets ? 0 : HasStepTargets ? Steps : 1;

    /// <summary>Number of classes, or C of target values; 0 where there are no targets.</summary>
    public override long Outputs => IsClassification ? ClassNames.Count : TargetNames.Count;

    /// <summary>True if targets are classes; false if they are values, or there are none.</summary>
    public override bool IsClassification => _parts.Classes is not null;

    /// <summary>True if there are classes or values to predict.</summary>
    public override bool HasTargets => _parts.Classes is not null || _parts.Targets is not null;

    /// <summary>True if each step has a target; false if each sequence has one, or there are none.</summary>
    public bool HasStepTargets => _parts.HasStepTargets;

    /// <summary>True if sequences have different lengths.</summary>
    public override bool HasLengths { get; }

    /// <summary>True if a value is missing.</summary>
    public bool HasMissingValues => _parts.HasMissingValues;

    /// <summary>True if steps have time stamps.</summary>
    public bool HasTimeStamps => _parts.TimeStamps is not null;

    /// <summary>Names of the sequences, [<see cref="Dataset.Count"/>].</summary>
    public IReadOnlyList<string> Ids => _parts.Ids;

    /// <summary>Groups of the sequences, [<see cref="Dataset.Count"/>]; null if there are none.</summary>
    public IReadOnlyList<string>? Groups => _parts.Groups;

    /// <summary>Names of the channels, [D].</summary>
    public IReadOnlyList<string> ChannelNames => _parts.ChannelNames;

    /// <summary>Names of the classes in the order of their numbers; empty if targets are not classes.</summary>
    public IReadOnlyList<string> ClassNames => _parts.ClassNames;

    /// <summary>Names of the target values, [C]; empty if targets are not values.</summary>
    public IReadOnlyList<string> TargetNames => _parts.TargetNames;

    /// <summary>Handling of missing values when sequences are read.</summary>
    public MissingValues MissingValues => _parts.MissingValues;

    /// <summary>Scaling of the inputs when sequences are read; null: none.</summary>
    public ChannelScaling? Scaling => _parts.Scaling;

    /// <summary>Scaling of the target values when sequences are read; null: none.</summary>
    public ChannelScaling? TargetScaling => _parts.TargetScaling;

    /// <summary>Creates data of arrays.</summary>
    /// <param name="sequences">[T, D] of each sequence, with a T of its own, at least 1; finite, or NaN for a missing value. At least one. Arrays are referenced, not copied.</param>
    /// <param name="channels">D, at least 1.</param>
    /// <param name="options">Names, time stamps, targets, missing values and scaling. Null: the defaults, without targets.</param>
    /// <exception cref="ArgumentException">
    /// There are no sequences, the number of elements of one is no positive multiple of D, a value is infinite, or an option does not fit: the message has the
    /// option, the sequence and what is required.
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="channels"/> or an option is out of range.</exception>
    public static SequenceData Create(IReadOnlyList<float[]> sequences, int channels, SequenceDataOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(sequences);
        Check.AtLeast(channels, 1);
        var values = new ReadOnlyMemory<float>[sequences.Count];
        for (int i = 0; i < values.Length; i++)
        {
            Check.NotNull(sequences[i], $"{nameof(sequences)}[{i}]");
            values[i] = sequences[i];
        }

        return Create(values, channels, options ?? new SequenceDataOptions(), nameof(sequences));
    }

    /// <inheritdoc/>
    public override long LengthOf(long sample) => Values(sample).Length / ChannelNames.Count;

    /// <summary>Values of a sequence as they are stored: neither scaled nor filled.</summary>
    /// <param name="sample">0 to <see cref="Dataset.Count"/> - 1.</param>
    /// <returns>[T, D]; NaN is a missing value.</returns>
    /// <exception cref="ArgumentOutOfRangeException">There is no such sample.</exception>
    public ReadOnlySpan<float> Values(long sample) => _parts.Values[Checked(sample)].Span;

    /// <summary>Time stamps of a sequence.</summary>
    /// <param name="sample">0 to <see cref="Dataset.Count"/> - 1.</param>
    /// <returns>[T], as given: seconds since 1970-01-01 00:00:00 UTC, or other numbers; empty if there are none.</returns>
    /// <exception cref="ArgumentOutOfRangeException">There is no such sample.</exception>
    public ReadOnlySpan<double> TimeStamps(long sample)
    {
        int index = Checked(sample);
        return _parts.TimeStamps is { } stamps ? stamps[index].Span : [];
    }

    /// <summary>Class of a sequence.</summary>
    /// <param name="sample">0 to <see cref="Dataset.Count"/> - 1.</param>
    /// <returns>Its index into <see cref="ClassNames"/>.</returns>
    /// <exception cref="ArgumentOutOfRangeException">There is no such sample.</exception>
    /// <exception cref="InvalidOperationException">Sequences have no classes, or each step has one.</exception>
    public int ClassOf(long sample)
    {
        int index = Checked(sample);
        return IsClassification && !HasStepTargets
            ? _parts.Classes![index].Span[0]
            : throw new InvalidOperationException(
                IsClassification ? $"Each step has a class; {nameof(Classes)} gives those of a sequence." : "The sequences have no classes.");
    }

    /// <summary>Classes of a sequence, as indices into <see cref="ClassNames"/>.</summary>
    /// <param name="sample">0 to <see cref="Dataset.Count"/> - 1.</param>
    /// <returns>[1] where each sequence has a class, [T] where each step has one; empty if targets are not classes.</returns>
    /// <exception cref="ArgumentOutOfRangeException">There is no such sample.</exception>
    public ReadOnlySpan<int> Classes(long sample)
    {
        int index = Checked(sample);
        return _parts.Classes is { } classes ? classes[index].Span : [];
    }

    /// <summary>Target values of a sequence.</summary>
    /// <param name="sample">0 to <see cref="Dataset.Count"/> - 1.</param>
    /// <returns>[C] where each sequence has targets, [T, C] where each step has; empty if targets are not values.</returns>
    /// <exception cref="ArgumentOutOfRangeException">There is no such sample.</exception>
    public ReadOnlySpan<float> Targets(long sample)
    {
        int index = Checked(sample);
        return _parts.Targets is { } targets ? targets[index].Span : [];
    }

    /// <summary>The same sequences with another handling of missing values. Shares the storage.</summary>
    /// <param name="missingValues">The handling.</param>
    /// <exception cref="ArgumentException">A value is missing, and missing values are to be refused.</exception>
    /// <exception cref="ArgumentOutOfRangeException">It is no value of the enumeration.</exception>
    public SequenceData WithMissingValues(MissingValues missingValues)
    {
        Check.Defined(missingValues);
        if (missingValues == MissingValues.Refuse && HasMissingValues)
        {
            ThrowMissing(_parts, nameof(missingValues), nameof(missingValues));
        }

        return new SequenceData(_parts with { MissingValues = missingValues });
    }

    /// <summary>The same sequences with another scaling, in place of the one before. Shares the storage.</summary>
    /// <param name="scaling">Of D channels: that of the training data (<see cref="ChannelScaling.Of(Dataset)"/>); null: none.</param>
    /// <exception cref="ArgumentException">It is of another number of channels.</exception>
    public SequenceData WithScaling(ChannelScaling? scaling)
    {
        CheckScaling(scaling, ChannelNames.Count, nameof(scaling));
        return new SequenceData(_parts with { Scaling = scaling });
    }

    /// <summary>The same sequences with another scaling of the target values, in place of the one before. Shares the storage.</summary>
    /// <param name="scaling">
    /// Of C values: that of the training data (<see cref="ChannelScaling.OfTargets"/>), with which a model's outputs get the units of the data
    /// (<see cref="ChannelScaling.Restore(Span{float})"/>); null: none.
    /// </param>
    /// <exception cref="ArgumentException">It is of another number of values, or targets are not values.</exception>
    public SequenceData WithTargetScaling(ChannelScaling? scaling)
    {
        if (scaling is not null && scaling.Mean.Count != TargetNames.Count)
        {
            throw new ArgumentException($"{nameof(scaling)} is of {scaling.Mean.Count} values; it must be of {TargetNames.Count}, the target values of the data.", nameof(scaling));
        }

        return new SequenceData(_parts with { TargetScaling = scaling });
    }

    /// <summary>Some of the sequences, as for a split. Shares the storage.</summary>
    /// <param name="samples">Numbers of the sequences in their new order, each 0 to <see cref="Dataset.Count"/> - 1; at least one. One may come several times, and so does its id then.</param>
    /// <exception cref="ArgumentException">There are none.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There is no such sample.</exception>
    public SequenceData Select(ReadOnlySpan<long> samples)
    {
        if (samples.IsEmpty)
        {
            throw new ArgumentException($"{nameof(samples)} is empty; at least one is required.", nameof(samples));
        }

        int[] chosen = new int[samples.Length];
        for (int i = 0; i < chosen.Length; i++)
        {
            Check.InRange(samples[i], 0, Count - 1, $"{nameof(samples)}[{i}]");
            chosen[i] = (int)samples[i];
        }

        return new SequenceData(WithMissing(_parts with
        {
            Values = Pick(_parts.Values, chosen)!,
            Ids = Array.AsReadOnly(Pick([.. _parts.Ids], chosen)!),
            Groups = _parts.Groups is { } groups ? Array.AsReadOnly(Pick([.. groups], chosen)!) : null,
            TimeStamps = Pick(_parts.TimeStamps, chosen),
            Classes = Pick(_parts.Classes, chosen),
            Targets = Pick(_parts.Targets, chosen),
        }));
    }

    /// <inheritdoc cref="Select"/>
    public new SequenceData Subset(ReadOnlySpan<long> samples) => Select(samples);

    /// <summary>The same sequences with some of their channels. Copies their values.</summary>
    /// <param name="names">Names of the channels in their new order, each one of <see cref="ChannelNames"/>; at least one, none twice.</param>
    /// <exception cref="ArgumentException">There are none, one comes twice, or there is no such channel.</exception>
    public SequenceData SelectChannels(params string[] names)
    {
        ArgumentNullException.ThrowIfNull(names);
        if (names.Length == 0)
        {
            throw new ArgumentException($"{nameof(names)} is empty; at least one is required.", nameof(names));
        }

        int[] chosen = new int[names.Length];
        CheckNames(names, nameof(names), nameof(names));
        var numbers = NumbersOf(_parts.ChannelNames);
        for (int i = 0; i < chosen.Length; i++)
        {
            chosen[i] = numbers.TryGetValue(names[i], out int number) ? number : throw new ArgumentException(
                $"{nameof(names)}[{i}] is '{ForeignText.Clean(names[i])}'; it must be one of {ForeignText.CleanList(ChannelNames, ChannelNames.Count)}.", nameof(names));
        }

        int channels = ChannelNames.Count;
        var values = new ReadOnlyMemory<float>[_parts.Values.Length];
        for (int sample = 0; sample < values.Length; sample++)
        {
            ReadOnlySpan<float> source = _parts.Values[sample].Span;
            float[] copy = new float[source.Length / channels * chosen.Length];
            for (int step = 0, at = 0; step < source.Length; step += channels)
            {
                foreach (int channel in chosen)
                {
                    copy[at++] = source[step + channel];
                }
            }

            values[sample] = copy;
        }

        return new SequenceData(WithMissing(_parts with
        {
            Values = values,
            ChannelNames = Array.AsReadOnly([.. names]),
            Scaling = _parts.Scaling is { } scaling
                ? new ChannelScaling([.. chosen.Select(channel => scaling.Mean[channel])], [.. chosen.Select(channel => scaling.Deviation[channel])])
                : null,
        }));
    }

    /// <summary>The same sequences, cut to some of their steps. Targets of whole sequences stay. Shares the storage.</summary>
    /// <param name="firstStep">The first step, 0 or above.</param>
    /// <param name="count">Number of steps, at least 1; every sequence must have them.</param>
    /// <exception cref="ArgumentException">A sequence is too short.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An argument is out of range.</exception>
    public SequenceData Range(long firstStep, long count)
    {
        Check.InRange(firstStep, 0, Steps - 1);
        Check.InRange(count, 1, Steps - firstStep);
        for (int sample = 0; HasLengths && sample < Count; sample++)
        {
            if (LengthOf(sample) < firstStep + count)
            {
                throw new ArgumentException(
                    $"{nameof(firstStep)} + {nameof(count)} is {firstStep + count}; it must be at most {LengthOf(sample)}, the length of sample {sample} " +
                    $"('{ForeignText.Clean(Ids[sample])}').",
                    nameof(count));
            }
        }

        return new SequenceData(WithMissing(_parts with
        {
            Values = Cut(_parts.Values, firstStep, count, ChannelNames.Count)!,
            TimeStamps = Cut(_parts.TimeStamps, firstStep, count, 1),
            Classes = HasStepTargets ? Cut(_parts.Classes, firstStep, count, 1) : _parts.Classes,
            Targets = HasStepTargets ? Cut(_parts.Targets, firstStep, count, TargetNames.Count) : _parts.Targets,
        }));
    }

    /// <inheritdoc/>
    public override void Read(ReadOnlySpan<long> samples, Span<float> inputs, Span<int> classes, Span<float> values)
    {
        CheckBuffers(samples, inputs, classes, values);
        int batch = samples.Length;
        for (int row = 0; row < batch; row++)
        {
            int sample = Checked(samples[row], nameof(samples));
            Read(_parts.Values[sample].Span, inputs, row, batch);
            ReadTargets(_parts.Classes, sample, 1, classes, row, batch);
            ReadTargets(_parts.Targets, sample, TargetNames.Count, values, row, batch);
            ScaleTargets(sample, values, row, batch);
        }
    }

    /// <summary>Writes the inputs of steps as they are to be read: scaled, and what is missing filled from these steps alone.</summary>
    /// <param name="stored">[T, D], of a sequence.</param>
    /// <param name="inputs">[T', B, features], written up to T.</param>
    /// <param name="row">Row of the batch.</param>
    /// <param name="batch">B.</param>
    internal void Read(ReadOnlySpan<float> stored, Span<float> inputs, int row, int batch)
    {
        int channels = ChannelNames.Count;
        int features = (int)Features;
        int stride = batch * features;
        int length = stored.Length / channels;
        for (int step = 0, at = row * features; step < length; step++, at += stride)
        {
            ReadOnlySpan<float> values = stored.Slice(step * channels, channels);
            Span<float> destination = inputs.Slice(at, features);
            values.CopyTo(destination);
            for (int channel = channels; channel < features; channel++)
            {
                destination[channel] = float.IsNaN(values[channel - channels]) ? 0 : 1;
            }

            // NaN stays NaN.
            Scaling?.Apply(destination[..channels]);
        }

        for (int channel = 0; HasMissingValues && channel < channels; channel++)
        {
            MissingValueFilling.Fill(inputs[((row * features) + channel)..], stride, length, MissingValues);
        }
    }

    /// <summary>Creates data of sequences that may be parts of larger arrays.</summary>
    /// <param name="values">[T, D] of each.</param>
    /// <param name="channels">D, at least 1.</param>
    /// <param name="options">The options, which the argument <c>options</c> of a public method gives.</param>
    /// <param name="name">The argument that has the values.</param>
    internal static SequenceData Create(ReadOnlyMemory<float>[] values, int channels, SequenceDataOptions options, string name)
    {
        if (values.Length == 0)
        {
            throw new ArgumentException($"{name} is empty; at least one is required.", name);
        }

        for (int i = 0; i < values.Length; i++)
        {
            if (values[i].IsEmpty || values[i].Length % channels != 0)
            {
                throw new ArgumentException(
                    $"{name}[{i}] has {values[i].Length} elements; it must have a positive multiple of {channels}, {nameof(channels)}.", name);
            }
        }

        return new SequenceData(new Builder(values, channels, options, name).Build());
    }

    /// <summary>Writes the targets of one sample.</summary>
    private static void ReadTargets<T>(ReadOnlyMemory<T>[]? all, int sample, int width, Span<T> destination, int row, int batch)
    {
        if (all is null)
        {
            return;
        }

        ReadOnlySpan<T> targets = all[sample].Span;
        for (int at = 0, to = row * width; at < targets.Length; at += width, to += batch * width)
        {
            targets.Slice(at, width).CopyTo(destination[to..]);
        }
    }

    private void ScaleTargets(int sample, Span<float> values, int row, int batch)
    {
        if (TargetScaling is not { } scaling)
        {
            return;
        }

        int width = TargetNames.Count;
        int steps = _parts.Targets![sample].Length / width;
        for (int step = 0; step < steps; step++)
        {
            scaling.Apply(values.Slice(((step * batch) + row) * width, width));
        }
    }

    private static T[]? Pick<T>(T[]? all, int[] chosen) => all is null ? null : Array.ConvertAll(chosen, sample => all[sample]);

    private static ReadOnlyMemory<T>[]? Cut<T>(ReadOnlyMemory<T>[]? all, long first, long count, int width) =>
        all is null ? null : Array.ConvertAll(all, rows => rows.Slice((int)(first * width), (int)(count * width)));

    /// <summary>A part of data without missing values has none; one of others may have some.</summary>
    private static Parts WithMissing(Parts parts) => parts.HasMissingValues ? parts with { HasMissingValues = FindMissing(parts).Sample >= 0 } : parts;

    private static (int Sample, int Index) FindMissing(Parts parts)
    {
        for (int sample = 0; sample < parts.Values.Length; sample++)
        {
            // NaN is equal to NaN here.
            int index = parts.Values[sample].Span.IndexOf(float.NaN);
            if (index >= 0)
            {
                return (sample, index);
            }
        }

        return (-1, 0);
    }

    [System.Diagnostics.CodeAnalysis.DoesNotReturn]
    private static void ThrowMissing(Parts parts, string option, string name)
    {
        (int sample, int index) = FindMissing(parts);
        (int step, int channel) = Math.DivRem(index, parts.ChannelNames.Count);
        throw new ArgumentException(
            $"Sample {sample} ('{ForeignText.Clean(parts.Ids[sample])}') lacks the value of step {step}, channel {channel} " +
            $"('{ForeignText.Clean(parts.ChannelNames[channel])}'), all counted from 0; {option} must be other than {nameof(MissingValues.Refuse)}.",
            name);
    }

    private static void CheckScaling(ChannelScaling? scaling, int channels, string name)
    {
        if (scaling is not null && scaling.Mean.Count != channels)
        {
            throw new ArgumentException($"{name} is of {scaling.Mean.Count} channels; it must be of {channels}, as the data.", Check.Parameter(name));
        }
    }

    /// <summary>Refuses names that are null, or equal to another.</summary>
    private static void CheckNames(string[] names, string place, string argument)
    {
        var seen = new Dictionary<string, int>(names.Length, StringComparer.Ordinal);
        for (int i = 0; i < names.Length; i++)
        {
            if (names[i] is null)
            {
                Check.NotNull(names[i], $"{place}[{i}]");
            }

            if (!seen.TryAdd(names[i], i))
            {
                throw new ArgumentException($"{place}[{i}] is '{ForeignText.Clean(names[i])}', as {place}[{seen[names[i]]}]; each must be different.", argument);
            }
        }
    }

    private static Dictionary<string, int> NumbersOf(ReadOnlyCollection<string> names)
    {
        var numbers = new Dictionary<string, int>(names.Count, StringComparer.Ordinal);
        for (int i = 0; i < names.Count; i++)
        {
            numbers.Add(names[i], i);
        }

        return numbers;
    }

    private int Checked(long sample, [System.Runtime.CompilerServices.CallerArgumentExpression(nameof(sample))] string name = "")
    {
        Check.InRange(sample, 0, Count - 1, name);
        return (int)sample;
    }

    /// <summary>What is stored.</summary>
    private sealed record Parts
    {
        /// <summary>[T, D] of each sequence.</summary>
        public required ReadOnlyMemory<float>[] Values { get; init; }

        public required ReadOnlyCollection<string> Ids { get; init; }

        public ReadOnlyCollection<string>? Groups { get; init; }

        public required ReadOnlyCollection<string> ChannelNames { get; init; }

        /// <summary>[T] of each sequence.</summary>
        public ReadOnlyMemory<double>[]? TimeStamps { get; init; }

        /// <summary>[1] of each sequence, or [T].</summary>
        public ReadOnlyMemory<int>[]? Classes { get; init; }

        /// <summary>[C] of each sequence, or [T, C].</summary>
        public ReadOnlyMemory<float>[]? Targets { get; init; }

        public bool HasStepTargets { get; init; }

        public required ReadOnlyCollection<string> ClassNames { get; init; }

        public required ReadOnlyCollection<string> TargetNames { get; init; }

        public MissingValues MissingValues { get; init; }

        public ChannelScaling? Scaling { get; init; }

        public ChannelScaling? TargetScaling { get; init; }

        public bool HasMissingValues { get; init; }
    }

    /// <summary>Checks options against the sequences and puts them together.</summary>
    private sealed class Builder(ReadOnlyMemory<float>[] values, int channels, SequenceDataOptions options, string name)
    {
        private const string Argument = nameof(options);

        private int Count => values.Length;

        public Parts Build()
        {
            Check.Defined(options.MissingValues);
            CheckScaling(options.Scaling, channels, $"{Argument}.{nameof(options.Scaling)}");
            (string Name, object? Given)[] kinds =
            [
                (nameof(options.Labels), options.Labels), (nameof(options.StepLabels), options.StepLabels),
                (nameof(options.Targets), options.Targets), (nameof(options.StepTargets), options.StepTargets),
            ];
            string[] given = [.. kinds.Where(kind => kind.Given is not null).Select(kind => kind.Name)];
            if (given.Length > 1)
            {
                throw new ArgumentException($"{Argument} has {string.Join(" and ", given)}; at most one of them may be given.", Argument);
            }

            if (options.ClassNames is not null && options.Labels is null && options.StepLabels is null)
            {
                throw new ArgumentException(
                    $"{Argument}.{nameof(options.ClassNames)} is given without {nameof(options.Labels)} or {nameof(options.StepLabels)}; it must be null.", Argument);
            }

            if (options.TargetNames is not null && options.Targets is null && options.StepTargets is null)
            {
                throw new ArgumentException(
                    $"{Argument}.{nameof(options.TargetNames)} is given without {nameof(options.Targets)} or {nameof(options.StepTargets)}; it must be null.", Argument);
            }

            ReadOnlyCollection<string> ids = Names(options.Ids, Count, nameof(options.Ids));
            ReadOnlyCollection<string> channelNames = Names(options.ChannelNames, channels, nameof(options.ChannelNames));
            (ReadOnlyMemory<int>[]? classes, ReadOnlyCollection<string> classNames) = Classes();
            (ReadOnlyMemory<float>[]? targets, int width) = Targets();
            var parts = new Parts
            {
                Values = values,
                Ids = ids,
                Groups = Groups(),
                ChannelNames = channelNames,
                TimeStamps = TimeStamps(),
                Classes = classes,
                Targets = targets,
                HasStepTargets = options.StepLabels is not null || options.StepTargets is not null,
                ClassNames = classNames,
                TargetNames = targets is null ? ReadOnlyCollection<string>.Empty : Names(options.TargetNames, width, nameof(options.TargetNames)),
                MissingValues = options.MissingValues,
                Scaling = options.Scaling,
            };
            RefuseInfinite(parts);
            bool isMissing = FindMissing(parts).Sample >= 0;
            if (isMissing && options.MissingValues == MissingValues.Refuse)
            {
                ThrowMissing(parts, $"{Argument}.{nameof(options.MissingValues)}", name);
            }

            return parts with { HasMissingValues = isMissing };
        }

        private int LengthOf(int sample) => values[sample].Length / channels;

        /// <summary>The list, checked to have an element for each sequence.</summary>
        private IReadOnlyList<T>? ForEach<T>(IReadOnlyList<T>? list, string option)
        {
            if (list is not null)
            {
                RequireCount(list.Count, Count, option, "sequence");
                for (int i = 0; i < list.Count; i++)
                {
                    // A name takes memory.
                    if (list[i] is null)
                    {
                        Check.NotNull(list[i], $"{Argument}.{option}[{i}]");
                    }
                }
            }

            return list;
        }

        private static void RequireCount(int given, int expected, string option, string what)
        {
            if (given != expected)
            {
                throw new ArgumentException($"{Argument}.{option} has {given} elements; it must have {expected}, one for each {what}.", Check.Parameter(Argument));
            }
        }

        private static ReadOnlyCollection<string> Names(IReadOnlyList<string>? names, int count, string option)
        {
            if (names is null)
            {
                string[] numbers = new string[count];
                for (int i = 0; i < count; i++)
                {
                    numbers[i] = i.ToString(CultureInfo.InvariantCulture);
                }

                return Array.AsReadOnly(numbers);
            }

            RequireCount(
                names.Count, count, option,
                option == nameof(SequenceDataOptions.Ids) ? "sequence" : option == nameof(SequenceDataOptions.ChannelNames) ? "channel" : "target value");
            string[] copy = [.. names];
            CheckNames(copy, $"{Argument}.{option}", Argument);
            return Array.AsReadOnly(copy);
        }

        private ReadOnlyCollection<string>? Groups() => ForEach(options.Groups, nameof(options.Groups)) is { } groups ? Array.AsReadOnly([.. groups]) : null;

        private ReadOnlyMemory<double>[]? TimeStamps()
        {
            if (ForEach(options.TimeStamps, nameof(options.TimeStamps)) is not { } all)
            {
                return null;
            }

            var stamps = new ReadOnlyMemory<double>[Count];
            for (int i = 0; i < Count; i++)
            {
                string place = $"{nameof(options.TimeStamps)}[{i}]";
                RequireCount(all[i].Length, LengthOf(i), place, "step");
                for (int step = 0; step < all[i].Length; step++)
                {
                    // The names below take memory.
                    if (double.IsFinite(all[i][step]) && (step == 0 || all[i][step] >= all[i][step - 1]))
                    {
                        continue;
                    }

                    Check.Finite(all[i][step], $"{Argument}.{place}[{step}]");
                    if (step > 0)
                    {
                        Check.AtLeast(all[i][step], all[i][step - 1], $"{Argument}.{place}[{step}]");
                    }
                }

                stamps[i] = all[i];
            }

            return stamps;
        }

        private (ReadOnlyMemory<int>[]? Classes, ReadOnlyCollection<string> Names) Classes()
        {
            IReadOnlyList<string>? labels = ForEach(options.Labels, nameof(options.Labels));
            IReadOnlyList<string[]>? stepLabels = ForEach(options.StepLabels, nameof(options.StepLabels));
            if (labels is null && stepLabels is null)
            {
                return (null, ReadOnlyCollection<string>.Empty);
            }

            for (int i = 0; i < stepLabels?.Count; i++)
            {
                string place = $"{nameof(options.StepLabels)}[{i}]";
                RequireCount(stepLabels[i].Length, LengthOf(i), place, "step");
                for (int step = 0; step < stepLabels[i].Length; step++)
                {
                    if (stepLabels[i][step] is null)
                    {
                        Check.NotNull(stepLabels[i][step], $"{Argument}.{place}[{step}]");
                    }
                }
            }

            ReadOnlyCollection<string> names = ClassNames(labels ?? stepLabels!.SelectMany(row => row));
            Dictionary<string, int> numbers = NumbersOf(names);
            if (labels is not null)
            {
                // One array for all: a class is small.
                int[] each = new int[Count];
                for (int i = 0; i < Count; i++)
                {
                    each[i] = numbers.TryGetValue(labels[i], out int number) ? number : Unknown(labels[i], i, $"{nameof(options.Labels)}[{i}]");
                }

                return ([.. Enumerable.Range(0, Count).Select(i => (ReadOnlyMemory<int>)each.AsMemory(i, 1))], names);
            }

            var classes = new ReadOnlyMemory<int>[Count];
            for (int i = 0; i < Count; i++)
            {
                string[] row = stepLabels![i];
                int[] each = new int[row.Length];
                for (int step = 0; step < row.Length; step++)
                {
                    each[step] = numbers.TryGetValue(row[step], out int number) ? number : Unknown(row[step], i, $"{nameof(options.StepLabels)}[{i}][{step}]");
                }

                classes[i] = each;
            }

            return (classes, names);

            int Unknown(string label, int sample, string place)
            {
                string id = options.Ids is { } ids ? $" ('{ForeignText.Clean(ids[sample])}')" : "";
                throw new ArgumentException(
                    $"{Argument}.{place} is '{ForeignText.Clean(label)}', the class of sample {sample}{id}; it must be one of {Argument}.{nameof(options.ClassNames)}: " +
                    $"{ForeignText.CleanList(names, names.Count)}.",
                    Argument);
            }
        }

        private ReadOnlyCollection<string> ClassNames(IEnumerable<string> labels)
        {
            if (options.ClassNames is { } names)
            {
                string[] copy = [.. names];
                CheckNames(copy, $"{Argument}.{nameof(options.ClassNames)}", Argument);
                return Array.AsReadOnly(copy);
            }

            string[] distinct = [.. labels.Distinct(StringComparer.Ordinal)];
            Array.Sort(distinct, LabelOrder.For(distinct));
            return Array.AsReadOnly(distinct);
        }

        private (ReadOnlyMemory<float>[]? Targets, int Width) Targets()
        {
            IReadOnlyList<float[]>? each = ForEach(options.Targets, nameof(options.Targets));
            IReadOnlyList<float[]>? all = each ?? ForEach(options.StepTargets, nameof(options.StepTargets));
            if (all is null)
            {
                return (null, 0);
            }

            string option = each is null ? nameof(options.StepTargets) : nameof(options.Targets);
            int width = all[0].Length / (each is null ? LengthOf(0) : 1);
            var targets = new ReadOnlyMemory<float>[Count];
            for (int i = 0; i < Count; i++)
            {
                long expected = Math.Max(width, 1) * (each is null ? (long)LengthOf(i) : 1);
                if (all[i].Length != expected)
                {
                    throw new ArgumentException(
                        $"{Argument}.{option}[{i}] has {all[i].Length} elements; it must have {expected}, {Math.Max(width, 1)} for {(each is null ? "each step" : "the sequence")} as {option}[0].",
                        Argument);
                }

                for (int k = 0; k < all[i].Length; k++)
                {
                    if (!float.IsFinite(all[i][k]))
                    {
                        Check.Finite(all[i][k], $"{Argument}.{option}[{i}][{k}]");
                    }
                }

                targets[i] = all[i];
            }

            return (targets, width);
        }

        private void RefuseInfinite(Parts parts)
        {
            for (int sample = 0; sample < Count; sample++)
            {
                ReadOnlySpan<float> row = values[sample].Span;
                int index = row.IndexOfAny(float.PositiveInfinity, float.NegativeInfinity);
                if (index >= 0)
                {
                    (int step, int channel) = Math.DivRem(index, channels);
                    throw new ArgumentException(
                        string.Create(CultureInfo.InvariantCulture, $"Sample {sample} ('{ForeignText.Clean(parts.Ids[sample])}') is {row[index]} at step {step}, channel {channel} ") +
                        $"('{ForeignText.Clean(parts.ChannelNames[channel])}'), all counted from 0; it must be finite, or NaN for a missing value.",
                        name);
                }
            }
        }
    }
}
