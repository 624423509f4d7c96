using System.Text.Json;
using OrthoNative.Diagnostics;
using OrthoNative.Tests.Cli;
using OrthoNative.Tests.Data;
using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Cuda;

/// <summary>Whole training steps.</summary>
internal sealed class TrainingTests : CudaTests
{
    [Test]
    public void The_adding_problem_is_learnt_as_on_the_cpu()
    {
        double here = Learn(Device);
        double there = Learn(Device.Default);

        // Chance is 1/6, the variance of the sum.
        Assert.That(there, Is.LessThan(0.02));
        Assert.That(here, Is.LessThan(0.02));
    }

    [Test]
    public void Input_that_is_not_finite_is_reported_by_the_call_that_waits_and_trains_nothing(
        [Values(float.NaN, float.PositiveInfinity)] float bad, [Values] bool recurrent)
    {
        using Sequential model = recurrent
            ? new Sequential(Device, 1, new RoaRnn(2, 5), new Dense(5, 3))
            : new Sequential(Device, 1, new Dense(2, 5), new RoaFnn(5, 3), new Dense(5, 3));
        using var loss = new CrossEntropyLoss();
        using var optimizer = new Adam(model, 0.1);
        using var inputs = new Tensor(Device, DType.Float32, recurrent ? [4, 3, 2] : [3, 2]);
        byte[] before = Bytes(model.ParameterData);
        inputs.CopyFrom<float>(1, [bad]);

        Step(model, loss, optimizer, inputs);

        Assert.That(Device.Synchronize, Throws.TypeOf<NotFiniteNumberException>().With.Message.Contains(recurrent ? "inputs[1]" : "is NaN or infinite"));
        Assert.That(Bytes(model.ParameterData), Is.EqualTo(before));
        Assert.That(() => loss.Forward(model.Forward(inputs), [0, 1, 2]), Throws.TypeOf<NotFiniteNumberException>());

        // Reporting clears it: with good inputs training continues.
        inputs.Fill(0.5);
        Step(model, loss, optimizer, inputs);
        Device.Synchronize();
        Assert.That(Bytes(model.ParameterData), Is.Not.EqualTo(before));
        Assert.That(Values(model.ParameterData).All(double.IsFinite));
    }

    [Test]
    public void A_gradient_that_is_not_finite_trains_nothing([Values] bool chainLast)
    {
        using Sequential model = chainLast
            ? new Sequential(Device, 1, new Dense(2, 3), new RoaFnn(3, 2))
            : new Sequential(Device, 1, new Dense(2, 3));
        using var optimizer = new Sgd(model, 0.1);
        using var inputs = new Tensor(Device, DType.Float32, 4, 2);
        using var gradient = new Tensor(Device, DType.Float32, 4, 3);
        byte[] before = Bytes(model.ParameterData);
        gradient.CopyFrom<float>(5, [float.NaN]);

        model.Forward(inputs);
        model.Backward(gradient);
        optimizer.Step();

        Assert.That(Device.Synchronize, Throws.TypeOf<NotFiniteNumberException>().With.Message.Contains("gradient").IgnoreCase);
        Assert.That(Bytes(model.ParameterData), Is.EqualTo(before));
    }

    [Test]
    public void Model_and_optimizer_are_saved_and_loaded_between_the_devices()
    {
        using var folder = new TemporaryFolder();
        using Sequential here = Model(Device, 1);
        using Sequential there = Model(Device.Default, 2);
        using Sequential back = Model(Device, 3);
        using var optimizer = new Adam(here);
        using var loaded = new Adam(there);
        here.GradientData.Fill(0.5);
        optimizer.Step();

        here.Save(folder.File("here"));
        there.Load(folder.File("here"));
        there.Save(folder.File("there"));
        back.Load(folder.File("there"));
        optimizer.Save(folder.File("optimizer"));
        loaded.Load(folder.File("optimizer"));

        Assert.That(Bytes(there.ParameterData), Is.EqualTo(Bytes(here.ParameterData)));
        Assert.That(Bytes(back.ParameterData), Is.EqualTo(Bytes(here.ParameterData)));
        Assert.That(File.ReadAllBytes(folder.File("there")), Is.EqualTo(File.ReadAllBytes(folder.File("here"))));
        Assert.That(loaded.StepCount, Is.EqualTo(1));

        // The same moments: the next step is that of the other device, but for the rounding of about ten operations on numbers up to 1.
        there.GradientData.Fill(0.25);
        here.GradientData.Fill(0.25);
        loaded.Step();
        optimizer.Step();
        Assert.That(Values(there.ParameterData), Is.EqualTo(Values(here.ParameterData)).Within(10 * Math.Pow(2, -24)));
    }

    [Test]
    public void Tensors_larger_than_the_buffer_for_files_are_saved_and_loaded_whole()
    {
        using var folder = new TemporaryFolder();
        const int Count = (SafeTensors.ChunkBytes / sizeof(float)) + 3;
        using Tensor tensor = Tensor.From<float>(Device, [.. Enumerable.Range(0, Count).Select(i => (float)i)], Count);

        SafeTensors.Save(folder.File("large"), [KeyValuePair.Create("large", tensor)]);
        using Tensor loaded = SafeTensors.Load(folder.File("large"), Device)["large"];

        Assert.That(Bytes(loaded), Is.EqualTo(Bytes(tensor)));
    }

