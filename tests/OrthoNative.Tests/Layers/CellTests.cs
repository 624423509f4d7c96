using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Layers;

/// <summary>The layers of classical cells: Elman, GRU and LSTM.</summary>
internal sealed class CellTests
{
    private const long Inputs = 3;
    private const long Units = 7;

    private static readonly string[] s_cells = [nameof(Elman), nameof(Gru), nameof(Lstm), "Gru with one bias", "Lstm with one bias"];

    [Test]
    public void An_Elman_layer_has_the_bits_of_a_RoaRnn_with_an_alpha_of_0(
        [FloatingPointTypes] DType dtype, [Values(Activation.Tanh, Activation.Relu)] Activation activation, [Values] bool haar)
    {
        var elman = new Elman(Inputs, Units, new ElmanOptions { Activation = activation, Output = SequenceOutput.All });
        var roa = new RoaRnn(Inputs, Units, new RoaRnnOptions
        {
            Alpha = 0,
            Beta = 1,
            Activation = activation,
            Output = SequenceOutput.All,
            Filter = haar ? Filter.Haar : Filter.Identity,
        });
        var options = new SequentialOptions { DType = dtype, Seed = 3, ComputeInputGradient = true };
        using var first = new Sequential(Device.Default, options, elman);
        using var second = new Sequential(Device.Default, options, roa);
        second.ParameterData.CopyFrom(first.ParameterData);
        using Tensor inputs = ToTensor(Uniform(new Random(1), 9 * 5 * Inputs), dtype, 9, 5, Inputs);
        using Tensor cotangent = ToTensor(Uniform(new Random(2), 9 * 5 * Units), dtype, 9, 5, Units);

        Assert.That(Bytes(first.Forward(inputs)), Is.EqualTo(Bytes(second.Forward(inputs))));
        first.Backward(cotangent);
        second.Backward(cotangent);
        Assert.That(Bytes(first.GradientData), Is.EqualTo(Bytes(second.GradientData)));
        Assert.That(Bytes(first.InputGradient), Is.EqualTo(Bytes(second.InputGradient)));
    }

    [Test]
    public void Two_halves_of_a_sequence_have_the_bits_of_the_whole([ValueSource(nameof(s_cells))] string cell, [FloatingPointTypes] DType dtype)
    {
        const int Steps = 11;
        const int First = 4;
        const int Batch = 5;
        double[] sequence = Uniform(new Random(1), Steps * Batch * Inputs);
        int cut = First * Batch * (int)Inputs;
        var options = new SequentialOptions { DType = dtype, Seed = 5 };
        using var whole = new Sequential(Device.Default, options, Cells.Create(cell, Inputs, Units, SequenceOutput.All));
        using var halves = new Sequential(Device.Default, options, Cells.Create(cell, Inputs, Units, SequenceOutput.All));
        using Tensor all = ToTensor(sequence, dtype, Steps, Batch, Inputs);
        using Tensor one = ToTensor(sequence[..cut], dtype, First, Batch, Inputs);
        using Tensor two = ToTensor(sequence[cut..], dtype, Steps - First, Batch, Inputs);

        byte[] expected = Bytes(whole.Forward(all));
        byte[] begin = Bytes(halves.Forward(one));
        Dictionary<string, Tensor> states = halves.GetFinalStates();
        Assert.That(states.Keys, Is.EqualTo(cell.StartsWith(nameof(Lstm), StringComparison.Ordinal) ? (string[])["0.state", "0.cell_state"] : ["0.state"]));
        byte[] end = Bytes(halves.Forward(two, States.From(states)));
        States.Dispose(states);

        Assert.That((byte[])[.. begin, .. end], Is.EqualTo(expected));
        Assert.That(States.Bytes(halves.GetFinalStates()), Is.EqualTo(States.Bytes(whole.GetFinalStates())));
    }

