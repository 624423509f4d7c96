using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Metrics;

/// <summary>The rules that all metrics keep.</summary>
internal sealed class MetricRuleTests(DeviceKind kind) : DeviceTests(kind)
{
    private static IReadOnlyList<MetricCase> Cases => MetricCase.All;

    [Test]
    public void The_batches_and_the_order_of_the_rows_do_not_matter([ValueSource(nameof(Cases))] MetricCase metricCase)
    {
        MetricCase.Row[] rows = metricCase.Rows(60, seed: 1);
        Metric metric = metricCase.Create();
        metricCase.Add(metric, Device, DType.Float64, rows);
        double whole = metric.Value;
        Assert.That(whole, Is.Not.NaN);

        // In their order, in batches of any size, of one row, too.
        metric.Reset();
        foreach ((int start, int end) in new[] { (0, 1), (1, 8), (8, 31), (31, 60) })
        {
            metricCase.Add(metric, Device, DType.Float64, rows.AsSpan(start..end));
        }

        Assert.That(metric.Value, Is.EqualTo(whole));

        // In another order, as of batches with another number of samples.
        metric.Reset();
        new Random(2).Shuffle(rows);
        metricCase.Add(metric, Device, DType.Float64, rows.AsSpan(0..33));
        metricCase.Add(metric, Device, DType.Float64, rows.AsSpan(33..));
        Assert.That(metric.Value, metricCase.OrderMatters ? Is.EqualTo(whole).Within(1e-13) : Is.EqualTo(whole));
    }

    [Test]
    public void Both_element_types_give_the_same_bits([ValueSource(nameof(Cases))] MetricCase metricCase)
    {
        MetricCase.Row[] rows = metricCase.Rows(40, seed: 3);
        Metric single = metricCase.Create();
        Metric both = metricCase.Create();

        metricCase.Add(single, Device, DType.Float32, rows);
        metricCase.Add(both, Device, DType.Float32, rows.AsSpan(0..20));
        metricCase.Add(both, Device, DType.Float64, rows.AsSpan(20..));

        Assert.That(both.Value, Is.EqualTo(single.Value));
    }

    [Test]
    public void Rows_that_do_not_count_are_not_read([ValueSource(nameof(Cases))] MetricCase metricCase, [FloatingPointTypes] DType dtype)
    {
        // 10 steps of 3 samples.
        int[] lengths = [10, 4, 0];
        MetricCase.Row[] rows = metricCase.Rows(30, seed: 4);
        MetricCase.Row[] hidden = [.. rows.Select((row, i) => row.Weight > 0 && i / 3 < lengths[i % 3] ? row : row with
        {
            Outputs = [.. row.Outputs.Select(_ => double.NaN)],
            Values = [.. row.Values.Select(_ => double.PositiveInfinity)],
            Class = 1000,
        })];
        MetricCase.Row[] counted = [.. hidden.Where(row => row.Class != 1000)];
        Assert.That(counted, Has.Length.InRange(5, 13));
        Metric metric = metricCase.Create();
        Metric expected = metricCase.Create();

        metricCase.Add(metric, Device, dtype, hidden, lengths, 3);
        metricCase.Add(expected, Device, dtype, counted);

        Assert.That(metric.Value, Is.EqualTo(expected.Value));
    }

    [Test]
    public void Nothing_is_not_a_number([ValueSource(nameof(Cases))] MetricCase metricCase)
    {
        Metric metric = metricCase.Create();
        MetricCase.Row[] rows = metricCase.Rows(20, seed: 5);
        Assert.That(metric.Value, Is.NaN);

        metricCase.Add(metric, Device, DType.Float32, [.. rows.Select(row => row with { Weight = 0 })]);
        Assert.That(metric.Value, Is.NaN);
        if (metricCase.Classes > 0)
        {
            metricCase.Add(metric, Device, DType.Float32, [.. rows.Select(row => row with { Class = -1 })]);
            Assert.That(metric.Value, Is.NaN);
        }

        metricCase.Add(metric, Device, DType.Float32, rows);
        Assert.That(metric.Value, Is.Not.NaN);
        metric.Reset();
        Assert.That(metric.Value, Is.NaN);
    }

