using OrthoNative.Tests.Data;
using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Optimizers;

/// <summary>The moving average of a model's parameters.</summary>
internal sealed class WeightAverageTests(DeviceKind kind) : DeviceTests(kind)
{
    [Test]
    public void It_follows_its_formula([Values] bool warmup)
    {
        using Sequential model = Model();
        using var average = new WeightAverage(model, 0.5, warmup);
        double[] expected = Values(model.ParameterData);
        for (int step = 0; step < 20; step++)
        {
            Change(model, step);
            average.Update();
            double decay = warmup ? Math.Min(0.5, (1.0 + step) / (10 + step)) : 0.5;
            double[] parameters = Values(model.ParameterData);
            expected = [.. expected.Zip(parameters, (a, p) => (decay * a) + ((1 - decay) * p))];
        }

        Assert.That((average.UpdateCount, average.Decay), Is.EqualTo((20, 0.5)));
        double[] trained = Values(model.ParameterData);
        using (average.Apply())
        {
            // Three roundings of numbers below 1 at each step, whose effects halve.
            Assert.That(Values(model.ParameterData), Is.EqualTo(expected).Within(1e-15));
        }

        Assert.That(Values(model.ParameterData), Is.EqualTo(trained));
    }

    [Test]
    public void Applied_averages_are_those_of_every_parameter_and_go_again_bit_for_bit([Values(100, 700)] int size)
    {
        // 700 x 700 parameters are more than are swapped at a time.
        using var model = new Sequential(Device, 1, new Dense(size, size));
        byte[] first = Bytes(model.ParameterData);
        using var average = new WeightAverage(model);
        model.ParameterData.Fill(3);
        byte[] trained = Bytes(model.ParameterData);
        using (average.Apply())
        {
            Assert.That(Bytes(model.ParameterData), Is.EqualTo(first));
        }

        Assert.That(Bytes(model.ParameterData), Is.EqualTo(trained));
        IDisposable applied = average.Apply();
        applied.Dispose();
        applied.Dispose();
        Assert.That(Bytes(model.ParameterData), Is.EqualTo(trained));
    }

    [Test]
    public void Training_on_while_averages_are_applied_is_refused()
    {
        using var folder = new TemporaryFolder();
        using Sequential model = Model();
        using var average = new WeightAverage(model);
        using var optimizer = new Sgd(model, 0.1);
        model.GradientData.Fill(1);
        model.Save(folder.File("model"));
        average.Save(folder.File("average"));
        const string Message = "The parameters are those of a WeightAverage; what WeightAverage.Apply returned must be disposed before they change.";
        using (average.Apply())
        {
            Assert.That(optimizer.Step, Throws.InvalidOperationException.With.Message.EqualTo(Message));
            Assert.That(average.Update, Throws.InvalidOperationException.With.Message.EqualTo(Message));
            Assert.That(average.Apply, Throws.InvalidOperationException.With.Message.EqualTo(Message));
            Assert.That(() => average.Save(folder.File("average")), Throws.InvalidOperationException.With.Message.EqualTo(Message));
            Assert.That(() => average.Load(folder.File("average")), Throws.InvalidOperationException.With.Message.EqualTo(Message));
            Assert.That(() => model.Load(folder.File("model")), Throws.InvalidOperationException.With.Message.EqualTo(Message));
            using FileStream stream = File.OpenRead(folder.File("model"));
            Assert.That(() => model.Load(stream), Throws.InvalidOperationException.With.Message.EqualTo(Message));
            Assert.That(() => new WeightAverage(model), Throws.InvalidOperationException.With.Message.EqualTo(Message));
            model.Save(folder.File("averaged"));
        }

        optimizer.Step();
        Assert.That(optimizer.StepCount, Is.EqualTo(1));
        model.Load(folder.File("averaged"));
    }

