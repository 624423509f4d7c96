namespace OrthoNative;

/// <summary>Loss and metrics of a model on a data set.</summary>
/// <param name="Loss">Mean loss of the rows that count; NaN if none does.</param>
/// <param name="Metrics">Values of the metrics, by their names.</param>
/// <param name="Samples">Number of samples.</param>
public sealed record EvaluationResult(double Loss, IReadOnlyDictionary<string, double> Metrics, long Samples)
{
    /// <summary>Name of the loss beside those of the metrics.</summary>
    internal const string LossName = "loss";

    /// <summary>The value of a metric, or of the loss.</summary>
    /// <param name="name">Name of a metric, or <c>loss</c>.</param>
    /// <exception cref="ArgumentException">There is none of this name.</exception>
    public double this[string name]
    {
        get
        {
            ArgumentNullException.ThrowIfNull(name);
            return name == LossName ? Loss
                : Metrics.TryGetValue(name, out double value) ? value
                : throw new ArgumentException($"{nameof(name)} is '{name}'; it must be one of {string.Join(", ", (string[])[LossName, .. Metrics.Keys])}.", nameof(name));
        }
    }

    /// <summary>Tells whether another result has the same numbers.</summary>
    /// <param name="other">The other result.</param>
    public bool Equals(EvaluationResult? other) =>
        other is not null && Loss.Equals(other.Loss) && Samples == other.Samples && Metrics.Count == other.Metrics.Count &&
        Metrics.All(metric => other.Metrics.TryGetValue(metric.Key, out double value) && metric.Value.Equals(value));

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Loss, Samples, Metrics.Count);
}
