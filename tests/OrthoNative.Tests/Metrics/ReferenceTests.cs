using System.Text.Json;
using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Metrics;

/// <summary>Compares metrics with values of scikit-learn: see Fixtures/metrics/README.md.</summary>
internal sealed class ReferenceTests(DeviceKind kind) : DeviceTests(kind)
{
    private static readonly JsonElement s_root = Load();

    public static IEnumerable<string> Cases => s_root.GetProperty("cases").EnumerateArray().Select(item => item.GetProperty("name").GetString()!);

    [Test]
    public void Metrics_are_those_computed_elsewhere([ValueSource(nameof(Cases))] string name, [FloatingPointTypes] DType dtype)
    {
        JsonElement item = s_root.GetProperty("cases").EnumerateArray().Single(candidate => candidate.GetProperty("name").GetString() == name);
        int? ignored = item.TryGetProperty("ignoreIndex", out JsonElement number) ? number.GetInt32() : null;
        JsonElement values = item.GetProperty("values");
        foreach (JsonProperty value in values.EnumerateObject())
        {
            if (Create(value.Name, ignored) is { } metric)
            {
                AddBatches(metric, item, dtype);
                Assert.That(metric.Value, Is.EqualTo(value.Value.GetDouble()).Within(1e-14 * Math.Max(1, Math.Abs(value.Value.GetDouble()))), value.Name);
                Assert.That(metric.Name, Is.EqualTo(value.Name));
                if (metric is IntervalCoverage coverage)
                {
                    Assert.That(coverage.MeanWidth, Is.EqualTo(values.GetProperty("mean_width").GetDouble()).Within(1e-12));
                }
            }
        }

        if (values.TryGetProperty("confusion_matrix", out JsonElement cells))
        {
            var matrix = new ConfusionMatrix(null, ignored);
            AddBatches(matrix, item, dtype);
            Assert.That(matrix.ToArray().Cast<double>(), Is.EqualTo(Numbers(cells)));
            Assert.That(matrix.Value, Is.EqualTo(values.GetProperty("accuracy").GetDouble()).Within(1e-14));
            int[] classes = [.. Enumerable.Range(0, matrix.ClassCount)];
            Assert.That(classes.Select(matrix.Precision).Select(ZeroForNaN), Is.EqualTo(Numbers(values.GetProperty("precision"))).Within(1e-14));
            Assert.That(classes.Select(matrix.Recall).Select(ZeroForNaN), Is.EqualTo(Numbers(values.GetProperty("recall"))).Within(1e-14));
            Assert.That(classes.Select(matrix.F1).Select(ZeroForNaN), Is.EqualTo(Numbers(values.GetProperty("f1"))).Within(1e-14));
        }
    }

    [TestCase(1)]
    [TestCase(7)]
    public void The_scale_of_a_series_is_the_error_of_its_naive_forecast(int season)
    {
        JsonElement scaled = s_root.GetProperty("scaledSeries");

        Assert.That(
            MeanAbsoluteScaledError.ScaleOf([.. Numbers(scaled.GetProperty("series")).Select(value => (float)value)], season),
            Is.EqualTo(scaled.GetProperty("scales").GetProperty($"{season}").GetDouble()).Within(1e-14));
    }

    private static Metric? Create(string name, int? ignored) => name switch
    {
        "accuracy" => new Accuracy(ignored),
        "balanced_accuracy" => new BalancedAccuracy(ignored),
        "macro_f1" => new MacroF1(ignored),
        "top_1_accuracy" => new TopKAccuracy(1, ignored),
        "top_2_accuracy" => new TopKAccuracy(2, ignored),
        "top_3_accuracy" => new TopKAccuracy(3, ignored),
        "log_loss" => new LogLoss(ignored),
        "area_under_roc" => new AreaUnderRoc(ignored),
        "mean_absolute_error" => new MeanAbsoluteError(),
        "root_mean_squared_error" => new RootMeanSquaredError(),
        "r_squared" => new RSquared(),
        "symmetric_mape" => new SymmetricMape(),
        "mean_absolute_scaled_error" => new MeanAbsoluteScaledError([.. s_root.GetProperty("scaledSeries").GetProperty("scales").EnumerateObject().Select(scale => scale.Value.GetDouble())]),
        "pinball_loss" => new PinballLoss(0.1, 0.5, 0.9),
        "interval_coverage" => new IntervalCoverage([0.1, 0.5, 0.9], 0.1, 0.9),
        "confusion_matrix" or "precision" or "recall" or "f1" or "mean_width" => null,
        _ => throw new InvalidDataException(name),
    };

    private void AddBatches(Metric metric, JsonElement item, DType dtype)
    {
        foreach (JsonElement batch in item.GetProperty("batches").EnumerateArray())
        {
            using Tensor outputs = ToTensor(Device, Numbers(batch.GetProperty("outputs")), dtype, [.. Numbers(batch.GetProperty("shape")).Select(size => (long)size)]);
            using Tensor? values = batch.TryGetProperty("targets", out JsonElement targets)
                ? ToTensor(Device, Numbers(targets), dtype, [.. Numbers(batch.GetProperty("targetShape")).Select(size => (long)size)])
                : null;
            Targets all = values is not null ? Targets.Of(values) : Targets.Of([.. Numbers(batch.GetProperty("classes")).Select(index => (int)index)]);
            metric.Add(outputs, all with
            {
                Lengths = batch.TryGetProperty("lengths", out JsonElement lengths) ? [.. Numbers(lengths).Select(length => (int)length)] : [],
                Weights = batch.TryGetProperty("weights", out JsonElement weights) ? [.. Numbers(weights).Select(weight => (float)weight)] : [],
            });
        }
    }

    private static double[] Numbers(JsonElement array) => [.. array.EnumerateArray().Select(number => number.ValueKind == JsonValueKind.Null ? double.NaN : number.GetDouble())];

    private static double ZeroForNaN(double value) => double.IsNaN(value) ? 0 : value;

    private static JsonElement Load()
    {
        using var document = JsonDocument.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Fixtures", "metrics", "reference.json")));
        return document.RootElement.Clone();
    }
}
