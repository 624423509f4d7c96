using OrthoNative.Diagnostics;
using OrthoNative.Tests.Data;
using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Containers;

/// <summary>Windows that are scaled by their own numbers.</summary>
internal sealed class WindowScalingTests(DeviceKind kind) : DeviceTests(kind)
{
    private const int Steps = 5;
    private static readonly int[] s_lengths = [3, 5, 0, 1];

    [Test]
    public void Inputs_are_scaled_and_outputs_scaled_back_by_the_window_s_numbers(
        [Values] WindowScalingMode mode, [Values] bool lengths, [FloatingPointTypes] DType dtype)
    {
        // Two channels of different size; the horizon has 2 steps of the second and the first channel.
        const double Epsilon = 0.01;
        double[] x = [.. Uniform(new Random(1), Steps * 4 * 2).Select((value, i) => i % 2 == 0 ? 100 + (10 * value) : value)];
        var options = new WindowScalingOptions { Mode = mode, Epsilon = Epsilon, TargetChannels = [1, 0] };
        using var model = new Sequential(Device, new SequentialOptions { DType = dtype }, new WindowScaling(options, new Pooling(2, PoolingKind.Mean), new Dense(2, 4)));
        double[] weight = Uniform(new Random(2), 8), bias = Uniform(new Random(3), 4), scale = [0.7, -1.3], offset = [0.4, 0.2];
        Set(model, "0.1.weight", weight);
        Set(model, "0.1.bias", bias);
        if (mode == WindowScalingMode.RevIn)
        {
            Assert.That(model.Parameters.Select(parameter => parameter.Name), Is.EqualTo((string[])["0.weight", "0.bias", "0.1.weight", "0.1.bias"]));
            Set(model, "0.weight", scale);
            Set(model, "0.bias", offset);
        }

        using Tensor inputs = ToTensor(Device, x, dtype, Steps, 4, 2);
        double[] actual = Values(model.Forward(inputs, new ForwardOptions { Lengths = lengths ? s_lengths : default }));
        for (int row = 0; row < 4; row++)
        {
            int length = lengths ? s_lengths[row] : Steps;
            double[] shift = new double[2], divisor = [1, 1], mean = new double[2];
            for (int channel = 0; channel < 2 && length > 0; channel++)
            {
                double[] values = [.. Enumerable.Range(0, length).Select(step => x[(((step * 4) + row) * 2) + channel])];
                bool revIn = mode == WindowScalingMode.RevIn;
                shift[channel] = revIn ? values.Average() : values[^1];
                divisor[channel] = revIn ? Math.Sqrt(values.Average(value => Math.Pow(value - values.Average(), 2)) + Epsilon) : 1;
                mean[channel] = (values.Average() - shift[channel]) / divisor[channel];
                mean[channel] = revIn ? (mean[channel] * scale[channel]) + offset[channel] : mean[channel];
            }

            for (int output = 0; output < 4; output++)
            {
                int channel = output % 2 == 0 ? 1 : 0;
                double value = bias[output] + (weight[output * 2] * mean[0]) + (weight[(output * 2) + 1] * mean[1]);
                value = mode == WindowScalingMode.RevIn ? (value - offset[channel]) / scale[channel] : value;
                double expected = (value * divisor[channel]) + shift[channel];
                Assert.That(actual[(row * 4) + output], Is.EqualTo(expected).Within(dtype == DType.Float32 ? 2e-4 : 1e-12), $"row {row}, output {output}");
            }
        }
    }

    [Test]
    public void What_the_layers_leave_as_it_is_comes_back()
    {
        // A model that forecasts the scaled inputs themselves gives the inputs: the scaling is undone.
        using var model = new Sequential(
            Device, new SequentialOptions { DType = DType.Float64 }, new WindowScaling(new WindowScalingOptions { Mode = WindowScalingMode.RevIn }, new Dense(2, 2, new DenseOptions { Bias = false })));
        Set(model, "0.0.weight", [1, 0, 0, 1]);
        Set(model, "0.weight", [3, -0.2]);
        Set(model, "0.bias", [5, -7]);
        double[] values = Uniform(new Random(1), Steps * 3 * 2, 1000);
        using Tensor inputs = ToTensor(Device, values, DType.Float64, Steps, 3, 2);
        Assert.That(Values(model.Forward(inputs)), Is.EqualTo(values).Within(1e-9));
    }