    [Test]
    public void What_is_refused_leaves_the_value([ValueSource(nameof(Cases))] MetricCase metricCase)
    {
        MetricCase.Row[] rows = metricCase.Rows(20, seed: 6);
        MetricCase.Row[] bad = [.. metricCase.Rows(5, seed: 7).Select(row => row with { Weight = 1, Class = 0 })];
        Metric metric = metricCase.Create();
        metricCase.Add(metric, Device, DType.Float64, rows);
        double value = metric.Value;
        int element = (4 * metricCase.Outputs) + metricCase.Outputs - 1;

        // The last element of the last row.
        Assert.That(
            () => metricCase.Add(metric, Device, DType.Float64, [.. bad[..4], bad[4] with { Outputs = [.. bad[4].Outputs[..^1], double.NegativeInfinity] }]),
            Throws.TypeOf<NotFiniteNumberException>().With.Message.EqualTo($"outputs[{element}] is -Infinity; it must be finite."));
        Assert.That(metric.Value, Is.EqualTo(value));
        if (metricCase.Classes > 0)
        {
            Assert.That(
                () => metricCase.Add(metric, Device, DType.Float64, [.. bad[..4], bad[4] with { Class = metricCase.Classes }]),
                Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith($"targets.Classes[4] is {metricCase.Classes}; it must be from 0 to {metricCase.Classes - 1}."));
            using Tensor outputs = new(Device, DType.Float64, 5, metricCase.Outputs);
            Assert.That(
                () => metric.Add(outputs, Targets.Of([0, 0])),
                Throws.ArgumentException.With.Message.StartsWith("targets.Classes has 2 elements; it must have 5, one for each row of outputs."));
        }
        else
        {
            Assert.That(
                () => metricCase.Add(metric, Device, DType.Float64, [.. bad[..4], bad[4] with { Values = [.. bad[4].Values[..^1], double.NaN] }]),
                Throws.TypeOf<NotFiniteNumberException>().With.Message.EqualTo($"targets.Values[{(5 * metricCase.Values) - 1}] is NaN; it must be finite."));
            using Tensor outputs = new(Device, DType.Float64, 5, metricCase.Outputs);
            using Tensor other = new(Device, DType.Float64, 4, metricCase.Values);
            using Tensor single = new(Device, DType.Float32, 5, metricCase.Values);
            Assert.That(
                () => metric.Add(outputs, Targets.Of(other)),
                Throws.ArgumentException.With.Message.StartsWith($"targets.Values has shape [4, {metricCase.Values}]; it must be [5, {metricCase.Values}]."));
            Assert.That(() => metric.Add(outputs, Targets.Of(single)), Throws.ArgumentException.With.Message.StartsWith("targets.Values has element type Float32; it must be Float64."));
            other.Dispose();
            Assert.That(() => metric.Add(outputs, Targets.Of(other)), Throws.TypeOf<ObjectDisposedException>());
        }

        Assert.That(metric.Value, Is.EqualTo(value));
    }

    [Test]
    public void Adding_makes_no_managed_allocation([ValueSource(nameof(Cases))] MetricCase metricCase, [FloatingPointTypes] DType dtype)
    {
        using Tensor outputs = ToTensor(Device, Uniform(new Random(1), 12L * metricCase.Outputs), dtype, 4, 3, metricCase.Outputs);
        using Tensor values = ToTensor(Device, [.. Enumerable.Range(0, 12 * int.Max(metricCase.Values, 1)).Select(i => (double)(i % 2))], dtype, 4, 3, int.Max(metricCase.Values, 1));
        int[] classes = [0, 1, -1, 0, 1, 1, 0, 1, 0, 1, 1, 1];
        int[] lengths = [4, 3, 2];
        float[] weights = [1, 2, 1, 1, 0, 1, 1, 1, 3, 1, 1, 1];
        Metric metric = metricCase.Create();
        Add();
        metric.Reset();
        long before = GC.GetAllocatedBytesForCurrentThread();

        Add();

        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);
        Assert.That(metric.Value, Is.Not.NaN);

        void Add()
        {
            for (int i = 0; i < 3; i++)
            {
                Targets targets = metricCase.Classes > 0 ? Targets.Of(classes) : Targets.Of(values);
                metric.Add(outputs, targets with { Lengths = lengths, Weights = weights });
            }
        }
    }

    [Test]
    public void A_batch_of_a_loader_is_taken_as_it_is()
    {
        using var loader = new DataLoader(new AddingProblem(5, 24, seed: 1), 8, new DataLoaderOptions { Device = Device });
        var error = new MeanAbsoluteError();
        using var loss = new MeanAbsoluteErrorLoss();
        var mean = new MeanLoss(loss);
        using var outputs = new Tensor(Device, DType.Float32, 8, 1);
        foreach (Batch batch in loader.Epoch(0))
        {
            error.Add(outputs, batch);
            mean.Add(outputs, batch);
            Assert.That(() => new Accuracy().Add(outputs, batch), Throws.ArgumentException.With.Message.StartsWith("batch.Classes has 0 elements;"));
        }

        Assert.That(error.Value, Is.EqualTo(mean.Value).Within(1e-12));
    }

    [Test]
    public void Errors_and_losses_alone_are_better_when_smaller()
    {
        string[] smaller = [.. MetricCase.All.Select(metricCase => metricCase.Create()).Where(metric => !metric.HigherIsBetter).Select(metric => metric.Name).Distinct()];

        Assert.That(smaller, Is.EqualTo((string[])
            ["log_loss", "mean_absolute_error", "root_mean_squared_error", "symmetric_mape", "mean_absolute_scaled_error", "pinball_loss"]));
    }

    [TestCase(typeof(BalancedAccuracy))]
    [TestCase(typeof(MacroF1))]
    [TestCase(typeof(ConfusionMatrix))]
    [TestCase(typeof(AreaUnderRoc))]
    public void The_number_of_classes_stays_the_same_until_a_reset(Type type)
    {
        Metric metric = type == typeof(BalancedAccuracy) ? new BalancedAccuracy() : type == typeof(MacroF1) ? new MacroF1() : type == typeof(ConfusionMatrix) ? new ConfusionMatrix() : new AreaUnderRoc();
        using Tensor three = Tensor.From<float>(Device, [1, 0, 0, 0, 1, 0], 2, 3);
        using Tensor two = Tensor.From<float>(Device, [1, 0, 1, 0], 2, 2);
        metric.Add(three, Targets.Of([0, 1]));

        Assert.That(() => metric.Add(two, Targets.Of([0, 1])), Throws.ArgumentException.With.Message.StartsWith("outputs has shape [2, 2]; it must be [..., 3], as since the last reset."));
        Assert.That(metric.Value, Is.EqualTo(1));
        metric.Reset();
        metric.Add(two, Targets.Of([0, 1]));
        Assert.That(metric.Value, Is.InRange(0.25, 0.5));
    }
}