    [TestCase(nameof(Elman), 1, 1, 1, 1)]
    [TestCase(nameof(Elman), 7, 3, 2, 5)]
    [TestCase(nameof(Gru), 1, 1, 1, 1)]
    [TestCase(nameof(Gru), 5, 2, 3, 17)]
    [TestCase(nameof(Gru), 17, 3, 5, 2)]
    [TestCase("Gru with one bias", 3, 33, 1, 3)]
    [TestCase(nameof(Lstm), 1, 1, 1, 1)]
    [TestCase(nameof(Lstm), 5, 2, 3, 17)]
    [TestCase(nameof(Lstm), 17, 3, 5, 2)]
    [TestCase("Lstm with one bias", 3, 33, 1, 3)]
    public void Gradients_match_central_differences(string cell, long steps, long batch, long inputSize, long units)
    {
        foreach (SequenceOutput output in (SequenceOutput[])[SequenceOutput.Last, SequenceOutput.All])
        {
            var random = new Random(2);
            RecurrentLayer layer = Cells.Create(cell, inputSize, units, output);
            using var model = new Sequential(
                Device.Default, new SequentialOptions { Seed = 4, DType = DType.Float64, ComputeInputGradient = true }, layer);
            using Tensor inputs = UniformTensor(random, 1, steps, batch, inputSize);
            using Tensor h = UniformTensor(random, 1, batch, units);
            using Tensor c = UniformTensor(random, 1, batch, units);

            CentralDifferences.Check(model, inputs, steps * ((4 * units) + inputSize), States.From(h, layer is Lstm ? c : null));
        }
    }

    [Test]
    public void Only_states_that_were_given_have_gradients()
    {
        using var model = new Sequential(Device.Default, new SequentialOptions { DType = DType.Float64 }, new Lstm(Inputs, Units));
        using Tensor inputs = UniformTensor(new Random(1), 1, 4, 2, Inputs);
        using Tensor cotangent = UniformTensor(new Random(2), 1, 2, Units);
        using Tensor zeros = new(Device.Default, DType.Float64, 2, Units);
        Assert.That(model.GetFinalStates, Throws.InvalidOperationException);
        Assert.That(model.GetInitialStateGradients, Throws.InvalidOperationException);
        byte[] expected = Bytes(model.Forward(inputs));
        model.Backward(cotangent);
        Assert.That(model.GetInitialStateGradients(), Is.Empty);
        Dictionary<string, byte[]> final = States.Bytes(model.GetFinalStates());

        Assert.That(Bytes(model.Forward(inputs, States.From(null, zeros))), Is.EqualTo(expected));
        model.Backward(cotangent);

        Dictionary<string, double[]> gradients = States.Values(model.GetInitialStateGradients());
        Assert.That(gradients.Keys, Is.EqualTo((string[])["0.cell_state"]));
        Assert.That(gradients["0.cell_state"], Is.All.Not.Zero);
        Assert.That(States.Bytes(model.GetFinalStates()), Is.EqualTo(final));
    }

    [Test]
    public void Checkpointing_changes_no_bit([ValueSource(nameof(s_cells))] string cell, [FloatingPointTypes] DType dtype)
    {
        byte[] expected = Run(Checkpointing.None);
        foreach (Checkpointing checkpointing in (Checkpointing[])
            [Checkpointing.Every(1), Checkpointing.Every(3), Checkpointing.Every(29), Checkpointing.Every(100), Checkpointing.Auto(60_000)])
        {
            Assert.That(Run(checkpointing), Is.EqualTo(expected), checkpointing.ToString());
        }

        byte[] Run(Checkpointing checkpointing)
        {
            RecurrentLayer layer = Cells.Create(cell, 3, 19, SequenceOutput.All, checkpointing);
            using var model = new Sequential(Device.Default, new SequentialOptions { Seed = 21, DType = dtype, ComputeInputGradient = true }, layer);
            using Tensor inputs = ToTensor(Uniform(new Random(1), 29 * 5 * 3), dtype, 29, 5, 3);
            using Tensor cotangent = ToTensor(Uniform(new Random(2), 29 * 5 * 19), dtype, 29, 5, 19);
            byte[] states = Bytes(model.Forward(inputs));
            model.Backward(cotangent);
            return [.. states, .. Bytes(model.GradientData), .. Bytes(model.InputGradient)];
        }
    }

