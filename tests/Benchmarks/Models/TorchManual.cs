using TorchSharp;
using static TorchSharp.torch;
using TorchTensor = TorchSharp.torch.Tensor;

namespace OrthoNative.Benchmarks.Models;

/// <summary>
/// The best that TorchSharp allows: forward and backward written by hand, in place, without autograd but for the readout,
/// in buffers that are made once; one product a step each way, and one for all weight gradients.
/// </summary>
internal sealed class TorchManual : TorchStacked
{
    public TorchManual(Workload workload, ModelData data)
        : base(workload, data)
    {
        foreach (TorchSharp.Modules.Parameter parameter in RecurrentParameters)
        {
            parameter.grad = Keep(zeros_like(parameter, requires_grad: false));
        }
    }

    public override double Step()
    {
        using DisposeScope scope = NewDisposeScope();
        Optimizer.zero_grad();
        TorchTensor state;
        using (no_grad())
        {
            state = LastStateWithoutGradient().clone();
        }

        state.requires_grad_();
        TorchTensor loss = Loss(state);
        loss.backward();
        using (no_grad())
        {
            Buffers.Backward(Inputs, state.grad!, Weight.grad!, InputWeight.grad!, Bias.grad!);
        }

        Optimizer.step();
        return loss.ToDouble();
    }
}