    [Test]
    public void A_level_and_a_scale_of_the_inputs_are_those_of_the_outputs([Values] WindowScalingMode mode)
    {
        using Sequential model = Forecaster(mode, Device, DType.Float64);
        double[] values = Uniform(new Random(1), Steps * 3 * 2);
        using Tensor inputs = ToTensor(Device, values, DType.Float64, Steps, 3, 2);
        using Tensor moved = ToTensor(Device, [.. values.Select((value, i) => (1000 * value * (mode == WindowScalingMode.RevIn ? 1 : 0.001)) + (i % 2 == 0 ? 50 : -50))], DType.Float64, Steps, 3, 2);

        // The outputs are of channel 1 first. ε is 1e-5 of variances of about 0.3.
        double[] expected = [.. Values(model.Forward(inputs)).Select((value, i) => (1000 * value * (mode == WindowScalingMode.RevIn ? 1 : 0.001)) + (i % 2 == 0 ? -50 : 50))];
        Assert.That(Values(model.Forward(moved)), Is.EqualTo(expected).Within(mode == WindowScalingMode.RevIn ? 0.1 : 1e-12));
    }

    [Test]
    public void Gradients_are_those_of_central_differences([Values] WindowScalingMode mode, [Values] bool affine, [Values] bool lengths, [Values(0, 1, 2)] int end)
    {
        // Forecasts after the last step, of some steps, and of all; of one of the three channels.
        SequenceOutput output = end == 0 ? SequenceOutput.Last : end == 1 ? SequenceOutput.LastSteps(2) : SequenceOutput.All;
        foreach ((IReadOnlyList<int>? targets, IReadOnlyList<int>? scaled) in ((IReadOnlyList<int>?, IReadOnlyList<int>?)[])[(null, null), ([2, 0], null), ([2], [1, 2])])
        {
            var options = new WindowScalingOptions { Mode = mode, Affine = affine, Epsilon = 0.1, TargetChannels = targets, ScaledChannels = scaled };
            using var model = new Sequential(
                Device.Default, new SequentialOptions { DType = DType.Float64, ComputeInputGradient = true },
                new WindowScaling(options, new Dense(3, 4), new Gru(4, 3, new GruOptions { Output = output }), new Dense(3, 6)), new Dense(6, 2));
            using Tensor inputs = UniformTensor(new Random(1), 2, Steps, 4, 3);
            GradientCheckResult result = GradientCheck.Run(model, inputs, new ForwardOptions { Lengths = lengths ? s_lengths : default });
            Assert.That(result.Passed, Is.True, result.ToString());
            Assert.That(result.Elements, Is.GreaterThan(100));
        }
    }

    [Test]
    public void Without_a_gradient_at_the_inputs_parameters_have_the_same_gradients([Values] WindowScalingMode mode, [Values] bool accumulate)
    {
        using Sequential with = Forecaster(mode, Device, DType.Float32, inputGradient: true), without = Forecaster(mode, Device, DType.Float32);
        using Tensor inputs = ToTensor(Device, Uniform(new Random(1), Steps * 4 * 2), DType.Float32, Steps, 4, 2);
        using Tensor gradient = ToTensor(Device, Uniform(new Random(2), 4 * 6), DType.Float32, 4, 6);
        foreach (Sequential model in (Sequential[])[with, without])
        {
            model.Forward(inputs, s_lengths);
            model.Backward(gradient);
            if (accumulate)
            {
                double[] twice = [.. Values(model.GradientData).Select(value => 2 * value)];
                model.Forward(inputs, s_lengths);
                model.Backward(gradient, accumulate: true);
                Assert.That(Values(model.GradientData), Is.EqualTo(twice).Within(1e-5));
            }
        }

        Assert.That(Bytes(without.GradientData), Is.EqualTo(Bytes(with.GradientData)));
    }

    [Test]
    public void It_trains_and_comes_back_from_its_file_bit_for_bit([Values] WindowScalingMode mode)
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("model.safetensors");
        using Sequential model = Forecaster(mode, Device, DType.Float32);
        using Tensor inputs = ToTensor(Device, [.. Uniform(new Random(1), Steps * 4 * 2).Select(value => 100 + value)], DType.Float32, Steps, 4, 2);
        using Tensor targets = ToTensor(Device, [.. Uniform(new Random(2), 4 * 6).Select(value => 100 + value)], DType.Float32, 4, 6);
        using var optimizer = new Adam(model, 0.02);
        using var loss = new MeanSquaredErrorLoss();
        double first = 0, last = 0;
        for (int step = 0; step < 100; step++)
        {
            last = loss.Forward(model.Forward(inputs), targets);
            first = step == 0 ? last : first;
            model.Backward(loss.Gradient);
            optimizer.Step();
        }

