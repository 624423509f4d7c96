using OrthoNative.Cli.Output;
using OrthoNative.Cli.Reports.Charts;

namespace OrthoNative.Cli.Reports.Sections;

/// <summary>Loss and metric over the run.</summary>
internal static class CurvesSection
{
    private const int MostReadOuts = 60;
    private const int MostRows = 100;

    public static Section Of(ReportContent content) => new(
        "curves", "Training", content.Losses is { Steps: > 0 } || content.Epochs.Count > 0, html => Write(html, content));

    /// <summary>Steps over which the running mean goes: a hundredth of the run.</summary>
    public static long Window(LossCurve losses) => Math.Max(1, losses.Steps / 100);

    private static void Write(HtmlWriter html, ReportContent content)
    {
        html.Open("div", ("class", "charts"));
        foreach (LineChart chart in (LineChart[])[LossChart(content), MetricChart(content)])
        {
            if (chart.HasValues)
            {
                chart.Write(html);
            }
        }

        html.Close();
        Table(html, content);
    }

    private static LineChart LossChart(ReportContent content)
    {
        var series = new List<Series>();
        IReadOnlyList<(double X, string Text)> readOuts = [];
        bool partial = false;
        if (content.Losses is { Steps: > 0 } losses)
        {
            (double Step, double Loss)[] extremes = [.. losses.Extremes()];
            partial = extremes.Any(point => !Axis.CanShow(point.Loss));
            long window = Window(losses);
            // A line through few points is dots and lines.
            series.Add(new Series("each step", window > 1 ? "train each" : "train", extremes) { HasMarkers = losses.Steps <= 40 });
            (double Step, double Loss)[] means = [.. losses.Means(window)];
            if (window > 1)
            {
                series.Add(new Series($"mean of {Figures.Count(window)} steps", "train mean", means));
            }

            readOuts = [.. Thinning.Spread(means, MostReadOuts).Select(point => (point.Step, Texts.Format($"step {point.Step:#,0}: loss {Texts.Value(point.Loss)}") + (window > 1 ? $", mean of {Figures.Count(window)} steps" : "")))];
        }
        else
        {
            series.Add(new Series("training, mean of the epoch", "train", [.. content.Epochs.Select(epoch => ((double)epoch.Step, epoch.Loss))]) { HasMarkers = true });
        }

        EpochResult? best = Best(content);
        (double, double)[] validation = [.. content.Epochs.Where(epoch => epoch.Validation is not null).Select(epoch => ((double)epoch.Step, epoch.Validation!.Loss))];
        if (validation.Any(point => Axis.CanShow(point.Item2)))
        {
            series.Add(new Series(content.ValidationName, "valid", validation) { HasMarkers = true, Ring = best?.Step });
        }

        List<string> notes = [];
        if (partial)
        {
            notes.Add("Steps whose loss is not finite are left out.");
        }

        double[] values = [.. series.SelectMany(line => line.Points.Select(point => point.Y)).Append(content.ChanceLoss ?? double.NaN)];
        if (ValueRange.Of(values).IsLogarithmic && values.Contains(0))
        {
            notes.Add("A loss of 0, which a log scale does not have, is drawn at its lower end.");
        }

        return new LineChart
        {
            Title = "Loss",
            XLabel = "training step",
            YLabel = content.LossName,
            Series = series,
            Levels = content.ChanceLoss is { } chance ? [new Level("nothing learnt", "base", chance)] : [],
            Mark = best is null ? null : (Texts.Format($"best epoch: {best.Epoch}"), best.Step),
            ReadOuts = readOuts,
            Notes = notes,
        };
    }

