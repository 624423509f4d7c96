using OrthoNative.Cli.Output;

namespace OrthoNative.Cli.Reports.Charts;

/// <summary>A line of a chart.</summary>
/// <param name="Name">In the legend.</param>
/// <param name="Style">Class of its style.</param>
/// <param name="Points">Values from left to right; NaN: a gap.</param>
internal sealed record Series(string Name, string Style, IReadOnlyList<(double X, double Y)> Points)
{
    /// <summary>True if each point has a marker; of many points, none has.</summary>
    public bool HasMarkers { get; init; }

    /// <summary>The point that is marked by a ring; null: none.</summary>
    public double? Ring { get; init; }
}

/// <summary>An area between two lines.</summary>
internal sealed record Band(string Name, string Style, IReadOnlyList<(double X, double Low, double High)> Points);

/// <summary>A horizontal line.</summary>
internal sealed record Level(string Name, string Style, double Value);

/// <summary>A chart of values over steps.</summary>
internal sealed record LineChart
{
    private const int MostMarkers = 80;

    public required string Title { get; init; }

    /// <summary>Name and unit of the horizontal axis, which counts.</summary>
    public required string XLabel { get; init; }

    /// <summary>Name and unit of the vertical axis.</summary>
    public required string YLabel { get; init; }

    public IReadOnlyList<Series> Series { get; init; } = [];

    public IReadOnlyList<Level> Levels { get; init; } = [];

    public Band? Band { get; init; }

    /// <summary>A vertical line, and its name in the legend.</summary>
    public (string Name, double X)? Mark { get; init; }

    /// <summary>Texts about places on the horizontal axis, from left to right.</summary>
    public IReadOnlyList<(double X, string Text)> ReadOuts { get; init; } = [];

    /// <summary>Writes a value of a marker.</summary>
    public Func<double, string> Format { get; init; } = Texts.Value;

    /// <summary>True if the vertical axis is in per cent and goes from 0 to 1.</summary>
    public bool Percent { get; init; }

    /// <summary>True if axes start at 0; the vertical one is of ratios where the values span more than a factor of 10.</summary>
    public bool FromZero { get; init; } = true;

    /// <summary>Sentences below the chart.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];

    /// <summary>True if there is anything to draw.</summary>
    public bool HasValues => Series.Any(series => series.Points.Any(point => Axis.CanShow(point.Y)));

    /// <summary>Writes the chart with its title and legend.</summary>
    public void Write(HtmlWriter html)
    {
        html.Open("figure").Open("figcaption").Name(Title, 90).Close();
        Legend(html);
        ValueRange range = Values();
        Axis y = Percent ? Axis.Linear(0, Math.Max(1, range.Highest), percent: true)
            : FromZero && range.IsLogarithmic ? Axis.Logarithmic(range.SmallestPositive, range.Highest)
            : FromZero ? Axis.Linear(Math.Min(0, range.Lowest), Math.Max(0, range.Highest))
            : Axis.Linear(range.Lowest, range.Highest);
        ValueRange steps = Steps();
        var chart = new SvgChart(html, Axis.Whole(steps.Lowest, steps.Highest), y);
        chart.Open(Describe(), XLabel, YLabel);
        Draw(chart);
        chart.Close();
        foreach (string note in Notes)
        {
            html.Element("p", note, ("class", "note"));
        }

        html.Close();
    }

    private ValueRange Values() => ValueRange.Of(Series.SelectMany(series => series.Points.Select(point => point.Y))
        .Concat(Levels.Select(level => level.Value))
        .Concat(Band?.Points.SelectMany(point => (double[])[point.Low, point.High]) ?? []));

    private ValueRange Steps() => ValueRange.Of(Series.SelectMany(series => series.Points.Select(point => point.X)).Append(FromZero ? 0 : double.NaN));

    private string Describe() => $"{Title}: {string.Join(", ", Series.Select(series => series.Name))}";

    private void Draw(SvgChart chart)
    {
        if (Band is { } band)
        {
            chart.Band(band.Points, $"band {band.Style}");
        }

        foreach (Level level in Levels.Where(level => Axis.CanShow(level.Value)))
        {
            chart.Horizontal(level.Value, $"line {level.Style}");
        }

        if (Mark is { } mark)
        {
            chart.Vertical(mark.X, "line mark");
        }

        foreach (Series series in Series)
        {
            chart.Line(series.Points, $"line {series.Style}");
        }

        for (int i = 0; i < ReadOuts.Count; i++)
        {
            double from = i == 0 ? chart.Left : chart.X((ReadOuts[i - 1].X + ReadOuts[i].X) / 2);
            double to = i == ReadOuts.Count - 1 ? SvgChart.Width - 14 : chart.X((ReadOuts[i].X + ReadOuts[i + 1].X) / 2);
            chart.ReadOut(from, to, ReadOuts[i].Text);
        }

        foreach (Series series in Series)
        {
            DrawMarkers(chart, series);
        }
    }

    private void DrawMarkers(SvgChart chart, Series series)
    {
        bool all = series.HasMarkers && series.Points.Count <= MostMarkers;
        foreach ((double x, double y) in series.Points)
        {
            bool ring = series.Ring == x;
            if (all || ring)
            {
                chart.Marker(x, y, ring ? $"ring {series.Style}" : $"dot {series.Style}", ring ? 5.5 : 3, Texts.Format($"{XLabel} {x:#,0}: {series.Name} ") + Format(y));
            }
        }
    }

    private void Legend(HtmlWriter html)
    {
        html.Open("ul", ("class", "legend"));
        foreach (Series series in Series)
        {
            Key(html, $"line {series.Style}", series.Name, series.HasMarkers ? $"dot {series.Style}" : null);
        }

        if (Band is { } band)
        {
            html.Open("li").Open("svg", ("class", "key"), ("viewBox", "0 0 26 12"), ("aria-hidden", "true"))
                .Void("path", ("class", $"band {band.Style}"), ("d", "M1 1h24v10h-24z")).Close().Text(" ").Text(band.Name).Close();
        }

        foreach (Level level in Levels.Where(level => Axis.CanShow(level.Value)))
        {
            Key(html, $"line {level.Style}", $"{level.Name}: {Format(level.Value)}", null);
        }

        if (Mark is { } mark)
        {
            html.Open("li").Open("svg", ("class", "key"), ("viewBox", "0 0 26 12"), ("aria-hidden", "true"))
                .Void("path", ("class", "line mark"), ("d", "M13 0v12")).Close().Text(" ").Text(mark.Name).Close();
        }

        html.Close();
    }

    private static void Key(HtmlWriter html, string line, string name, string? dot)
    {
        html.Open("li").Open("svg", ("class", "key"), ("viewBox", "0 0 26 12"), ("aria-hidden", "true")).Void("path", ("class", line), ("d", "M1 6h24"));
        if (dot is not null)
        {
            html.Void("circle", ("class", dot), ("cx", "13"), ("cy", "6"), ("r", "3"));
        }

        html.Close().Text(" ").Name(name, 60).Close();
    }
}