    [Test]
    public void A_backward_pass_needs_the_parameters_of_its_forward_pass()
    {
        using Sequential model = Model();
        using var average = new WeightAverage(model);
        using Tensor inputs = UniformTensor(Device, new Random(1), 1, 4, 3);
        using Tensor gradient = UniformTensor(Device, new Random(2), 1, 4, 2);
        model.Forward(inputs);
        average.Apply().Dispose();
        Assert.That(() => model.Backward(gradient), Throws.InvalidOperationException.With.Message.Contains("the parameters, changed since Forward"));
    }

    [Test]
    public void It_continues_from_its_file_with_the_same_bits()
    {
        using var folder = new TemporaryFolder();
        using Sequential model = Model();
        using var average = new WeightAverage(model, 0.9);
        using var resumed = new WeightAverage(model, 0.9);
        for (int step = 0; step < 3; step++)
        {
            Change(model, step);
            average.Update();
        }

        average.Save(folder.File("average"));
        resumed.Load(folder.File("average"));
        Change(model, 3);
        average.Update();
        resumed.Update();

        Assert.That(resumed.UpdateCount, Is.EqualTo(4));
        byte[] expected = Applied(average);
        Assert.That(Applied(resumed), Is.EqualTo(expected));
        Assert.That(expected, Is.Not.EqualTo(Bytes(model.ParameterData)));

        byte[] Applied(WeightAverage average)
        {
            using (average.Apply())
            {
                return Bytes(model.ParameterData);
            }
        }
    }

    [Test]
    public void Files_that_are_not_of_it_are_refused_and_change_nothing()
    {
        using var folder = new TemporaryFolder();
        using Sequential model = Model();
        using var average = new WeightAverage(model);
        model.Save(folder.File("model"));
        Assert.That(
            () => average.Load(folder.File("model")),
            Throws.TypeOf<InvalidDataException>().With.Message.EndsWith("__metadata__.average.update_count is missing; a whole number below 2^63 - 1 is expected."));

        using var other = new Sequential(Device, new SequentialOptions { DType = DType.Float64 }, new Dense(4, 2));
        using var theirs = new WeightAverage(other);
        theirs.Save(folder.File("other"));
        Assert.That(() => average.Load(folder.File("other")), Throws.TypeOf<InvalidDataException>());

        other.ParameterData.Fill(double.NaN);
        using var notFinite = new WeightAverage(other);
        notFinite.Save(folder.File("nan"));
        Assert.That(() => theirs.Load(folder.File("nan")), Throws.TypeOf<InvalidDataException>().With.Message.Contains("NaN"));
        Assert.That(average.UpdateCount, Is.Zero);
    }

    [Test]
    public void Disposing_it_gives_the_trained_parameters_back()
    {
        using Sequential model = Model();
        var average = new WeightAverage(model);
        Change(model, 1);
        byte[] trained = Bytes(model.ParameterData);
        IDisposable applied = average.Apply();
        average.Dispose();
        Assert.That(Bytes(model.ParameterData), Is.EqualTo(trained));
        applied.Dispose();
        Assert.That(Bytes(model.ParameterData), Is.EqualTo(trained));
        Assert.That(average.Update, Throws.TypeOf<ObjectDisposedException>());
        Assert.That(average.Apply, Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void A_model_that_goes_first_takes_its_parameters_along()
    {
        Sequential model = Model();
        using var average = new WeightAverage(model);
        using IDisposable applied = average.Apply();
        model.Dispose();
        Assert.That(average.Update, Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void Bad_decays_are_refused([Values(-0.1, 1, double.NaN)] double decay)
    {
        using Sequential model = Model();
        Assert.That(() => new WeightAverage(model, decay), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("it must be at least 0 and below 1"));
    }

    private Sequential Model() => new(Device, new SequentialOptions { Seed = 1, DType = DType.Float64 }, new Dense(3, 5), new Dense(5, 2));

    private static void Change(Sequential model, int seed) => SetValues(model.ParameterData, Uniform(new Random(seed), model.ParameterData.Count));
}