        // The level is not learnt: it comes with the window.
        Assert.That(first, Is.LessThan(10));
        Assert.That(last, Is.LessThan(first / 3));
        model.Save(path);
        using var loaded = (Sequential)Model.Load(path, Device);
        Assert.That(((WindowScaling)loaded.Layers[0]).Mode, Is.EqualTo(mode));
        Assert.That(((WindowScaling)loaded.Layers[0]).TargetChannels, Is.EqualTo((int[])[1, 0]));
        Assert.That(Bytes(loaded.Forward(inputs)), Is.EqualTo(Bytes(model.Forward(inputs))));
    }

    [Test]
    public void A_mask_reaches_the_layers_as_it_is([Values] WindowScalingMode mode)
    {
        using var folder = new TemporaryFolder();
        WindowScalingOptions options = new() { Mode = mode, ScaledChannels = [0, 2], TargetChannels = [2] };

        // Channel 1 is a mask; the outputs are its mean alone, scaled back by the numbers of channel 2.
        using var model = new Sequential(
            Device, new SequentialOptions { DType = DType.Float64, ComputeInputGradient = true }, new WindowScaling(options, new Pooling(3, PoolingKind.Mean), new Dense(3, 1)));
        Set(model, "0.1.weight", [0, 1, 0]);
        Set(model, "0.1.bias", [0]);
        if (mode == WindowScalingMode.RevIn)
        {
            Set(model, "0.weight", [3, 3, 1]);
            Set(model, "0.bias", [5, 5, 0]);
        }

        using Tensor inputs = ToTensor(Device, [7, 1, 4, 8, 0, 4, 9, 1, 4, 7, 0, 4], DType.Float64, 4, 1, 3);
        double divisor = mode == WindowScalingMode.RevIn ? Math.Sqrt(options.Epsilon) : 1;
        Assert.That(Values(model.Forward(inputs)), Is.EqualTo((double[])[4 + (0.5 * divisor)]).Within(1e-12));
        using Tensor gradient = ToTensor(Device, [1.0], DType.Float64, 1, 1);
        model.Backward(gradient);
        double[] at = Values(model.InputGradient!);
        Assert.That(Enumerable.Range(0, 4).Select(step => at[(step * 3) + 1]), Is.All.EqualTo(divisor / 4).Within(1e-12));

        string path = folder.File("model.safetensors");
        model.Save(path);
        using Model loaded = Model.Load(path, Device);
        Assert.That(((WindowScaling)loaded.Layers[0]).ScaledChannels, Is.EqualTo((int[])[0, 2]));
        Assert.That(Values(loaded.Forward(inputs)), Is.EqualTo(Values(model.Forward(inputs))));
    }

    [Test]
    public void A_file_of_another_scaling_or_with_wrong_options_is_refused()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("model.safetensors");
        using (Sequential model = Forecaster(WindowScalingMode.LastValue, Device.Default, DType.Float32))
        {
            model.Save(path);
        }

        using var other = new Sequential(
            Device.Default, new SequentialOptions(), new WindowScaling(new WindowScalingOptions { TargetChannels = [0, 1] }, new RoaRnn(2, 3), new Dense(3, 6)));
        Assert.That(() => other.Load(path), Throws.TypeOf<InvalidDataException>().With.Message.Contains("'1,0'").And.Message.Contains("'0,1', as in the model, is expected"));
        byte[] bytes = File.ReadAllBytes(path);
        foreach ((string from, string to, string message) in ((string, string, string)[])
            [("[1,0]", "[1,7]", "options.TargetChannels[1] is 7; it must be from 0 to 1."), ("[1,0]", "[.5]", "")])
        {
            byte[] text = System.Text.Encoding.UTF8.GetBytes(from), replacement = System.Text.Encoding.UTF8.GetBytes(to.PadRight(from.Length));
            byte[] changed = [.. bytes];
            int at = changed.AsSpan().IndexOf(text);
            Assert.That(at, Is.Positive);
            replacement.CopyTo(changed, at);
            File.WriteAllBytes(path, changed);
            Assert.That(() => Model.Load(path, Device.Default), Throws.TypeOf<InvalidDataException>().With.Message.Contains(message));
        }
    }

    [Test]
    public void What_does_not_fit_is_refused()
    {
        Refuses(new(), "layers have 5 outputs; they must have a multiple of 2, the number of target channels.", new Dense(2, 5));
        Refuses(new(), "layers[1] takes 3 inputs, but layers[0] has 4 outputs; the sizes must be equal.", new Dense(2, 4), new Dense(3, 4));
        Refuses(new(), "layers is empty; at least one is required.");
        Refuses(new(), "layers[0] takes indices; it must take numbers, which can be scaled.", new Sequential(new Embedding(5, 2)));
        Refuses(new() { TargetChannels = [] }, "options.TargetChannels is empty; at least one is required.", new Dense(2, 4));
        Refuses(new() { TargetChannels = [0, 2] }, "options.TargetChannels[1] is 2; it must be from 0 to 1.", new Dense(2, 4));
        Refuses(new() { TargetChannels = [1, 1] }, "options.TargetChannels[1] is 1, which is there already; channels must be unique.", new Dense(2, 4));
        Refuses(new() { ScaledChannels = [0] }, "options.ScaledChannels lacks channel 1; it must have all of options.TargetChannels.", new Dense(2, 4));
        Refuses(new() { ScaledChannels = [0, 2] }, "options.ScaledChannels[1] is 2; it must be from 0 to 1.", new Dense(2, 4));
        Refuses(new() { Mode = (WindowScalingMode)9 }, "options.Mode is 9; it must be one of LastValue, RevIn.", new Dense(2, 4));
        Refuses(new() { Epsilon = 0 }, "options.Epsilon is 0; it must be finite and above 0.", new Dense(2, 4));
        Assert.That(() => _ = new WindowScaling(null!, new Dense(2, 4)), Throws.ArgumentNullException);
        Assert.That(
            () => new Sequential(Device.Default, new SequentialOptions(), new WindowScaling(new() { Epsilon = 1e-60 }, new Dense(2, 4))),
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("layers[0].Epsilon is 1E-60; it must be above 0 and finite in Float32."));

        using Sequential model = Forecaster(WindowScalingMode.RevIn, Device, DType.Float32);
        using var flat = new Tensor(Device, DType.Float32, 4, 2);
        Assert.That(() => model.Forward(flat), Throws.ArgumentException.With.Message.StartsWith("inputs has shape [4, 2]; it must be [T, B, 2]."));

        static void Refuses(WindowScalingOptions options, string message, params Layer[] layers) =>
            Assert.That(() => _ = new WindowScaling(options, layers), Throws.InstanceOf<ArgumentException>().With.Message.StartsWith(message));
    }

    [Test]
    public void Inputs_that_change_are_refused_where_they_are_needed_again([Values] WindowScalingMode mode)
    {
        using Sequential model = Forecaster(mode, Device, DType.Float32);
        using Tensor inputs = ToTensor(Device, Uniform(new Random(1), Steps * 4 * 2), DType.Float32, Steps, 4, 2);
        using Tensor gradient = ToTensor(Device, Uniform(new Random(2), 4 * 6), DType.Float32, 4, 6);
        model.Forward(inputs);
        inputs.Fill(1);
        Assert.That(() => model.Backward(gradient), mode == WindowScalingMode.RevIn ? Throws.InvalidOperationException.With.Message.StartsWith("inputs, Float32 [5, 4, 2], changed since Forward") : Throws.Nothing);
    }

    [Test]
    public void A_summary_counts_what_it_keeps()
    {
        using var scaled = new Sequential(
            Device, 1, new WindowScaling(new WindowScalingOptions { Mode = WindowScalingMode.RevIn }, new Pooling(2, PoolingKind.Last), new Dense(2, 6)));
        using var plain = new Sequential(Device, 1, new Sequential(new Pooling(2, PoolingKind.Last), new Dense(2, 6)));

        // Scaled inputs, statistics, outputs and the gradient at those of the layers; and at scaled inputs, since parameters need it. 2 weights and 2 biases.
        long more = scaled.Summary(4, Steps).ActivationBytes - plain.Summary(4, Steps).ActivationBytes;
        Assert.That(more, Is.EqualTo(4 * ((Steps * 4 * 2) + (2 * 4 * 2) + (4 * 6) + (4 * 6) + (Steps * 4 * 2))));
        Assert.That(scaled.ParameterData.Count - plain.ParameterData.Count, Is.EqualTo(4));
    }

    private static Sequential Forecaster(WindowScalingMode mode, Device device, DType dtype, bool inputGradient = false) => new(
        device, new SequentialOptions { DType = dtype, ComputeInputGradient = inputGradient, Seed = 4 },
        new WindowScaling(new WindowScalingOptions { Mode = mode, TargetChannels = [1, 0] }, new RoaRnn(2, 3), new Dense(3, 6)));

    private static void Set(Sequential model, string name, double[] values) => SetValues(model.Parameters.Single(parameter => parameter.Name == name).Value, values);
}
