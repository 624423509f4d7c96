using OrthoNative.Cli.Output;
using OrthoNative.Interop;

namespace OrthoNative.Cli.Files;

/// <summary>Makes sequences of a file or folder, whose content tells the format, the form and the columns.</summary>
internal static class DataFile
{
    /// <summary>Reads a file or folder to train on.</summary>
    /// <param name="path">The file or folder.</param>
    /// <param name="request">What the command line says of it.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <exception cref="CliException">It cannot be read, nothing sensible can be chosen, or the request does not fit.</exception>
    public static DataContent Read(string path, DataRequest request, CancellationToken cancellationToken = default) => Guard(path, () =>
    {
        DataSource.Require(path);
        string file = path;
        var findings = new List<string>();
        if (Directory.Exists(path))
        {
            if (DataFolder.FindFile(path) is not { } only)
            {
                return Trainable(SoundFolder.Read(path, request, cancellationToken), ForeignText.CleanPath(path), isTable: false);
            }

            file = only;
            findings.Add($"the folder has the data in {ForeignText.Clean(Path.GetFileName(file))}");
        }

        DataSource source = DataSource.Of(file);
        DataFormat format = ContentKind.Of(source);
        Refuse(request, format);
        if (format == DataFormat.Sound)
        {
            throw CliException.Failure($"{source.Place} is a single sound; expected a folder of WAV files, or a file of several sequences");
        }

        if (format is DataFormat.Parquet or DataFormat.Arrow or DataFormat.Npy or DataFormat.Npz && Path.GetExtension(file).ToLowerInvariant() is ".csv" or ".tsv" or ".txt")
        {
            findings.Add($"the file is {ContentKind.Name(format)}, whatever its name");
        }

        Reading reading = format switch
        {
            DataFormat.TimeSeries => SeriesFile.Read(source, request, cancellationToken),
            DataFormat.Npy or DataFormat.Npz => ArrayFile.Read(source, format, request),
            _ => ReadTable(source, format, request, cancellationToken),
        };
        findings.AddRange(reading.Findings);
        SequenceData? test = reading.Test;
        if (test is null && DataFolder.FindTest(file) is { } other)
        {
            DataSettings filled = reading.Settings with { Missing = reading.Data.MissingValues };
            test = Guard(other, () => Read(DataSource.Of(other), filled, reading.Data.ClassNames, requireTargets: reading.Data.HasTargets, cancellationToken));
            findings.Add(Texts.Format($"{ForeignText.Clean(Path.GetFileName(other))} has the test data: {test.Count} {(test.Count == 1 ? "sequence" : "sequences")}"));
        }

        DataContent content = ForecastLengths.Apply(new DataContent(reading.Data, test, reading.Settings, findings), request, source.Place);
        return MissingChoice.Apply(Trainable(content, source.Place, isTable: reading.Settings.Format is DataFormat.Text or DataFormat.Ucr or DataFormat.Parquet or DataFormat.Arrow), request);
    });

    /// <summary>Refuses data that have too few sequences or classes to train on.</summary>
    private static DataContent Trainable(DataContent content, string place, bool isTable)
    {
        if (content.Settings.Goal == Goal.Forecast)
        {
            return content;
        }

        if (content.Data.Count < 2)
        {
            throw CliException.Failure(Texts.Format($"{place} has {content.Data.Count} sequence; at least 2 are needed to train and validate{(isTable ? "; give --sequence, or --horizon for a forecast" : "")}"));
        }

        return content.Data.IsClassification && content.Data.ClassNames.Count < 2
            ? throw CliException.Failure($"{place} has one class, '{ForeignText.Clean(content.Data.ClassNames[0])}'; at least 2 are needed")
            : content;
    }

