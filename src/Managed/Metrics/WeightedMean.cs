namespace OrthoNative;

/// <summary>Σ w·x / Σ w, whose sums do not depend on the order of the rows.</summary>
internal sealed class WeightedMean
{
    private readonly ExactSum _sum = new();
    private readonly ExactSum _weights = new();

    /// <summary>The mean; NaN of nothing.</summary>
    public double Value => _sum.Value / _weights.Value;

    /// <summary>Adds a number.</summary>
    public void Add(double value, double weight)
    {
        _sum.Add(value * weight);
        _weights.Add(weight);
    }

    /// <summary>Forgets what was added.</summary>
    public void Reset()
    {
        _sum.Reset();
        _weights.Reset();
    }
}
