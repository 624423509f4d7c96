using static TorchSharp.torch;
using TorchTensor = TorchSharp.torch.Tensor;

namespace OrthoNative.TorchSharp.Tests;

/// <summary>The models written in torch's operations, which the modules are compared with; float64.</summary>
internal static class Reference
{
    public const long Steps = 7, Rows = 3, Inputs = 2, Units = 5;

    public const ulong Seed = 3;

    public static RoaRnnOptions Options { get; } = new() { Alpha = 0.9, Beta = 0.3, Output = SequenceOutput.All };

    public static TorchTensor Random(ulong seed, params long[] shape)
    {
        using var generator = new Generator(seed);
        return randn(shape, dtype: ScalarType.Float64, generator: generator);
    }

    public static RoaRnn Module(RoaRnnOptions? options = null, bool batchFirst = false) =>
        new(Inputs, Units, options ?? Options, seed: Seed, batchFirst: batchFirst, dtype: ScalarType.Float64);

    /// <summary>O as the layer of OrthoNative with the same seed has it.</summary>
    public static TorchTensor FilterOf(RoaRnnOptions options, ulong seed = Seed)
    {
        var layer = new OrthoNative.RoaRnn(Inputs, Units, options);
        using var model = new OrthoNative.Sequential(Device.Default, new SequentialOptions { Seed = seed, DType = DType.Float64 }, layer);
        return from_array(layer.GetFilter());
    }

    /// <summary>All filters of a feedforward layer, one or L.</summary>
    public static TorchTensor[] FiltersOf(long layers, RoaFnnOptions options)
    {
        var layer = new OrthoNative.RoaFnn(Units, layers, options);
        using var model = new OrthoNative.Sequential(Device.Default, new SequentialOptions { Seed = Seed, DType = DType.Float64 }, layer);
        return [.. Enumerable.Range(0, options.FilterPerLayer ? (int)layers : 1).Select(l => from_array(options.FilterPerLayer ? layer.GetFilter(l) : layer.GetFilter()))];
    }

    /// <summary>All states of the recurrent model, [T, B, N].</summary>
    public static TorchTensor Recurrent(RoaRnn module, TorchTensor filter, TorchTensor inputs, TorchTensor? initial, bool relu = false)
    {
        TorchTensor state = initial ?? zeros(inputs.shape[1], Units, dtype: ScalarType.Float64);
        var states = new List<TorchTensor>();
        for (long t = 0; t < inputs.shape[0]; t++)
        {
            TorchTensor z = state.matmul(module.get_parameter("weight")!.t())
                + inputs[t].matmul(module.get_parameter("input_weight")!.t())
                + module.get_parameter("bias")!;
            state = 0.9 * state.matmul(filter.t()) + 0.3 * (relu ? z.relu() : z.tanh());
            states.Add(state);
        }

        return stack(states);
    }

    /// <summary>What leaves the last layer of the feedforward model.</summary>
    public static TorchTensor Feedforward(RoaFnn module, TorchTensor[] filters, TorchTensor inputs)
    {
        TorchTensor state = inputs;
        for (int l = 0; l < module.Layers; l++)
        {
            TorchTensor z = state.matmul(module.get_parameter("weight")![l].t()) + module.get_parameter("bias")![l];
            state = 0.9 * state.matmul(filters[filters.Length == 1 ? 0 : l].t()) + 0.3 * z.tanh();
        }

        return state;
    }

    /// <summary>Frees what other tests dropped, so that objects can be counted.</summary>
    public static void Collect()
    {
        for (int i = 0; i < 3; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
    }

    /// <summary>Fails unless two tensors agree to a bound, relative to the largest element where that is above 1.</summary>
    public static void AssertClose(TorchTensor actual, TorchTensor expected, double tolerance, string what)
    {
        Assert.That(actual.shape, Is.EqualTo(expected.shape), what);
        double scale = Math.Max(1, expected.abs().max().item<double>());
        Assert.That((actual - expected).abs().max().item<double>() / scale, Is.LessThan(tolerance), what);
    }
}