    private static LineChart MetricChart(ReportContent content)
    {
        string metric = content.Metric ?? EvaluationResult.LossName;
        EpochResult? best = Best(content);
        var series = new List<Series>();
        // The loss has a chart.
        if (content.Metric is not null and not EvaluationResult.LossName)
        {
            series.Add(new Series("training", "train", [.. content.Epochs.Select(epoch => ((double)epoch.Epoch, epoch.Metric))]) { HasMarkers = true });
            (double, double)[] validation =
            [
                .. content.Epochs.Where(epoch => epoch.Validation is not null).Select(epoch => ((double)epoch.Epoch, Figures.Of(epoch.Validation!, metric) ?? double.NaN)),
            ];
            if (validation.Any(point => Axis.CanShow(point.Item2)))
            {
                series.Add(new Series(content.ValidationName, "valid", validation) { HasMarkers = true, Ring = best?.Epoch });
            }
        }

        return new LineChart
        {
            Title = HeadOf(Figures.Name(metric)),
            XLabel = "epoch",
            YLabel = Figures.Name(metric),
            Series = series,
            Levels = [.. content.Baselines.Where(baseline => baseline.Metric == metric).Take(3).Select((baseline, i) => new Level(HtmlWriter.Short(baseline.Method, 30), i == 0 ? "base" : $"base b{i}", baseline.Value))],
            Mark = best is null ? null : (Texts.Format($"best epoch: {best.Epoch}"), best.Epoch),
            Percent = Figures.IsFraction(metric),
            Format = value => Figures.Value(metric, value),
        };
    }

    private static string HeadOf(string name) => name.Length > 0 ? char.ToUpperInvariant(name[0]) + name[1..] : name;

    private static EpochResult? Best(ReportContent content) => content.Epochs.FirstOrDefault(epoch => epoch.Epoch == content.BestEpoch);

    /// <summary>The numbers of the charts for those who want them exactly.</summary>
    private static void Table(HtmlWriter html, ReportContent content)
    {
        if (content.Epochs.Count == 0)
        {
            return;
        }

        bool hasMetric = content.Metric is not null and not EvaluationResult.LossName;
        bool hasValidation = content.Epochs.Any(epoch => epoch.Validation is not null);
        html.Open("details").Element("summary", content.Epochs.Count == 1 ? "The epoch in numbers" : $"The {Figures.Count(content.Epochs.Count)} epochs in numbers");
        html.Open("div", ("class", "scroll"), ("tabindex", "0")).Open("table", ("class", "numbers")).Open("thead").Open("tr");
        string metric = content.Metric ?? EvaluationResult.LossName;
        string[] heads =
        [
            "epoch", "step", "loss", .. hasMetric ? [Figures.Name(metric)] : (string[])[],
            .. hasValidation ? [$"{content.ValidationName} loss"] : (string[])[], .. hasValidation && hasMetric ? [$"{content.ValidationName} {Figures.Name(metric)}"] : (string[])[],
            "learning rate", "gradient norm", "time",
        ];
        foreach (string head in heads)
        {
            html.Element("th", head, ("scope", "col"));
        }

        html.Close().Close().Open("tbody");
        IReadOnlyList<EpochResult> rows = Thinning.Spread(content.Epochs, MostRows);
        foreach (EpochResult epoch in rows)
        {
            html.Open("tr", ("class", epoch.Epoch == content.BestEpoch ? "best" : "row"));
            string[] cells =
            [
                Figures.Count(epoch.Epoch), Figures.Count(epoch.Step), Texts.Value(epoch.Loss), .. hasMetric ? [Figures.Value(metric, epoch.Metric)] : (string[])[],
                .. hasValidation ? [Optional(epoch.Validation?.Loss, Texts.Value)] : (string[])[],
                .. hasValidation && hasMetric ? [Optional(epoch.Validation is { } result ? Figures.Of(result, metric) : null, value => Figures.Value(metric, value))] : (string[])[],
                Texts.Value(epoch.LearningRate), Texts.Value(epoch.GradientNorm), Texts.Duration(epoch.Seconds),
            ];
            foreach (string cell in cells)
            {
                html.Element("td", cell);
            }

            html.Close();
        }

        html.Close().Close().Close();
        if (rows.Count < content.Epochs.Count)
        {
            html.Element("p", $"{rows.Count} of them, spread evenly.", ("class", "note"));
        }

        html.Close();
    }

    /// <summary>A result that was read back from a file may have the metric without the loss.</summary>
    private static string Optional(double? value, Func<double, string> format) => value is { } number && !double.IsNaN(number) ? format(number) : "–";
}
