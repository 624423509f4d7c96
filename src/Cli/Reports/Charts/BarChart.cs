using OrthoNative.Cli.Output;

namespace OrthoNative.Cli.Reports.Charts;

/// <summary>Bars from the left on an axis of ratios, with a name before each and its value behind it.</summary>
internal static class BarChart
{
    private const double Row = 20;
    private const double Top = 24;
    private const int MostCharacters = 24;

    /// <summary>Writes the picture.</summary>
    /// <param name="html">Where to.</param>
    /// <param name="description">What it shows.</param>
    /// <param name="label">Name of the axis.</param>
    /// <param name="bars">Names and values; what is not above 0 has no bar.</param>
    public static void Write(HtmlWriter html, string description, string label, IReadOnlyList<(string Name, double Value)> bars)
    {
        double[] values = [.. bars.Select(bar => bar.Value).Where(value => value > 0 && Axis.CanShow(value))];
        // The shortest bar is seen as well.
        Axis axis = values.Length > 0 ? Axis.Logarithmic(values.Min() / 2, values.Max()) : Axis.Logarithmic(0.1, 1);
        double left = 10 + (SvgChart.Character * Math.Min(MostCharacters, bars.Max(bar => HtmlWriter.Short(bar.Name, MostCharacters).Length)));
        double right = SvgChart.Width - 16 - (SvgChart.Character * bars.Max(bar => Texts.Value(bar.Value).Length));
        double bottom = Top + (Row * bars.Count);
        double X(double value) => left + (axis.Fraction(value) * (right - left));

        SvgChart.OpenPicture(html, SvgChart.Width, bottom + 38, description);
        var grid = new PathData();
        double occupied = double.NegativeInfinity;
        foreach ((double value, string text) in axis.Ticks)
        {
            double half = SvgChart.Character * text.Length / 2;
            grid.Move(X(value), Top).Line(X(value), bottom);
            // Labels of a narrow axis would run into each other.
            if (X(value) - half > occupied + 4)
            {
                Text(html, text, X(value), bottom + 16, "middle", "label");
                occupied = X(value) + half;
            }
        }

        html.Void("path", ("class", "grid"), ("d", grid.ToString()));
        for (int i = 0; i < bars.Count; i++)
        {
            (string name, double value) = bars[i];
            double y = Top + (Row * i);
            bool shown = value > 0 && Axis.CanShow(value);
            html.Open("g").Element("title", $"{name}: {Texts.Value(value)}");
            Text(html, HtmlWriter.Short(name, MostCharacters), left - 6, y + 14, "end", "label");
            if (shown)
            {
                html.Void("rect", ("class", "bar"), ("x", PathData.Number(left)), ("y", PathData.Number(y + 3)), ("width", PathData.Number(X(value) - left)), ("height", "14"));
            }

            Text(html, Texts.Value(value), (shown ? X(value) : left) + 5, y + 14, "start", "value");
            html.Close();
        }

        Text(html, $"{label}, log scale", right, bottom + 33, "end", "name");
        html.Close();
    }

    private static void Text(HtmlWriter html, string text, double x, double y, string anchor, string style) =>
        html.Element("text", text, ("class", style), ("x", PathData.Number(x)), ("y", PathData.Number(y)), ("text-anchor", anchor));
}
