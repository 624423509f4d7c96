using OrthoNative.Cli.Output;

namespace OrthoNative.Cli.Files;

/// <summary>Files in the <c>.ts</c> format.</summary>
internal static class SeriesFile
{
    public static Reading Read(DataSource source, DataRequest request, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Refuse("--label", request.Label is not null);
        Refuse("--features", request.Features is not null);
        Refuse("--target", request.Targets is not null);
        Refuse("--pattern", request.Pattern is not null);
        TimeSeriesFile file = Load(source);
        Goal goal = file.ClassNames.Count > 0 ? Goal.ClassifySequences : !file.Targets.IsEmpty ? Goal.PredictSequences : Goal.Forecast;
        if (request.Horizon is not null)
        {
            goal = Goal.Forecast;
        }

        SequenceData data = SequenceData.FromTimeSeries(file, new SequenceDataOptions { MissingValues = request.Missing ?? MissingValues.Interpolate });
        string[] findings =
        [
            Texts.Format($".ts file: {data.Count} {(data.Count == 1 ? "sequence" : "sequences")} of {data.ChannelNames.Count} {(data.ChannelNames.Count == 1 ? "channel" : "channels")}"),
            .. goal == Goal.ClassifySequences ? [Texts.Format($"each sequence has a class: {data.ClassNames.Count} of them")] : (string[])[],
            .. goal == Goal.PredictSequences ? ["each sequence has a value to predict"] : (string[])[],
        ];
        return new Reading(data, null, new DataSettings { Goal = goal, Format = DataFormat.TimeSeries, Features = [.. data.ChannelNames] }, findings);

        static void Refuse(string option, bool isGiven)
        {
            if (isGiven)
            {
                throw CliException.Usage($"{option} is given, but the data are a .ts file, which says what is what; {option} requires a table");
            }
        }
    }

    public static SequenceData Read(DataSource source, DataSettings settings, IReadOnlyList<string> classNames, bool requireTargets)
    {
        _ = requireTargets;
        TimeSeriesFile file = Load(source);
        bool classifies = settings.Goal is Goal.ClassifySequences or Goal.ClassifySteps;
        bool hasClasses = file.ClassNames.Count > 0;
        return SequenceData.FromTimeSeries(file, new SequenceDataOptions
        {
            MissingValues = settings.Missing,
            ClassNames = hasClasses && classifies && classNames.Count > 0 ? classNames : null,
        });
    }

    private static TimeSeriesFile Load(DataSource source)
    {
        using Stream stream = source.Open();
        return TimeSeriesFile.Read(stream, source.Name);
    }
}
