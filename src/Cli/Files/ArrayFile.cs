using OrthoNative.Cli.Output;
using OrthoNative.Interop;

namespace OrthoNative.Cli.Files;

/// <summary>Files of NumPy.</summary>
internal static class ArrayFile
{
    private const string Npy = ".npy";

    /// <summary>A table of two axes is one sequence of several channels, and not one sequence a row, from so many rows to a column.</summary>
    private const int RowsToColumn = 4;

    /// <summary>Different numbers up to which whole numbers are classes.</summary>
    private const int MostClasses = 1000;

    private static readonly string[] s_inputs = ["inputs", "x", "data", "values", "sequences", "features", "series"];
    private static readonly string[] s_labels = ["labels", "label", "y", "classes", "class", "targets", "target"];
    private static readonly string[] s_lengths = ["lengths", "length", "n", "len", "lens"];
    private static readonly string[] s_training = ["_train", "_training", "train_"];

    public static Reading Read(DataSource source, DataFormat format, DataRequest request)
    {
        if (request.Pattern is not null)
        {
            throw CliException.Usage($"--pattern is given, but the data are {ContentKind.Name(format)}; --pattern requires a table or WAV files");
        }

        MissingValues missing = request.Missing ?? MissingValues.Interpolate;
        if (format == DataFormat.Npz)
        {
            using Stream stream = source.Open();
            using NpzFile file = NpzFile.Open(stream, source.Name);
            return Read(source, file, request, missing);
        }

        foreach ((string option, bool isGiven) in (ReadOnlySpan<(string, bool)>)[("--label", request.Label is not null), ("--target", request.Targets is not null), ("--features", request.Features is not null)])
        {
            if (isGiven)
            {
                throw CliException.Usage($"{option} is given, but an {Npy} file has one array without names; {option} requires an .npz file or a table");
            }
        }

        NpyFile array = ReadNpy(source);
        (SequenceData data, string finding) = FromInputs(array, missing, source);
        return new Reading(data, null, new DataSettings { Goal = Goal.Forecast, Format = DataFormat.Npy, Features = [.. data.ChannelNames] }, [finding]);
    }

    /// <summary>Reads another file in the same way.</summary>
    public static SequenceData Read(DataSource source, DataFormat format, DataSettings settings, IReadOnlyList<string> classNames, bool requireTargets)
    {
        if (format == DataFormat.Npy)
        {
            return FromInputs(ReadNpy(source), settings.Missing, source).Data;
        }

        using Stream stream = source.Open();
        using NpzFile file = NpzFile.Open(stream, source.Name);
        string inputs = Find(settings.Inputs ?? Choose(file, s_inputs, "") ?? "inputs", true, "the inputs")!;
        string? label = Find(settings.Label, requireTargets, "the classes");
        bool isForecast = settings.Goal == Goal.Forecast;
        string? target = isForecast || settings.Label is not null || settings.Targets.Count == 0 ? null : Find(settings.Targets[0], requireTargets, "the values to predict");
        return SequenceData.FromNpz(file, new NpzDataOptions
        {
            Inputs = inputs,
            Labels = label,
            Targets = target,
            Lengths = Find(settings.Lengths, false, ""),
            Data = new SequenceDataOptions { MissingValues = settings.Missing, ClassNames = label is null || classNames.Count == 0 ? null : classNames },
        });

        string? Find(string? name, bool isRequired, string use) => name is null || file.Names.Contains(name)
            ? name
            : !isRequired ? null : throw CliException.Failure($"{source.Place} has no array '{ForeignText.Clean(name)}', {use}; its arrays are {ForeignText.CleanList(file.Names, file.Names.Count)}");
    }

