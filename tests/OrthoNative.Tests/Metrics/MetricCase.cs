using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Metrics;

/// <summary>A metric and what rows it takes.</summary>
/// <param name="Name">For messages.</param>
/// <param name="Create">Creates the metric.</param>
/// <param name="Outputs">Outputs of a row.</param>
internal sealed record MetricCase(string Name, Func<Metric> Create, int Outputs)
{
    /// <summary>The number of classes; 0: targets are values.</summary>
    public int Classes { get; init; }

    /// <summary>The number of target values of a row.</summary>
    public int Values { get; init; }

    /// <summary>Whether the values are 0 or 1.</summary>
    public bool Labels { get; init; }

    /// <summary>Whether the order of the rows changes the last bits.</summary>
    public bool OrderMatters { get; init; }

    public static IReadOnlyList<MetricCase> All { get; } =
    [
        new("accuracy", () => new Accuracy(-1), 4) { Classes = 4 },
        new("top k accuracy", () => new TopKAccuracy(2, -1), 4) { Classes = 4 },
        new("balanced accuracy", () => new BalancedAccuracy(-1), 4) { Classes = 4 },
        new("macro F1", () => new MacroF1(-1), 4) { Classes = 4 },
        new("confusion matrix", () => new ConfusionMatrix(null, -1), 4) { Classes = 4 },
        new("area of classes", () => new AreaUnderRoc(-1), 4) { Classes = 4 },
        new("area of two logits", () => new AreaUnderRoc(-1), 2) { Classes = 2 },
        new("area of one logit", () => new AreaUnderRoc(-1), 1) { Classes = 2 },
        new("area of labels", () => new AreaUnderRoc(), 3) { Values = 3, Labels = true },
        new("log loss of classes", () => new LogLoss(-1), 4) { Classes = 4 },
        new("log loss of one logit", () => new LogLoss(-1), 1) { Classes = 2 },
        new("log loss of labels", () => new LogLoss(), 3) { Values = 3, Labels = true },
        new("mean absolute error", () => new MeanAbsoluteError(), 3) { Values = 3 },
        new("root mean squared error", () => new RootMeanSquaredError(), 3) { Values = 3 },
        new("R squared", () => new RSquared(), 3) { Values = 3, OrderMatters = true },
        new("symmetric MAPE", () => new SymmetricMape(), 3) { Values = 3 },
        new("mean absolute scaled error", () => new MeanAbsoluteScaledError(0.5, 1.5, 0.3), 3) { Values = 3 },
        new("pinball loss", () => new PinballLoss(0.1, 0.5, 0.9), 6) { Values = 2 },
        new("interval coverage", () => new IntervalCoverage([0.1, 0.5, 0.9], 0.1, 0.9), 6) { Values = 2 },
    ];

    public override string ToString() => Name;

    /// <summary>Rows of random outputs, targets and weights, a quarter of which are 0.</summary>
    public Row[] Rows(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ =>
        {
            double[] outputs = [.. Uniform(random, Outputs, 2).Select(value => (double)(float)value)];
            double[] values = [.. Uniform(random, Values).Select(value => Labels ? (value > 0 ? 1 : 0) : (double)(float)value)];
            return new Row(outputs, random.Next(-1, int.Max(Classes, 1)), values, random.Next(4) == 0 ? 0 : random.NextSingle());
        })];
    }

    /// <summary>Adds rows as one batch.</summary>
    public void Add(Metric metric, Device device, DType dtype, ReadOnlySpan<Row> rows) => Add(metric, device, dtype, rows, [], rows.Length);

    /// <summary>Adds rows <c>[T, B]</c> as one batch with lengths.</summary>
    public void Add(Metric metric, Device device, DType dtype, ReadOnlySpan<Row> rows, ReadOnlySpan<int> lengths, int batch)
    {
        Row[] all = rows.ToArray();
        int steps = all.Length / batch;
        using Tensor outputs = ToTensor(device, [.. all.SelectMany(row => row.Outputs)], dtype, steps, batch, Outputs);
        using Tensor? values = Classes > 0 ? null : ToTensor(device, [.. all.SelectMany(row => row.Values)], dtype, steps, batch, Values);
        float[] weights = [.. all.Select(row => row.Weight)];
        Targets targets = Classes > 0 ? Targets.Of([.. all.Select(row => row.Class)]) : Targets.Of(values!);
        metric.Add(outputs, targets with { Weights = weights, Lengths = lengths });
    }

    internal sealed record Row(double[] Outputs, int Class, double[] Values, float Weight);
}