    [Test]
    public void Noise_is_that_of_the_cpu()
    {
        // Bit for bit: drawing takes nothing but operations that IEEE 754 rounds, and the readout multiplies by 1.
        Assert.That(Noise(Device), Is.EqualTo(Noise(Device.Default)));
    }

    [Test]
    public void Gradients_along_a_chain_are_recorded_as_on_the_cpu()
    {
        IReadOnlyList<double> here = Record(Device);
        IReadOnlyList<double> there = Record(Device.Default);

        // Both are computed in float64 from the same weights. What differs is the gradient at the output, y - t: y, below 1, ends 6 steps of
        // 7 units, 2 inputs and 4 more roundings each, and a sum of 7 terms with 2 more; the targets are at least 1/2 away from it.
        const double Bound = ((6 * (7 + 2 + 4)) + 9) / (0.5 * (1 << 24));
        Assert.That(here, Is.EqualTo(there).Within(Bound));
    }

    [Test]
    public void Clipping_without_the_norm_scales_as_clipping_with_it()
    {
        using Sequential one = Model(Device, 1);
        using Sequential other = Model(Device, 1);
        one.GradientData.Fill(3);
        other.GradientData.Fill(3);

        double norm = one.ClipGradientNorm(1);
        other.ClipGradients(1);

        Assert.That(norm, Is.EqualTo(3 * Math.Sqrt(one.GradientData.Count)).Within(1e-12 * norm));
        Assert.That(Bytes(other.GradientData), Is.EqualTo(Bytes(one.GradientData)));
    }

    [Test]
    public void The_tool_trains_on_the_gpu_and_says_so()
    {
        using var folder = new TemporaryFolder();

        CliResult result = CliProcess.Run(
            folder.Path,
            "train", "copy", "--length", "10", "--hidden", "16", "--batch", "8", "--test-samples", "16", "--steps", "3", "--device", "cuda", "--out", "run");

        Assert.That(result.ExitCode, Is.Zero, result.Error);
        Assert.That(result.Output, Does.Contain(Device.ToString()));
        using var run = JsonDocument.Parse(File.ReadAllText(folder.File("run/run.json")));
        Assert.That(run.RootElement.GetProperty("machine").GetProperty("device").GetString(), Is.EqualTo(Device.ToString()));
        Assert.That(CliProcess.Run(folder.Path, "info").Output, Does.Contain(Device.ToString()));
    }

    /// <summary>Loss at the end of a short training with fresh samples.</summary>
    private static double Learn(Device device)
    {
        const int Steps = 60;
        const int BatchSize = 64;
        using var loader = new DataLoader(new AddingProblem(8, Steps * BatchSize, seed: 1), BatchSize, new DataLoaderOptions { Device = device });

        // The tool's settings for this task.
        var rnn = new RoaRnn(2, 24, new RoaRnnOptions
        {
            Alpha = 1,
            Beta = 1,
            Filter = Filter.Cycle,
            Activation = Activation.Relu,
            InputOffset = 0.5,
            InputScale = 0.5,
            BiasOffset = -1,
            BiasScale = 0,
            WeightScale = 0,
            WeightLearningRateScale = 0.1,
        });
        using var model = new Sequential(device, 1, rnn, new Dense(24, 1));
        using var loss = new MeanSquaredErrorLoss();
        using var optimizer = new Adam(model, 1e-2);
        double last = 0;
        foreach (Batch batch in loader.Epoch(0))
        {
            last = loss.Forward(model.Forward(batch.Inputs), batch.Values!);
            model.Backward(loss.Gradient);
            model.ClipGradients(1);
            optimizer.Step();
        }

        return last;
    }

    /// <summary>A training step in which nothing waits.</summary>
    private static void Step(Sequential model, CrossEntropyLoss loss, Optimizer optimizer, Tensor inputs)
    {
        loss.Differentiate(model.Forward(inputs), [0, 1, 2]);
        model.Backward(loss.Gradient);
        model.ClipGradients(1);
        optimizer.Step();
    }

    private static Sequential Model(Device device, ulong seed) => new(device, seed, new RoaRnn(2, 8), new Dense(8, 4));

    private static double[] Noise(Device device)
    {
        using var model = new Sequential(device, 3, new GaussianNoise(1, 1), new Dense(1, 1, new DenseOptions { Bias = false }));
        model.ParameterData.Fill(1);
        using var inputs = new Tensor(device, DType.Float32, 1001, 1);
        return Values(model.Forward(inputs));
    }

    private static IReadOnlyList<double> Record(Device device)
    {
        var rnn = new RoaRnn(2, 7);
        using var model = new Sequential(device, 4, rnn, new Dense(7, 1));
        using var recorder = new GradientRecorder(model, rnn, 1);
        using Tensor inputs = ToTensor(device, Uniform(new Random(5), 6 * 3 * 2), DType.Float32, 6, 3, 2);
        using Tensor targets = ToTensor(device, [1, 2, 3], DType.Float32, 3, 1);
        using var loss = new MeanSquaredErrorLoss();
        loss.Differentiate(model.Forward(inputs), targets);
        model.Backward(loss.Gradient);
        return recorder.Records[0].LogNorms;
    }
}
