using System.Globalization;
using OrthoNative.Cli.Output;

namespace OrthoNative.Cli.Reports.Sections;

/// <summary>The headline and the key figures.</summary>
internal static class HeadSection
{
    private const int MostMetrics = 6;

    /// <summary>Writes title, headline, state and key figures.</summary>
    public static void Write(HtmlWriter html, ReportContent content)
    {
        html.Open("header").Open("h1").Name(content.Title, 120).Close();
        html.Open("p", ("class", "headline")).Text(content.Headline).Close();
        html.Open("p", ("class", "when"))
            .Element("span", Describe(content.Status), ("class", content.Status is TrainingStatus.Interrupted or TrainingStatus.Running ? "status open" : "status"))
            .Text(" started " + content.Started.ToString("yyyy-MM-dd HH:mm zzz", CultureInfo.InvariantCulture))
            .Text($", {Texts.Duration(content.Seconds)}").Close().Close();

        html.Open("dl", ("class", "figures"));
        if (content.Test is { } test)
        {
            Result(html, content, "test", test);
        }

        if (content.Validation is { } validation)
        {
            Result(html, content, content.ValidationName, validation);
        }

        if (content.BestEpoch is { } best)
        {
            Figure(html, "best epoch", Figures.Count(best), content.Epochs.Count > 0 ? $"of {Figures.Count(content.Epochs.Max(epoch => epoch.Epoch))}" : null);
        }

        if (content.Losses is { Steps: > 0 } losses)
        {
            Figure(html, "training steps", Figures.Count(losses.Steps), null);
            (_, double last) = losses.Means(CurvesSection.Window(losses)).Last();
            long window = Math.Min(losses.Steps, CurvesSection.Window(losses));
            Figure(html, "training loss at the end", Texts.Value(last), window > 1 ? $"mean of {Figures.Count(window)} steps" : null);
        }

        if (content.Summary is { } summary)
        {
            Figure(html, "parameters", Figures.Count(summary.Parameters), $"{ModelSummary.Bytes(summary.TotalBytes)} to train");
        }

        html.Close();
    }

    private static void Result(HtmlWriter html, ReportContent content, string data, EvaluationResult result)
    {
        foreach ((string name, double value) in Figures.All(result, content.Metric).Take(MostMetrics))
        {
            bool decides = name == (content.Metric ?? EvaluationResult.LossName);
            Figure(html, $"{data} {Figures.Name(name)}", Figures.Value(name, value), result.Samples > 0 ? $"{Figures.Count(result.Samples)} samples" : null, decides);
        }
    }

    private static void Figure(HtmlWriter html, string name, string value, string? detail, bool isMain = false)
    {
        html.Open("div", ("class", isMain ? "figure main" : "figure")).Element("dt", name).Element("dd", value);
        if (detail is not null)
        {
            html.Element("dd", detail, ("class", "detail"));
        }

        html.Close();
    }

    private static string Describe(TrainingStatus status) => status switch
    {
        TrainingStatus.Completed => "completed",
        TrainingStatus.GoalReached => "ended early: the goal was reached",
        TrainingStatus.StoppedEarly => "ended early: no further improvement",
        TrainingStatus.Interrupted => "interrupted before its end",
        _ => "not ended: a state on the way",
    };
}
