using System.Globalization;
using ScottPlot;
using ScottPlot.TickGenerators;
using SkiaSharp;

namespace OrthoNative.Cli.Output;

/// <summary>The style of all pictures: size, font and axes.</summary>
internal static class Picture
{
    private const int Width = 1000;
    private const int Height = 600;

    static Picture()
    {
        // A machine may have no fonts at all; text would then be left out without a word.
        Fonts.FontResolvers.Insert(0, new BundledFont());
        Fonts.Default = BundledFont.Family;
    }

    /// <summary>An empty plot.</summary>
    public static Plot Create()
    {
        var plot = new Plot();
        plot.Font.Set(BundledFont.Family);
        plot.Legend.FontSize = 14;
        return plot;
    }

    /// <summary>Ticks of an axis that counts.</summary>
    public static NumericAutomatic WholeTicks() => new()
    {
        IntegerTicksOnly = true,
        LabelFormatter = value => value.ToString("#,0", CultureInfo.InvariantCulture),
    };

    /// <summary>Ticks of an axis whose coordinates are decimal logarithms.</summary>
    public static NumericAutomatic DecadeTicks() => new()
    {
        MinorTickGenerator = new LogMinorTickGenerator(),
        IntegerTicksOnly = true,
        LabelFormatter = exponent => Math.Abs(exponent) > 4
            ? Texts.Format($"1e{exponent:0}")
            : Math.Pow(10, exponent).ToString("#,0.#########", CultureInfo.InvariantCulture),
    };

    /// <summary>Labels a plot and draws it as a PNG image.</summary>
    public static byte[] Render(Plot plot, string title, string xLabel, string yLabel)
    {
        plot.Title(title, size: 20);
        plot.XLabel(xLabel, size: 16);
        plot.YLabel(yLabel, size: 16);
        plot.Axes.Title.Label.Bold = plot.Axes.Bottom.Label.Bold = plot.Axes.Left.Label.Bold = false;
        plot.Axes.Bottom.TickLabelStyle.FontSize = plot.Axes.Left.TickLabelStyle.FontSize = 14;
        return plot.GetImageBytes(Width, Height, ImageFormat.Png);
    }

    /// <summary>Gives the one font that the program brings along, in whatever style it is asked for.</summary>
    private sealed class BundledFont : IFontResolver
    {
        public const string Family = "DejaVu Sans";

        public SKTypeface? CreateTypeface(string fontName, FontWeight weight, FontSlant slant, FontSpacing spacing) => Load();

        public SKTypeface? CreateTypeface(string fontName, bool bold, bool italic) => Load();

        private static SKTypeface? Load()
        {
            using Stream font = typeof(Picture).Assembly.GetManifestResourceStream("DejaVuSans.ttf")!;
            return SKTypeface.FromStream(font);
        }
    }
}