    [Test]
    public void A_saved_layer_computes_the_same_once_loaded_and_other_cells_refuse_it([ValueSource(nameof(s_cells))] string cell, [FloatingPointTypes] DType dtype)
    {
        using var folder = new Data.TemporaryFolder();
        string path = folder.File("model.safetensors");
        using var saved = new Sequential(Device.Default, new SequentialOptions { DType = dtype, Seed = 1 }, Cells.Create(cell, Inputs, Units));
        using var loaded = new Sequential(Device.Default, new SequentialOptions { DType = dtype, Seed = 2 }, Cells.Create(cell, Inputs, Units));
        using Tensor inputs = ToTensor(Uniform(new Random(1), 6 * 2 * Inputs), dtype, 6, 2, Inputs);
        saved.Save(path);
        loaded.Load(path);

        Assert.That(Bytes(loaded.Forward(inputs)), Is.EqualTo(Bytes(saved.Forward(inputs))));
        foreach (string other in s_cells.Except([cell]))
        {
            using var different = new Sequential(Device.Default, new SequentialOptions { DType = dtype }, Cells.Create(other, Inputs, Units));
            Assert.That(() => different.Load(path), Throws.TypeOf<InvalidDataException>(), other);
        }
    }

    [Test]
    public void Files_of_an_Elman_and_of_a_RoaRnn_layer_are_told_apart_and_so_is_the_activation()
    {
        using var folder = new Data.TemporaryFolder();
        string elmanPath = folder.File("elman.safetensors");
        string roaPath = folder.File("roa.safetensors");
        using var elman = new Sequential(Device.Default, 1, new Elman(Inputs, Units));
        using var relu = new Sequential(Device.Default, 1, new Elman(Inputs, Units, new ElmanOptions { Activation = Activation.Relu }));
        using var roa = new Sequential(Device.Default, 1, new RoaRnn(Inputs, Units, RoaRnnOptions.Plain));
        elman.Save(elmanPath);
        roa.Save(roaPath);

        Assert.That(() => roa.Load(elmanPath), Throws.TypeOf<InvalidDataException>().With.Message.Contains("layer 0 is of the kind 'Elman'; 'RoaRnn', as in the model, is expected"));
        Assert.That(() => elman.Load(roaPath), Throws.TypeOf<InvalidDataException>().With.Message.Contains("layer 0 is of the kind 'RoaRnn'; 'Elman', as in the model, is expected"));

        // As files were written before they described layers.
        foreach (string path in (string[])[elmanPath, roaPath])
        {
            SafeTensors.Save(path, SafeTensors.Load(path, Device.Default), SafeTensors.LoadMetadata(path).Where(pair => pair.Key != "architecture").ToDictionary());
        }

        Assert.That(() => roa.Load(elmanPath), Throws.TypeOf<InvalidDataException>().With.Message.Contains("filter is missing"));
        Assert.That(() => elman.Load(roaPath), Throws.TypeOf<InvalidDataException>().With.Message.Contains("is of a filter chain that the model does not have"));
        Assert.That(() => relu.Load(elmanPath), Throws.TypeOf<InvalidDataException>().With.Message.Contains("activation is 'Tanh'; 'Relu', as in the model, is expected"));
    }

