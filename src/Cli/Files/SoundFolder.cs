using OrthoNative.Cli.Output;
using OrthoNative.Interop;

namespace OrthoNative.Cli.Files;

/// <summary>Folders of WAV files.</summary>
internal static class SoundFolder
{
    private const string Extension = ".wav";
    private const double FrameSeconds = 0.032;
    private const double HopSeconds = 0.016;
    private const int MostBands = 40;

    /// <summary>Samples of a frame to a mel band: with fewer, a band may have no frequency of its own.</summary>
    private const int SamplesToBand = 6;

    /// <summary>Classes that the first parts of names may be.</summary>
    private const int MostClasses = 200;

    public static bool HasSounds(string folder) => Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Any(IsSound);

    /// <summary>Reads a folder to train on.</summary>
    public static DataContent Read(string folder, DataRequest request, CancellationToken cancellationToken)
    {
        Refuse(request);
        string[] files = Find(folder);
        (string? pattern, List<string> findings) = FindPattern(files, request, folder);
        RequireFit(pattern, files, folder);
        bool hasLabels = pattern is not null && (pattern.Contains("{label}", StringComparison.Ordinal) || pattern.Contains(":label}", StringComparison.Ordinal));
        if (!hasLabels)
        {
            throw CliException.Failure(
                $"{ForeignText.CleanPath(folder)}: the names of the WAV files have no classes that are plain, as '{ForeignText.Clean(files[0])}'; give --pattern, as '{{label}}_{{index}}' for yes_1.wav or '{{label}}/{{take}}' for yes/1.wav");
        }

        int rate = WavFile.Read(Path.Combine(folder, files[0])).SampleRate;
        int frame = request.Frame ?? Math.Max(1, (int)Math.Round(FrameSeconds * rate));
        int hop = request.Hop ?? (request.Frame is null ? Math.Max(1, (int)Math.Round(HopSeconds * rate)) : Math.Max(1, frame / 2));
        int mel = request.Mel ?? Math.Clamp(frame / SamplesToBand, 1, MostBands);
        if (mel > frame)
        {
            throw CliException.Usage(Texts.Format($"--mel is {mel}; it must be at most --frame, {frame}"));
        }

        var settings = new DataSettings
        {
            Goal = Goal.ClassifySequences,
            Format = DataFormat.Sound,
            Label = "label",
            Group = pattern!.Contains("{group}", StringComparison.Ordinal) || pattern.Contains(":group}", StringComparison.Ordinal) ? request.Group ?? "group" : null,
            Pattern = pattern,
            SampleRate = rate,
            Frame = frame,
            Hop = hop,
            Mel = mel,
            Missing = MissingValues.Refuse,
        };
        SequenceData data = Read(folder, files, settings, null, pattern, cancellationToken);
        return new DataContent(data, null, settings with { Features = [.. data.ChannelNames] },
        [
            Texts.Format($"{data.Count} WAV files of {rate} samples a second"),
            .. findings,
            Texts.Format($"the class is the part {{label}} of {pattern}: {data.ClassNames.Count} of them (--pattern)"),
            mel == 0
                ? Texts.Format($"inputs: the samples in frames of {frame} (--frame), {hop} apart (--hop)")
                : Texts.Format($"inputs: {mel} mel bands (--mel) of frames of {frame} samples (--frame), {hop} apart (--hop)"),
        ]);
    }

    /// <summary>Reads another folder, or a single file, in the same way.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="file">The single file; null: all files of the folder.</param>
    /// <param name="settings">How.</param>
    /// <param name="classNames">The classes in the order of their numbers.</param>
    /// <param name="requireTargets">True: names must have classes.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    public static SequenceData Read(string folder, DataSource? file, DataSettings settings, IReadOnlyList<string> classNames, bool requireTargets, CancellationToken cancellationToken)
    {
        if (file is { Path: null })
        {
            throw CliException.Failure($"{file.Place} is a sound; expected the path of a WAV file or a folder of them");
        }

        string[] files = file is null ? Find(folder) : [Path.GetFileName(file.Path!)];
        int rate = WavFile.Read(Path.Combine(folder, files[0])).SampleRate;
        if (rate != settings.SampleRate)
        {
            throw CliException.Failure(Texts.Format($"{ForeignText.CleanPath(Path.Combine(folder, files[0]))} has {rate} samples a second; the model was trained on {settings.SampleRate}. Sounds are not resampled: convert them first"));
        }

        if (requireTargets)
        {
            return Read(folder, files, settings, classNames, settings.Pattern, cancellationToken);
        }

        // Names of sounds to predict on say what they like.
        var pattern = new FileNamePattern(settings.Pattern, null, "--pattern");
        return Read(folder, files, settings, classNames, files.All(Fits) ? settings.Pattern : null, cancellationToken);

        bool Fits(string name)
        {
            try
            {
                return pattern.Read(name[..^Extension.Length], folder).Label is { } label && (classNames.Count == 0 || classNames.Contains(label));
            }
            catch (InvalidDataException)
            {
                return false;
            }
        }
    }

