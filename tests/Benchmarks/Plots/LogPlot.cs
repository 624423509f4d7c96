using System.Globalization;
using ScottPlot;
using ScottPlot.TickGenerators;

namespace OrthoNative.Benchmarks.Plots;

/// <summary>What the pictures share: a font, titles, and axes whose values are powers of ten.</summary>
internal static class LogPlot
{
    private const string Font = "DejaVu Sans";

    public static void SetUp(Plot plot, string title, string horizontal, string vertical)
    {
        Fonts.AddFontFile(Font, Path.Combine(AppContext.BaseDirectory, "DejaVuSans.ttf"));
        plot.Font.Set(Font);
        plot.Title(title, size: 18);
        plot.XLabel(horizontal, size: 16);
        plot.YLabel(vertical, size: 16);
        plot.Axes.Title.Label.Bold = plot.Axes.Bottom.Label.Bold = plot.Axes.Left.Label.Bold = false;
    }

    /// <summary>Labels an axis of decimal logarithms with the numbers themselves.</summary>
    public static void SetTicks(IAxis axis) => axis.TickGenerator = new NumericAutomatic
    {
        MinorTickGenerator = new LogMinorTickGenerator(),
        IntegerTicksOnly = true,
        LabelFormatter = exponent => Math.Pow(10, exponent).ToString("#,0.####", CultureInfo.InvariantCulture),
    };
}
