using OrthoNative.Cli.Output;
using OrthoNative.Cli.Reports.Charts;

namespace OrthoNative.Cli.Reports.Sections;

/// <summary>Forecasts beside what followed, and how the error grows.</summary>
internal static class ForecastSection
{
    private const int MostForecasts = 8;

    public static Section Of(ReportContent content) => new(
        "forecasts", "Forecasts", content.Forecasts.Count > 0 || ErrorChart(content).HasValues, html => Write(html, content));

    private static void Write(HtmlWriter html, ReportContent content)
    {
        html.Open("div", ("class", "charts"));
        foreach (LineChart chart in content.Forecasts.Take(MostForecasts).Select(Chart).Append(ErrorChart(content)))
        {
            if (chart.HasValues)
            {
                chart.Write(html);
            }
        }

        html.Close();
        if (content.Forecasts.Count > MostForecasts)
        {
            html.Element("p", $"The first {MostForecasts} of {Figures.Count(content.Forecasts.Count)} forecasts are shown.", ("class", "note"));
        }
    }

    /// <summary>Steps are counted from the last that was seen, which is 0.</summary>
    private static LineChart Chart(ForecastExample example)
    {
        // What follows takes a third of the chart at least.
        float[] seen = example.Past[^Math.Min(example.Past.Length, Math.Max(12, 2 * Math.Max(example.Forecast.Length, example.Truth.Length)))..];
        (double X, double Y)[] truth =
        [
            .. seen.Select((value, i) => ((double)(i - seen.Length + 1), (double)value)),
            .. example.Truth.Select((value, i) => (i + 1.0, (double)value)),
        ];
        (double X, double Y)[] forecast = [.. example.Forecast.Select((value, i) => (i + 1.0, (double)value))];
        Band? band = example is { Lower: { } lower, Upper: { } upper }
            ? new Band(Interval(example.Coverage), "forecast", [.. lower.Zip(upper, (low, high) => (Low: (double)low, High: (double)high)).Select((pair, i) => (i + 1.0, pair.Low, pair.High))])
            : null;
        return new LineChart
        {
            Title = example.Name,
            XLabel = "step; the forecast begins after 0",
            YLabel = "value in the units of the data",
            Series = [new Series("truth", "truth", truth), new Series("forecast", "forecast", forecast) { HasMarkers = forecast.Length == 1 }],
            Band = band,
            Mark = ("last step that was seen", 0),
            ReadOuts = [.. Thinning.Spread([.. forecast.Where(point => Axis.CanShow(point.Y))], 40).Select(point => (point.X, ReadOut(example, point)))],
            FromZero = false,
            Notes = band is null ? [] : [Found(example)],
        };
    }

    private static string ReadOut(ForecastExample example, (double X, double Y) point)
    {
        int step = (int)point.X - 1;
        return Texts.Format($"step {point.X:0}: forecast {Texts.Value(point.Y)}") + (step < example.Truth.Length ? $", truth {Texts.Value(example.Truth[step])}" : "");
    }

    private static string Interval(double coverage) => double.IsFinite(coverage)
        ? Texts.Format($"interval that should hold {100 * coverage:0.#} % of the values")
        : "interval";

    private static string Found(ForecastExample example)
    {
        int inside = 0, known = 0;
        for (int i = 0; i < Math.Min(example.Truth.Length, Math.Min(example.Lower!.Length, example.Upper!.Length)); i++)
        {
            if (float.IsFinite(example.Truth[i]))
            {
                known++;
                inside += example.Truth[i] >= example.Lower[i] && example.Truth[i] <= example.Upper[i] ? 1 : 0;
            }
        }

        return $"The interval holds {Figures.Count(inside)} of {Figures.Count(known)} values here.";
    }

    private static LineChart ErrorChart(ReportContent content) => new()
    {
        Title = "Error by step of the forecast",
        XLabel = "step of the forecast",
        YLabel = "root mean squared error, scaled",
        Series = [new Series("mean over all targets", "train", [.. content.ErrorByStep.Select((error, i) => (i + 1.0, error))]) { HasMarkers = true }],
    };
}
