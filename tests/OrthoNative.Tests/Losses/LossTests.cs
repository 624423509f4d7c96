using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Losses;

internal sealed class LossTests(DeviceKind kind) : DeviceTests(kind)
{
    /// <summary>Sums of up to 33 terms of magnitude up to 10, in float64.</summary>
    private const double Rounding = 33 * 10 * 1.2e-16;

    [TestCase(1, 1, 0)]
    [TestCase(3, 2, 0)]
    [TestCase(17, 33, 0)]
    [TestCase(5, 10, 0.1)]
    public void Cross_entropy_and_its_gradient_are_those_of_the_formula(int rows, int classes, double smoothing)
    {
        var random = new Random(1);
        using Tensor logits = UniformTensor(Device, random, 5, rows, classes);
        int[] targets = [.. Enumerable.Range(0, rows).Select(_ => random.Next(classes))];
        using var loss = new CrossEntropyLoss(new CrossEntropyOptions { LabelSmoothing = smoothing });

        double value = loss.Forward(logits, targets);
        double[][] probabilities = [.. Values(logits).Chunk(classes).Select(Softmax)];
        double expected = 0;
        var gradient = new List<double>();
        long correct = 0;
        for (int row = 0; row < rows; row++)
        {
            for (int k = 0; k < classes; k++)
            {
                double target = (k == targets[row] ? 1 - smoothing : 0) + (smoothing / classes);
                expected -= target * Math.Log(probabilities[row][k]) / rows;
                gradient.Add((probabilities[row][k] - target) / rows);
            }

            correct += Array.IndexOf(probabilities[row], probabilities[row].Max()) == targets[row] ? 1 : 0;
        }

        Assert.That(value, Is.EqualTo(expected).Within(Rounding));
        Assert.That(Values(loss.Gradient), Is.EqualTo(gradient).Within(Rounding));
        Assert.That(loss.Correct, Is.EqualTo(correct));
        Assert.That(loss.Evaluate(logits, targets), Is.EqualTo(value));
    }

    [Test]
    public void Cross_entropy_of_large_logits_does_not_overflow()
    {
        using Tensor logits = Tensor.From<float>(Device, [1e30f, -1e30f, -1e30f, 1e30f], 2, 2);
        using var loss = new CrossEntropyLoss();

        Assert.That(loss.Forward(logits, [0, 1]), Is.Zero);
        Assert.That(loss.Correct, Is.EqualTo(2));
    }

    [Test]
    public void The_first_of_equal_logits_counts()
    {
        using var logits = new Tensor(Device, DType.Float32, 2, 3);
        using var loss = new CrossEntropyLoss();

        loss.Forward(logits, [0, 2]);

        Assert.That(loss.Correct, Is.EqualTo(1));
    }

    [Test]
    public void All_dimensions_but_the_last_count_as_rows()
    {
        using Tensor sequence = UniformTensor(Device, new Random(2), 1, 4, 3, 5);
        using Tensor rows = Tensor.From<double>(Device, Values(sequence), 12, 5);
        using var loss = new CrossEntropyLoss();
        int[] targets = [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1];

        double expected = loss.Evaluate(rows, targets);

        Assert.That(loss.Forward(sequence, targets), Is.EqualTo(expected));
        Assert.That(loss.Gradient.Shape.ToArray(), Is.EqualTo((long[])[4, 3, 5]));
    }

    [Test]
    public void Mean_squared_error_and_its_gradient_are_those_of_the_formula()
    {
        using Tensor predictions = UniformTensor(Device, new Random(3), 1, 3, 11);
        using Tensor targets = UniformTensor(Device, new Random(4), 1, 3, 11);
        using var loss = new MeanSquaredErrorLoss();
        double[] differences = [.. Values(predictions).Zip(Values(targets), (x, y) => x - y)];

        Assert.That(loss.Forward(predictions, targets), Is.EqualTo(differences.Average(d => d * d)).Within(Rounding));
        Assert.That(Values(loss.Gradient), Is.EqualTo(differences.Select(d => 2 * d / 33)).Within(Rounding));
        Assert.That(loss.Evaluate(predictions, targets), Is.EqualTo(differences.Average(d => d * d)).Within(Rounding));
    }

