using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Layers;

internal sealed class DropoutTests(DeviceKind kind) : DeviceTests(kind)
{
    [Test]
    public void Training_drops_the_given_share_and_keeps_the_mean([Values(0.1, 0.5, 0.9)] double rate)
    {
        const int Count = 40_000;
        using Sequential model = WithIdentity(new SequentialOptions { Seed = 3, DType = DType.Float64 }, new Dropout(1, rate));
        using Tensor inputs = Tensor.From(Device, Ones(Count), Count, 1);
        double[] outputs = model.Forward(inputs).ToArray<double>();

        // 0 with probability r, 1 / (1 - r) otherwise: the mean is 1, the variance r / (1 - r). Bounds: six standard deviations of the mean and
        // of the number that is dropped.
        double kept = 1 / (1 - rate);
        Assert.That(outputs, Is.All.EqualTo(0).Or.EqualTo(kept));
        Assert.That(outputs.Average(), Is.EqualTo(1).Within(6 * Math.Sqrt(rate * kept / Count)));
        Assert.That(outputs.Count(value => value == 0), Is.EqualTo(Count * rate).Within(6 * Math.Sqrt(Count * rate * (1 - rate))));
    }

    [Test]
    public void The_gradient_is_dropped_where_the_outputs_were()
    {
        using Tensor inputs = Tensor.From(Device, Ones(300), 100, 3);
        using Tensor gradient = UniformTensor(Device, new Random(5), 1, 100, 3);
        using Sequential model = WithIdentity(
            new SequentialOptions { Seed = 3, DType = DType.Float64, ComputeInputGradient = true }, new Dropout(3, 0.4));
        for (int pass = 0; pass < 3; pass++)
        {
            double[] factors = model.Forward(inputs).ToArray<double>();
            model.Backward(gradient);
            Assert.That(factors, Has.Some.EqualTo(0).And.Some.Not.EqualTo(0));
            Assert.That(model.InputGradient.ToArray<double>(), Is.EqualTo(gradient.ToArray<double>().Zip(factors, (g, f) => g * f)));
        }
    }

    [Test]
    public void Gradients_are_those_of_central_differences()
    {
        const double Epsilon = 1e-6;
        using Tensor inputs = UniformTensor(Device, new Random(6), 1, 2, 3, 2);
        double[] cotangent = Uniform(new Random(7), 2 * 3 * 2);
        using Tensor outputGradient = Tensor.From(Device, cotangent, 2, 3, 2);
        using Sequential model = Make();
        double magnitude = Terms(model).Sum(Math.Abs);
        model.Backward(outputGradient);
        double[] gradient = model.GradientData.ToArray<double>();
        double[] parameters = model.ParameterData.ToArray<double>();
        Assert.That(gradient, Has.Length.EqualTo((2 * 4) + (4 * 4) + 4 + (4 * 2) + 2));

        // The third derivatives of a chain of two steps are of the order of 1, so the differences are off by some 1e-12; each of the 10 terms of
        // a sum is a path of fewer than 100 rounded operations, whose errors the difference divides by 2e-6.
        double rounding = Math.Sqrt(1000) * Math.Pow(2, -53) * magnitude / Epsilon;
        for (int i = 0; i < parameters.Length; i++)
        {
            double expected = (Loss(i, Epsilon) - Loss(i, -Epsilon)) / (2 * Epsilon);
            Assert.That(gradient[i], Is.EqualTo(expected).Within((1e-5 * Math.Abs(expected)) + rounding), $"parameter {i}");
        }

        // A new model of the same seed drops the same in its first pass.
        double Loss(int parameter, double change)
        {
            using Sequential moved = Make();
            double[] values = [.. parameters];
            values[parameter] += change;
            SetValues(moved.ParameterData, values);
            return Terms(moved).Sum();
        }

        IEnumerable<double> Terms(Sequential run) => run.Forward(inputs).ToArray<double>().Zip(cotangent, (y, c) => y * c);

        Sequential Make() => new(
            Device, new SequentialOptions { Seed = 9, DType = DType.Float64 },
            new RoaRnn(2, 4, new RoaRnnOptions { Output = SequenceOutput.All, WeightScale = 1 }), new Dropout(4, 0.4), new Dense(4, 2));
    }

