using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Losses;

/// <summary>Losses over the steps within the lengths of sequences.</summary>
internal sealed class LossLengthTests(DeviceKind kind) : DeviceTests(kind)
{
    private const int Steps = 5;
    private const int Batch = 3;
    private const int Units = 4;

    /// <summary>Sums of at most 36 terms of magnitude up to 10, in float64.</summary>
    private const double Rounding = 36 * 10 * 1.2e-16;

    private static readonly int[] s_lengths = [4, 0, 2];

    private static readonly bool[] s_counts = [.. Enumerable.Range(0, Steps).SelectMany(step => s_lengths.Select(length => step < length))];

    [TestCase(0)]
    [TestCase(0.1)]
    public void Cross_entropy_is_that_of_the_rows_that_count(double smoothing)
    {
        var random = new Random(1);
        using Tensor logits = UniformTensor(Device, random, 3, Steps, Batch, Units);
        int[] targets = [.. Enumerable.Range(0, Steps * Batch).Select(_ => random.Next(Units))];
        using Tensor rows = RowsThatCount(logits);
        int[] rowTargets = [.. targets.Where((_, row) => s_counts[row])];
        using var expected = new CrossEntropyLoss(new CrossEntropyOptions { LabelSmoothing = smoothing });
        double value = expected.Forward(rows, rowTargets);
        using var loss = new CrossEntropyLoss(new CrossEntropyOptions { LabelSmoothing = smoothing });

        // What does not count is neither read nor checked.
        double[] values = Values(logits);
        for (int row = 0; row < s_counts.Length; row++)
        {
            if (!s_counts[row])
            {
                values.AsSpan(row * Units, Units).Fill(double.NaN);
                targets[row] = -7;
            }
        }

        SetValues(logits, values);
        Assert.That(loss.Forward(logits, targets, s_lengths), Is.EqualTo(value).Within(Rounding));
        Assert.That(loss.Correct, Is.EqualTo(expected.Correct));
        AssertGradient(loss.Gradient, Values(expected.Gradient));

        byte[] gradient = Bytes(loss.Gradient);
        loss.Forward(rows, rowTargets);
        Assert.That(loss.Evaluate(logits, targets, s_lengths), Is.EqualTo(value).Within(Rounding));
        Assert.That(loss.Correct, Is.EqualTo(expected.Correct));
        loss.Differentiate(logits, targets, s_lengths);
        Assert.That(Bytes(loss.Gradient), Is.EqualTo(gradient));
    }

    [Test]
    public void Mean_squared_error_is_that_of_the_rows_that_count()
    {
        var random = new Random(2);
        using Tensor predictions = UniformTensor(Device, random, 1, Steps, Batch, Units);
        using Tensor targets = UniformTensor(Device, random, 1, Steps, Batch, Units);
        using Tensor rows = RowsThatCount(predictions);
        using Tensor rowTargets = RowsThatCount(targets);
        using var expected = new MeanSquaredErrorLoss();
        double value = expected.Forward(rows, rowTargets);
        using var loss = new MeanSquaredErrorLoss();

        foreach (Tensor tensor in (Tensor[])[predictions, targets])
        {
            SetValues(tensor, [.. Values(tensor).Select((number, i) => s_counts[i / Units] ? number : double.NaN)]);
        }

        Assert.That(loss.Forward(predictions, targets, s_lengths), Is.EqualTo(value).Within(Rounding));
        AssertGradient(loss.Gradient, Values(expected.Gradient));
        byte[] gradient = Bytes(loss.Gradient);
        loss.Forward(rows, rowTargets);
        Assert.That(loss.Evaluate(predictions, targets, s_lengths), Is.EqualTo(value).Within(Rounding));
        loss.Differentiate(predictions, targets, s_lengths);
        Assert.That(Bytes(loss.Gradient), Is.EqualTo(gradient));
    }

    [Test]
    public void Full_lengths_and_none_are_the_same()
    {
        var random = new Random(3);
        using Tensor outputs = UniformTensor(Device, random, 1, Steps, Batch, Units);
        using Tensor targets = UniformTensor(Device, random, 1, Steps, Batch, Units);
        int[] classes = [.. Enumerable.Range(0, Steps * Batch).Select(_ => random.Next(Units))];
        using var entropy = new CrossEntropyLoss();
        using var error = new MeanSquaredErrorLoss();

        Assert.That(entropy.Forward(outputs, classes, [5, 5, 5]), Is.EqualTo(entropy.Forward(outputs, classes)));
        Assert.That(entropy.Forward(outputs, classes, []), Is.EqualTo(entropy.Forward(outputs, classes)));
        Assert.That(error.Forward(outputs, targets, [5, 5, 5]), Is.EqualTo(error.Forward(outputs, targets)));
        Assert.That(error.Evaluate(outputs, targets, []), Is.EqualTo(error.Forward(outputs, targets)));
    }

    [Test]
    public void Lengths_that_do_not_fit_are_refused_and_leave_no_gradient()
    {
        using var outputs = new Tensor(Device, DType.Float32, Steps, Batch, Units);
        using var last = new Tensor(Device, DType.Float32, Batch, Units);
        using var entropy = new CrossEntropyLoss();
        using var error = new MeanSquaredErrorLoss();
        int[] classes = new int[Steps * Batch];

        Assert.That(() => entropy.Forward(last, new int[Batch], s_lengths), Throws.ArgumentException.With.Message.StartsWith("outputs has shape [3, 4]; with lengths it must be [T, B, C]."));
        Assert.That(() => error.Forward(last, last, s_lengths), Throws.ArgumentException.With.Message.StartsWith("outputs has shape [3, 4]; with lengths"));
        Assert.That(() => entropy.Evaluate(outputs, classes, [1, 2]), Throws.ArgumentException.With.Message.StartsWith("lengths has 2 elements; it must have 3"));
        foreach ((int[] lengths, string problem) in (ReadOnlySpan<(int[], string)>)
            [([1, 6, 2], "lengths[1] is 6; it must be from 0 to 5."), ([1, 0, -1], "lengths[2] is -1; it must be from 0 to 5."), ([0, 0, 0], "lengths has zeros only;")])
        {
            entropy.Forward(outputs, classes);
            ArgumentException exception = Assert.Catch<ArgumentException>(() => entropy.Forward(outputs, classes, lengths))!;
            Assert.That(exception.Message, Does.StartWith(problem));
            Assert.That(exception.ParamName, Is.EqualTo("lengths"));
            Assert.That(() => entropy.Gradient, Throws.InvalidOperationException);
            Assert.That(() => error.Differentiate(outputs, outputs, lengths), Throws.InstanceOf<ArgumentException>().With.Message.StartsWith(problem));
        }

        classes[3] = Units;
        Assert.That(() => entropy.Forward(outputs, classes, [5, 5, 5]), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("targets[3] is 4"));
        Assert.That(() => entropy.Forward(outputs, classes, [1, 5, 5]), Throws.Nothing);
    }

    private Tensor RowsThatCount(Tensor tensor)
    {
        double[] values = [.. Values(tensor).Where((_, i) => s_counts[i / Units])];
        return ToTensor(Device, values, DType.Float64, values.Length / Units, Units);
    }

    private static void AssertGradient(Tensor gradient, double[] expected)
    {
        double[] values = Values(gradient);
        Assert.That(gradient.Shape.ToArray(), Is.EqualTo((long[])[Steps, Batch, Units]));
        Assert.That(values.Where((_, i) => !s_counts[i / Units]), Is.All.Zero);
        Assert.That(values.Where((_, i) => s_counts[i / Units]), Is.EqualTo(expected).Within(Rounding));
    }
}
