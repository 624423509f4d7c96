using static TorchSharp.torch;
using TorchTensor = TorchSharp.torch.Tensor;

namespace OrthoNative.Benchmarks.Models;

/// <summary>
/// The best that autograd allows: the input product of all steps at once, αO and W stacked into one product a step.
/// Inference works in buffers that are made once.
/// </summary>
internal class TorchStacked(Workload workload, ModelData data) : TorchFilterModel(workload, data)
{
    private TorchBuffers? _buffers;

    /// <summary>Made at the first use: training by autograd has none.</summary>
    protected TorchBuffers Buffers => _buffers ??= Keep(new TorchBuffers(Workload, AlphaFilter));

    protected override TorchTensor LastState()
    {
        TorchTensor[] drives = nn.functional.linear(Inputs, InputWeight, Bias).unbind(0);
        TorchTensor stacked = cat([AlphaFilter, Weight], 0).t();
        TorchTensor state = zeros(Workload.Batch, Workload.Hidden);
        foreach (TorchTensor drive in drives)
        {
            TorchTensor[] products = state.mm(stacked).chunk(2, 1);
            state = products[0].add(products[1].add(drive).tanh(), BetaScalar);
        }

        return state;
    }

    protected override TorchTensor LastStateWithoutGradient() => Buffers.Forward(Inputs, Weight, InputWeight, Bias);
}