    /// <summary>Reads another file or folder in the way in which that of the training data was read.</summary>
    /// <param name="path">The file or folder, or a single WAV file.</param>
    /// <param name="settings">How the training data became sequences.</param>
    /// <param name="classNames">The classes in the order of their numbers.</param>
    /// <param name="requireTargets">True: classes or values to predict must be there.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <exception cref="CliException">It cannot be read, or does not fit.</exception>
    public static SequenceData Read(string path, DataSettings settings, IReadOnlyList<string> classNames, bool requireTargets, CancellationToken cancellationToken = default) => Guard(path, () =>
    {
        DataSource.Require(path);
        if (!Directory.Exists(path))
        {
            return Read(DataSource.Of(path), settings, classNames, requireTargets, cancellationToken);
        }

        return settings.Format == DataFormat.Sound
            ? SoundFolder.Read(path, null, settings, classNames, requireTargets, cancellationToken)
            : Read(DataSource.Of(DataFolder.FindFile(path) ?? throw CliException.Failure($"{ForeignText.CleanPath(path)} has WAV files; the model was trained on {ContentKind.Name(settings.Format)}")), settings, classNames, requireTargets, cancellationToken);
    });

    /// <summary>Reads a stream to its end, as <see cref="Read(string, DataSettings, IReadOnlyList{string}, bool, CancellationToken)"/>. It is kept in memory.</summary>
    public static SequenceData Read(Stream stream, string name, DataSettings settings, IReadOnlyList<string> classNames, bool requireTargets, CancellationToken cancellationToken = default) =>
        Guard(name, () => Read(DataSource.Of(stream, name), settings, classNames, requireTargets, cancellationToken));

    /// <summary>Reads a text to its end, as <see cref="Read(string, DataSettings, IReadOnlyList{string}, bool, CancellationToken)"/>. It is kept in memory.</summary>
    public static SequenceData Read(TextReader reader, string name, DataSettings settings, IReadOnlyList<string> classNames, bool requireTargets, CancellationToken cancellationToken = default) =>
        Guard(name, () => Read(DataSource.Of(reader, name), settings, classNames, requireTargets, cancellationToken));

    private static SequenceData Read(DataSource source, DataSettings settings, IReadOnlyList<string> classNames, bool requireTargets, CancellationToken cancellationToken)
    {
        DataFormat format = ContentKind.Of(source);
        bool isTable = format is DataFormat.Text or DataFormat.Parquet or DataFormat.Arrow;
        bool expectsTable = settings.Format is DataFormat.Text or DataFormat.Parquet or DataFormat.Arrow or DataFormat.Ucr;
        if (isTable != expectsTable || (format == DataFormat.Sound) != (settings.Format == DataFormat.Sound))
        {
            throw CliException.Failure($"{source.Place} is {ContentKind.Name(format)}; the model was trained on {ContentKind.Name(settings.Format)}");
        }

        SequenceData data = format switch
        {
            DataFormat.Sound => SoundFolder.Read(Path.GetDirectoryName(Path.GetFullPath(source.Name))!, source, settings, classNames, requireTargets, cancellationToken),
            DataFormat.TimeSeries => SeriesFile.Read(source, settings, classNames, requireTargets),
            DataFormat.Npy or DataFormat.Npz => ArrayFile.Read(source, format, settings, classNames, requireTargets),
            _ => TableSequences.Read(TableFile.Open(source, format, cancellationToken), settings, classNames, requireTargets, cancellationToken),
        };
        if (settings.Features.Count > 0 && data.ChannelNames.Count != settings.Features.Count && settings.Form != TableForm.Wide)
        {
            throw CliException.Failure(Texts.Format($"{source.Place} has {data.ChannelNames.Count} channels; the model was trained on {settings.Features.Count}"));
        }

        return requireTargets && settings.Goal != Goal.Forecast && !data.HasTargets
            ? throw CliException.Failure($"{source.Place} has no {(settings.Goal is Goal.ClassifySequences or Goal.ClassifySteps ? "classes" : "values to predict")}; they are required here")
            : data;
    }

