namespace OrthoNative.Tests;

/// <summary>Every kind of layer and container, small, from <see cref="Size"/> to as many outputs at every time step.</summary>
internal static class LayerCatalog
{
    public const int Size = 4;

    private static readonly SequenceOutput s_all = SequenceOutput.All;

    /// <summary>Layers by name.</summary>
    public static IReadOnlyDictionary<string, Func<Layer>> Layers { get; } = new Dictionary<string, Func<Layer>>
    {
        ["Dense"] = () => new Dense(Size, Size),
        ["Tanh"] = () => new ActivationLayer(Size, Activation.Tanh),
        ["Relu"] = () => new ActivationLayer(Size, Activation.Relu),
        ["Sigmoid"] = () => new ActivationLayer(Size, Activation.Sigmoid),
        ["Silu"] = () => new ActivationLayer(Size, Activation.Silu),
        ["Gelu"] = () => new ActivationLayer(Size, Activation.Gelu),
        ["LayerNorm"] = () => new LayerNorm(Size),
        ["GatedLinear"] = () => new GatedLinear(Size, Size),
        ["Dropout"] = () => new Dropout(Size, 0.4),
        ["Dropout of units"] = () => new Dropout(Size, 0.4, sameForAllSteps: true),
        ["GaussianNoise"] = () => new GaussianNoise(Size, 0.3),
        ["Conv1D"] = () => new Conv1D(Size, Size, 3, new Conv1DOptions { Padding = 1 }),
        ["RoaRnn"] = () => Rnn(s_all),
        ["RoaRnn of blocks"] = () => new RoaRnn(Size, Size, new RoaRnnOptions
        {
            Output = s_all,
            WeightScale = 1,
            Filter = Filter.Blocks(new FilterBlock(1) { Alpha = 0.5, Beta = 0.5 }, new FilterBlock(3) { Beta = 0.3 }),
        }),
        ["Elman"] = () => new Elman(Size, Size, new ElmanOptions { Output = s_all }),
        ["Gru"] = () => new Gru(Size, Size, new GruOptions { Output = s_all }),
        ["Lstm"] = () => new Lstm(Size, Size, new LstmOptions { Output = s_all }),
        ["RoaFnn"] = () => new RoaFnn(Size, 3),
    };

    /// <summary>Containers by name, around layers that a function makes.</summary>
    public static IReadOnlyDictionary<string, Func<Func<Layer>, Layer>> Containers { get; } = new Dictionary<string, Func<Func<Layer>, Layer>>
    {
        ["Sequential"] = make => new Sequential(make(), make()),
        ["Residual"] = make => new Residual(make(), make()),
        ["Residual with projection"] = make => new Residual(make(), new Dense(Size, Size + 1), new Dense(Size + 1, Size)),
        ["Branches"] = make => new Sequential(new Branches(make(), new Dense(Size, 2)), new Dense(Size + 2, Size)),
        ["BranchSum"] = make => new BranchSum(make(), new Dense(Size, Size)),
        ["RoaBlock"] = make => new RoaBlock(Size, make(), dropout: 0.2),

        // A single step is scaled to 0, where relu has a kink and layer normalization is steep: a dense layer comes before.
        ["WindowScaling"] = make => new WindowScaling(
            new WindowScalingOptions { Mode = WindowScalingMode.RevIn, Epsilon = 0.5, TargetChannels = [1, 3] }, new Dense(Size, Size), make()),
    };

    /// <summary>Containers of recurrent layers by name.</summary>
    public static IReadOnlyDictionary<string, Func<Layer>> RecurrentContainers { get; } = new Dictionary<string, Func<Layer>>
    {
        ["Bidirectional RoaRnn, Gru"] = () => new Sequential(new Bidirectional(Rnn(s_all), new Gru(Size, 3, new GruOptions { Output = s_all })), new Dense(Size + 3, Size)),
        ["Bidirectional Lstm, Elman"] = () => new Sequential(
            new Bidirectional(new Lstm(Size, 2, new LstmOptions { Output = s_all }), new Elman(Size, 2, new ElmanOptions { Output = s_all })), new Dense(4, Size)),
        ["WindowScaling by last values"] = () => new WindowScaling(
            new WindowScalingOptions(), new Gru(Size, 3, new GruOptions { Output = s_all }), new Dense(3, Size)),
        ["RoaBlock of both directions"] = () => new RoaBlock(Size, new RoaBlockOptions { Bidirectional = true, HiddenSize = 3, Dropout = 0.2 }),
    };

    /// <summary>All of these, alone, in each container, and in containers of containers.</summary>
    public static IEnumerable<TestCaseData> Nestings()
    {
        (string Name, Func<Layer> Make)[] single = [.. Layers.Concat(RecurrentContainers).Select(pair => (pair.Key, pair.Value))];
        foreach ((string name, Func<Layer> make) in single)
        {
            yield return Case(name, make);
        }

        foreach ((string outer, Func<Func<Layer>, Layer> wrap) in Containers)
        {
            foreach ((string name, Func<Layer> make) in single)
            {
                yield return Case($"{outer} of {name}", () => wrap(make));
                foreach ((string inner, Func<Func<Layer>, Layer> wrapAgain) in Containers)
                {
                    yield return Case($"{outer} of {inner} of {name}", () => wrap(() => wrapAgain(make)));
                }
            }
        }

        static TestCaseData Case(string name, Func<Layer> make) => new TestCaseData(make).SetArgDisplayNames(name);
    }

    /// <summary>Each layer and each container around a block, for what takes longer.</summary>
    public static IEnumerable<TestCaseData> Few()
    {
        foreach ((string name, Func<Layer> make) in Layers.Concat(RecurrentContainers))
        {
            yield return new TestCaseData(make).SetArgDisplayNames(name);
        }

        foreach ((string name, Func<Func<Layer>, Layer> wrap) in Containers)
        {
            Func<Layer> make = () => wrap(RecurrentContainers["RoaBlock of both directions"]);
            yield return new TestCaseData(make).SetArgDisplayNames($"{name} of RoaBlock of both directions");
        }
    }

    /// <summary>A model of a layer between two dense ones.</summary>
    public static Sequential Model(Device device, DType dtype, Func<Layer> make, ulong seed = 3) => new(
        device,
        new SequentialOptions { DType = dtype, Seed = seed, ComputeInputGradient = true },
        new Dense(Size, Size) { Name = "before" },
        make(),
        new Dense(Size, 2) { Name = "after" });

    private static RoaRnn Rnn(SequenceOutput output) => new(Size, Size, new RoaRnnOptions { Output = output, Beta = 0.3, WeightScale = 1 });
}
