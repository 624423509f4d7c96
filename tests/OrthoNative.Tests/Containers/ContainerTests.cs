using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Containers;

internal sealed class ContainerTests
{
    private const int Steps = 6;
    private static readonly int[] s_lengths = [4, 6, 1];

    [Test]
    public void Names_of_nested_layers_are_joined_by_dots()
    {
        using var model = new Sequential(
            Device.Default, 1,
            new Conv1D(2, 4, 3) { Name = "front" },
            new Residual(new Dense(4, 5), new Sequential(new ActivationLayer(5, Activation.Gelu), new Dense(5, 6))),
            new Bidirectional(new RoaRnn(6, 3, new RoaRnnOptions { Output = SequenceOutput.All }), new Elman(6, 2, new ElmanOptions { Output = SequenceOutput.All }) { Name = "back" }),
            new RoaBlock(5) { Name = "block" });
        Assert.That(model.Parameters.Select(parameter => parameter.Name), Is.EqualTo((string[])
        [
            "front.weight", "front.bias",
            "1.0.weight", "1.0.bias", "1.1.1.weight", "1.1.1.bias", "1.projection.weight",
            "2.forward.weight", "2.forward.bias", "2.forward.input_weight", "2.back.weight", "2.back.bias", "2.back.input_weight",
            "block.norm.scale", "block.norm.offset", "block.recurrence.weight", "block.recurrence.bias", "block.recurrence.input_weight", "block.gate.weight", "block.gate.bias",
        ]));
        Assert.That(model.Layers[1].Parameters, Is.EqualTo(model.Parameters.Skip(2).Take(5)));
        Assert.That(model.Layers[3].Parameters, Is.EqualTo(model.Parameters.Skip(13)));
        Assert.That(model.ParameterData.Count, Is.EqualTo(model.Parameters.Sum(parameter => parameter.Value.Count)));
    }

    [Test]
    public void A_nested_model_computes_what_a_flat_one_does()
    {
        Layer[] Parts() => [new Dense(2, 5), new RoaRnn(5, 7, new RoaRnnOptions { Output = SequenceOutput.All }), new Dropout(7, 0.3), new Gru(7, 3), new Dense(3, 2)];
        Layer[] parts = Parts();
        using var flat = new Sequential(Device.Default, 5, Parts());
        using var nested = new Sequential(Device.Default, 5, new Sequential(parts[0], new Sequential(parts[1], parts[2])), new Sequential(parts[3]), parts[4]);
        using Tensor inputs = UniformTensor32(1, Steps, 3, 2);
        using Tensor gradient = UniformTensor32(2, 3, 2);
        for (int pass = 0; pass < 2; pass++)
        {
            Assert.That(Bytes(nested.Forward(inputs, s_lengths)), Is.EqualTo(Bytes(flat.Forward(inputs, s_lengths))));
            nested.Backward(gradient);
            flat.Backward(gradient);
            Assert.That(Bytes(nested.GradientData), Is.EqualTo(Bytes(flat.GradientData)));
        }
    }

