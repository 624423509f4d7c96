using OrthoNative.Cli.Files;
using OrthoNative.Interop;
using ScottPlot;
using ScottPlot.Plottables;
using ScottPlot.TickGenerators;

namespace OrthoNative.Cli.Output;

/// <summary>Pictures of data: some sequences, lengths and classes.</summary>
internal static class DataPictures
{
    private const int MostPictures = 12;
    private const int MostLines = 8;
    private const int MostRows = 256;
    private const int MostSteps = 2000;
    private const int MostBars = 40;
    private const int MostBins = 40;
    private const int Examples = 4;

    /// <summary>Names of files, and their images.</summary>
    public static IEnumerable<(string Name, byte[] Image)> Draw(string title, DataContent content)
    {
        SequenceData data = content.Data;
        if (data.HasLengths)
        {
            yield return ("lengths.png", DrawLengths(title, data));
        }

        if (data.IsClassification)
        {
            yield return ("classes.png", DrawClasses(title, data));
        }

        if (data.IsClassification && !data.HasStepTargets)
        {
            for (int number = 0; number < Math.Min(data.ClassNames.Count, MostPictures); number++)
            {
                int[] samples = [.. Enumerable.Range(0, (int)data.Count).Where(sample => data.ClassOf(sample) == number).Take(Examples)];
                if (samples.Length > 0)
                {
                    yield return (Texts.Format($"examples-{number + 1}.png"), DrawExamples($"{title}: class {Short(data.ClassNames[number])}", data, samples));
                }
            }

            yield break;
        }

        yield return ("examples.png", DrawExamples(title, data, [.. Enumerable.Range(0, Math.Min(Examples, (int)data.Count))]));
    }

    private static byte[] DrawExamples(string title, SequenceData data, int[] samples)
    {
        int channels = data.ChannelNames.Count;
        bool isMap = channels > MostLines;
        int shown = Math.Min(channels, isMap ? MostRows : MostLines);
        long total = samples.Sum(sample => Math.Min(data.LengthOf(sample), MostSteps) + Gap(samples.Max(other => Math.Min(data.LengthOf(other), MostSteps))));
        double[,] map = new double[isMap ? shown : 0, isMap ? total : 0];
        // What lies between sequences has no value.
        for (int channel = 0; channel < map.GetLength(0); channel++)
        {
            for (int step = 0; step < map.GetLength(1); step++)
            {
                map[channel, step] = double.NaN;
            }
        }

        using Plot plot = Picture.Create();
        bool many = samples.Length > 1;
        long longest = samples.Max(sample => Math.Min(data.LengthOf(sample), MostSteps));
        long offset = 0;
        var ticks = new NumericManual();
        for (int k = 0; k < samples.Length; k++)
        {
            ReadOnlySpan<float> values = data.Values(samples[k]);
            int steps = (int)Math.Min(data.LengthOf(samples[k]), MostSteps);
            for (int channel = 0; isMap && channel < shown; channel++)
            {
                for (int step = 0; step < steps; step++)
                {
                    // The first row of a map is at its top; channels are counted from below.
                    map[shown - 1 - channel, offset + step] = values[(step * channels) + channel];
                }
            }

            for (int channel = 0; !isMap && channel < shown; channel++)
            {
                double[] x = new double[steps];
                double[] y = new double[steps];
                for (int step = 0; step < steps; step++)
                {
                    x[step] = offset + step;
                    y[step] = values[(step * channels) + channel];
                }

                // A gap in the line stands for missing values.
                Scatter line = plot.Add.ScatterLine(x, y, new ScottPlot.Palettes.Category10().GetColor(channel));
                line.MarkerSize = steps == 1 ? 10 : 0;
                line.LegendText = k == 0 ? (char.IsAsciiDigit(data.ChannelNames[channel].FirstOrDefault()) ? "channel " : "") + Short(data.ChannelNames[channel]) : "";
            }

            if (many)
            {
                ticks.AddMajor(offset + ((steps - 1) / 2.0), Texts.Format($"'{Short(data.Ids[samples[k]])}'\n{data.LengthOf(samples[k])} steps"));
                if (k > 0)
                {
                    plot.Add.VerticalLine(offset - (longest * 0.03), width: 1, color: Colors.Gray, pattern: LinePattern.Dotted);
                }
            }

            offset += steps + Gap(longest);
        }

        bool isCut = samples.Any(sample => data.LengthOf(sample) > MostSteps);
        plot.Axes.Bottom.TickGenerator = many ? ticks : Picture.WholeTicks();
        if (isMap)
        {
            plot.Add.ColorBar(plot.Add.Heatmap(map));
        }
        else if (channels > 1 || !char.IsAsciiDigit(data.ChannelNames[0].FirstOrDefault()))
        {
            plot.Legend.Orientation = Orientation.Horizontal;
            plot.ShowLegend(Edge.Bottom);
        }

        string channelNote = channels > shown ? Texts.Format($", {shown} of {channels} channels") : "";
        string stepNote = isCut ? Texts.Format($", the first {MostSteps} steps") : "";
        return Picture.Render(plot, $"{title}{channelNote}{stepNote}", many ? "sequences, one after another" : "step", isMap ? "channel" : "value");

        static long Gap(long length) => Math.Max(1, (long)(length * 0.06));
    }

