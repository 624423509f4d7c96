using TorchSharp;
using static OrthoNative.TorchSharp.Tests.Reference;
using static TorchSharp.torch;
using TorchTensor = TorchSharp.torch.Tensor;

namespace OrthoNative.TorchSharp.Tests;

/// <summary>Weights and filters go from layers to modules and back.</summary>
internal sealed class WeightExchangeTests
{
    private static IEnumerable<RoaRnnOptions> Recurrent =>
    [
        Options,
        Options with { Filter = Filter.Permutation },
        Options with { Filter = Filter.Cycle, Alpha = new double[] { 1, 0.5, 0.25, 0, -1 } },
    ];

    [TestCaseSource(nameof(Recurrent))]
    public void A_module_of_a_layer_computes_what_the_layer_does(RoaRnnOptions options)
    {
        using DisposeScope scope = NewDisposeScope();

        // The second layer: its filter is of another random stream than that of a module made from a seed.
        using OrthoNative.Sequential model = ModelOf(17, options, out OrthoNative.RoaRnn layer);
        using RoaRnn module = RoaRnn.FromLayer(layer);

        CheckSame(model, module);
        Assert.That(FilterState.Of(module.state_dict()["filter"]).Index, Is.EqualTo(1));
    }

    [TestCaseSource(nameof(Recurrent))]
    public void A_layer_takes_the_weights_and_the_filter_of_a_module(RoaRnnOptions options)
    {
        using DisposeScope scope = NewDisposeScope();
        using OrthoNative.Sequential model = ModelOf(17, options, out OrthoNative.RoaRnn layer);
        using RoaRnn module = Module(options);
        module.CopyTo(layer);

        CheckSame(model, module);

        // A file of the model keeps the filter that came with the weights.
        string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        try
        {
            model.Save(path);
            using OrthoNative.Sequential other = ModelOf(99, options, out _);
            other.Load(path);
            CheckSame(other, module);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Test]
    public void A_state_dictionary_of_a_copied_module_brings_the_filter_along()
    {
        using DisposeScope scope = NewDisposeScope();
        using OrthoNative.Sequential model = ModelOf(17, Options, out OrthoNative.RoaRnn layer);
        using RoaRnn module = RoaRnn.FromLayer(layer);
        using RoaRnn other = Module();
        other.load_state_dict(module.state_dict());

        CheckSame(model, other);
    }

    [Test]
    public void Feedforward_layers_are_exchanged_too()
    {
        using DisposeScope scope = NewDisposeScope();
        var options = new RoaFnnOptions { FilterPerLayer = true };
        var layer = new OrthoNative.RoaFnn(Units, 3, options);
        using var model = new OrthoNative.Sequential(Device.Default, new SequentialOptions { Seed = 5, DType = DType.Float64 }, new OrthoNative.RoaFnn(Units, 2, options), layer);
        using RoaFnn module = RoaFnn.FromLayer(layer);
        TorchTensor u = Random(1, Rows, Units);
        using var inputs = Given(u);
        using var alone = new OrthoNative.Sequential(
            Device.Default, new SequentialOptions { Seed = 6, DType = DType.Float64 }, new OrthoNative.RoaFnn(Units, 3, options));
        module.CopyTo((OrthoNative.RoaFnn)alone.Layers[0]);

        Assert.That(alone.Forward(inputs).ToArray<double>(), Is.EqualTo(module.forward(u).data<double>().ToArray()));
        FilterState source = FilterState.Of(module.state_dict()["filter"]);
        Assert.That((source.Seed, source.Index), Is.EqualTo((5ul, 2u)));
    }

    [Test]
    public void Float32_weights_go_into_a_float64_module_and_back()
    {
        using DisposeScope scope = NewDisposeScope();
        var layer = new OrthoNative.RoaRnn(Inputs, Units, Options);
        using var model = new OrthoNative.Sequential(Device.Default, 3, layer);
        float[] before = model.ParameterData.ToArray<float>();
        using RoaRnn module = Module();
        module.CopyFrom(layer);
        model.ParameterData.Fill(0);
        module.CopyTo(layer);

        Assert.That(model.ParameterData.ToArray<float>(), Is.EqualTo(before));
    }

    [Test]
    public void Another_function_of_the_same_weights_is_refused()
    {
        using DisposeScope scope = NewDisposeScope();
        using RoaRnn module = Module();
        using OrthoNative.Sequential model = ModelOf(1, Options with { Alpha = 0.5 }, out OrthoNative.RoaRnn alpha);
        using OrthoNative.Sequential larger = new(Device.Default, 1, new OrthoNative.RoaRnn(Inputs, Units + 1));
        double[] before = model.ParameterData.ToArray<double>();

        Assert.That(() => module.CopyTo(alpha), Throws.ArgumentException.With.Message.StartsWith("layer has alpha '0.5'; it must be '0.9', as that of the module is."));
        Assert.That(
            () => module.CopyFrom((OrthoNative.RoaRnn)larger.Layers[0]),
            Throws.ArgumentException.With.Message.StartsWith("layer is RoaRnn 2 -> 6 units; it must be RoaRnn 2 -> 5 units, as the module is."));
        Assert.That(() => module.CopyFrom(new OrthoNative.RoaRnn(Inputs, Units)), Throws.ArgumentException.With.Message.StartsWith("layer is not part of a model yet;"));
        Assert.That(model.ParameterData.ToArray<double>(), Is.EqualTo(before));
    }

    [Test]
    public void Gru_and_Lstm_take_a_layer_and_direction_of_a_state_dictionary_and_give_it_back()
    {
        using DisposeScope scope = NewDisposeScope();
        using global::TorchSharp.Modules.GRU gru = nn.GRU(3, 4, 2, bidirectional: true, dtype: ScalarType.Float64);
        using global::TorchSharp.Modules.LSTM lstm = nn.LSTM(3, 4, 1, dtype: ScalarType.Float64);
        foreach ((nn.Module module, Func<long, RecurrentLayer> create, TorchKeys keys) in new (nn.Module, Func<long, RecurrentLayer>, TorchKeys)[]
        {
            (gru, inputs => new Gru(inputs, 4), new TorchKeys { Layer = 0 }),
            (gru, inputs => new Gru(inputs, 4), new TorchKeys { Layer = 1, Reverse = true }),
            (lstm, inputs => new Lstm(inputs, 4), new TorchKeys()),
            (lstm, inputs => new Lstm(inputs, 4, new LstmOptions { RecurrentBias = false }), new TorchKeys()),
        })
        {
            Dictionary<string, TorchTensor> state = module.state_dict();
            string end = $"_l{keys.Layer}{(keys.Reverse ? "_reverse" : "")}";
            RecurrentLayer layer = create(state[$"weight_ih{end}"].shape[1]);
            using var model = new OrthoNative.Sequential(Device.Default, new SequentialOptions { DType = DType.Float64 }, layer);
            layer.CopyFromTorch(state, keys);

            double[] inputs = Of(state, $"bias_ih{end}"), states = Of(state, $"bias_hh{end}");
            Assert.That(layer.Parameters[0].Value.ToArray<double>(), Is.EqualTo(Of(state, $"weight_hh{end}")));
            Assert.That(layer.Parameters[2].Value.ToArray<double>(), Is.EqualTo(Of(state, $"weight_ih{end}")));
            Assert.That(
                layer.Parameters[1].Value.ToArray<double>(),
                Is.EqualTo(layer.Parameters[1].Shape.Length == 2 ? [.. inputs, .. states] : inputs.Zip(states, (x, y) => x + y).ToArray()));

            double[] given = model.ParameterData.ToArray<double>();
            Dictionary<string, TorchTensor> cleared = state.Where(pair => pair.Key.EndsWith(end, StringComparison.Ordinal)).ToDictionary(pair => "rnn." + pair.Key, pair => zeros_like(pair.Value));
            layer.CopyToTorch(cleared, keys with { Prefix = "rnn." });
            model.ParameterData.Fill(0);
            layer.CopyFromTorch(cleared, keys with { Prefix = "rnn." });
            Assert.That(model.ParameterData.ToArray<double>(), Is.EqualTo(given));
        }
    }

    [Test]
    public void Layers_without_time_take_weights_of_their_modules()
    {
        using DisposeScope scope = NewDisposeScope();
        TorchTensor u = Random(2, 6, 5, 3);
        (nn.Module<TorchTensor, TorchTensor> Module, Layer Layer)[] pairs =
        [
            (nn.Linear(3, 4, dtype: ScalarType.Float64), new Dense(3, 4)),
            (nn.Linear(3, 4, hasBias: false, dtype: ScalarType.Float64), new Dense(3, 4)),
            (nn.LayerNorm(3, dtype: ScalarType.Float64), new LayerNorm(3)),
        ];
        foreach ((nn.Module<TorchTensor, TorchTensor> module, Layer layer) in pairs)
        {
            using var model = new OrthoNative.Sequential(Device.Default, new SequentialOptions { DType = DType.Float64 }, layer);
            foreach (TorchTensor weight in module.parameters())
            {
                using IDisposable inference = no_grad();
                weight.copy_(Random(3, weight.shape));
            }

            layer.CopyFromTorch(module.state_dict());
            using OrthoNative.Tensor inputs = Given(u);

            // Sums of at most 3 products and a bias, in another order; normalization of values of order 1 besides.
            Assert.That(model.Forward(inputs).ToArray<double>(), Is.EqualTo(module.forward(u).contiguous().data<double>().ToArray()).Within(1e-13), module.GetName());
        }
    }

    [Test]
    public void What_does_not_fit_is_refused_and_changes_nothing()
    {
        using DisposeScope scope = NewDisposeScope();
        using global::TorchSharp.Modules.GRU module = nn.GRU(3, 4);
        Dictionary<string, TorchTensor> state = module.state_dict();
        var layer = new Gru(3, 5);
        using var model = new OrthoNative.Sequential(Device.Default, 1, layer, new OrthoNative.RoaRnn(5, 5));
        float[] before = model.ParameterData.ToArray<float>();

        Assert.That(() => layer.CopyFromTorch(state), Throws.ArgumentException.With.Message.StartsWith("state['weight_hh_l0'] has shape [12, 4]; it must be [15, 5] for Gru 3 -> 5 units."));
        Assert.That(() => layer.CopyFromTorch(state, new TorchKeys { Layer = 1 }), Throws.ArgumentException.With.Message.StartsWith("state has no 'weight_hh_l1'; it must have the weights of the layer."));
        Assert.That(() => model.Layers[1].CopyFromTorch(state), Throws.ArgumentException.With.Message.StartsWith("layer is RoaRnn 5 -> 5 units; it must be a Gru, Lstm, Elman, Dense, Conv1D, LayerNorm or Embedding."));
        Assert.That(() => new Gru(3, 4).CopyFromTorch(state), Throws.ArgumentException.With.Message.StartsWith("layer is not part of a model yet;"));
        using var single = new OrthoNative.Sequential(Device.Default, 1, new Gru(3, 4, new GruOptions { RecurrentBias = false }));
        Assert.That(() => single.Layers[0].CopyFromTorch(state), Throws.ArgumentException.With.Message.StartsWith("layer has one bias for each gate;"));
        Assert.That(model.ParameterData.ToArray<float>(), Is.EqualTo(before));
    }

    private static OrthoNative.Sequential ModelOf(ulong seed, RoaRnnOptions options, out OrthoNative.RoaRnn layer)
    {
        layer = new OrthoNative.RoaRnn(Inputs, Units, options);
        return new OrthoNative.Sequential(
            Device.Default, new SequentialOptions { Seed = seed, DType = DType.Float64 }, new OrthoNative.RoaRnn(1, Inputs, new RoaRnnOptions { Output = SequenceOutput.All }), layer);
    }

    /// <summary>The second layer of the model and the module give the same bits for what the first layer gives.</summary>
    private static void CheckSame(OrthoNative.Sequential model, RoaRnn module)
    {
        using OrthoNative.Tensor inputs = Given(Random(1, Steps, Rows, 1));
        double[] outputs = model.Forward(inputs).ToArray<double>();
        using RoaRnn copy = RoaRnn.FromLayer((OrthoNative.RoaRnn)model.Layers[0]);
        Assert.That(module.forward(copy.forward(from_array(inputs.ToArray<double>()).reshape(Steps, Rows, 1))).data<double>().ToArray(), Is.EqualTo(outputs));
    }

    private static OrthoNative.Tensor Given(TorchTensor values) =>
        OrthoNative.Tensor.From<double>(Device.Default, values.contiguous().data<double>().ToArray(), values.shape);

    private static double[] Of(Dictionary<string, TorchTensor> state, string key) => state[key].data<double>().ToArray();
}