    private static Reading ReadTable(DataSource source, DataFormat format, DataRequest request, CancellationToken cancellationToken)
    {
        (DataSettings settings, TableFile table, List<string> findings) = TableDetection.Find(TableFile.Open(source, format, cancellationToken), request, cancellationToken);
        SequenceData data = TableSequences.Read(table, settings with { Missing = request.Missing ?? MissingValues.Interpolate }, null, requireTargets: true, cancellationToken);
        if (settings.ChannelPattern is not null)
        {
            findings.Add(Texts.Format($"inputs: {data.ChannelNames.Count} {(data.ChannelNames.Count == 1 ? "channel" : "channels")}, {string.Join(", ", data.ChannelNames.Take(12).Select(name => ForeignText.Clean(name)))}{(data.ChannelNames.Count > 12 ? ", …" : "")}"));
        }

        return new Reading(data, null, settings.Features.Count == 0 ? settings with { Features = [.. data.ChannelNames] } : settings, findings);
    }

    /// <summary>Refuses options that a format has no use for.</summary>
    private static void Refuse(DataRequest request, DataFormat format)
    {
        bool isTable = format is DataFormat.Text or DataFormat.Parquet or DataFormat.Arrow;
        (string Option, bool IsGiven, bool IsOfTables)[] options =
        [
            ("--sequence", request.Sequence is not null, true),
            ("--time", request.Time is not null, true),
            ("--group", request.Group is not null, true),
            ("--form", request.Form is not null, true),
            ("--frame", request.Frame is not null, false),
            ("--hop", request.Hop is not null, false),
            ("--mel", request.Mel is not null, false),
        ];
        foreach ((string option, bool isGiven, bool isOfTables) in options)
        {
            if (isGiven && (!isOfTables || !isTable) && format != DataFormat.Sound)
            {
                throw CliException.Usage($"{option} is given, but the data are {ContentKind.Name(format)}; {option} requires {(isOfTables ? "a table" : "WAV files")}");
            }
        }
    }

    /// <summary>Turns errors of files and their content into ends of the program.</summary>
    private static T Guard<T>(string path, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (InvalidDataException exception)
        {
            throw CliException.Failure(Reworded(exception.Message));
        }
        catch (ArgumentException exception)
        {
            string message = exception.Message;
            int parameter = message.IndexOf(" (Parameter '", StringComparison.Ordinal);
            throw CliException.Failure($"{ForeignText.CleanPath(path)}: {Reworded(parameter < 0 ? message : message[..parameter])}");
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            throw CliException.Failure($"{ForeignText.CleanPath(path)} is not there; expected a file or folder");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw CliException.Failure($"{ForeignText.CleanPath(path)} cannot be read ({FileErrors.Reason(exception)})");
        }
    }

    /// <summary>A message of the library in the words of the command line.</summary>
    private static string Reworded(string message) => message.TrimEnd('.')
        .Replace("options.MissingValues other than Refuse", "--missing other than refuse when the model is trained", StringComparison.Ordinal)
        .Replace("options.MissingValues must be other than Refuse", "--missing must be other than refuse", StringComparison.Ordinal)
        .Replace("missingValues must be other than Refuse", "--missing must be other than refuse", StringComparison.Ordinal)
        .Replace("expected one of options.ClassNames, ", "expected one of the classes of the training data, ", StringComparison.Ordinal)
        .Replace("it must be one of options.ClassNames: ", "it must be one of the classes of the training data: ", StringComparison.Ordinal)
        .Replace(", or options.LabelPerStep", "", StringComparison.Ordinal)
        .Replace(", or options.TargetPerStep", "", StringComparison.Ordinal);
}

/// <summary>What was read of a file.</summary>
/// <param name="Data">The sequences, with missing values interpolated unless the request says otherwise.</param>
/// <param name="Test">Sequences to test on that the same file has.</param>
/// <param name="Settings">How.</param>
/// <param name="Findings">What was found.</param>
internal sealed record Reading(SequenceData Data, SequenceData? Test, DataSettings Settings, IReadOnlyList<string> Findings);