    [TestCase(nameof(Elman), 1, 1)]
    [TestCase(nameof(Gru), 3, 2)]
    [TestCase("Gru with one bias", 3, 1)]
    [TestCase(nameof(Lstm), 4, 2)]
    [TestCase("Lstm with one bias", 4, 1)]
    public void Shapes_and_the_summary_follow_from_gates_and_biases(string cell, long gates, long biases)
    {
        RecurrentLayer layer = Cells.Create(cell, Inputs, Units);
        using var model = new Sequential(Device.Default, 1, layer, new Dense(Units, 2));
        ModelSummary summary = model.Summary(batch: 5, steps: 9);

        Assert.That(
            layer.Parameters.Select(parameter => parameter.ToString()),
            Is.EqualTo((string[])
            [
                $"0.weight [{gates * Units}, {Units}]",
                biases == 1 ? $"0.bias [{gates * Units}]" : $"0.bias [2, {gates * Units}]",
                $"0.input_weight [{gates * Units}, {Inputs}]",
            ]));
        Assert.That(layer.Parameters.Select(parameter => parameter.Role), Is.EqualTo((ParameterRole[])[ParameterRole.RecurrentWeight, ParameterRole.Bias, ParameterRole.Weight]));
        Assert.That(summary.Layers[0].Parameters, Is.EqualTo(gates * Units * (Units + Inputs + biases)));
        Assert.That(summary.Layers[0].Description, Is.EqualTo($"{cell.Split(' ')[0]} 3 -> 7 units"));
        long final = layer is Lstm ? 2 * 5 * Units * sizeof(float) : 0;
        Assert.That(summary.Layers[0].ActivationBytes, Is.EqualTo(layer.GetStateBytes(9, 5) + (5 * Units * sizeof(float)) + final));
        Assert.That(summary.Layers[0].SumBytes, Is.GreaterThanOrEqualTo(gates * Units * (Units + Inputs + 1) * sizeof(float)));
        Assert.That(layer.GetStateBytes(9, 5, training: false), Is.LessThan(layer.GetStateBytes(9, 5)));
    }

    [Test]
    public void Initial_values_are_uniform_and_the_forget_gate_has_its_bias([FloatingPointTypes] DType dtype, [Values(0, 1, -2.5)] double forgetBias)
    {
        const int N = 16;
        using var model = new Sequential(
            Device.Default, new SequentialOptions { DType = dtype, Seed = 3 }, new Lstm(5, N, new LstmOptions { ForgetBias = forgetBias, BiasScale = 2 }));
        double unit = 1 / Math.Sqrt(N);

        Assert.That(Values(Parameter(model, "0.weight").Value), Is.All.InRange(-unit, unit).And.Some.GreaterThan(0.9 * unit).And.Some.LessThan(-0.9 * unit));
        Assert.That(Values(Parameter(model, "0.input_weight").Value), Is.All.InRange(-unit, unit).And.Some.GreaterThan(0.9 * unit));
        double[] bias = Values(Parameter(model, "0.bias").Value);
        for (int i = 0; i < bias.Length; i++)
        {
            // Gate f is the second of the first bias.
            double mean = i / N == 1 ? forgetBias : 0;
            Assert.That(bias[i] - mean, Is.InRange(-2 * unit - 1e-6, (2 * unit) + 1e-6), $"bias[{i}]");
        }
    }

    [Test]
    public void Wrong_arguments_are_named_with_what_is_required()
    {
        Assert.That(() => new Gru(0, Units), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("inputSize is 0; it must be from 1 to 1048576."));
        Assert.That(() => new Lstm(Inputs, 65537), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("hiddenSize is 65537; it must be from 1 to 65536."));
        Assert.That(() => new Elman(Inputs, 0), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("hiddenSize is 0; it must be from 1 to 65536."));
        Assert.That(
            () => new Gru(Inputs, Units, new GruOptions { WeightScale = -1 }),
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("options.WeightScale is -1; it must be finite and not negative.").And.Property("ParamName").EqualTo("options"));
        Assert.That(
            () => new Lstm(Inputs, Units, new LstmOptions { ForgetBias = double.NaN }),
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("options.ForgetBias is NaN; it must be finite."));
        Assert.That(
            () => new Elman(Inputs, Units, new ElmanOptions { Activation = (Activation)7 }),
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("options.Activation is 7; it must be one of Tanh, Relu."));
        Assert.That(
            () => new Elman(Inputs, Units, new ElmanOptions { Activation = Activation.Gelu }),
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("options.Activation is Gelu; it must be one of Tanh, Relu."));
        Assert.That(
            () => new Sequential(Device.Default, 1, new Lstm(Inputs, Units, new LstmOptions { ForgetBias = 1e39 })),
            Throws.ArgumentException.With.Message.Contains("layers[0] has BiasScale and ForgetBias that Float32 cannot hold"));
    }

