namespace OrthoNative.Cli.Training;

/// <summary>Names of the metrics, as in run.json.</summary>
internal static class Metrics
{
    public const string Accuracy = "accuracy";

    /// <summary>The loss of tasks whose targets are values.</summary>
    public const string MeanSquaredError = "mse";

    /// <summary>The value of a metric, or the loss where there is none of this name.</summary>
    public static double ValueOf(EvaluationResult result, string metric) => result.Metrics.TryGetValue(metric, out double value) ? value : result.Loss;

    /// <summary>A result with the value of a metric.</summary>
    public static EvaluationResult ToResult(double value, string metric) => metric == Accuracy
        ? new EvaluationResult(double.NaN, new Dictionary<string, double> { [Accuracy] = value }, 0)
        : new EvaluationResult(value, new Dictionary<string, double>(), 0);
}