    [Test]
    public void Both_directions_are_those_of_two_models_on_a_sequence_and_the_reversed_one([Values] bool all)
    {
        SequenceOutput output = all ? SequenceOutput.All : SequenceOutput.Last;
        using var model = new Sequential(
            Device.Default, new SequentialOptions { DType = DType.Float64, ComputeInputGradient = true },
            new Bidirectional(new Gru(2, 3, new GruOptions { Output = output }), new Lstm(2, 4, new LstmOptions { Output = output })));
        using var forward = new Sequential(Device.Default, new SequentialOptions { DType = DType.Float64 }, new Gru(2, 3, new GruOptions { Output = output }));
        using var backward = new Sequential(Device.Default, new SequentialOptions { DType = DType.Float64 }, new Lstm(2, 4, new LstmOptions { Output = output }));
        foreach ((Sequential one, string name) in ((Sequential, string)[])[(forward, "forward"), (backward, "backward")])
        {
            foreach (Parameter parameter in one.Parameters)
            {
                parameter.Value.CopyFrom(model.Parameters.Single(other => other.Name == $"0.{name}{parameter.Name[1..]}").Value);
            }
        }

        double[] values = Uniform(new Random(4), Steps * 3 * 2);
        using Tensor inputs = Tensor.From<double>(Device.Default, values, Steps, 3, 2);
        double[] outputs = model.Forward(inputs, s_lengths).ToArray<double>();
        for (int b = 0; b < s_lengths.Length; b++)
        {
            int length = s_lengths[b];
            double[] sequence = [.. Enumerable.Range(0, length).SelectMany(t => values.Skip(((t * 3) + b) * 2).Take(2))];
            double[] reversed = [.. Enumerable.Range(0, length).SelectMany(t => values.Skip((((length - 1 - t) * 3) + b) * 2).Take(2))];
            using Tensor alone = Tensor.From<double>(Device.Default, sequence, length, 1, 2);
            using Tensor aloneReversed = Tensor.From<double>(Device.Default, reversed, length, 1, 2);
            double[] first = forward.Forward(alone).ToArray<double>();
            double[] second = backward.Forward(aloneReversed).ToArray<double>();
            for (int t = 0; t < (all ? length : 1); t++)
            {
                int turned = all ? length - 1 - t : 0;
                Assert.That(
                    outputs.Skip((((all ? t : 0) * 3) + b) * 7).Take(7), Is.EqualTo(first.Skip(t * 3).Take(3).Concat(second.Skip(turned * 4).Take(4))), $"sample {b}, step {t}");
            }
        }
    }

    [Test]
    public void States_of_nested_layers_have_their_paths_and_carry_on()
    {
        using var model = new Sequential(
            Device.Default, 1, new RoaBlock(3), new Residual(new Lstm(3, 3, new LstmOptions { Output = SequenceOutput.All })), new Gru(3, 2));
        using Tensor whole = UniformTensor32(1, Steps, 2, 3);
        using Tensor first = Tensor.From<float>(Device.Default, whole.ToArray<float>().AsSpan(0, 2 * 2 * 3), 2, 2, 3);
        using Tensor rest = Tensor.From<float>(Device.Default, whole.ToArray<float>().AsSpan(2 * 2 * 3), 4, 2, 3);
        model.Training = false;
        byte[] expected = Bytes(model.Forward(whole));
        Dictionary<string, Tensor> expectedStates = model.GetFinalStates();
        Assert.That(expectedStates.Keys, Is.EqualTo((string[])["0.recurrence.state", "1.0.state", "1.0.cell_state", "2.state"]));

        model.Forward(first);
        Dictionary<string, Tensor> states = model.GetFinalStates();
        Assert.That(Bytes(model.Forward(rest, new ForwardOptions { InitialStates = states })), Is.EqualTo(expected));
        foreach ((string name, Tensor state) in model.GetFinalStates())
        {
            Assert.That(Bytes(state), Is.EqualTo(Bytes(expectedStates[name])), name);
        }

        var wrong = new Dictionary<string, Tensor> { ["1.state"] = states["2.state"] };
        Assert.That(
            () => model.Forward(rest, new ForwardOptions { InitialStates = wrong }),
            Throws.ArgumentException.With.Message.EqualTo(
                "options.InitialStates has '1.state'; the model's states are 0.recurrence.state, 1.0.state, 1.0.cell_state, 2.state. (Parameter 'options')"));
    }

