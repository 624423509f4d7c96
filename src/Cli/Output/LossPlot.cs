using OrthoNative.Interop;
using ScottPlot;
using ScottPlot.Plottables;

namespace OrthoNative.Cli.Output;

/// <summary>The picture of a run: loss over training steps.</summary>
internal static class LossPlot
{
    /// <summary>Steps, as a part of the run, over which the bold line averages.</summary>
    private const int Smoothing = 100;

    /// <summary>Draws a PNG image.</summary>
    /// <param name="title">What was trained on what.</param>
    /// <param name="lossName">Name and unit of the loss.</param>
    /// <param name="losses">Loss of every step; may be empty.</param>
    /// <param name="chance">Loss of a model that has learnt nothing, drawn as a line; null: unknown.</param>
    /// <param name="validation">The loss beside that of training, by epoch; null: there is none.</param>
    public static byte[] Draw(string title, string lossName, LossCurve losses, double? chance, ValidationCurve? validation = null)
    {
        using Plot plot = Picture.Create();
        ValidationCurve.Point[] points = [.. validation?.Points ?? []];
        var range = ValueRange.Of(losses.Extremes().Select(point => point.Loss).Concat(points.Select(point => point.Loss)).Append(chance ?? double.NaN));
        Func<double, double> scale = range.IsLogarithmic ? value => Math.Log10(Math.Max(value, range.SmallestPositive)) : value => value;

        if (losses.Steps > 0)
        {
            DrawTraining(plot, losses, scale);
        }

        if (points.Length > 0)
        {
            DrawValidation(plot, validation!.Name, points, scale);
        }

        if (chance is { } level && double.IsFinite(level))
        {
            HorizontalLine line = plot.Add.HorizontalLine(scale(level), width: 1.5f, color: Colors.C1, pattern: LinePattern.DenselyDashed);
            line.LegendText = $"nothing learnt: {Texts.Value(level)}";
        }

        plot.Axes.Bottom.TickGenerator = Picture.WholeTicks();
        if (range.IsLogarithmic)
        {
            plot.Axes.Left.TickGenerator = Picture.DecadeTicks();
        }
        else
        {
            (double bottom, double top) = LinearLimits(range);
            plot.Axes.SetLimitsY(bottom, top);
        }

        plot.ShowLegend(Alignment.UpperRight);
        return Picture.Render(plot, ForeignText.Clean(title), "training step", range.IsLogarithmic ? $"{lossName}, log scale" : lossName);
    }

    /// <summary>Ends of a linear axis: 0 is one of them, or between them where losses are below it.</summary>
    public static (double Bottom, double Top) LinearLimits(ValueRange range)
    {
        (double bottom, double top) = (Math.Min(0, range.Lowest), Math.Max(0, range.Highest));
        double margin = 0.05 * (top - bottom);
        return top > bottom ? (bottom < 0 ? bottom - margin : 0, top > 0 ? top + margin : 0) : (0, 1);
    }

    private static void DrawTraining(Plot plot, LossCurve losses, Func<double, double> scale)
    {
        long window = Math.Max(1, losses.Steps / Smoothing);
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

    private static void DrawValidation(Plot plot, string name, ValidationCurve.Point[] points, Func<double, double> scale)
    {
        const int MostMarkers = 200;
        Scatter line = Line(plot, points.Select(point => ((double)point.Step, point.Loss)), scale, Colors.C3);
        line.LineWidth = 2;
        line.MarkerSize = points.Length <= MostMarkers ? 7 : 0;
        line.LegendText = name;
        foreach (ValidationCurve.Point point in points.Where(point => point.IsBest))
        {
            Marker best = plot.Add.Marker(point.Step, scale(point.Loss), MarkerShape.OpenCircle, 18, Colors.C3);
            best.MarkerLineWidth = 3;
            best.LegendText = Texts.Format($"best epoch: {point.Epoch}");
        }
    }

    private static Scatter Line(Plot plot, IEnumerable<(double Step, double Loss)> points, Func<double, double> scale, Color color)
    {
        (double Step, double Loss)[] all = [.. points.Where(point => Math.Abs(point.Loss) <= ValueRange.Largest)];
        double[] steps = [.. all.Select(point => point.Step)];
        double[] losses = [.. all.Select(point => scale(point.Loss))];
        return plot.Add.ScatterLine(steps, losses, color);
    }
}
