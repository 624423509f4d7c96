using OrthoNative.Tests.Data;
using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Serialization;

/// <summary>Models and optimizers that are saved and loaded.</summary>
internal sealed class CheckpointTests(DeviceKind kind) : DeviceTests(kind)
{
    [Test]
    public void A_model_comes_back_as_it_was([FloatingPointTypes] DType dtype)
    {
        using var folder = new TemporaryFolder();
        using Sequential saved = Model(1, dtype);
        using Sequential loaded = Model(2, dtype);
        string path = folder.File("model.safetensors");

        saved.Save(path);
        loaded.Load(path);

        Assert.That(Bytes(loaded.ParameterData), Is.EqualTo(Bytes(saved.ParameterData)));
    }

    [Test]
    public void A_model_of_another_seed_gets_the_filters_that_were_saved([Values] bool permutation)
    {
        Filter filter = permutation ? Filter.Permutation : Filter.Haar;
        using var folder = new TemporaryFolder();
        using Sequential saved = Make(1), loaded = Make(2), again = Make(3);
        using var inputs = new Tensor(Device, DType.Float32, 5, 6, 2);
        SetValues(inputs, Uniform(new Random(4), inputs.Count));
        double[] expected = Values(saved.Forward(inputs));
        Assert.That(Values(loaded.Forward(inputs)), Is.Not.EqualTo(expected));

        saved.Save(folder.File("first"));
        loaded.Load(folder.File("first"));
        loaded.Save(folder.File("second"));
        again.Load(folder.File("second"));

        Assert.That(Values(loaded.Forward(inputs)), Is.EqualTo(expected));
        Assert.That(Values(again.Forward(inputs)), Is.EqualTo(expected));
        Assert.That(File.ReadAllBytes(folder.File("second")), Is.EqualTo(File.ReadAllBytes(folder.File("first"))));

        // The forward pass that was under way was one with other filters.
        using var gradient = new Tensor(Device, DType.Float32, 6, 4);
        using Sequential third = Make(5);
        third.Save(folder.File("third"));
        again.Load(folder.File("third"));
        Assert.That(() => again.Backward(gradient), Throws.TypeOf<InvalidOperationException>());

        Sequential Make(ulong seed) => new(
            Device,
            seed,
            new RoaRnn(2, 8, new RoaRnnOptions { Filter = filter, Output = SequenceOutput.All }),
            new RoaFnn(8, 3, new RoaFnnOptions { Filter = filter, FilterPerLayer = true }),
            new RoaRnn(8, 8, new RoaRnnOptions { Filter = filter }),
            new Dense(8, 4));
    }

    [Test]
    public void Parameters_of_a_layer_that_computes_something_else_are_refused()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("model");
        var options = new RoaRnnOptions { Alpha = 0.9, Beta = [0.1, 0.2, 0.3] };
        using Sequential model = Make(options);
        byte[] before = Bytes(model.ParameterData);

        AssertRefused(options with { Filter = Filter.Cycle }, "__metadata__.0.filter is 'Cycle'; 'Haar', as in the model, is expected");
        AssertRefused(options with { Filter = Filter.FromMatrix(new double[,] { { 0, 1, 0 }, { 1, 0, 0 }, { 0, 0, 1 } }) }, "__metadata__.0.filter is 'Custom, SHA-256 ");
        AssertRefused(options with { Activation = Activation.Relu }, "__metadata__.0.activation is 'Relu'; 'Tanh', as in the model, is expected");
        using (Sequential shared = Stack(false), distinct = Stack(true))
        {
            shared.Save(path);
            Assert.That(() => distinct.Load(path), Throws.TypeOf<InvalidDataException>().With.Message.Contains("__metadata__.0.filters is 'one'; 'one for each layer', as in the model, is expected"));
        }

        AssertRefused(options with { Alpha = 0.5 }, "__metadata__.0.alpha is '0.5'; '0.9', as in the model, is expected");
        AssertRefused(options with { Beta = [0.1, 0.2, 0.4] }, "__metadata__.0.beta is '3 values, SHA-256 ");