    [Test]
    public void Differentiating_gives_the_gradient_of_the_loss_and_counts_nothing()
    {
        using Tensor outputs = UniformTensor(Device, new Random(5), 1, 4, 3);
        using Tensor targets = UniformTensor(Device, new Random(6), 1, 4, 3);
        using var entropy = new CrossEntropyLoss(new CrossEntropyOptions { LabelSmoothing = 0.1 });
        using var error = new MeanSquaredErrorLoss();
        int[] classes = [0, 1, 2, 0];
        entropy.Forward(outputs, classes);
        error.Forward(outputs, targets);
        (byte[] entropyGradient, byte[] errorGradient, long correct) = (Bytes(entropy.Gradient), Bytes(error.Gradient), entropy.Correct);

        // Overwritten by another gradient first.
        entropy.Differentiate(targets, classes);
        error.Differentiate(targets, targets);
        Assert.That(Bytes(entropy.Gradient), Is.Not.EqualTo(entropyGradient));
        Assert.That(Values(error.Gradient), Is.All.Zero);
        entropy.Differentiate(outputs, classes);
        error.Differentiate(outputs, targets);

        Assert.That(Bytes(entropy.Gradient), Is.EqualTo(entropyGradient));
        Assert.That(Bytes(error.Gradient), Is.EqualTo(errorGradient));
        Assert.That(entropy.Correct, Is.EqualTo(correct));
        Assert.That(() => entropy.Differentiate(outputs, [0]), Throws.ArgumentException.With.Message.Contains("targets has 1 elements"));
    }

    [Test]
    public void A_loss_follows_the_element_type_and_the_shape_it_is_given()
    {
        using var single = new Tensor(Device, DType.Float32, 4, 2);
        using var twice = new Tensor(Device, DType.Float64, 3, 2);
        using var loss = new CrossEntropyLoss();

        loss.Forward(single, new int[4]);
        Assert.That(loss.Gradient.ToString(), Is.EqualTo("Float32 [4, 2]"));
        loss.Forward(twice, new int[3]);
        Assert.That(loss.Gradient.ToString(), Is.EqualTo("Float64 [3, 2]"));
    }

    [Test]
    public void Bad_arguments_are_refused_in_plain_words()
    {
        using var flat = new Tensor(Device, DType.Float32, 4);
        using var logits = new Tensor(Device, DType.Float32, 4, 3);
        using var other = new Tensor(Device, DType.Float32, 3, 4);
        using var wide = new Tensor(Device, DType.Float64, 4, 3);
        using var entropy = new CrossEntropyLoss();
        using var error = new MeanSquaredErrorLoss();

        Assert.That(() => entropy.Forward(flat, new int[4]), Throws.ArgumentException.With.Message.Contains("outputs has shape [4]; it must be [..., classes]"));
        Assert.That(() => entropy.Forward(logits, new int[3]), Throws.ArgumentException.With.Message.Contains("targets has 3 elements; it must have 4, one for each row"));
        Assert.That(() => entropy.Forward(logits, [0, 3, 0, 0]), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("targets[1] is 3"));
        Assert.That(() => entropy.Forward(logits, [0, 0, 0, -1]), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("targets[3] is -1"));
        Assert.That(() => error.Forward(logits, other), Throws.ArgumentException.With.Message.Contains("targets has shape [3, 4]; it must be [4, 3]"));
        Assert.That(() => error.Forward(logits, wide), Throws.ArgumentException.With.Message.Contains("targets has element type Float64; it must be Float32"));
        Assert.That(() => entropy.Gradient, Throws.InvalidOperationException);
        Assert.That(() => error.Gradient, Throws.InvalidOperationException);
    }

    [Test]
    public void Values_that_are_not_finite_are_refused_by_name()
    {
        using var good = new Tensor(Device, DType.Float32, 2, 3);
        using var bad = new Tensor(Device, DType.Float32, 2, 3);
        bad.CopyFrom<float>(4, [float.NaN]);
        using var entropy = new CrossEntropyLoss();
        using var error = new MeanSquaredErrorLoss();

        Assert.That(() => entropy.Forward(bad, new int[2]), Throws.TypeOf<NotFiniteNumberException>().With.Message.Contains("outputs["));
        Assert.That(() => error.Forward(bad, good), Throws.TypeOf<NotFiniteNumberException>().With.Message.Contains("outputs["));
        Assert.That(() => error.Forward(good, bad), Throws.TypeOf<NotFiniteNumberException>().With.Message.Contains("targets["));
    }

    [Test]
    public void A_disposed_loss_says_so()
    {
        using var logits = new Tensor(Device, DType.Float32, 2, 3);
        var entropy = new CrossEntropyLoss();
        var error = new MeanSquaredErrorLoss();
        entropy.Forward(logits, new int[2]);
        entropy.Dispose();
        error.Dispose();

        Assert.That(() => entropy.Forward(logits, new int[2]), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => entropy.Gradient, Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => error.Evaluate(logits, logits), Throws.TypeOf<ObjectDisposedException>());
    }

    private static double[] Softmax(double[] logits)
    {
        double[] exponentials = [.. logits.Select(value => Math.Exp(value - logits.Max()))];
        return [.. exponentials.Select(value => value / exponentials.Sum())];
    }
}
