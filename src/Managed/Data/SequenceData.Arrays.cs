using System.Globalization;
using OrthoNative.Interop;

namespace OrthoNative;

public sealed partial class SequenceData
{
    /// <summary>Creates data of an array of NumPy.</summary>
    /// <param name="inputs">[N, T, D], or [N, T] for one channel; numbers, NaN for a missing value. Copied as <see cref="float"/>.</param>
    /// <param name="options">Arrays with labels, targets and lengths, names and more. Null: the defaults, without targets.</param>
    /// <exception cref="ArgumentException">
    /// An array has another shape, a length is not from 1 to T, a value is missing and <see cref="MissingValues.Refuse"/> is given, or an option does not fit.
    /// </exception>
    /// <exception cref="InvalidDataException">Lengths are no whole numbers, or a label is no valid text.</exception>
    public static SequenceData FromNpy(NpyFile inputs, NpyDataOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        options ??= new NpyDataOptions();
        Check.NotNull(options.Data);
        return FromArrays(
            inputs, options, options.Data,
            (nameof(inputs), $"{nameof(options)}.{nameof(options.Labels)}", $"{nameof(options)}.{nameof(options.Targets)}", $"{nameof(options)}.{nameof(options.Lengths)}"));
    }

    /// <summary>Creates data of arrays of an <c>.npz</c> file.</summary>
    /// <param name="file">The file.</param>
    /// <param name="options">Names of the arrays and more. Null: sequences named "inputs", without targets.</param>
    /// <exception cref="ArgumentException">There is no such array, or as of <see cref="FromNpy"/>.</exception>
    /// <exception cref="InvalidDataException">An array is damaged (<see cref="NpzFile.Read(string)"/>), lengths are no whole numbers, or a label is no valid text.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static SequenceData FromNpz(NpzFile file, NpzDataOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(file);
        options ??= new NpzDataOptions();
        Check.NotNull(options.Inputs);
        Check.NotNull(options.Data);
        foreach ((string option, string? array) in (ReadOnlySpan<(string, string?)>)
            [
                (nameof(options.Inputs), options.Inputs), (nameof(options.Labels), options.Labels),
                (nameof(options.Targets), options.Targets), (nameof(options.Lengths), options.Lengths),
            ])
        {
            if (array is not null && !file.Names.Contains(array))
            {
                throw new ArgumentException(
                    $"{nameof(options)}.{option} is '{ForeignText.Clean(array)}'; the file has the arrays {ForeignText.CleanList(file.Names, file.Names.Count)}.",
                    nameof(options));
            }
        }

        var arrays = new NpyDataOptions
        {
            Labels = options.Labels is null ? null : file.Read(options.Labels),
            Targets = options.Targets is null ? null : file.Read(options.Targets),
            Lengths = options.Lengths is null ? null : file.Read(options.Lengths),
        };
        return FromArrays(file.Read(options.Inputs), arrays, options.Data, (Name(options.Inputs), Name(options.Labels), Name(options.Targets), Name(options.Lengths)));

