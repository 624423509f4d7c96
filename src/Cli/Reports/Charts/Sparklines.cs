using OrthoNative.Cli.Output;

namespace OrthoNative.Cli.Reports.Charts;

/// <summary>Small charts of channels below each other, each on a scale of its own that is told beside its name.</summary>
internal static class Sparklines
{
    /// <summary>The most channels that are drawn.</summary>
    public const int MostChannels = 6;

    private const double Width = 280;
    private const double Row = 52;
    private const int MostCharacters = 18;

    /// <summary>Writes the picture.</summary>
    /// <param name="html">Where to.</param>
    /// <param name="description">What it shows.</param>
    /// <param name="channels">Values over time, at least one list; NaN: missing.</param>
    /// <param name="names">Names of the channels; may be fewer.</param>
    public static void Write(HtmlWriter html, string description, IReadOnlyList<float[]> channels, IReadOnlyList<string> names)
    {
        int count = Math.Min(channels.Count, MostChannels);
        SvgChart.OpenPicture(html, Width, (Row * count) + 16, description);
        for (int i = 0; i < count; i++)
        {
            string name = i < names.Count ? names[i] : Texts.Format($"channel {i + 1}");
            Channel(html, channels[i], name, Row * i);
        }

        int steps = channels.Take(count).Max(channel => channel.Length);
        html.Element("text", "step 1", ("class", "label"), ("x", "2"), ("y", PathData.Number((Row * count) + 12)));
        html.Element("text", Texts.Format($"step {steps:#,0}"), ("class", "label"), ("x", PathData.Number(Width - 2)), ("y", PathData.Number((Row * count) + 12)), ("text-anchor", "end"));
        html.Close();
    }

    private static void Channel(HtmlWriter html, float[] values, string name, double top)
    {
        ValueRange range = ValueRange.Of(values.Select(value => (double)value));
        bool some = values.Any(float.IsFinite);
        double low = range.Lowest;
        html.Open("text", ("class", "label"), ("x", "2"), ("y", PathData.Number(top + 11))).Text(HtmlWriter.Short(name, MostCharacters)).Element("title", name).Close();
        string scale = !some ? "no values" : low == range.Highest ? Texts.Value(low) : $"{Texts.Value(low)} to {Texts.Value(range.Highest)}";
        html.Element("text", scale, ("class", "label"), ("x", PathData.Number(Width - 2)), ("y", PathData.Number(top + 11)), ("text-anchor", "end"));
        double bottom = top + Row - 4, height = Row - 20;
        double X(int step) => 4 + ((Width - 8) * (values.Length > 1 ? step / (values.Length - 1.0) : 0.5));
        double Y(double value) => bottom - (height * (range.Highest > low ? (value - low) / (range.Highest - low) : 0.5));
        html.Void("path", ("class", "grid"), ("d", new PathData().Move(2, bottom + 1).Line(Width - 2, bottom + 1).ToString()));
        var path = new PathData().Add(Thinning.Columns(values.Select((value, step) => (X(step), Y(value)))));
        string data = path.ToString();
        if (data.Length > 0)
        {
            html.Void("path", ("class", "line spark"), ("d", data));
        }
    }
}