        // As another program may have written it: no word about the filter.
        using Sequential other = Make(options, seed: 9);
        SafeTensors.Save(path, other.Parameters.Select(parameter => KeyValuePair.Create(parameter.Name, parameter.Value)));
        model.Load(path);
        Assert.That(Bytes(model.ParameterData), Is.EqualTo(Bytes(other.ParameterData)));

        void AssertRefused(RoaRnnOptions others, string message)
        {
            using Sequential different = Make(others, seed: 2);
            different.Save(path);
            Assert.That(() => model.Load(path), Throws.TypeOf<InvalidDataException>().With.Message.Contains(message).And.Message.Contains(path));
            Assert.That(Bytes(model.ParameterData), Is.EqualTo(before));
        }

        Sequential Stack(bool perLayer) => new(Device, 1, new RoaFnn(3, 2, new RoaFnnOptions { FilterPerLayer = perLayer }));
        Sequential Make(RoaRnnOptions layer, ulong seed = 1) => new(Device, seed, new RoaRnn(2, 3, layer));
    }

    [TestCase("filter_seed", "-1")]
    [TestCase("filter_index", "4294967296")]
    [TestCase("filter_seed", null)]
    public void Metadata_that_make_no_sense_are_refused(string key, string? value)
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("model");
        using Sequential model = Model(1);
        model.Save(path);
        Dictionary<string, string> metadata = SafeTensors.LoadMetadata(path).ToDictionary();
        metadata.Remove($"rnn.{key}");
        if (value is not null)
        {
            metadata[$"rnn.{key}"] = value;
        }

        SafeTensors.Save(path, model.Parameters.Select(parameter => KeyValuePair.Create(parameter.Name, parameter.Value)), metadata);

        Assert.That(() => model.Load(path), Throws.TypeOf<InvalidDataException>().With.Message.Contains($"__metadata__.rnn.{key} is "));
    }

    [Test]
    public void Noise_continues_from_a_checkpoint()
    {
        using var folder = new TemporaryFolder();
        using Sequential straight = Make(1), resumed = Make(2);
        using var inputs = new Tensor(Device, DType.Float32, 5, 3);
        straight.Forward(inputs);
        straight.Save(folder.File("model"));
        double[] second = Values(straight.Forward(inputs));

        resumed.Load(folder.File("model"));

        Assert.That(Values(resumed.Forward(inputs)), Is.EqualTo(second));

        Sequential Make(ulong seed) => new(Device, seed, new GaussianNoise(3, 1), new Dense(3, 2));
    }

    [TestCase(nameof(Sgd))]
    [TestCase(nameof(Adam))]
    public void Training_continues_from_a_checkpoint_bit_for_bit(string optimizerName)
    {
        using var folder = new TemporaryFolder();
        using Sequential straight = Model(3);
        using Optimizer straightOptimizer = Make(straight);
        Train(straight, straightOptimizer, 20);

        using Sequential first = Model(3);
        using Optimizer firstOptimizer = Make(first);
        Train(first, firstOptimizer, 10);
        first.Save(folder.File("model.safetensors"));
        firstOptimizer.Save(folder.File("optimizer.safetensors"));
        using Sequential second = Model(3);
        using Optimizer secondOptimizer = Make(second);
        second.Load(folder.File("model.safetensors"));
        secondOptimizer.Load(folder.File("optimizer.safetensors"));
        Train(second, secondOptimizer, 10);

        Assert.That(secondOptimizer.StepCount, Is.EqualTo(20));
        Assert.That(Bytes(second.ParameterData), Is.EqualTo(Bytes(straight.ParameterData)));

        Optimizer Make(Sequential model) => optimizerName == nameof(Sgd)
            ? new Sgd(model, 1e-2, new SgdOptions { Momentum = 0.9 }) { Schedule = new CosineSchedule(1e-2, 20) }
            : new Adam(model) { Schedule = new CosineSchedule(1e-2, 20) };
    }

    [Test]
    public void A_file_of_another_model_is_refused_and_changes_nothing()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("model.safetensors");
        using Sequential model = Model(1);
        byte[] before = Bytes(model.ParameterData);

        AssertRefused([new RoaRnn(2, 8) { Name = "rnn" }, new Dense(8, 3)], "tensor '1.weight' is Float32 [3, 8]; Float32 [4, 8] is expected");
        AssertRefused([new RoaRnn(2, 8), new Dense(8, 4)], "has no tensor 'rnn.weight'; it has '0.weight'");
        AssertRefused([new RoaRnn(2, 8) { Name = "rnn" }, new Dense(8, 4), new Dense(4, 4)], "there is a tensor '2.weight'; none of this name is expected");
        AssertRefused([new RoaRnn(2, 8) { Name = "rnn" }, new Dense(8, 4)], "tensor 'rnn.weight' is Float64 [8, 8]; Float32 [8, 8] is expected", DType.Float64);

        void AssertRefused(Layer[] layers, string message, DType dtype = DType.Float32)
        {
            using var other = new Sequential(Device, new SequentialOptions { DType = dtype }, layers);
            other.Save(path);
            Assert.That(() => model.Load(path), Throws.TypeOf<InvalidDataException>().With.Message.Contains(message));
            Assert.That(Bytes(model.ParameterData), Is.EqualTo(before));
        }
    }

    [Test]
    public void A_file_of_another_optimizer_is_refused()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("optimizer.safetensors");
        using Sequential model = Model(1);
        using var adam = new Adam(model);
        using var sgd = new Sgd(model, 1, new SgdOptions { Momentum = 0.5 });

        sgd.Save(path);
        Assert.That(() => adam.Load(path), Throws.TypeOf<InvalidDataException>().With.Message.Contains("__metadata__.optimizer is 'Sgd'; 'Adam', as of this optimizer, is expected"));
        Strip(path, "optimizer", "momentum", "nesterov", "parameters");
        Assert.That(() => adam.Load(path), Throws.TypeOf<InvalidDataException>().With.Message.Contains("has no tensor 'first_moment'"));
        model.Save(path);
        Assert.That(() => adam.Load(path), Throws.TypeOf<InvalidDataException>().With.Message.Contains("step_count is missing; a whole number below 2^63 - 1 is expected"));
    }

    [TestCase("first_moment", float.NaN, "first_moment[5] is NaN; a finite number is expected")]
    [TestCase("first_moment", float.NegativeInfinity, "first_moment[5] is -Infinity; a finite number is expected")]
    [TestCase("second_moment", float.PositiveInfinity, "second_moment[5] is Infinity; a finite number, not negative, is expected")]
    [TestCase("second_moment", -1e-3f, "second_moment[5] is -0.001; a finite number, not negative, is expected")]
    public void A_state_from_which_no_step_can_be_made_is_refused_and_changes_nothing(string name, float bad, string message)
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("state");
        using Sequential model = Model(1);
        using var adam = new Adam(model);
        model.GradientData.Fill(0.5);
        adam.Step();
        adam.Save(folder.File("before"));
        using var first = new Tensor(Device, DType.Float32, model.ParameterData.Count);
        using var second = new Tensor(Device, DType.Float32, model.ParameterData.Count);
        var state = new Dictionary<string, Tensor> { ["first_moment"] = first, ["second_moment"] = second };
        state[name].CopyFrom<float>(5, [bad]);
        SafeTensors.Save(path, state, new Dictionary<string, string> { ["step_count"] = "7" });

        Assert.That(() => adam.Load(path), Throws.TypeOf<InvalidDataException>().With.Message.Contains(message));

        adam.Save(folder.File("after"));
        Assert.That(File.ReadAllBytes(folder.File("after")), Is.EqualTo(File.ReadAllBytes(folder.File("before"))));
    }

    private static IEnumerable<TestCaseData> OtherOptimizers()
    {
        static TestCaseData Case(string name, Func<Sequential, Optimizer> saved, Func<Sequential, Optimizer> loading, string message) =>
            new TestCaseData(saved, loading, message).SetArgDisplayNames(name);

        var adam = new AdamOptions();
        var sgd = new SgdOptions { Momentum = 0.9 };
        yield return Case("Adam's into AdamW", m => new Adam(m), m => new AdamW(m), "optimizer is 'Adam'; 'AdamW'");
        yield return Case("AdamW's into Adam", m => new AdamW(m), m => new Adam(m), "optimizer is 'AdamW'; 'Adam'");
        yield return Case("other beta1", m => new Adam(m, 1, adam with { Beta1 = 0.8 }), m => new Adam(m), "beta1 is '0.8'; '0.9'");
        yield return Case("other beta2", m => new AdamW(m, 1, adam with { Beta2 = 0.99 }), m => new AdamW(m), "beta2 is '0.99'; '0.999'");
        yield return Case("other momentum", m => new Sgd(m, 1, sgd), m => new Sgd(m, 1, sgd with { Momentum = 0.5 }), "momentum is '0.9'; '0.5'");
        yield return Case("no momentum", m => new Sgd(m, 1), m => new Sgd(m, 1, sgd), "momentum is '0'; '0.9'");
        yield return Case("Nesterov's momentum", m => new Sgd(m, 1, sgd with { Nesterov = true }), m => new Sgd(m, 1, sgd), "nesterov is 'true'; 'false'");
    }

    [TestCaseSource(nameof(OtherOptimizers))]
    public void State_that_means_something_else_is_refused_by_name(Func<Sequential, Optimizer> saved, Func<Sequential, Optimizer> loading, string message)
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("optimizer.safetensors");
        using Sequential first = Model(1), second = Model(1);
        using Optimizer from = saved(first), to = loading(second), same = saved(second);
        Train(first, from, 2);
        from.Save(path);

        Assert.That(() => to.Load(path), Throws.TypeOf<InvalidDataException>().With.Message.Contains($"__metadata__.{message}, as of this optimizer, is expected").And.Message.Contains(path));
        Assert.That(to.StepCount, Is.Zero);
        same.Load(path);
        Assert.That(same.StepCount, Is.EqualTo(2));
    }

    [Test]
    public void State_of_other_parameters_is_refused_by_name()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("optimizer.safetensors");

        // As many numbers, of parameters that lie elsewhere.
        using var model = new Sequential(Device, 1, new Dense(2, 6) { Name = "a" }, new Dense(6, 2) { Name = "b" });
        using var renamed = new Sequential(Device, 1, new Dense(2, 6) { Name = "a" }, new Dense(6, 2) { Name = "c" });
        using var reshaped = new Sequential(Device, 1, new Dense(6, 2) { Name = "a" }, new Dense(2, 6) { Name = "b" });
        using Optimizer from = new Adam(model), toRenamed = new Adam(renamed), toReshaped = new Adam(reshaped);
        from.Save(path);

        Assert.That(() => toRenamed.Load(path), Throws.TypeOf<InvalidDataException>().With.Message.Contains("__metadata__.parameters has 'b.weight [2, 6]' in place 3 of 4; 'c.weight [2, 6]' in place 3 of 4, as the model has, is expected"));
        Assert.That(() => toReshaped.Load(path), Throws.TypeOf<InvalidDataException>().With.Message.Contains("__metadata__.parameters has 'a.weight [6, 2]' in place 1 of 4; 'a.weight [2, 6]' in place 1 of 4"));
    }

    [TestCase("optimizer")]
    [TestCase("beta1")]
    [TestCase("beta2")]
    [TestCase("parameters")]
    public void State_that_tells_its_meaning_in_part_is_refused(string key)
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("optimizer.safetensors");
        using Sequential model = Model(1);
        using var adam = new Adam(model);
        adam.Save(path);
        Strip(path, key);

        Assert.That(() => adam.Load(path), Throws.TypeOf<InvalidDataException>().With.Message.Contains($"__metadata__.{key} is missing"));
    }

    [Test]
    public void State_of_version_0_1_which_tells_the_number_of_steps_alone_is_loaded()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("optimizer.safetensors");
        using Sequential model = Model(1);
        using Optimizer saved = new Adam(model, 1, new AdamOptions { Beta1 = 0.5 }), loaded = new AdamW(model);
        Train(model, saved, 3);
        saved.Save(path);
        Strip(path, "optimizer", "beta1", "beta2", "parameters");
        Assert.That(SafeTensors.LoadMetadata(path).Keys, Is.EqualTo((string[])["step_count"]));

        loaded.Load(path);

        Assert.That(loaded.StepCount, Is.EqualTo(3));
    }

    [Test]
    public void A_file_that_tells_the_filters_of_some_layers_only_is_refused()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("model");
        using Sequential model = Make("first", "second");
        byte[] before = Bytes(model.ParameterData);

        foreach (string key in (string[])["filter", "filters", "activation", "alpha", "beta", "filter_seed", "filter_index"])
        {
            model.Save(path);
            Strip(path, $"second.{key}");
            Assert.That(() => model.Load(path), Throws.TypeOf<InvalidDataException>().With.Message.Contains($"__metadata__.second.{key} is missing"));
        }

        model.Save(path);
        Strip(path, [.. SafeTensors.LoadMetadata(path).Keys.Where(key => key.StartsWith("second.", StringComparison.Ordinal))]);
        Assert.That(() => model.Load(path), Throws.TypeOf<InvalidDataException>().With.Message.Contains("__metadata__.second.filter is missing"));

        // The same tensors, where the second layer has another name.
        using Sequential renamed = Make("first", "other");
        model.Save(path);
        SafeTensors.Save(path, renamed.Parameters.Select(parameter => KeyValuePair.Create(parameter.Name, parameter.Value)), SafeTensors.LoadMetadata(path));
        Assert.That(() => renamed.Load(path), Throws.TypeOf<InvalidDataException>().With.Message.Contains("__metadata__.second.filter_seed is of a filter chain that the model does not have"));
        Assert.That(Bytes(model.ParameterData), Is.EqualTo(before));

        Sequential Make(string first, string second) => new(
            Device, 1, new RoaRnn(2, 4, new RoaRnnOptions { Output = SequenceOutput.All }) { Name = first }, new RoaRnn(4, 4) { Name = second });
    }

    [Test]
    public void Noise_may_be_added_to_a_model_and_left_out()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("model");
        using var noisy = new Sequential(Device, 1, new GaussianNoise(2, 1), new RoaRnn(2, 4) { Name = "rnn" });
        using var quiet = new Sequential(Device, 2, new RoaRnn(2, 4) { Name = "rnn" });

        noisy.Save(path);
        quiet.Load(path);
        Assert.That(Bytes(quiet.ParameterData), Is.EqualTo(Bytes(noisy.ParameterData)));
        quiet.Save(path);
        noisy.Load(path);
    }

    /// <summary>Saves a file again without some of its metadata.</summary>
    private static void Strip(string path, params string[] keys)
    {
        Dictionary<string, string> metadata = SafeTensors.LoadMetadata(path).ToDictionary();
        foreach (string key in keys)
        {
            metadata.Remove(key);
        }

        Dictionary<string, Tensor> tensors = SafeTensors.Load(path, Device.Default);
        SafeTensors.Save(path, tensors, metadata);
        foreach (Tensor tensor in tensors.Values)
        {
            tensor.Dispose();
        }
    }

    private Sequential Model(ulong seed, DType dtype = DType.Float32) => new(
        Device, new SequentialOptions { Seed = seed, DType = dtype }, new RoaRnn(2, 8) { Name = "rnn" }, new Dense(8, 4));

    private void Train(Sequential model, Optimizer optimizer, int steps)
    {
        using var loss = new CrossEntropyLoss();
        using var inputs = new Tensor(Device, DType.Float32, 5, 6, 2);
        for (int step = 0; step < steps; step++)
        {
            SetValues(inputs, Uniform(new Random((int)optimizer.StepCount), inputs.Count));
            loss.Forward(model.Forward(inputs), [0, 1, 2, 3, 0, 1]);
            model.Backward(loss.Gradient);
            optimizer.Step();
        }
    }
}
