using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Metrics;

internal sealed class MetricTests(DeviceKind kind) : DeviceTests(kind)
{
    [Test]
    public void Accuracy_is_that_of_the_rows_that_count_by_their_weights()
    {
        // [T = 2, B = 3, 2]: the larger output is 1 1 0 in the first step, 0 1 1 in the second.
        using Tensor outputs = Tensor.From<float>(Device, [0, 1, 2, 3, 5, 4, 1, 0, 0, 1, 0, 9], 2, 3, 2);
        int[] classes = [1, 0, 0, 0, 1, 0];
        var accuracy = new Accuracy();
        Assert.That(accuracy.Value, Is.NaN);
        Assert.That((accuracy.Name, accuracy.HigherIsBetter), Is.EqualTo(("accuracy", true)));

        accuracy.Add(outputs, Targets.Of(classes));
        Assert.That(accuracy.Value, Is.EqualTo(4.0 / 6));
        accuracy.Reset();
        accuracy.Add(outputs, Targets.Of(classes) with { Lengths = [2, 1, 0] });
        Assert.That(accuracy.Value, Is.EqualTo(2.0 / 3));
        accuracy.Reset();
        accuracy.Add(outputs, Targets.Of(classes) with { Weights = [1, 2, 4, 0, 0.5f, 0.5f] });
        Assert.That(accuracy.Value, Is.EqualTo(5.5 / 8));

        // Batches add up by their weights, not by their number.
        using Tensor wrong = Tensor.From<float>(Device, [1, 0], 1, 2);
        accuracy.Add(wrong, Targets.Of([1]) with { Weights = [2] });
        Assert.That(accuracy.Value, Is.EqualTo(5.5 / 10));
        accuracy.Add(wrong, Targets.Of([7]) with { Weights = [0] });
        Assert.That(accuracy.Value, Is.EqualTo(5.5 / 10));
    }

    [Test]
    public void Accuracy_takes_the_first_of_equal_outputs_and_leaves_out_what_is_ignored()
    {
        using Tensor outputs = Tensor.From<double>(Device, [1, 1, 0, 2, 3, 3], 2, 3);
        var accuracy = new Accuracy(ignoreIndex: -1);

        accuracy.Add(outputs, Targets.Of([0, 1]));
        Assert.That(accuracy.Value, Is.EqualTo(1));
        accuracy.Reset();
        accuracy.Add(outputs, Targets.Of([1, -1]));
        Assert.That(accuracy.Value, Is.Zero);
        accuracy.Reset();
        accuracy.Add(outputs, Targets.Of([-1, -1]));
        Assert.That(accuracy.Value, Is.NaN);
    }

    [Test]
    public void Accuracy_is_what_the_loss_counts()
    {
        using Tensor outputs = UniformTensor(Device, new Random(1), 1, 40, 7, 5);
        int[] classes = [.. Enumerable.Range(0, 280).Select(i => i * 3 % 5)];
        using var loss = new CrossEntropyLoss();
        var accuracy = new Accuracy();

        loss.Evaluate(outputs, classes);
        accuracy.Add(outputs, Targets.Of(classes));

        Assert.That(accuracy.Value, Is.EqualTo(loss.Correct / 280.0));
    }

    [Test]
    public void A_metric_refuses_what_does_not_fit_and_keeps_its_value()
    {
        using Tensor outputs = Tensor.From<float>(Device, [0, 1, 1, 0], 2, 2);
        using Tensor bad = Tensor.From<float>(Device, [0, 1, float.NaN, 0], 2, 2);
        var accuracy = new Accuracy();
        accuracy.Add(outputs, Targets.Of([1, 1]));

        Assert.That(() => accuracy.Add(outputs, Targets.Of([1])), Throws.ArgumentException.With.Message.StartsWith("targets.Classes has 1 elements; it must have 2"));
        Assert.That(() => accuracy.Add(outputs, Targets.Of([1, 2])), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("targets.Classes[1] is 2; it must be from 0 to 1."));
        Assert.That(() => accuracy.Add(outputs, Targets.Of([1, 1]) with { Weights = [1, -1] }), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("targets.Weights[1] is -1;"));
        Assert.That(() => accuracy.Add(bad, Targets.Of([1, 1])), Throws.TypeOf<NotFiniteNumberException>().With.Message.StartsWith("outputs[2] is NaN; it must be finite."));
        Assert.That(() => accuracy.Add(null!, Targets.Of([1, 1])), Throws.ArgumentNullException.With.Property("ParamName").EqualTo("outputs"));
        Assert.That(() => accuracy.Add(outputs, null!), Throws.ArgumentNullException.With.Property("ParamName").EqualTo("batch"));
        Assert.That(accuracy.Value, Is.EqualTo(0.5));
    }

    [Test]
    public void The_mean_of_a_loss_does_not_depend_on_the_batches()
    {
        using Tensor outputs = UniformTensor(Device, new Random(1), 1, 5, 3);
        using Tensor targets = UniformTensor(Device, new Random(2), 1, 5, 3);
        using Tensor firstOutputs = Tensor.From<double>(Device, outputs.ToArray<double>().AsSpan(0, 6), 2, 3);
        using Tensor firstTargets = Tensor.From<double>(Device, targets.ToArray<double>().AsSpan(0, 6), 2, 3);
        using Tensor lastOutputs = Tensor.From<double>(Device, outputs.ToArray<double>().AsSpan(6), 3, 3);
        using Tensor lastTargets = Tensor.From<double>(Device, targets.ToArray<double>().AsSpan(6), 3, 3);
        using var loss = new HuberLoss();
        double whole = loss.Forward(outputs, Targets.Of(targets) with { Weights = [1, 2, 3, 4, 5] });
        byte[] gradient = Bytes(loss.Gradient);
        var mean = new MeanLoss(loss, "huber");
        Assert.That(mean.Value, Is.NaN);
        Assert.That((mean.Name, mean.HigherIsBetter), Is.EqualTo(("huber", false)));

        mean.Add(firstOutputs, Targets.Of(firstTargets) with { Weights = [1, 2] });
        mean.Add(lastOutputs, Targets.Of(lastTargets) with { Weights = [3, 4, 5] });

        // The same 15 terms of at most 5 · 1.5 in another order.
        Assert.That(mean.Value, Is.EqualTo(whole).Within(15 * 7.5 * 1.2e-16));
        Assert.That(Bytes(loss.Gradient), Is.EqualTo(gradient));
        mean.Reset();
        Assert.That(mean.Value, Is.NaN);
    }

    [Test]
    public void Batches_of_which_nothing_counts_add_nothing()
    {
        using Tensor outputs = UniformTensor(Device, new Random(1), 1, 3, 2);
        using var loss = new CrossEntropyLoss(new CrossEntropyOptions { IgnoreIndex = -1, ClassWeights = [0, 1] });
        var mean = new MeanLoss(loss);
        mean.Add(outputs, Targets.Of([-1, -1, -1]));
        mean.Add(outputs, Targets.Of([0, -1, 0]));
        mean.Add(outputs, Targets.Of([1, 1, 1]) with { Weights = [0, 0, 0] });
        Assert.That(mean.Value, Is.NaN);

        mean.Add(outputs, Targets.Of([0, 1, -1]));
        Assert.That(mean.Value, Is.EqualTo(loss.Evaluate(outputs, Targets.Of([0, 1, -1]))));
        Assert.That(() => mean.Add(outputs, Targets.Of([0, 1, 2])), Throws.TypeOf<ArgumentOutOfRangeException>());
    }
}
