using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Optimizers;

/// <summary>Gradients of several batches as those of one.</summary>
internal sealed class GradientAccumulatorTests(DeviceKind kind) : DeviceTests(kind)
{
    private const int Samples = 23;

    private readonly List<Tensor> _tensors = [];

    [TearDown]
    public void Free()
    {
        _tensors.ForEach(tensor => tensor.Dispose());
        _tensors.Clear();
    }

    [TestCase(23)]
    [TestCase(1, 22)]
    [TestCase(7, 3, 1, 12)]
    public void Uneven_batches_have_the_gradient_of_the_whole(params int[] sizes)
    {
        using Sequential model = Model();
        using var loss = new MeanSquaredErrorLoss();
        Backward(model, loss, 0, Samples);
        double[] expected = Values(model.GradientData);

        using var accumulator = new GradientAccumulator(model);
        for (int round = 0; round < 2; round++)
        {
            int first = 0;
            foreach (int size in sizes)
            {
                Forward(model, loss, first, size);
                accumulator.Backward(loss.Gradient, size);
                first += size;
            }

            Assert.That((accumulator.BatchCount, accumulator.TotalWeight), Is.EqualTo((sizes.Length, (double)Samples)));
            Assert.That(accumulator.Complete(), Is.EqualTo(Samples));
            Assert.That((accumulator.BatchCount, accumulator.TotalWeight), Is.EqualTo((0, 0.0)));

            // Either is a mean of 23 terms below 4, each of a few products and sums, rounded once for each; and three factors.
            Assert.That(Values(model.GradientData), Is.EqualTo(expected).Within(2 * (Samples + 16) * 4 * 1.2e-16));
        }
    }

    [Test]
    public void Batches_of_weight_0_add_nothing_and_weights_are_those_of_rows()
    {
        using Sequential model = Model();
        using var loss = new MeanSquaredErrorLoss();
        Backward(model, loss, 0, 4);
        double[] a = Values(model.GradientData);
        Backward(model, loss, 4, 4);
        double[] b = Values(model.GradientData);

        using var accumulator = new GradientAccumulator(model);
        foreach ((int first, double weight) in ((int, double)[])[(0, 0.5), (8, 0), (4, 1.5)])
        {
            Forward(model, loss, first, 4);
            accumulator.Backward(loss.Gradient, weight);
        }

        Assert.That(accumulator.Complete(), Is.EqualTo(2));
        Assert.That(Values(model.GradientData), Is.EqualTo(a.Zip(b, (x, y) => (0.25 * x) + (0.75 * y))).Within(1e-14));
    }

    [Test]
    public void The_gradient_that_is_given_stays_as_it_is()
    {
        using Sequential model = Model();
        using var loss = new MeanSquaredErrorLoss();
        using var accumulator = new GradientAccumulator(model);
        Forward(model, loss, 0, 4);
        double[] before = Values(loss.Gradient);
        accumulator.Backward(loss.Gradient, 4);
        Assert.That(Values(loss.Gradient), Is.EqualTo(before));
    }

    [Test]
    public void A_sum_that_is_not_complete_is_used_by_nobody()
    {
        using Sequential model = Model();
        using var loss = new MeanSquaredErrorLoss();
        using var optimizer = new Adam(model);
        using var accumulator = new GradientAccumulator(model);
        using var other = new GradientAccumulator(model);
        for (int batch = 0; batch < 2; batch++)
        {
            Forward(model, loss, 4 * batch, 4);
            accumulator.Backward(loss.Gradient, 4);
        }

        Forward(model, loss, 8, 4);
        const string Incomplete = "The gradients are a sum over 2 batches so far; GradientAccumulator.Complete must make it their mean first.";
        Assert.That(optimizer.Step, Throws.InvalidOperationException.With.Message.EqualTo(Incomplete));
        Assert.That(() => model.ClipGradients(1), Throws.InvalidOperationException.With.Message.EqualTo(Incomplete));
        Assert.That(() => model.ClipGradientNorm(1), Throws.InvalidOperationException.With.Message.EqualTo(Incomplete));
        Assert.That(() => model.Backward(loss.Gradient), Throws.InvalidOperationException.With.Message.EqualTo(Incomplete));
        Assert.That(() => other.Backward(loss.Gradient, 4), Throws.InvalidOperationException.With.Message.Contains("Another GradientAccumulator has added up 2 batches"));

        // What was refused has not used up the forward pass.
        accumulator.Backward(loss.Gradient, 4);
        Assert.That(accumulator.Complete(), Is.EqualTo(12));
        optimizer.Step();
        Assert.That(optimizer.StepCount, Is.EqualTo(1));
    }

