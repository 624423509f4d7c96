using OrthoNative.Cli.Reports.Charts;

namespace OrthoNative.Cli.Reports.Sections;

/// <summary>Sequences that the model was most wrong about.</summary>
internal static class WorstSection
{
    private const int MostExamples = 12;

    public static Section Of(ReportContent content) => new(
        "worst", "Worst examples", content.Worst.Count > 0, html => Write(html, content.Worst));

    private static void Write(HtmlWriter html, IReadOnlyList<WorstExample> examples)
    {
        html.Open("p").Text(examples.Count > MostExamples ? $"The {MostExamples} that the model was most wrong about, or least sure of; the worst first." : "What the model was most wrong about, or least sure of; the worst first.").Close();
        html.Open("div", ("class", "cards"));
        foreach (WorstExample example in examples.Take(MostExamples))
        {
            html.Open("article", ("class", "card")).Open("h3").Name(example.Id).Close();
            html.Open("dl").Element("dt", "truth").Open("dd").Name(example.Truth).Close()
                .Element("dt", "prediction").Open("dd").Name(example.Predicted).Close().Close();
            if (example.Detail.Length > 0)
            {
                html.Open("p", ("class", "detail")).Name(example.Detail, 80).Close();
            }

            if (example.Channels.Any(channel => channel.Length > 0))
            {
                Sparklines.Write(html, $"Values over time of {HtmlWriter.Short(example.Id, 40)}", example.Channels, example.ChannelNames);
                int more = example.Channels.Count - Sparklines.MostChannels;
                bool gaps = example.Channels.Take(Sparklines.MostChannels).Any(channel => channel.Any(value => !float.IsFinite(value)));
                string note = (more > 0 ? $"{Figures.Count(more)} more channel{(more > 1 ? "s" : "")} not shown. " : "") + (gaps ? "Gaps: missing values." : "");
                if (note.Length > 0)
                {
                    html.Element("p", note.TrimEnd(), ("class", "note"));
                }
            }

            html.Close();
        }

        html.Close();
    }
}
