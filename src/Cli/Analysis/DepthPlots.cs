using OrthoNative.Cli.Output;
using ScottPlot;
using ScottPlot.Plottables;

namespace OrthoNative.Cli.Analysis;

/// <summary>The pictures of an analysis of depth.</summary>
internal static class DepthPlots
{
    /// <summary>Decades up and down that are shown; float32 ends at 1e38 and 1e-45.</summary>
    private const double Decades = 60;

    private const double Undrawable = 1e4;

    /// <summary>Decimal logarithms of the largest and of the smallest normal number of float32; chains take what is smaller for 0.</summary>
    private const double LargestFloat32 = 38.5, SmallestFloat32 = -37.9;

    private static readonly Color[] s_colors = [Colors.C0, Colors.C3, Colors.C1];

    /// <summary>The gradient at every layer of the deepest networks, one line for each.</summary>
    public static byte[] Gradients(IReadOnlyList<DepthResult> results)
    {
        int deepest = results.Max(result => result.Layers);
        List<DepthResult> shown = [.. results.Where(result => result.Layers == deepest)];
        using Plot plot = Picture.Create();
        foreach (DepthResult result in shown)
        {
            // The last state is the reference, and has no place on a logarithmic axis.
            List<GradientPoint> points = [.. result.Gradients.Where(point => point.Layer < deepest).OrderByDescending(point => point.Layer)];
            Color color = s_colors[(int)result.Model];
            double[] distance = [.. points.Select(point => Math.Log10(deepest - point.Layer))];
            if (result.Model == DepthModel.Roa)
            {
                FillY band = plot.Add.FillY(
                    distance,
                    [.. points.Select(point => Shown(point.LogLower))],
                    [.. points.Select(point => Shown(point.LogUpper))]);
                band.FillColor = color.WithAlpha(0.2);
                band.LineWidth = 0;
                band.LegendText = "what the theory allows roa";
            }

            Scatter line = plot.Add.ScatterLine(distance, [.. points.Select(point => Shown(point.LogNorm))], color);
            line.LineWidth = 3;
            // A line through one point is nothing.
            line.MarkerSize = points.Count == 1 ? 10 : 0;
            line.LegendText = result.FiniteStates
                ? $"{NameOf(result)}: {Texts.PowerOfTen(result.LogGradient)} at the input"
                : $"{NameOf(result)}: its states exceed double precision";
        }

        AddLimit(plot, LargestFloat32, "where float32 ends");
        AddLimit(plot, SmallestFloat32, "");
        IEnumerable<double> all = shown.SelectMany(result => result.Gradients).Select(point => Shown(point.LogNorm));
        double low = Math.Clamp(all.Min(), -Decades, -2);
        double high = Math.Clamp(all.Max(), 2, Decades);
        double margin = 0.05 * (high - low);
        // Room above for the legend.
        // The point of a single layer stands clear of the frame.
        plot.Axes.SetLimits(deepest == 1 ? -1 : 0, Math.Max(1, 1.02 * Math.Log10(deepest)), low - margin, high + (7 * margin));
        plot.Axes.Bottom.TickGenerator = Picture.DecadeTicks();
        plot.Axes.Left.TickGenerator = Picture.DecadeTicks();
        plot.ShowLegend(Alignment.UpperLeft);
        return Picture.Render(
            plot,
            Texts.Format($"What is left of the gradient in networks of {deepest:#,0} {(deepest == 1 ? "layer" : "layers")}"),
            "layers back from the output",
            "norm of the gradient, 1 at the output");
    }

    /// <summary>The singular values of this network at every depth, and the band that the theory allows.</summary>
    public static byte[] SingularValues(IReadOnlyList<DepthResult> results)
    {
        List<DepthResult> shown = [.. results.Where(result => result.Model == DepthModel.Roa).OrderBy(result => result.Layers)];
        double[] depths = [.. shown.Select(result => Math.Log10(result.Layers))];
        using Plot plot = Picture.Create();
        double[] lower = [.. shown.Select(result => Shown(result.LogLower))];
        double[] upper = [.. shown.Select(result => Shown(result.LogUpper))];
        FillY band = plot.Add.FillY([depths[0] - 0.1, .. depths, depths[^1] + 0.1], [lower[0], .. lower, lower[^1]], [upper[0], .. upper, upper[^1]]);
        band.FillColor = s_colors[0].WithAlpha(0.2);
        band.LineWidth = 0;
        band.LegendText = "what the theory allows";
        (double X, double Y)[] points =
        [
            .. shown.SelectMany(result => result.LogSingularValues.Where(value => value is not null).Select(value => (Math.Log10(result.Layers), value!.Value))),
        ];
        double[] xs = [.. points.Select(point => point.X)];
        double[] ys = [.. points.Select(point => point.Y)];
        Scatter dots = plot.Add.ScatterPoints(xs, ys, s_colors[0].Darken(0.3));
        dots.MarkerSize = 6;
        dots.LegendText = "a singular value of the network";
        // Both ends are kept where all singular values are 0.
        double low = Math.Max(-4, lower.Concat(ys).Min());
        double high = Math.Min(4, upper.Concat(ys).Max());
        double margin = Math.Max(0.05, 0.1 * (high - low));
        plot.Axes.SetLimits(depths[0] - 0.1, depths[^1] + 0.1, low - margin, high + (3 * margin));
        plot.Axes.Bottom.TickGenerator = Picture.DecadeTicks();
        plot.Axes.Left.TickGenerator = Picture.DecadeTicks();
        plot.ShowLegend(Alignment.UpperRight);
        return Picture.Render(
            plot, "How much the network stretches and shrinks small changes of its input", "layers of the network", "factor (singular values of the Jacobian)");
    }

    private static string NameOf(DepthResult result) => result.Model switch
    {
        DepthModel.Plain => "plain network",
        DepthModel.Residual => "residual network",
        _ => "roa",
    };

    /// <summary>A logarithm, not so far beyond what is shown that it could not be drawn to; that of 0, if there is none.</summary>
    private static double Shown(double? value) => Math.Clamp(value ?? double.NegativeInfinity, -Undrawable, Undrawable);

    private static void AddLimit(Plot plot, double y, string legend)
    {
        HorizontalLine line = plot.Add.HorizontalLine(y, width: 1.5f, color: Colors.Gray, pattern: LinePattern.Dashed);
        line.LegendText = legend;
        line.EnableAutoscale = false;
    }
}
