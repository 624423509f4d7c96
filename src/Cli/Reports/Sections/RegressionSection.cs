using OrthoNative.Cli.Output;
using OrthoNative.Cli.Reports.Charts;

namespace OrthoNative.Cli.Reports.Sections;

/// <summary>Predicted over true values.</summary>
internal static class RegressionSection
{
    private const int MostTargets = 6;

    public static Section Of(ReportContent content) => new(
        "values", "Predicted and true values", content.Values.Any(target => Pairs(target).Count > 0), html => Write(html, content));

    private static void Write(HtmlWriter html, ReportContent content)
    {
        var targets = content.Values.Select(target => (target.Target, Pairs: Pairs(target))).Where(target => target.Pairs.Count > 0).ToList();
        html.Open("p").Text("On the dashed line, the prediction is the truth. Darker points are several in one place.");
        html.Text(targets.Count > MostTargets ? $" The first {MostTargets} of {Figures.Count(targets.Count)} targets are shown." : "").Close();
        html.Open("div", ("class", "charts"));
        foreach ((string name, List<(double Truth, double Predicted)> pairs) in targets.Take(MostTargets))
        {
            html.Open("figure").Open("figcaption").Name(name, 60).Close();
            ScatterChart.Write(html, $"Predictions of {HtmlWriter.Short(name, 60)} over what is true", pairs);
            html.Element("p", Describe(pairs), ("class", "note")).Close();
        }

        html.Close();
    }

    private static string Describe(List<(double Truth, double Predicted)> pairs)
    {
        double mean = pairs.Average(pair => pair.Truth);
        double spread = pairs.Sum(pair => (pair.Truth - mean) * (pair.Truth - mean));
        double squares = pairs.Sum(pair => (pair.Predicted - pair.Truth) * (pair.Predicted - pair.Truth));
        string explained = spread > 0 ? $", R² {Texts.Value(1 - (squares / spread))}" : "";
        return $"{Figures.Count(pairs.Count)} values: root mean squared error {Texts.Value(Math.Sqrt(squares / pairs.Count))}, mean absolute error {Texts.Value(pairs.Average(pair => Math.Abs(pair.Predicted - pair.Truth)))}, " +
            $"mean error {Texts.Value(pairs.Average(pair => pair.Predicted - pair.Truth))}{explained}.";
    }

    private static List<(double Truth, double Predicted)> Pairs((string Target, float[] Truth, float[] Predicted) target) =>
        [.. target.Truth.Zip(target.Predicted, (truth, predicted) => ((double)truth, (double)predicted)).Where(pair => double.IsFinite(pair.Item1) && double.IsFinite(pair.Item2))];
}