    [Test]
    public void Several_inputs_take_a_branch_each()
    {
        using var model = new Sequential(
            Device.Default, new SequentialOptions { DType = DType.Float64, Seed = 2 },
            new Branches(new Embedding(5, 3) { Name = "symbols" }, new Dense(2, 4) { Name = "numbers" }), new Gru(7, 3), new Dense(3, 2));
        using Tensor symbols = Tensor.From<int>(Device.Default, [0, 4, 1, 2, 3, 3], 3, 2, 1);
        using Tensor numbers = UniformTensor(new Random(1), 1, 3, 2, 2);
        int[] lengths = [3, 2];
        double[] outputs = model.Forward([symbols, numbers], new ForwardOptions { Lengths = lengths }).ToArray<double>();

        using var joined = new Sequential(Device.Default, new SequentialOptions { DType = DType.Float64 }, new Gru(7, 3), new Dense(3, 2));
        foreach (Parameter parameter in joined.Parameters)
        {
            parameter.Value.CopyFrom(model.Parameters.Single(other => other.Name == $"{parameter.Name[0] - (int)'0' + 1}{parameter.Name[1..]}").Value);
        }

        double[] table = model.Parameters[0].Value.ToArray<double>(), a = model.Parameters[1].Value.ToArray<double>(), c = model.Parameters[2].Value.ToArray<double>();
        int[] index = symbols.ToArray<int>();
        double[] x = numbers.ToArray<double>();
        double[] rows = [.. Enumerable.Range(0, 6).SelectMany(row => table.Skip(index[row] * 3).Take(3).Concat(
            Enumerable.Range(0, 4).Select(i => (a[2 * i] * x[2 * row]) + (a[(2 * i) + 1] * x[(2 * row) + 1]) + c[i])))];
        using Tensor all = Tensor.From<double>(Device.Default, rows, 3, 2, 7);

        // Sums of 3 products and of 7 through three steps: some hundred rounded operations on numbers of the order of 1.
        Assert.That(outputs, Is.EqualTo(joined.Forward(all, lengths).ToArray<double>()).Within(100 * Math.ScaleB(1, -53)));

        Assert.That(() => model.Forward(numbers), Throws.ArgumentException.With.Message.Contains("is one tensor; the branches of"));
        Assert.That(() => model.Forward([numbers, symbols], new ForwardOptions()), Throws.ArgumentException.With.Message.Contains("inputs[0] has element type Float64; it must be Int32"));
        Assert.That(() => model.Forward([symbols], new ForwardOptions()), Throws.ArgumentException);
        Assert.That(
            () => joined.Forward([all, all], new ForwardOptions()), Throws.ArgumentException.With.Message.Contains("inputs has 2 tensors; it must have 1 for the first layer"));
        using Tensor shorter = UniformTensor(new Random(1), 1, 2, 2, 2);
        Assert.That(
            () => model.Forward([symbols, shorter], new ForwardOptions()),
            Throws.ArgumentException.With.Message.Contains("inputs[1] has shape [2, 2, 2]; it must have the time steps and samples of inputs[0], [3, 2, 1]"));
    }

    [Test]
    public void Branches_of_one_input_share_it_and_add_its_gradients()
    {
        Func<Layer> make = () => new Branches(new Dense(3, 2), new Sequential(new RoaRnn(3, 4, new RoaRnnOptions { Output = SequenceOutput.All })));
        using var model = new Sequential(Device.Default, new SequentialOptions { DType = DType.Float64, ComputeInputGradient = true }, make());
        Assert.That(model.OutputSize, Is.EqualTo(6));
        using Tensor inputs = UniformTensor(new Random(1), 1, 4, 2, 3);
        OrthoNative.Diagnostics.GradientCheckResult result = OrthoNative.Diagnostics.GradientCheck.Run(model, inputs);
        Assert.That(result.Passed, Is.True, result.ToString());
    }

    [Test]
    public void A_sum_of_branches_adds_their_outputs()
    {
        // The second branch ends the dimension of time, as the first one does.
        using var model = new Sequential(
            Device.Default, new SequentialOptions { DType = DType.Float64, Seed = 2, ComputeInputGradient = true },
            new BranchSum(new Sequential(new Flatten(4, 3), new Dense(12, 5)) { Name = "linear" }, new Sequential(new Gru(3, 4), new Dense(4, 5)) { Name = "recurrent" }));
        using Tensor inputs = UniformTensor(new Random(1), 1, 4, 2, 3);
        double[] both = model.Forward(inputs).ToArray<double>();
        OrthoNative.Diagnostics.GradientCheckResult result = OrthoNative.Diagnostics.GradientCheck.Run(model, inputs);
        Assert.That(result.Passed, Is.True, result.ToString());

        double[] parts = new double[both.Length];
        foreach (string silenced in (string[])["linear", "recurrent"])
        {
            double[] weights = model.ParameterData.ToArray<double>();
            foreach (Parameter parameter in model.Parameters.Where(parameter => parameter.Name.StartsWith($"0.{silenced}.1.", StringComparison.Ordinal)))
            {
                parameter.Value.Fill(0);
            }

            double[] other = model.Forward(inputs).ToArray<double>();
            parts = [.. parts.Zip(other, (x, y) => x + y)];
            model.ParameterData.CopyFrom<double>(weights);
        }

        Assert.That(both, Is.EqualTo(parts).Within(1e-12));
        Assert.That(both, Has.Some.Not.EqualTo(0));
    }

