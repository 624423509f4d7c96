using static TorchSharp.torch;
using TorchTensor = TorchSharp.torch.Tensor;

namespace OrthoNative.Benchmarks.Models;

/// <summary>The equation as it stands, in a loop over time.</summary>
internal sealed class TorchLoop(Workload workload, ModelData data) : TorchFilterModel(workload, data)
{
    protected override TorchTensor LastState() => Run((state, t) =>
    {
        TorchTensor driven = nn.functional.linear(state, Weight) + nn.functional.linear(RowsFor(Inputs[t], state), InputWeight, Bias);
        return Filtered(state) + (ModelData.Beta * tanh(driven));
    });
}