    [Test]
    public void Every_pass_drops_others_and_a_seed_the_same_again()
    {
        using Tensor inputs = Tensor.From(Device, Ones(200), 100, 2);
        using Sequential one = Model(seed: 3), same = Model(seed: 3), other = Model(seed: 4);
        double[] first = one.Forward(inputs).ToArray<double>();
        double[] second = one.Forward(inputs).ToArray<double>();
        Assert.That(second, Is.Not.EqualTo(first));
        Assert.That(same.Forward(inputs).ToArray<double>(), Is.EqualTo(first));
        Assert.That(same.Forward(inputs).ToArray<double>(), Is.EqualTo(second));
        Assert.That(other.Forward(inputs).ToArray<double>(), Is.Not.EqualTo(first));
    }

    [Test]
    public void Two_layers_of_a_model_drop_independently()
    {
        const int Count = 40_000;
        using Tensor inputs = Tensor.From(Device, Ones(Count), Count, 1);
        using Sequential model = WithIdentity(
            new SequentialOptions { Seed = 3, DType = DType.Float64 }, new Dropout(1, 0.5), new Dropout(1, 0.5));

        // Both keep an element with probability 1/4. Bound: six standard deviations.
        int kept = model.Forward(inputs).ToArray<double>().Count(value => value == 4);
        Assert.That(kept, Is.EqualTo(Count / 4).Within(6 * Math.Sqrt(Count * 0.25 * 0.75)));
    }

    [Test]
    public void A_loaded_model_continues_where_the_saved_one_was()
    {
        using var folder = new Data.TemporaryFolder();
        using Tensor inputs = Tensor.From(Device, Ones(200), 100, 2);
        using Sequential saved = Model(seed: 3), loaded = Model(seed: 4);
        saved.Forward(inputs);
        saved.Save(folder.File("model"));
        Assert.That(SafeTensors.LoadMetadata(folder.File("model"))["0.training_passes"], Is.EqualTo("1"));
        double[] second = saved.Forward(inputs).ToArray<double>();
        loaded.Load(folder.File("model"));
        Assert.That(loaded.Forward(inputs).ToArray<double>(), Is.EqualTo(second));
    }

    [Test]
    public void Otherwise_inputs_and_gradients_pass_unchanged([Values(0, 0.5)] double rate)
    {
        using Tensor inputs = Tensor.From(Device, new double[] { 1, -2, 3, 4 }, 2, 2);
        using Tensor gradient = Tensor.From(Device, new double[] { 5, -6, 7, 8 }, 2, 2);
        using Sequential model = WithIdentity(
            new SequentialOptions { Seed = 3, DType = DType.Float64, ComputeInputGradient = true }, new Dropout(2, rate));
        model.Training = rate == 0;
        Assert.That(model.Forward(inputs).ToArray<double>(), Is.EqualTo(new double[] { 1, -2, 3, 4 }));
        if (model.Training)
        {
            model.Backward(gradient);
            Assert.That(model.InputGradient.ToArray<double>(), Is.EqualTo(gradient.ToArray<double>()));
        }
    }

    [Test]
    public void A_file_that_lacks_a_part_of_the_numbers_is_refused([Values("seed", "source", "training_passes")] string part)
    {
        using var folder = new Data.TemporaryFolder();
        using Sequential model = Model(seed: 3);
        model.Save(folder.File("whole"));
        Dictionary<string, string> metadata = SafeTensors.LoadMetadata(folder.File("whole")).ToDictionary();
        Assert.That(metadata.Remove($"0.{part}"), Is.True);
        SafeTensors.Save(folder.File("part"), model.Parameters.Select(parameter => KeyValuePair.Create(parameter.Name, parameter.Value)), metadata);
        Assert.That(() => model.Load(folder.File("part")), Throws.TypeOf<InvalidDataException>().With.Message.Contains($"__metadata__.0.{part} is missing"));
        Assert.That(() => model.Load(folder.File("whole")), Throws.Nothing);
    }

