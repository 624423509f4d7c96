using TorchSharp;

namespace OrthoNative.Benchmarks.Models;

/// <summary>Whether a side flushes subnormal numbers to zero: processors compute with them many times more slowly.</summary>
internal static class Subnormals
{
    // The smallest normal number is 1.2e-38.
    private const float Normal = 2e-38f, Factor = 0.01f;

    /// <summary>Whether torch's operations flush them, found by one.</summary>
    public static bool TorchFlushes()
    {
        using torch.Tensor product = torch.tensor(Normal) * Factor;
        return product.item<float>() == 0;
    }

    /// <summary>Whether the chains of this library flush them, found by one step: x = 0.01 relu(u).</summary>
    public static bool ChainsFlush()
    {
        using Device device = Device.Cpu(1);
        var options = new RoaRnnOptions { Alpha = 0, Beta = Factor, Activation = Activation.Relu, Filter = Filter.Identity };
        using var model = new Sequential(device, seed: 1, new RoaRnn(1, 1, options));
        foreach (Parameter parameter in model.Parameters)
        {
            parameter.Value.CopyFrom<float>([parameter.Name == "0.input_weight" ? 1 : 0]);
        }

        using var inputs = Tensor.From<float>(device, [Normal], 1, 1, 1);
        return model.Forward(inputs).ToArray<float>()[0] == 0;
    }
}
