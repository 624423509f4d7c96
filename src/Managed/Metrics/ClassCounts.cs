namespace OrthoNative;

/// <summary>Weights of rows by class: as target, as prediction and as both.</summary>
internal sealed class ClassCounts
{
    private double[] _targets = [];
    private double[] _predictions = [];
    private double[] _correct = [];

    /// <summary>The number of classes; 0 as long as there was no batch.</summary>
    public int Count { get; private set; }

    /// <summary>Weight of the rows of a target class.</summary>
    public double Targets(int index) => _targets[index];

    /// <summary>Weight of the rows of a predicted class.</summary>
    public double Predictions(int index) => _predictions[index];

    /// <summary>Weight of the rows whose target and prediction is a class.</summary>
    public double Correct(int index) => _correct[index];

    /// <summary>Adds the rows of a batch. Refuses another number of classes than before.</summary>
    /// <param name="outputs"><c>[..., classes]</c>.</param>
    /// <param name="rows">Its rows that count.</param>
    public void Add(Tensor outputs, MetricRows.Rows rows)
    {
        if (Count > 0)
        {
            MetricRows.CheckSize(outputs, Count, "as since the last reset");
        }
        else
        {
            Count = checked((int)outputs.Shape[^1]);
            if (_targets.Length != Count)
            {
                _targets = new double[Count];
                _predictions = new double[Count];
                _correct = new double[Count];
            }
        }

        foreach (MetricRow row in rows)
        {
            int predicted = row.Predicted;
            _targets[row.Class] += row.Weight;
            _predictions[predicted] += row.Weight;
            _correct[row.Class] += predicted == row.Class ? row.Weight : 0;
        }
    }

    /// <summary>Forgets what was added.</summary>
    public void Reset()
    {
        Count = 0;
        Array.Clear(_targets);
        Array.Clear(_predictions);
        Array.Clear(_correct);
    }
}
