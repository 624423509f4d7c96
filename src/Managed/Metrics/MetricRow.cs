namespace OrthoNative;

/// <summary>A row that counts, with its target.</summary>
internal readonly ref struct MetricRow
{
    /// <summary>Number of the row in its batch.</summary>
    public long Index { get; init; }

    /// <summary>Weight of the row, above 0.</summary>
    public double Weight { get; init; }

    /// <summary>The outputs, all finite.</summary>
    public ReadOnlySpan<double> Outputs { get; init; }

    /// <summary>The target class, where targets are classes.</summary>
    public int Class { get; init; }

    /// <summary>The target values, all finite, where targets are values.</summary>
    public ReadOnlySpan<double> Values { get; init; }

    /// <summary>Index of the largest output, the first one of equals.</summary>
    public int Predicted
    {
        get
        {
            int largest = 0;
            for (int i = 1; i < Outputs.Length; i++)
            {
                largest = Outputs[i] > Outputs[largest] ? i : largest;
            }

            return largest;
        }
    }
}
