using static TorchSharp.torch;
using TorchTensor = TorchSharp.torch.Tensor;

namespace OrthoNative.Benchmarks.Models;

/// <summary>The equation as it stands, in a loop over time.</summary>
internal sealed class TorchLoop(Workload workload, ModelData data) : TorchFilterModel(workload, data)
{
    protected override TorchTensor LastState()
    {
        TorchTensor state = zeros(Workload.Batch, Workload.Hidden);
        for (int t = 0; t < Workload.Steps; t++)
        {
            TorchTensor driven = nn.functional.linear(state, Weight) + nn.functional.linear(Inputs[t], InputWeight, Bias);
            state = nn.functional.linear(state, AlphaFilter) + (ModelData.Beta * tanh(driven));
        }

        return state;
    }
}