    private static SequenceData Read(string folder, string[] files, DataSettings settings, IReadOnlyList<string>? classNames, string? pattern, CancellationToken cancellationToken) =>
        SequenceData.FromWavFiles(
            folder,
            files,
            new WavFolderOptions
            {
                Pattern = pattern,
                FrameLength = settings.Frame!.Value,
                Hop = settings.Hop,
                MelBands = settings.Mel!.Value,
                ClassNames = pattern is null || classNames is not { Count: > 0 } ? null : classNames,
            },
            null,
            cancellationToken);

    /// <summary>Paths of all sounds from a folder on, in order.</summary>
    private static string[] Find(string folder)
    {
        string[] files = [.. Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)
            .Where(file => IsSound(file) && FileStatus.Of(file, follow: true) is not { IsDevice: true })
            .Select(file => Path.GetRelativePath(folder, file).Replace(Path.DirectorySeparatorChar, '/'))
            .Order(StringComparer.Ordinal)];
        return files.Length > 0 ? files : throw CliException.Failure($"{ForeignText.CleanPath(folder)} has no WAV files; expected at least one");
    }

    private static bool IsSound(string path) => path.EndsWith(Extension, StringComparison.OrdinalIgnoreCase);

    private static (string? Pattern, List<string> Findings) FindPattern(string[] files, DataRequest request, string folder)
    {
        List<string> findings = [];
        if (request.Pattern is { } given)
        {
            given = WithRole(WithRole(given, request.Label, "label", "--label"), request.Group, "group", "--group");
            try
            {
                _ = new FileNamePattern(given, null, "--pattern");
            }
            catch (ArgumentException exception)
            {
                throw CliException.Usage(exception.Message.Split(" (Parameter '")[0].TrimEnd('.'));
            }

            return (given, findings);
        }

        if (request.Label is not null and not "label")
        {
            throw CliException.Usage($"--label is '{ForeignText.Clean(request.Label)}'; with WAV files it requires --pattern with a part of that name, as '{{{ForeignText.Clean(request.Label)}}}_{{index}}'");
        }

        string[][] folders = [.. files.Select(file => file.Split('/'))];
        if (folders.All(parts => parts.Length == 2) && folders.Select(parts => parts[0]).Distinct(StringComparer.Ordinal).Count() > 1 && request.Group is null)
        {
            return ("{label}/{take}", findings);
        }

        if (!folders.All(parts => parts.Length == 1))
        {
            throw CliException.Failure($"{ForeignText.CleanPath(folder)} has WAV files in folders of several levels, as '{ForeignText.Clean(files[0])}'; give --pattern, as '{{label}}/{{take}}'");
        }

        foreach (char separator in "_- ")
        {
            string[][] names = [.. files.Select(file => file[..^Extension.Length].Split(separator))];
            int labels = names.Select(parts => parts[0]).Distinct(StringComparer.Ordinal).Count();
            if (names.All(parts => parts.Length >= 2 && parts.All(part => part.Length > 0)) && labels >= 2 && labels <= MostClasses && labels * 2 <= files.Length)
            {
                return request.Group is { } group && names.All(parts => parts.Length >= 3)
                    ? ($"{{label}}{separator}{{{group}:group}}{separator}{{rest}}", ["the group is the second part of the names (--group)"])
                    : request.Group is not null
                        ? throw CliException.Usage($"--group is '{ForeignText.Clean(request.Group)}', but the names of the WAV files have two parts, as '{ForeignText.Clean(files[0])}'; it requires --pattern")
                        : ($"{{label}}{separator}{{rest}}", findings);
            }
        }

        return (null, findings);
    }

    /// <summary>Refuses a name that does not fit the pattern before files are read.</summary>
    private static void RequireFit(string? pattern, string[] files, string folder)
    {
        if (pattern is not null)
        {
            var names = new FileNamePattern(pattern, null, "--pattern");
            foreach (string file in files)
            {
                _ = names.Read(file[..^Extension.Length], folder);
            }
        }
    }

    /// <summary>Gives a part of a pattern a role.</summary>
    private static string WithRole(string pattern, string? name, string role, string option) =>
        name is null || name == role || pattern.Contains($":{role}}}", StringComparison.Ordinal)
            ? pattern
            : pattern.Contains($"{{{name}}}", StringComparison.Ordinal)
                ? pattern.Replace($"{{{name}}}", $"{{{name}:{role}}}", StringComparison.Ordinal)
                : throw CliException.Usage($"{option} is '{ForeignText.Clean(name)}'; it must be a part of --pattern, '{ForeignText.Clean(pattern)}'");

    private static void Refuse(DataRequest request)
    {
        foreach ((string option, bool isGiven) in (ReadOnlySpan<(string, bool)>)
            [
                ("--sequence", request.Sequence is not null), ("--time", request.Time is not null), ("--features", request.Features is not null), ("--target", request.Targets is not null),
                ("--horizon", request.Horizon is not null), ("--window", request.LookBack is not null), ("--form", request.Form is not null),
            ])
        {
            if (isGiven)
            {
                throw CliException.Usage($"{option} is given, but the data are WAV files; {option} requires a table");
            }
        }
    }
}
