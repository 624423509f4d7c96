using TorchSharp;
using static TorchSharp.torch;
using TorchTensor = TorchSharp.torch.Tensor;

namespace OrthoNative.Benchmarks.Models;

/// <summary>
/// Forward and backward over time in place. At every step two halves lie side by side, <c>[B, 2N]</c>: forward the new state and
/// φ, backward the gradient g and δ, so that each direction is one product a step with the stacked weights [αO; W].
/// </summary>
internal sealed class TorchBuffers : IDisposable
{
    // A number becomes a native object at each call that takes it, unless it is made once.
    private static readonly Scalar s_one = 1.0;
    private static readonly Scalar s_beta = ModelData.Beta;
    private static readonly Scalar s_minusBeta = -ModelData.Beta;

    private readonly Workload _workload;
    private readonly TorchTensor _stacked;
    private readonly TorchTensor _stackedTransposed;
    private readonly TorchTensor _weightHalf;
    private readonly Halves _forward;
    private Halves? _backward;

    public TorchBuffers(Workload workload, TorchTensor alphaFilter)
    {
        _workload = workload;
        int units = workload.Hidden;
        _stacked = zeros(2 * units, units).DetachFromDisposeScope();
        _stackedTransposed = _stacked.t().DetachFromDisposeScope();
        _weightHalf = _stacked.narrow(0, units, units).DetachFromDisposeScope();
        using TorchTensor filterHalf = _stacked.narrow(0, 0, units);
        filterHalf.copy_(alphaFilter);
        _forward = new Halves(workload);
    }

    /// <summary>Runs all steps from the state 0.</summary>
    /// <returns>The last state, a view of the buffer.</returns>
    public TorchTensor Forward(TorchTensor inputs, TorchTensor weight, TorchTensor inputWeight, TorchTensor bias)
    {
        _weightHalf.copy_(weight);
        _forward.AllFirst.zero_();
        _forward.AllSecond.copy_(bias).addcmul_(inputs, inputWeight.view(1, 1, -1), s_one);
        for (int t = 0; t < _workload.Steps; t++)
        {
            if (t > 0)
            {
                _forward.Both[t].addmm_(_forward.First[t - 1], _stackedTransposed, beta: 1, alpha: 1);
            }

            _forward.First[t].add_(_forward.Second[t].tanh_(), s_beta);
        }

        return _forward.First[^1];
    }

    /// <summary>Backpropagates through the last <see cref="Forward"/>, with the weights as they were then.</summary>
    /// <param name="inputs">As given to <see cref="Forward"/>.</param>
    /// <param name="stateGradient">Gradient at the last state.</param>
    /// <param name="weightGradient">Overwritten.</param>
    /// <param name="inputWeightGradient">Overwritten.</param>
    /// <param name="biasGradient">Overwritten.</param>
    public void Backward(
        TorchTensor inputs, TorchTensor stateGradient, TorchTensor weightGradient, TorchTensor inputWeightGradient, TorchTensor biasGradient)
    {
        _backward ??= new Halves(_workload);
        int units = _workload.Hidden;
        int rows = _workload.Steps * _workload.Batch;

        // β φ' of all steps, which becomes δ step by step.
        _backward.AllSecond.copy_(_forward.AllSecond).mul_(_forward.AllSecond).mul_(s_minusBeta).add_(s_beta);
        _backward.First[^1].copy_(stateGradient);
        for (int t = _workload.Steps - 1; ; t--)
        {
            _backward.Second[t].mul_(_backward.First[t]);
            if (t == 0)
            {
                break;
            }

            _backward.First[t - 1].addmm_(_backward.Both[t], _stacked, beta: 0, alpha: 1);
        }

        TorchTensor delta = _backward.Rows.narrow(1, units, units);
        TorchTensor deltaAfterFirst = delta.narrow(0, _workload.Batch, rows - _workload.Batch);
        TorchTensor previous = _forward.Rows.narrow(1, 0, units).narrow(0, 0, rows - _workload.Batch);
        weightGradient.addmm_(deltaAfterFirst.t(), previous, beta: 0, alpha: 1);
        inputWeightGradient.addmm_(delta.t(), inputs.view(rows, Workload.Inputs), beta: 0, alpha: 1);
        biasGradient.copy_(delta.sum([0]));
    }

    public void Dispose()
    {
        _stacked.Dispose();
        _stackedTransposed.Dispose();
        _weightHalf.Dispose();
        _forward.Dispose();
        _backward?.Dispose();
    }

    /// <summary>A buffer of all steps and every view of it that the steps need, made once.</summary>
    private sealed class Halves : IDisposable
    {
        public Halves(Workload workload)
        {
            int units = workload.Hidden;
            All = zeros(workload.Steps, workload.Batch, 2 * units).DetachFromDisposeScope();
            Rows = All.view(-1, 2 * units).DetachFromDisposeScope();
            AllFirst = All.narrow(2, 0, units).DetachFromDisposeScope();
            AllSecond = All.narrow(2, units, units).DetachFromDisposeScope();
            Both = Steps(All);
            First = Steps(AllFirst);
            Second = Steps(AllSecond);
        }

        public TorchTensor All { get; }

        public TorchTensor Rows { get; }

        public TorchTensor AllFirst { get; }

        public TorchTensor AllSecond { get; }

        public TorchTensor[] Both { get; }

        public TorchTensor[] First { get; }

        public TorchTensor[] Second { get; }

        public void Dispose()
        {
            foreach (TorchTensor tensor in (TorchTensor[])[.. Both, .. First, .. Second, AllFirst, AllSecond, Rows, All])
            {
                tensor.Dispose();
            }
        }

        private static TorchTensor[] Steps(TorchTensor all) => [.. all.unbind(0).Select(step => step.DetachFromDisposeScope())];
    }
}
