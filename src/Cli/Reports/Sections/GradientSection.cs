using OrthoNative.Cli.Reports.Charts;

namespace OrthoNative.Cli.Reports.Sections;

/// <summary>How large the gradients of the layers are.</summary>
internal static class GradientSection
{
    private const int MostBars = 40;

    public static Section Of(ReportContent content) => new(
        "gradients", "Gradients by layer", content.GradientNorms.Count > 0, html => Write(html, content.GradientNorms));

    private static void Write(HtmlWriter html, IReadOnlyList<(string Layer, double Norm)> norms)
    {
        html.Open("p").Text("Norm of the gradient of each layer's parameters on one training batch, from the inputs to the outputs.").Close();
        html.Open("div", ("class", "charts"));
        if (norms.Count <= MostBars)
        {
            html.Open("figure");
            BarChart.Write(html, "Gradient norms by layer", "norm of the gradient", norms);
            html.Element("p", "On a log scale, compare where bars end, not how long they are.", ("class", "note")).Close();
        }
        else
        {
            var chart = new LineChart
            {
                Title = $"Gradient norms of {Figures.Count(norms.Count)} layers",
                XLabel = "layer, from the inputs to the outputs",
                YLabel = "norm of the gradient",
                Series = [new Series("gradient", "train", [.. norms.Select((layer, i) => (i + 1.0, layer.Norm))])],
            };
            if (chart.HasValues)
            {
                chart.Write(html);
            }
        }

        html.Close();
    }
}