    [Test]
    public void The_backward_pass_needs_no_inputs_where_elements_were_dropped([Values(0, 0.5)] double rate)
    {
        using Tensor inputs = UniformTensor(Device, new Random(5), 1, 50, 3);
        using Tensor gradient = UniformTensor(Device, new Random(6), 1, 50, 2);
        using Sequential model = Make(), undisturbed = Make();
        undisturbed.Forward(inputs);
        undisturbed.Backward(gradient);
        model.Forward(inputs);
        inputs.Fill(7);
        if (rate == 0)
        {
            // The dense layer got the inputs themselves.
            Assert.That(() => model.Backward(gradient), Throws.InvalidOperationException.With.Message.Contains("changed since Forward"));
            return;
        }

        model.Backward(gradient);
        Assert.That(model.InputGradient.ToArray<double>(), Is.EqualTo(undisturbed.InputGradient.ToArray<double>()));
        Assert.That(model.GradientData.ToArray<double>(), Is.EqualTo(undisturbed.GradientData.ToArray<double>()));

        Sequential Make() => new(
            Device, new SequentialOptions { Seed = 3, DType = DType.Float64, ComputeInputGradient = true }, new Dropout(3, rate), new Dense(3, 2));
    }

    [Test]
    public void Only_a_layer_that_drops_keeps_outputs()
    {
        using Sequential model = WithIdentity(new SequentialOptions { Seed = 3 }, new Dropout(2, 0), new Dropout(2, 0.5));
        ModelSummary summary = model.Summary(batch: 10);

        // The second layer also has a gradient at its inputs.
        Assert.That(summary.Layers[0].ActivationBytes, Is.Zero);
        Assert.That(summary.Layers[1].ActivationBytes, Is.EqualTo(2 * 10 * 2 * sizeof(float)));
    }

    [Test]
    [Category(TestDevices.CudaCategory)]
    public void A_gpu_drops_what_the_cpu_drops()
    {
        Device gpu = TestDevices.Cuda();
        Assert.That(Run<float>(gpu, DType.Float32), Is.EqualTo(Run<float>(Device.Default, DType.Float32)));
        Assert.That(Run<double>(gpu, DType.Float64), Is.EqualTo(Run<double>(Device.Default, DType.Float64)));

        static T[] Run<T>(Device device, DType dtype) where T : unmanaged
        {
            using var model = new Sequential(
                device, new SequentialOptions { Seed = 3, DType = dtype }, new Dropout(1, 0.3), new Dense(1, 1, new DenseOptions { Bias = false }));
            model.ParameterData.Fill(1);
            using Tensor inputs = ToTensor(device, Uniform(new Random(5), 1001), dtype, 1001, 1);
            return model.Forward(inputs).ToArray<T>();
        }
    }

    [Test]
    public void Bad_arguments_are_refused()
    {
        Assert.That(() => new Dropout(0, 0.5), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("size is 0"));
        Assert.That(() => new Dropout(1, -0.1), Refused("rate is -0.1"));
        Assert.That(() => new Dropout(1, 1), Refused("rate is 1"));
        Assert.That(() => new Dropout(1, double.NaN), Refused("rate is NaN"));
        using Tensor inputs = Tensor.From(Device, new double[6], 2, 3);
        using Sequential model = Model(seed: 3);
        Assert.That(() => model.Forward(inputs), Throws.ArgumentException.With.Message.Contains("[..., 2]"));

        static NUnit.Framework.Constraints.Constraint Refused(string message) =>
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains(message).And.Property(nameof(ArgumentException.ParamName)).EqualTo("rate");
    }

    private static double[] Ones(int count)
    {
        double[] ones = new double[count];
        ones.AsSpan().Fill(1);
        return ones;
    }

    private Sequential Model(ulong seed) =>
        WithIdentity(new SequentialOptions { Seed = seed, DType = DType.Float64 }, new Dropout(2, 0.5));

    private Sequential WithIdentity(SequentialOptions options, params ReadOnlySpan<Layer> layers) =>
        TestData.WithIdentity(Device, options, layers);
}
