using OrthoNative.Cli.Output;

namespace OrthoNative.Cli.Files;

/// <summary>Chooses the steps to forecast, and those to forecast from.</summary>
internal static class ForecastLengths
{
    private const long LongestHorizon = 96;
    private const long LongestLookBack = 336;

    /// <summary>The horizon is at most this part of a sequence, and the look-back this one, so that there are windows to train and to test on.</summary>
    private const long PartOfHorizon = 20;
    private const long PartOfLookBack = 6;

    /// <summary>Adds the lengths to the settings of a forecast.</summary>
    /// <exception cref="CliException">The sequences are too short, or the request does not fit.</exception>
    public static DataContent Apply(DataContent content, DataRequest request, string place)
    {
        if (content.Settings.Goal != Goal.Forecast)
        {
            string? option = request.Horizon is not null ? "--horizon" : request.LookBack is not null ? "--window" : null;
            return option is null ? content : throw CliException.Usage($"{option} is given, but {place} has classes or values to predict; {option} requires a forecast, without --label");
        }

        // The parts of DataParts: what is learnt from, and the horizon behind it twice, or once beside a file of test data.
        bool hasTest = content.Test is not null;
        long[] lengths = [.. Enumerable.Range(0, (int)content.Data.Count).Select(i => content.Data.LengthOf(i)).Order()];
        long median = lengths[lengths.Length / 2];
        long shortest = lengths[0], training = (long)Math.Round((hasTest ? 0.8 : 0.7) * shortest), validation = (long)Math.Round((hasTest ? 0.2 : 0.15) * shortest);
        long horizon = request.Horizon ?? Math.Clamp(Math.Min(median / PartOfHorizon, hasTest ? validation : Math.Min(validation, shortest - training - validation)), 1, LongestHorizon);
        long lookBack = request.LookBack ?? Math.Clamp(Math.Min(median / PartOfLookBack, training - horizon), 1, LongestLookBack);
        long fewest = Fewest(horizon, lookBack, hasTest);
        if (shortest < fewest && (request.Horizon is null || request.LookBack is null) && lookBack + horizon <= lengths[^1])
        {
            string needed = Texts.Format($"{place} has sequences of {shortest} {(shortest == 1 ? "step" : "steps")}; at least {fewest} are needed for a forecast");
            throw request.Horizon is null && request.LookBack is null
                ? CliException.Failure(needed)
                : CliException.Usage(Texts.Format($"{needed} of {horizon} (--horizon) from {lookBack} (--window)"));
        }

        if (lookBack + horizon > lengths[^1])
        {
            string sizes = Texts.Format($"the longest sequence of {place} has {lengths[^1]} {(lengths[^1] == 1 ? "step" : "steps")}, but {lookBack} to forecast from and {horizon} to forecast are needed");
            throw request.Horizon is null && request.LookBack is null
                ? CliException.Failure($"{sizes}; expected longer sequences, or classes (--label) or values (--target) to predict")
                : CliException.Usage($"{sizes}; --window and --horizon must be smaller");
        }

        return content with
        {
            Settings = content.Settings with
            {
                Horizon = horizon,
                LookBack = lookBack,
                Targets = content.Settings.Targets.Count > 0 ? content.Settings.Targets : [.. content.Data.ChannelNames],
            },
            Findings =
            [
                .. content.Findings,
                Texts.Format($"forecast of the next {horizon} {(horizon == 1 ? "step" : "steps")} (--horizon) from {lookBack} (--window), of {Channels(content)} (--target)"),
            ],
        };
    }

    /// <summary>The fewest steps of a sequence whose parts are long enough.</summary>
    private static long Fewest(long horizon, long lookBack, bool hasTest)
    {
        (double learnt, double chosen) = hasTest ? (0.8, 0.2) : (0.7, 0.15);
        long steps = horizon + lookBack;
        while (!Fits(steps))
        {
            steps++;
        }

        return steps;

        bool Fits(long count)
        {
            long training = (long)Math.Round(learnt * count), validation = (long)Math.Round(chosen * count);
            return training >= lookBack + horizon && validation >= horizon && (hasTest || count - training - validation >= horizon);
        }
    }

    private static string Channels(DataContent content)
    {
        const int Shown = 8;
        IReadOnlyList<string> names = content.Settings.Targets;
        return names.Count == 0 ? content.Data.ChannelNames.Count == 1 ? "the channel" : "all channels"
            : Interop.ForeignText.Clean(string.Join(", ", names.Take(Shown)), 300) + (names.Count > Shown ? Texts.Format($" and {names.Count - Shown} more") : "");
    }
}
