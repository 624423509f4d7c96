using System.IO.Enumeration;
using OrthoNative.Cli.Output;

namespace OrthoNative.Cli.Files;

/// <summary>The parts of the data: what is learnt from, what chooses the best epoch, and what the result is measured on.</summary>
/// <param name="Training">Learnt from.</param>
/// <param name="Validation">Chooses the best epoch and when to stop. With a forecast: the whole series, of which the numbers of steps tell the parts.</param>
/// <param name="All">Training and validation together.</param>
/// <param name="Test">The result is measured on it; null: there are too few data.</param>
/// <param name="TrainingSteps">With a forecast: steps of each sequence to learn from.</param>
/// <param name="ValidationSteps">With a forecast: steps of each sequence to validate on, which follow.</param>
/// <param name="TestSteps">With a forecast: steps of each sequence to test on, which follow.</param>
/// <param name="Finding">One sentence about the parts.</param>
internal sealed record DataParts(
    SequenceData Training, SequenceData Validation, SequenceData All, SequenceData? Test, long TrainingSteps, long ValidationSteps, long TestSteps, string Finding)
{
    private static readonly double[] s_threeParts = [0.7, 0.15, 0.15];

    /// <summary>Shares of training and validation where the test data are given.</summary>
    private static readonly double[] s_twoParts = [0.8, 0.2];

    /// <summary>Shares for many sequences, of which a smaller part is enough.</summary>
    private static readonly double[] s_twoPartsOfMany = [0.9, 0.1];

    /// <summary>Fewest sequences of which some are kept for a test.</summary>
    private const int FewestForTest = 20;

    /// <summary>Divides data.</summary>
    /// <param name="content">The data, and test data that came with them.</param>
    /// <param name="settings">What the command line says.</param>
    /// <exception cref="CliException">They cannot be divided so.</exception>
    public static DataParts Of(DataContent content, FileSettings settings)
    {
        if (content.Settings.Goal == Goal.Forecast)
        {
            return InTime(content, settings);
        }

        SequenceData data = content.Data;
        SequenceData? test = content.Test;
        string testFrom = "the test file";
        if (settings.TestIds is { } patterns)
        {
            if (test is not null)
            {
                throw CliException.Usage($"--test-ids is '{string.Join(',', patterns)}' and there is a file of test data; only one of the two may be given");
            }

            (data, test) = ById(data, patterns);
            testFrom = $"those whose identifier is like {string.Join(" or ", patterns)}";
        }

        bool splitsTest = test is null && (settings.Split is { Count: 3 } || (settings.Split is null && data.Count >= FewestForTest));
        double[] fractions = Fractions(settings.Split, data.Count, splitsTest ? 3 : 2, test is not null);
        SplitBy by = settings.SplitBy ?? (data.Groups is not null ? SplitBy.Group : HasEveryClassOften(data, fractions.Length) ? SplitBy.Class : SplitBy.Random);
        RequireUse(by, data);
        SequenceData[] parts = Divide(data, by, fractions, settings.Seed);
        test ??= splitsTest ? parts[2] : null;
        string how = by switch
        {
            SplitBy.Group => "by group",
            SplitBy.Class => "by seed, with the share of every class",
            SplitBy.Time => "in the order of time",
            _ => "by seed",
        };
        string counts = test is null
            ? Texts.Format($"{parts[0].Count:#,0} for training and {parts[1].Count:#,0} for validation; too few for a test")
            : Texts.Format($"{parts[0].Count:#,0} for training, {parts[1].Count:#,0} for validation, {test.Count:#,0} for the test");
        string source = content.Test is not null || settings.TestIds is not null ? $"; the test data are {testFrom}" : "";
        return new DataParts(parts[0], parts[1], Union(data, parts[0], parts[1]), test, 0, 0, 0, $"sequences: {counts}, divided {how}{source} (--split, --split-by)");
    }

    private static DataParts InTime(DataContent content, FileSettings settings)
    {
        SequenceData data = content.Data;
        if (settings.SplitBy is { } by && by != SplitBy.Time)
        {
            throw CliException.Usage($"--split-by is {by.ToString().ToLowerInvariant()} and the goal is a forecast; it must be time");
        }

        if (settings.TestIds is not null)
        {
            throw CliException.Usage("--test-ids is given and the goal is a forecast, whose parts follow each other in time; use --split");
        }

        long shortest = data.Steps;
        for (long i = 0; i < data.Count; i++)
        {
            shortest = Math.Min(shortest, data.LengthOf(i));
        }

        bool cutsTest = content.Test is null;
        double[] fractions = Fractions(settings.Split, shortest, cutsTest ? 3 : 2, content.Test is not null);
        long training = (long)Math.Round(fractions[0] * shortest), validation = (long)Math.Round(fractions[1] * shortest);
        long test = !cutsTest ? 0 : settings.Split is null ? shortest - training - validation : Math.Min((long)Math.Round(fractions[2] * shortest), shortest - training - validation);
        long horizon = content.Settings.Horizon!.Value, lookBack = content.Settings.LookBack!.Value;
        Require(training, lookBack + horizon, "training");
        Require(validation, horizon, "validation");
        if (cutsTest)
        {
            Require(test, horizon, "test");
        }

        SequenceData learnt = data.Range(0, training);
        string unused = data.Steps > shortest ? Texts.Format($"; the shortest sequence has {shortest:#,0} steps, and later ones of the others are not used") : "";
        string missing = data.HasMissingValues ? "; windows with a missing value to forecast are left out" : "";
        string finding = Texts.Format($"steps in time: {training:#,0} for training, {validation:#,0} for validation") +
            (cutsTest ? Texts.Format($", {test:#,0} for the test") : "; the test data are the test file") + unused + missing + " (--split)";
        return new DataParts(learnt, data, learnt, content.Test ?? data, training, validation, test, finding);

        void Require(long steps, long least, string part)
        {
            if (steps < least)
            {
                throw CliException.Failure(Texts.Format(
                    $"the shortest sequence has {shortest:#,0} steps, of which {steps:#,0} are for {part}; at least {least:#,0} are needed with --window {lookBack} and --horizon {horizon}"));
            }
        }
    }

    /// <summary>Shares of the parts.</summary>
    private static double[] Fractions(IReadOnlyList<double>? given, long count, int parts, bool hasTest)
    {
        if (given is null)
        {
            return parts == 3 ? s_threeParts : count < ModelPlan.ManySamples ? s_twoParts : s_twoPartsOfMany;
        }

        if (given.Count != parts)
        {
            throw CliException.Usage(hasTest
                ? $"--split has {given.Count} parts; it must have 2, training and validation, as there are test data"
                : $"--split has {given.Count} parts; it must have 3, training, validation and test");
        }

        double sum = given.Sum();
        bool areCounts = given.All(part => part >= 1);
        if (areCounts)
        {
            return sum <= count
                ? [.. given.Select(part => part / count)]
                : throw CliException.Usage(Texts.Format($"--split asks for {sum:#,0} in all; there are {count:#,0}"));
        }

        return Math.Abs(sum - 1) < 1e-6
            ? [.. given]
            : throw CliException.Usage(Texts.Format($"--split adds up to {sum:0.###}; fractions must add up to 1, and numbers must be 1 or above"));
    }

    private static (SequenceData Others, SequenceData Test) ById(SequenceData data, IReadOnlyList<string> patterns)
    {
        bool IsTest(string id) => patterns.Any(pattern => IsLike(id, pattern));
        long[] test = [.. Numbers(data, IsTest)], others = [.. Numbers(data, id => !IsTest(id))];
        return test.Length == 0 || others.Length == 0
            ? throw CliException.Usage($"--test-ids is '{string.Join(',', patterns)}', which {(test.Length == 0 ? "no identifier is" : "all identifiers are")} like; identifiers are as '{data.Ids[0]}'")
            : (data.Select(others), data.Select(test));
    }

    /// <summary>The sequences of two parts, in the order of the data.</summary>
    private static SequenceData Union(SequenceData data, SequenceData first, SequenceData second)
    {
        HashSet<string> ids = [.. first.Ids, .. second.Ids];
        return data.Select([.. Numbers(data, ids.Contains)]);
    }

    private static IEnumerable<long> Numbers(SequenceData data, Func<string, bool> isIn)
    {
        for (int i = 0; i < data.Count; i++)
        {
            if (isIn(data.Ids[i]))
            {
                yield return i;
            }
        }
    }

    private static bool IsLike(string id, string pattern) =>
        FileSystemName.MatchesSimpleExpression(pattern, id, ignoreCase: false) || FileSystemName.MatchesSimpleExpression(pattern, Path.GetFileName(id), ignoreCase: false);

    /// <summary>True if every part can have a sequence of every class.</summary>
    private static bool HasEveryClassOften(SequenceData data, int parts)
    {
        if (!data.IsClassification || data.HasStepTargets)
        {
            return false;
        }

        int[] counts = new int[data.ClassNames.Count];
        for (int i = 0; i < data.Count; i++)
        {
            counts[data.ClassOf(i)]++;
        }

        return counts.All(count => count == 0 || count >= parts);
    }

    private static void RequireUse(SplitBy by, SequenceData data)
    {
        if (by == SplitBy.Group && data.Groups is null)
        {
            throw CliException.Usage("--split-by is group and the data have no groups; it requires --group");
        }

        if (by == SplitBy.Class && (!data.IsClassification || data.HasStepTargets))
        {
            throw CliException.Usage("--split-by is class and sequences have no class; it must be random, group or time");
        }
    }

    private static SequenceData[] Divide(SequenceData data, SplitBy by, double[] fractions, ulong seed)
    {
        if (data.Count < fractions.Length)
        {
            throw CliException.Failure(Texts.Format($"there are {data.Count} sequences; at least {fractions.Length} are needed for {(fractions.Length == 2 ? "training and validation" : "training, validation and test")}"));
        }

        try
        {
            return by switch
            {
                SplitBy.Group => Split.ByGroup(data, fractions, seed),
                SplitBy.Class => Split.Stratified(data, fractions, seed),
                SplitBy.Time => Split.Chronological(data, fractions, 0),
                _ => Split.Random(data, fractions, seed),
            };
        }
        catch (ArgumentException exception)
        {
            throw CliException.Failure($"the data cannot be divided into training, validation and test: {exception.Message.Split(" (Parameter")[0].TrimEnd('.')}");
        }
    }
}