    [Test]
    public void A_sum_of_branches_refuses_those_that_cannot_be_added()
    {
        AssertRefused(() => new BranchSum(new Dense(2, 3), new Dense(2, 4)), "branches[1] takes 2 inputs and has 4 outputs; it must take 2 and have 3");
        AssertRefused(() => new BranchSum(new Dense(2, 3), new Dense(1, 3)), "branches[1] takes 1 inputs");
        AssertRefused(() => new BranchSum([]), "layers is empty");
        using var model = new Sequential(Device.Default, 1, new BranchSum(new Gru(3, 3), new Dense(3, 3)));
        using Tensor inputs = UniformTensor32(1, Steps, 2, 3);
        Assert.That(() => model.Forward(inputs), Throws.ArgumentException.With.Message.Contains("give [2, 3] and [6, 2, 3]; they must give the same time steps"));
    }

    [Test]
    public void A_container_refuses_layers_that_do_not_fit()
    {
        var used = new Dense(2, 2);
        using var owner = new Sequential(Device.Default, 1, used);
        var twice = new Dense(2, 2);
        AssertRefused(() => new Sequential([]), "layers is empty; at least one is required");
        AssertRefused(() => new Residual(new Dense(2, 3), new Dense(4, 2)), "layers[1] takes 4 inputs, but layers[0] has 3 outputs");
        AssertRefused(() => new Residual(used), "layers[0] is part of a model already");
        AssertRefused(() => new Branches(twice, twice), "layers[1] is the same object as layers[0]");
        AssertRefused(() => new Residual(new Dense(2, 3) { Name = "projection" }), "names must be unique");
        AssertRefused(() => new Sequential(Device.Default, 1, new Residual(twice), new Sequential(twice)), "layers[1].Layers[0] occurs in the model a second time");
        AssertRefused(() => new Sequential(Device.Default, 1, new Dense(2, 2) { Name = "a.b" }, new Sequential(new Dense(2, 2) { Name = "b" }) { Name = "a" }), "names must be unique");
        AssertRefused(() => new Bidirectional(new RoaRnn(2, 3), new RoaRnn(3, 3)), "backward takes 3 inputs; it must take 2");
        AssertRefused(() => new Bidirectional(new RoaRnn(2, 3), new RoaRnn(2, 3, new RoaRnnOptions { Output = SequenceOutput.All })), "backward has the output All; it must have Last");
        AssertRefused(
            () => new Bidirectional(new Gru(2, 3, new GruOptions { Output = SequenceOutput.LastSteps(2) }), new Gru(2, 3, new GruOptions { Output = SequenceOutput.LastSteps(2) })),
            "forward has the output LastSteps(2); it must have All or Last");
        AssertRefused(() => new RoaBlock(3, new RoaRnn(2, 3), 0), "layers[1] takes 2 inputs, but layers[0] has 3 outputs");
        Assert.That(() => new Bidirectional(null!, new RoaRnn(1, 1)), Throws.ArgumentNullException);
        Assert.That(() => new RoaBlock(3, null!, 0), Throws.ArgumentNullException);

        // A layer that was refused may become part of another model.
        using var model = new Sequential(Device.Default, 1, new Residual(twice));
        Assert.That(model.Parameters, Has.Count.EqualTo(2));
    }

    [Test]
    public void A_body_that_drops_time_cannot_be_added()
    {
        using var model = new Sequential(Device.Default, 1, new Residual(new RoaRnn(3, 3)));
        using Tensor inputs = UniformTensor32(1, Steps, 2, 3);
        Assert.That(
            () => model.Forward(inputs),
            Throws.ArgumentException.With.Message.Contains("the layers of layer 0 (Residual) give [2, 3] for inputs [6, 2, 3]; they must give [6, 2, 3], which is added"));
    }