    private static byte[] DrawLengths(string title, SequenceData data)
    {
        long[] lengths = [.. Enumerable.Range(0, (int)data.Count).Select(i => data.LengthOf(i))];
        long least = lengths.Min(), most = lengths.Max();
        // Bins of whole numbers, all of one width.
        long width = Math.Max(1, (most - least + MostBins) / MostBins);
        int count = (int)((most - least) / width) + 1;
        double[] counts = new double[count];
        foreach (long length in lengths)
        {
            counts[(length - least) / width]++;
        }

        using Plot plot = Picture.Create();
        Bar[] bars = [.. counts.Select((value, i) => new Bar { Position = least + (i * width) + ((width - 1) / 2.0), Value = value, Size = width * 0.9, FillColor = Colors.C0, LineWidth = 0 })];
        plot.Add.Bars(bars);
        plot.Axes.Margins(bottom: 0);
        plot.Axes.Bottom.TickGenerator = Picture.WholeTicks();
        plot.Axes.Left.TickGenerator = Picture.WholeTicks();
        return Picture.Render(plot, $"{title}: lengths", "steps", "sequences");
    }

    private static byte[] DrawClasses(string title, SequenceData data)
    {
        long[] counts = DataSummary.CountClasses(data);
        int shown = Math.Min(counts.Length, MostBars);
        using Plot plot = Picture.Create();
        // From the top down, as names are read.
        Bar[] bars = [.. Enumerable.Range(0, shown).Select(i => new Bar { Position = shown - 1 - i, Value = counts[i], Size = 0.8, FillColor = Colors.C0, LineWidth = 0, Orientation = Orientation.Horizontal })];
        plot.Add.Bars(bars);
        plot.Axes.Left.TickGenerator = new NumericManual([.. Enumerable.Range(0, shown).Select(i => (double)(shown - 1 - i))], [.. Enumerable.Range(0, shown).Select(i => Short(data.ClassNames[i]))]);
        plot.Axes.Margins(left: 0);
        plot.Axes.Bottom.TickGenerator = Picture.WholeTicks();
        string note = counts.Length > shown ? Texts.Format($", the first {shown} of {counts.Length}") : "";
        return Picture.Render(plot, $"{title}: classes{note}", data.HasStepTargets ? "steps" : "sequences", "");
    }

    private static string Short(string name) => ForeignText.Clean(name) is { Length: > 24 } text ? $"{text[..23]}…" : ForeignText.Clean(name);
}
