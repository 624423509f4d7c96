using ScottPlot;
using ScottPlot.Plottables;

namespace OrthoNative.Cli.Output;

/// <summary>The picture of a run: loss over training steps.</summary>
internal static class LossPlot
{
    /// <summary>Steps, as a part of the run, over which the bold line averages.</summary>
    private const int Smoothing = 100;

    /// <summary>Draws a PNG image.</summary>
    /// <param name="title">What was trained.</param>
    /// <param name="lossName">Name and unit of the loss.</param>
    /// <param name="losses">Loss of every step; may be empty.</param>
    /// <param name="chance">Loss of a model that has learnt nothing, drawn as a line.</param>
    public static byte[] Draw(string title, string lossName, IReadOnlyList<double> losses, double chance)
    {
        using Plot plot = Picture.Create();
        int window = Math.Max(1, losses.Count / Smoothing);
        double[] all = [.. losses.Where(value => value > 0), chance];
        bool logarithmic = all.Max() / all.Min() > 10;
        Func<double, double> scale = logarithmic ? value => Math.Log10(Math.Max(value, all.Min())) : value => value;

        if (losses.Count > 0)
        {
            double[] steps = [.. Enumerable.Range(1, losses.Count).Select(step => (double)step)];
            Scatter each = plot.Add.ScatterLine(steps, [.. losses.Select(scale)], Colors.C0.WithAlpha(window > 1 ? 0.4 : 1));
            // A line through one point is nothing.
            each.MarkerSize = losses.Count == 1 ? 10 : 0;
            each.LegendText = "each step";
            if (window > 1)
            {
                Scatter mean = plot.Add.ScatterLine(steps, [.. Average(losses, window).Select(scale)], Colors.C0.Darken(0.3));
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

    /// <summary>Mean of each value and those before it, at most as many as the window holds.</summary>
    private static double[] Average(IReadOnlyList<double> values, int window)
    {
        double[] result = new double[values.Count];
        double sum = 0;
        for (int i = 0; i < result.Length; i++)
        {
            sum += values[i] - (i >= window ? values[i - window] : 0);
            result[i] = sum / Math.Min(i + 1, window);
        }

        return result;
    }
}