    private static Reading Read(DataSource source, NpzFile file, DataRequest request, MissingValues missing)
    {
        foreach ((string option, IReadOnlyList<string>? names) in (ReadOnlySpan<(string, IReadOnlyList<string>?)>)
            [("--features", request.Features), ("--label", request.Label is { } one ? [one] : null), ("--target", request.Targets)])
        {
            if (names is { Count: not 1 } || (names is [var given] && !file.Names.Contains(given)))
            {
                throw CliException.Usage($"{option} is '{ForeignText.Clean(string.Join(',', names!))}'; it must be an array of {source.Place}: {ForeignText.CleanList(file.Names, file.Names.Count)}");
            }
        }

        // Of arrays for training and for testing, the former: their names end the same way.
        string part = s_training.FirstOrDefault(ending => Choose(file, s_inputs, ending) is not null) ?? "";
        string inputs = request.Features?[0] ?? Choose(file, s_inputs, part) ?? OnlyLarge(file, request) ?? throw CliException.Failure(
            $"{source.Place}: it is unclear which array has the inputs; give --features. Arrays: {ForeignText.CleanList(file.Names, file.Names.Count)}");
        string? answers = request.Label ?? request.Targets?[0] ?? Choose(file, s_labels, part);
        string? lengths = Choose(file, s_lengths, part);
        List<string> findings = [$"array '{ForeignText.Clean(inputs)}' has the inputs (--features)"];
        bool isLabel = request.Label is not null || (answers is not null && request.Targets is null && AreClasses(file.Read(answers)));
        if (request.Horizon is not null)
        {
            answers = null;
        }

        var options = new NpzDataOptions
        {
            Inputs = inputs,
            Labels = isLabel ? answers : null,
            Targets = isLabel ? null : answers,
            Lengths = lengths,
            Data = new SequenceDataOptions { MissingValues = missing },
        };
        SequenceData data = SequenceData.FromNpz(file, options);
        Goal goal = answers is null ? Goal.Forecast
            : isLabel ? data.HasStepTargets ? Goal.ClassifySteps : Goal.ClassifySequences
            : data.HasStepTargets ? Goal.PredictSteps : Goal.PredictSequences;
        if (answers is not null)
        {
            string perStep = data.HasStepTargets ? " of each step" : "";
            findings.Add(isLabel
                ? Texts.Format($"array '{ForeignText.Clean(answers)}' has the class{perStep}: {data.ClassNames.Count} of them (--label)")
                : $"array '{ForeignText.Clean(answers)}' has the values to predict{perStep} (--target)");
        }

        if (lengths is not null)
        {
            findings.Add($"array '{ForeignText.Clean(lengths)}' has the lengths of the sequences");
        }

        var settings = new DataSettings
        {
            Goal = goal,
            Format = DataFormat.Npz,
            Inputs = inputs,
            Lengths = lengths,
            Label = isLabel ? answers : null,
            Features = [.. data.ChannelNames],
            Targets = answers is null || isLabel ? [] : [answers],
        };
        return new Reading(data, FindTest(file, options, data, part, findings), settings, findings);
    }

    /// <summary>The arrays for testing beside those for training.</summary>
    private static SequenceData? FindTest(NpzFile file, NpzDataOptions options, SequenceData data, string part, List<string> findings)
    {
        if (part.Length == 0 || ToTest(options.Inputs) is not { } inputs)
        {
            return null;
        }

        findings.Add($"array '{ForeignText.Clean(inputs)}' has the test data");
        return SequenceData.FromNpz(file, options with
        {
            Inputs = inputs,
            Labels = ToTest(options.Labels),
            Targets = ToTest(options.Targets),
            Lengths = ToTest(options.Lengths),
            Data = options.Data with { ClassNames = ToTest(options.Labels) is null ? null : data.ClassNames },
        });

        string? ToTest(string? name) => name is null ? null : file.Names.FirstOrDefault(other => string.Equals(
            other, name.Replace("training", "test", StringComparison.OrdinalIgnoreCase).Replace("train", "test", StringComparison.OrdinalIgnoreCase), StringComparison.OrdinalIgnoreCase));
    }

    private static string? Choose(NpzFile file, string[] names, string part) => names
        .Select(name => file.Names.FirstOrDefault(other => string.Equals(other, part.EndsWith('_') ? part + name : name + part, StringComparison.OrdinalIgnoreCase)))
        .FirstOrDefault(name => name is not null);

    /// <summary>The only array of several axes.</summary>
    private static string? OnlyLarge(NpzFile file, DataRequest request)
    {
        string[] large = [.. file.Names.Where(name => name != request.Label && request.Targets?.Contains(name) != true && file.Read(name) is { IsText: false, Shape.Length: 2 or 3 } array && array.Shape[1] > 1)];
        return large.Length == 1 ? large[0] : null;
    }

    private static bool AreClasses(NpyFile array)
    {
        if (array.IsText)
        {
            return true;
        }

        if (array.ElementType.AsSpan().TrimStart("<>|=") is not ['b' or 'i' or 'u', ..])
        {
            return false;
        }

        HashSet<long> values = [.. array.ToInt64s()];
        return values.Count <= Math.Min(MostClasses, Math.Max(2, array.Count / 2));
    }

    private static (SequenceData Data, string Finding) FromInputs(NpyFile array, MissingValues missing, DataSource source)
    {
        int[] shape = array.Shape.ToArray();
        string sizes = string.Join(", ", shape.Select(size => Texts.Format($"{size}")));
        if (array.IsText || shape.Length is 0 or > 3 || array.Count == 0)
        {
            throw CliException.Failure($"{source.Place} has shape [{sizes}] of type '{array.ElementType}'; expected numbers of 1 to 3 axes: steps; sequences and steps; or sequences, steps and channels");
        }

        var options = new SequenceDataOptions { MissingValues = missing };
        if (shape.Length == 1 || (shape.Length == 2 && shape[0] >= RowsToColumn * shape[1]))
        {
            int channels = shape.Length == 1 ? 1 : shape[1];
            return (SequenceData.Create([array.ToSingles()], channels, options), Texts.Format($"the array [{sizes}] is one sequence of {shape[0]} steps and {channels} {(channels == 1 ? "channel" : "channels")}"));
        }

        return (SequenceData.FromNpy(array, new NpyDataOptions { Data = options }), Texts.Format($"the array [{sizes}] is {shape[0]} sequences of {shape[1]} steps"));
    }

    private static NpyFile ReadNpy(DataSource source)
    {
        using Stream stream = source.Open();
        return NpyFile.Read(stream, source.Name);
    }
}
