using OrthoNative.Cli.Output;
using OrthoNative.Cli.Training;

namespace OrthoNative.Cli.Reports.Sections;

/// <summary>Values of metrics as the report shows them.</summary>
internal static class Figures
{
    private static readonly string[] s_fractions = [Metrics.Accuracy, "balanced_accuracy", "interval_coverage"];

    /// <summary>Its number is the accuracy; what it is for has a section.</summary>
    private const string Matrix = "confusion_matrix";

    /// <summary>True of a metric that is a fraction of all.</summary>
    public static bool IsFraction(string metric) => s_fractions.Contains(metric);

    /// <summary>A fraction in per cent, or a number.</summary>
    public static string Value(string metric, double value) => IsFraction(metric) && double.IsFinite(value) ? Texts.Metric(Metrics.Accuracy, value) : Texts.Value(value);

    /// <summary>A name for people.</summary>
    public static string Name(string metric) => metric.Replace('_', ' ');

    /// <summary>The value of a metric, or of the loss; null: the result does not have it.</summary>
    public static double? Of(EvaluationResult result, string? metric) => metric is null or EvaluationResult.LossName ? result.Loss
        : result.Metrics.TryGetValue(metric, out double value) ? value
        // The loss of tasks that have this metric.
        : metric == Metrics.MeanSquaredError ? result.Loss
        : null;

    /// <summary>The metrics of a result, the one that decides first; then the loss.</summary>
    public static IEnumerable<(string Name, double Value)> All(EvaluationResult result, string? first)
    {
        foreach (string name in result.Metrics.Keys.Where(name => name != Matrix).OrderBy(name => name == first ? 0 : 1).ThenBy(name => name, StringComparer.Ordinal))
        {
            yield return (name, result.Metrics[name]);
        }

        if (double.IsFinite(result.Loss) || result.Metrics.Count == 0)
        {
            yield return (EvaluationResult.LossName, result.Loss);
        }
    }

    /// <summary>A share in per cent; empty: of nothing.</summary>
    public static string Share(long part, long whole) => whole > 0 ? Texts.Format($"{100.0 * part / whole:0.0} %") : "";

    /// <summary>A count.</summary>
    public static string Count(long count) => Texts.Format($"{count:#,0}");
}
