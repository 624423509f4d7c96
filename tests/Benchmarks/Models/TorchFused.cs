using static TorchSharp.torch;
using TorchTensor = TorchSharp.torch.Tensor;

namespace OrthoNative.Benchmarks.Models;

/// <summary>
/// The fastest that was found with autograd: the input product of all steps at once, and every sum inside a product. Weights stacked to
/// [αO; W], one product a step, took more than twice the time here; docs/benchmarks.md has the numbers.
/// </summary>
internal sealed class TorchFused(Workload workload, ModelData data) : TorchFilterModel(workload, data)
{
    protected override TorchTensor LastState()
    {
        TorchTensor[] drives = nn.functional.linear(Inputs, InputWeight, Bias).unbind(0);
        TorchTensor weight = Weight.t();
        TorchTensor filter = AlphaFilter.t();
        return Run((state, t) =>
        {
            TorchTensor activation = addmm(RowsFor(drives[t], state), state, weight, beta: 1, alpha: 1).tanh();
            return Workload.Filter == FilterKind.Haar
                ? addmm(activation, state, filter, beta: (float)ModelData.Beta, alpha: 1)
                : Filtered(state).add(activation, alpha: ModelData.Beta);
        });
    }
}