    [Test]
    public void Wrong_inputs_and_states_are_named_with_what_is_required([Values(nameof(Elman), nameof(Gru), nameof(Lstm))] string cell)
    {
        RecurrentLayer layer = Cells.Create(cell, Inputs, Units, SequenceOutput.LastSteps(3));
        using var model = new Sequential(Device.Default, 1, layer);
        using Tensor inputs = new(Device.Default, DType.Float32, 4, 2, Inputs);
        using Tensor wide = new(Device.Default, DType.Float32, 4, 2, Inputs + 1);
        using Tensor brief = new(Device.Default, DType.Float32, 2, 2, Inputs);
        using Tensor state = new(Device.Default, DType.Float32, 2, Units);
        using Tensor wrongState = new(Device.Default, DType.Float32, 3, Units);
        using Tensor wrongType = new(Device.Default, DType.Float64, 2, Units);
        Assert.That(() => model.Forward(wide), Throws.ArgumentException.With.Message.Contains("inputs has shape [4, 2, 4]; it must be [T, B, 3]."));
        Assert.That(() => model.Forward(brief), Throws.ArgumentException.With.Message.Contains("inputs has 2 time steps; at least 3 are required for the output LastSteps(3)."));
        AssertRefused(wrongState, null, "options.InitialStates['0.state'] has shape [3, 7]; it must be [2, 7].");
        Assert.That(model.GetFinalStates, Throws.InvalidOperationException.With.Message.Contains("there are no final states"));
        state.AsSpan<float>()[8] = float.NaN;
        AssertNotFinite(state, null, "options.InitialStates['0.state'][8] is NaN; all values must be finite");
        state.AsSpan<float>()[8] = 0;
        using Tensor cells = new(Device.Default, DType.Float32, 2, Units);
        if (layer is Lstm)
        {
            AssertRefused(state, wrongType, "options.InitialStates['0.cell_state'] has element type Float64; it must be Float32.");
            Assert.That(model.GetFinalStates, Throws.InvalidOperationException.With.Message.Contains("there are no final states"));
            cells.AsSpan<float>()[5] = float.PositiveInfinity;
            AssertNotFinite(state, cells, "options.InitialStates['0.cell_state'][5] is Infinity; all values must be finite");
            cells.Dispose();
            Assert.That(() => model.Forward(inputs, States.From(state, cells)), Throws.TypeOf<ObjectDisposedException>());
        }
        else
        {
            AssertRefused(state, cells, "options.InitialStates has '0.cell_state'; the model's states are 0.state.");
        }

        model.Forward(inputs);
        using Tensor cotangent = new(Device.Default, DType.Float32, 3, 2, Units);
        cotangent.AsSpan<float>()[1] = float.NaN;
        Assert.That(() => model.Backward(cotangent), Throws.TypeOf<NotFiniteNumberException>().With.Message.Contains("outputGradient[1] is NaN"));

        void AssertRefused(Tensor? h, Tensor? c, string message)
        {
            ArgumentException exception = Assert.Throws<ArgumentException>(() => model.Forward(inputs, States.From(h, c)))!;
            Assert.That(exception.Message, Does.StartWith(message));
            Assert.That(exception.ParamName, Is.EqualTo("options"));
        }

        void AssertNotFinite(Tensor? h, Tensor? c, string message) => Assert.That(
            () => model.Forward(inputs, States.From(h, c)), Throws.TypeOf<NotFiniteNumberException>().With.Message.Contains(message));
    }
}
