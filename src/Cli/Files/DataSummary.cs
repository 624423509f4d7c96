using System.Globalization;
using OrthoNative.Cli.Output;
using OrthoNative.Interop;

namespace OrthoNative.Cli.Files;

/// <summary>Data in lines of text: numbers of sequences, lengths, channels, classes and times.</summary>
internal static class DataSummary
{
    private const int MostRows = 40;

    /// <summary>The lines.</summary>
    public static IEnumerable<string> Lines(DataContent content)
    {
        foreach (string finding in content.Findings)
        {
            yield return $"  {finding}";
        }

        yield return "";
        yield return Texts.Format($"{"",-10}  {"sequences",10}  {"shortest",10}  {"median",10}  {"longest",10}");
        yield return Sizes(content.Test is null ? "data" : "training", content.Data);
        if (content.Test is { } test)
        {
            yield return Sizes("test", test);
        }

        if (content.Data.HasTimeStamps)
        {
            yield return Times(content.Data);
        }

        yield return "";
        foreach (string line in Channels(content.Data))
        {
            yield return line;
        }

        foreach (string line in content.Data.IsClassification ? Classes(content) : Targets(content.Data))
        {
            yield return line;
        }
    }

    /// <summary>Numbers of sequences, or of steps where each has a class of its own, in the order of the classes.</summary>
    public static long[] CountClasses(SequenceData data)
    {
        long[] counts = new long[data.ClassNames.Count];
        for (int sample = 0; sample < data.Count; sample++)
        {
            foreach (int number in data.Classes(sample))
            {
                counts[number]++;
            }
        }

        return counts;
    }

    private static string Sizes(string name, SequenceData data)
    {
        long[] lengths = [.. Enumerable.Range(0, (int)data.Count).Select(i => data.LengthOf(i)).Order()];
        return Texts.Format($"{name,-10}  {data.Count,10}  {lengths[0],10}  {lengths[lengths.Length / 2],10}  {lengths[^1],10}");
    }

    private static string Times(SequenceData data)
    {
        // Numbers of seconds since 1970 in this range are most likely dates.
        const double FirstDate = -2.2e9, LastDate = 4.2e9, LeastDate = 1e7, LeastMilliseconds = 1e11;
        double first = double.MaxValue, last = double.MinValue;
        for (int sample = 0; sample < data.Count; sample++)
        {
            first = Math.Min(first, data.TimeStamps(sample)[0]);
            last = Math.Max(last, data.TimeStamps(sample)[^1]);
        }

        // Larger ones are milliseconds.
        double scale = Math.Max(Math.Abs(first), Math.Abs(last)) > LeastMilliseconds ? 1000 : 1;
        (first, last) = (first / scale, last / scale);
        bool areDates = first is > FirstDate and < LastDate && last is > FirstDate and < LastDate && Math.Max(Math.Abs(first), Math.Abs(last)) > LeastDate;
        (first, last) = areDates ? (first, last) : (first * scale, last * scale);
        return $"time        {Name(first)} to {Name(last)}";

        string Name(double time) => areDates ? DateTime.UnixEpoch.AddSeconds(time).ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture) : Texts.Value(time);
    }

    private static IEnumerable<string> Channels(SequenceData data)
    {
        int count = data.ChannelNames.Count;
        var statistics = new Statistics[count];
        for (int sample = 0; sample < data.Count; sample++)
        {
            ReadOnlySpan<float> values = data.Values(sample);
            for (int i = 0; i < values.Length; i++)
            {
                statistics[i % count].Add(values[i]);
            }
        }

        return Table("channel", data.ChannelNames, statistics, hasMissing: true);
    }

    private static IEnumerable<string> Targets(SequenceData data)
    {
        if (!data.HasTargets)
        {
            return [];
        }

        int count = data.TargetNames.Count;
        var statistics = new Statistics[count];
        for (int sample = 0; sample < data.Count; sample++)
        {
            ReadOnlySpan<float> values = data.Targets(sample);
            for (int i = 0; i < values.Length; i++)
            {
                statistics[i % count].Add(values[i]);
            }
        }

        return ["", .. Table("target", data.TargetNames, statistics, hasMissing: false)];
    }

    private static IEnumerable<string> Table(string title, IReadOnlyList<string> names, Statistics[] statistics, bool hasMissing)
    {
        int width = Math.Min(40, Math.Max(title.Length, names.Take(MostRows).Max(name => ForeignText.Clean(name, 40).Length)));
        yield return $"{title.PadRight(width)}  {"least",10}  {"mean",10}  {"most",10}  {"deviation",10}{(hasMissing ? $"  {"missing",8}" : "")}";
        for (int i = 0; i < Math.Min(names.Count, MostRows); i++)
        {
            Statistics row = statistics[i];
            string missing = hasMissing ? Texts.Format($"  {100.0 * row.Missing / Math.Max(1, row.Missing + row.Count),6:0.0} %") : "";
            yield return $"{ForeignText.Clean(names[i], 40).PadRight(width)}  {row.Text(row.Least),10}  {row.Text(row.Mean),10}  {row.Text(row.Most),10}  {row.Text(row.Deviation),10}{missing}";
        }

        if (names.Count > MostRows)
        {
            yield return Texts.Format($"and {names.Count - MostRows} more");
        }
    }

    private static IEnumerable<string> Classes(DataContent content)
    {
        IReadOnlyList<string> names = content.Data.ClassNames;
        string unit = content.Data.HasStepTargets ? "steps" : "sequences";
        long[] counts = CountClasses(content.Data);
        long[]? testCounts = content.Test is { IsClassification: true } test ? CountClasses(test) : null;
        int width = Math.Min(40, Math.Max("class".Length, names.Take(MostRows).Max(name => ForeignText.Clean(name, 40).Length)));
        yield return "";
        yield return $"{"class".PadRight(width)}  {unit,10}  {"share",8}{(testCounts is null ? "" : $"  {"test",10}")}";
        for (int i = 0; i < Math.Min(names.Count, MostRows); i++)
        {
            yield return Texts.Format($"{ForeignText.Clean(names[i], 40).PadRight(width)}  {counts[i],10}  {100.0 * counts[i] / counts.Sum(),6:0.0} %")
                + (testCounts is null ? "" : Texts.Format($"  {testCounts[i],10}"));
        }

        if (names.Count > MostRows)
        {
            yield return Texts.Format($"and {names.Count - MostRows} more");
        }
    }

    /// <summary>Running statistics of some numbers (B. P. Welford).</summary>
    private struct Statistics
    {
        private double _squares;

        public long Count { get; private set; }

        public long Missing { get; private set; }

        public double Least { get; private set; }

        public double Most { get; private set; }

        public double Mean { get; private set; }

        public readonly double Deviation => Count == 0 ? 0 : Math.Sqrt(_squares / Count);

        public void Add(float value)
        {
            if (float.IsNaN(value))
            {
                Missing++;
                return;
            }

            Least = Count == 0 ? value : Math.Min(Least, value);
            Most = Count == 0 ? value : Math.Max(Most, value);
            Count++;
            double change = value - Mean;
            Mean += change / Count;
            _squares += change * (value - Mean);
        }

        /// <summary>A number; nothing where there are none.</summary>
        public readonly string Text(double value) => Count == 0 ? "" : Texts.Value(value);
    }
}