    [Test]
    public void A_sum_without_weight_is_given_up()
    {
        using Sequential model = Model();
        using var loss = new MeanSquaredErrorLoss();
        using var accumulator = new GradientAccumulator(model);
        Assert.That(accumulator.Complete, Throws.InvalidOperationException.With.Message.EqualTo("There is no batch to complete; Backward must come first."));
        Forward(model, loss, 0, 4);
        accumulator.Backward(loss.Gradient, 0);
        Assert.That(accumulator.Complete, Throws.InvalidOperationException.With.Message.EqualTo(
            "The weights of 1 batches add up to 0; their sum must be above 0, and its inverse finite in Float64."));
        Backward(model, loss, 0, 4);
    }

    [TestCase(-1, "weight is -1; it must be finite and not negative")]
    [TestCase(double.NaN, "weight is NaN")]
    [TestCase(double.PositiveInfinity, "weight is Infinity")]
    public void Bad_weights_are_refused_and_change_nothing(double weight, string message)
    {
        using Sequential model = Model();
        using var loss = new MeanSquaredErrorLoss();
        using var accumulator = new GradientAccumulator(model);
        Forward(model, loss, 0, 4);
        Assert.That(() => accumulator.Backward(loss.Gradient, weight), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains(message));
        accumulator.Backward(loss.Gradient, 4);
        Assert.That(accumulator.Complete(), Is.EqualTo(4));
    }

    [Test]
    public void A_pass_that_fails_and_a_disposal_give_up_the_sum()
    {
        using Sequential model = Model();
        using var loss = new MeanSquaredErrorLoss();
        using var optimizer = new Sgd(model, 0.1);
        var accumulator = new GradientAccumulator(model);
        Forward(model, loss, 0, 4);
        accumulator.Backward(loss.Gradient, 4);
        Assert.That(() => accumulator.Backward(loss.Gradient, 4), Throws.InvalidOperationException, "there was no forward pass");
        Assert.That(accumulator.BatchCount, Is.Zero);
        optimizer.Step();

        Forward(model, loss, 0, 4);
        accumulator.Backward(loss.Gradient, 4);
        byte[] before = Bytes(model.ParameterData);
        accumulator.Dispose();
        optimizer.Step();
        Assert.That(Bytes(model.ParameterData), Is.EqualTo(before), "no step takes a part of a sum");
        Assert.That(() => accumulator.Backward(loss.Gradient, 4), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(accumulator.Complete, Throws.TypeOf<ObjectDisposedException>());
    }

    private Sequential Model() => new(Device, new SequentialOptions { Seed = 1, DType = DType.Float64 }, new Dense(3, 5), new ActivationLayer(5, Activation.Tanh), new Dense(5, 2));

    /// <summary>Runs a range of the samples.</summary>
    private void Forward(Sequential model, MeanSquaredErrorLoss loss, int first, int count)
    {
        loss.Differentiate(model.Forward(Rows(1, 3)), Rows(2, 2));

        // Kept for the backward pass.
        Tensor Rows(int seed, int size)
        {
            Tensor rows = ToTensor(Device, Uniform(new Random(seed), Samples * size)[(first * size)..((first + count) * size)], DType.Float64, count, size);
            _tensors.Add(rows);
            return rows;
        }
    }

    private void Backward(Sequential model, MeanSquaredErrorLoss loss, int first, int count)
    {
        Forward(model, loss, first, count);
        model.Backward(loss.Gradient);
    }
}