    [Test]
    public void A_description_or_a_part_of_a_model_is_run_by_its_model_alone()
    {
        var part = new Sequential(new Dense(2, 2));
        using Tensor inputs = UniformTensor32(1, 3, 2);
        Assert.That(() => part.Forward(inputs), Throws.InvalidOperationException.With.Message.Contains("made without a device"));
        Assert.That(() => part.ParameterData, Throws.InvalidOperationException.With.Message.Contains("made without a device"));
        using var model = new Sequential(Device.Default, 1, part);
        Assert.That(() => part.Forward(inputs), Throws.InvalidOperationException.With.Message.Contains("is part of a model, layer 0"));
        Assert.That(() => new Sgd(part, 0.1), Throws.InvalidOperationException);
        Assert.That(part.Device, Is.SameAs(Device.Default));
        part.Dispose();
        Assert.That(model.Forward(inputs).Shape.ToArray(), Is.EqualTo((long[])[3, 2]));
    }

    [Test]
    public void A_nested_model_is_saved_and_loaded_whole()
    {
        using var folder = new Data.TemporaryFolder();
        string path = folder.File("model.safetensors");
        Func<Layer[]> make = () =>
            [new Conv1D(2, 4, 3), new RoaBlock(4, new RoaBlockOptions { Bidirectional = true, Dropout = 0.3 }), new Residual(new LayerNorm(4), new GaussianNoise(4, 0.1)), new Pooling(4, PoolingKind.Mean)];
        using var saved = new Sequential(Device.Default, 1, make());
        using var loaded = new Sequential(Device.Default, 2, make());
        using Tensor inputs = UniformTensor32(1, Steps, 3, 2);
        saved.Forward(inputs);
        saved.Save(path);
        loaded.Load(path);
        for (int pass = 0; pass < 2; pass++)
        {
            Assert.That(Bytes(loaded.Forward(inputs, s_lengths)), Is.EqualTo(Bytes(saved.Forward(inputs, s_lengths))), $"pass {pass}: filters, dropout and noise go on");
        }

        using var strided = new Sequential(Device.Default, 1, [new Conv1D(2, 4, 3, new Conv1DOptions { Stride = 2 }), .. make()[1..]]);
        Assert.That(() => strided.Load(path), Throws.TypeOf<InvalidDataException>().With.Message.Contains("__metadata__.0.stride is '1'; '2', as in the model, is expected"));
    }

    [Test]
    public void Memory_is_what_the_summary_tells()
    {
        // The layers of a block are the rows of the table; their sizes follow from their formulas.
        using var model = new Sequential(Device.Default, 1, new Dense(2, 8), new RoaBlock(8) { Name = "block" }, new Pooling(8, PoolingKind.Mean));
        ModelSummary summary = model.Summary(batch: 3, steps: 5);
        Assert.That(summary.Layers.Select(layer => layer.Name), Is.EqualTo((string[])
            ["0", "block", "block.norm", "block.recurrence", "block.activation", "block.dropout", "block.gate", "2"]));
        const long Rows = 5 * 3 * 8 * 4;
        Assert.That(summary.Layers[1].ActivationBytes, Is.EqualTo(2 * Rows), "the sum, and the gradient at the block");
        Assert.That(summary.Layers[2].ActivationBytes, Is.EqualTo(Rows + (5 * 3 * 2 * 4)), "normalized rows and statistics");
        Assert.That(summary.Layers[4].ActivationBytes, Is.EqualTo(2 * Rows), "outputs and gradient at the inputs");
        Assert.That(summary.Layers[5].ActivationBytes, Is.EqualTo(Rows), "no dropout: the gradient alone");
        Assert.That(summary.Layers[6].ActivationBytes, Is.EqualTo(6 * Rows), "both halves, their gradient, the outputs and the gradient at the inputs");
        Assert.That(summary.Parameters, Is.EqualTo(model.ParameterData.Count));
    }

    private static void AssertRefused(Func<object> make, string message) =>
        Assert.That(() => make(), Throws.ArgumentException.With.Message.Contains(message));

    private static Tensor UniformTensor32(int seed, params long[] shape)
    {
        double[] values = Uniform(new Random(seed), (int)shape.Aggregate(1L, (product, size) => product * size));
        return Tensor.From<float>(Device.Default, Array.ConvertAll(values, value => (float)value), shape);
    }
}