        static string Name(string? array) => $"file['{ForeignText.Clean(array)}']";
    }

    private static SequenceData FromArrays(
        NpyFile inputs, NpyDataOptions arrays, SequenceDataOptions options, (string Inputs, string Labels, string Targets, string Lengths) names)
    {
        Require(inputs, names.Inputs, "[N, T] or [N, T, D], none of them 0", inputs.Shape.Length is 2 or 3 && inputs.Count > 0);
        RequireNumbers(inputs, names.Inputs);
        int count = inputs.Shape[0], steps = inputs.Shape[1], channels = inputs.Shape.Length == 3 ? inputs.Shape[2] : 1;
        int[] lengths = Lengths(arrays.Lengths, names.Lengths, count, steps);
        float[] all = inputs.ToSingles();
        var values = new ReadOnlyMemory<float>[count];
        for (int i = 0; i < count; i++)
        {
            values[i] = all.AsMemory(i * steps * channels, lengths[i] * channels);
        }

        if (arrays.Labels is { } labels)
        {
            options = WithLabels(options, labels, names.Labels, lengths, steps);
        }

        if (arrays.Targets is { } targets)
        {
            options = WithTargets(options, targets, names.Targets, lengths, steps);
        }

        return Create(values, channels, options, Check.Parameter(names.Inputs));
    }

    private static int[] Lengths(NpyFile? array, string name, int count, int steps)
    {
        int[] lengths = new int[count];
        Array.Fill(lengths, steps);
        if (array is not null)
        {
            Require(array, name, string.Create(CultureInfo.InvariantCulture, $"[{count}]"), array.Shape.Length == 1 && array.Count == count);
            RequireNumbers(array, name);
            long[] given = array.ToInt64s();
            for (int i = 0; i < count; i++)
            {
                Check.InRange(given[i], 1, steps, $"{name}[{i}]");
                lengths[i] = (int)given[i];
            }
        }

        return lengths;
    }

    private static SequenceDataOptions WithLabels(SequenceDataOptions options, NpyFile labels, string name, int[] lengths, int steps)
    {
        int count = lengths.Length;
        bool isForEach = labels.Shape.Length == 1 || (labels.Shape.Length == 2 && labels.Shape[1] == 1);
        Require(
            labels, name, string.Create(CultureInfo.InvariantCulture, $"[{count}] or [{count}, {steps}]"),
            labels.Shape.Length is 1 or 2 && labels.Shape[0] == count && (isForEach || labels.Shape[1] == steps));
        string[] texts = labels.ToTexts();
        if (isForEach)
        {
            RequireNone(options.Labels, nameof(options.Labels), name);
            return options with { Labels = texts };
        }

        RequireNone(options.StepLabels, nameof(options.StepLabels), name);
        string[][] rows = new string[count][];
        for (int i = 0; i < count; i++)
        {
            rows[i] = texts.AsSpan(i * steps, lengths[i]).ToArray();
        }

        return options with { StepLabels = rows };
    }

    private static SequenceDataOptions WithTargets(SequenceDataOptions options, NpyFile targets, string name, int[] lengths, int steps)
    {
        int count = lengths.Length;
        Require(
            targets, name, string.Create(CultureInfo.InvariantCulture, $"[{count}], [{count}, C] or [{count}, {steps}, C]"),
            targets.Shape.Length is >= 1 and <= 3 && targets.Shape[0] == count && targets.Count > 0 && (targets.Shape.Length < 3 || targets.Shape[1] == steps));
        RequireNumbers(targets, name);
        bool isForEach = targets.Shape.Length < 3;
        int width = targets.Shape.Length == 1 ? 1 : targets.Shape[^1];
        float[] all = targets.ToSingles();
        float[][] rows = new float[count][];
        for (int i = 0; i < count; i++)
        {
            rows[i] = all.AsSpan(i * width * (isForEach ? 1 : steps), width * (isForEach ? 1 : lengths[i])).ToArray();
        }

        if (isForEach)
        {
            RequireNone(options.Targets, nameof(options.Targets), name);
            return options with { Targets = rows };
        }

        RequireNone(options.StepTargets, nameof(options.StepTargets), name);
        return options with { StepTargets = rows };
    }

    private static void RequireNone(object? given, string option, string name)
    {
        if (given is not null)
        {
            throw new ArgumentException($"options.Data.{option} is given, and so is {name}; one of them must be null.", Check.Parameter("options.Data"));
        }
    }

    private static void Require(NpyFile array, string name, string expected, bool fits)
    {
        if (!fits)
        {
            throw new ArgumentException(
                $"{name} has shape {Check.FormatShape([.. array.Shape.ToArray().Select(size => (long)size)])}; it must be {expected}.", Check.Parameter(name));
        }
    }

    private static void RequireNumbers(NpyFile array, string name)
    {
        if (array.IsText)
        {
            throw new ArgumentException($"{name} has element type '{array.ElementType}'; it must be numbers.", Check.Parameter(name));
        }
    }
}
