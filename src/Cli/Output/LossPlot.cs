using ScottPlot;
using ScottPlot.Plottables;

namespace OrthoNative.Cli.Output;

/// <summary>The picture of a run: loss over training steps.</summary>
internal static class LossPlot
{
    /// <summary>Steps, as a part of the run, over which the bold line averages.</summary>
    private const int Smoothing = 100;

    /// <summary>Draws a PNG image.</summary>
    /// <param name="title">The title.</param>
    /// <param name="lossName">Name and unit of the loss.</param>
    /// <param name="losses">Loss of every step; may be empty.</param>
    /// <param name="chance">Loss of a model that has learnt nothing, drawn as a line.</param>
    public static byte[] Draw(string title, string lossName, LossCurve losses, double chance)
    {
        using Plot plot = Picture.Create();
        long window = Math.Max(1, losses.Steps / Smoothing);
        double lowest = Math.Min(losses.SmallestPositive, chance);
        bool logarithmic = Math.Max(losses.Largest, chance) / lowest > 10;
        Func<double, double> scale = logarithmic ? value => Math.Log10(Math.Max(value, lowest)) : value => value;

        if (losses.Steps > 0)
        {
            Scatter each = Line(plot, losses.Extremes(), scale, Colors.C0.WithAlpha(window > 1 ? 0.4 : 1));
            // A line through one point is nothing.
            each.MarkerSize = losses.Steps == 1 ? 10 : 0;
            each.LegendText = "each step";
            if (window > 1)
            {
                Scatter mean = Line(plot, losses.Means(window), scale, Colors.C0.Darken(0.3));
                mean.LineWidth = 2;
                mean.LegendText = Texts.Format($"mean of {window} steps");
            }
        }

        plot.Axes.Bottom.TickGenerator = Picture.WholeTicks();
        HorizontalLine line = plot.Add.HorizontalLine(scale(chance), width: 1.5f, color: Colors.C1, pattern: LinePattern.Dashed);
        line.LegendText = $"nothing learnt: {Texts.Value(chance)}";
        if (logarithmic)
        {
            plot.Axes.Left.TickGenerator = Picture.DecadeTicks();
        }

        plot.ShowLegend(Alignment.UpperRight);
        return Picture.Render(plot, title, "training step", lossName);
    }

    private static Scatter Line(Plot plot, IEnumerable<(double Step, double Loss)> points, Func<double, double> scale, Color color)
    {
        (double Step, double Loss)[] all = [.. points];
        double[] steps = [.. all.Select(point => point.Step)];
        double[] losses = [.. all.Select(point => scale(point.Loss))];
        return plot.Add.ScatterLine(steps, losses, color);
    }
}
