using TorchSharp;
using static TorchSharp.torch;
using TorchTensor = TorchSharp.torch.Tensor;

namespace OrthoNative.Benchmarks.Models;

/// <summary>
/// The fastest that was found: forward and backward written by hand, in place, without autograd but for the readout,
/// in buffers that are made once; stacked weights, so one product a step each way, and one for the gradient of W.
/// </summary>
internal sealed class TorchManual : TorchFilterModel
{
    private readonly TorchBuffers _buffers;

    public TorchManual(Workload workload, ModelData data)
        : base(workload, data)
    {
        _buffers = Keep(new TorchBuffers(workload, AlphaFilter));
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
            state = LastState().clone();
        }

        state.requires_grad_();
        TorchTensor loss = Loss(state);
        loss.backward();
        using (no_grad())
        {
            _buffers.Backward(Inputs, state.grad!, Weight.grad!, InputWeight.grad!, Bias.grad!);
        }

        Optimizer.step();
        return loss.ToDouble();
    }

    protected override TorchTensor LastState() => _buffers.Forward(Inputs, Weight, InputWeight, Bias);
}
