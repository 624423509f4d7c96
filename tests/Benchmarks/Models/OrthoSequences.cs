using OrthoNative.Interop;

namespace OrthoNative.Benchmarks.Models;

/// <summary>This library on sequences of different lengths, through the C interface: the layers take none.</summary>
internal sealed unsafe class OrthoSequences : ITimedModel
{
    private readonly Workload _workload;
    private readonly Device _device;
    private readonly Sequential _recurrent;
    private readonly Sequential _readout;
    private readonly ChainHandle _chain;
    private readonly CrossEntropyLoss _loss = new();
    private readonly Adam _recurrentOptimizer;
    private readonly Adam _readoutOptimizer;
    private readonly Tensor _inputs;
    private readonly Tensor _lastStates;
    private readonly int[] _lengths;
    private readonly int[] _targets;

    public OrthoSequences(Workload workload, ModelData data)
    {
        _workload = workload;
        _device = Device.Cpu(workload.Threads);

        // Holds the parameters, their gradients and the optimizer's numbers; it is never run.
        _recurrent = new Sequential(_device, ModelData.Seed, OrthoModel.LayerFor(workload, data));
        _readout = new Sequential(
            _device, new SequentialOptions { Seed = ModelData.Seed, ComputeInputGradient = true }, new Dense(workload.Hidden, Workload.Classes));
        OrthoModel.FillLayer(_recurrent.Layers[0], data);
        OrthoModel.FillReadout(_readout.Layers[0], data);
        _chain = NativeChain.Create(workload, data, options => ChainHandle.Create(_device.Handle, options, nameof(workload), ""));
        _recurrentOptimizer = new Adam(_recurrent, Workload.LearningRate);
        _readoutOptimizer = new Adam(_readout, Workload.LearningRate);
        _inputs = Tensor.From<float>(_device, data.Inputs, workload.Steps, workload.Batch, Workload.Inputs);
        _lastStates = new Tensor(_device, DType.Float32, workload.Batch, workload.Hidden);
        _lengths = data.Lengths!;
        _targets = data.Targets;
    }

    private Parameter Weight => _recurrent.Parameters[0];

    private Parameter Bias => _recurrent.Parameters[1];

    private Parameter InputWeight => _recurrent.Parameters[2];

    public double Step()
    {
        Forward(training: true);
        _readout.Training = true;
        double loss = _loss.Forward(_readout.Forward(_lastStates), _targets);
        _readout.Backward(_loss.Gradient);
        Backward(_readout.InputGradient);
        _recurrentOptimizer.Step();
        _readoutOptimizer.Step();
        return loss;
    }

    public double Infer()
    {
        Forward(training: false);
        _readout.Training = false;
        return _loss.Evaluate(_readout.Forward(_lastStates), _targets);
    }

    public double Stream() => throw new NotSupportedException($"{nameof(OrthoStreams)} times streams.");

    public void Dispose()
    {
        _chain.Dispose();
        _lastStates.Dispose();
        _inputs.Dispose();
        _readoutOptimizer.Dispose();
        _recurrentOptimizer.Dispose();
        _loss.Dispose();
        _readout.Dispose();
        _recurrent.Dispose();
        _device.Dispose();
    }

    private void Forward(bool training)
    {
        using BufferScope weight = Weight.Value.Borrow(), inputWeight = InputWeight.Value.Borrow(), bias = Bias.Value.Borrow();
        using BufferScope inputs = _inputs.Borrow();
        using BufferScope lastStates = _lastStates.BorrowToWrite();
        using HandleScope<ortho_chain> chain = _chain.Borrow();
        fixed (int* lengths = _lengths)
        {
            NativeMethods.ortho_chain_forward(
                chain.Pointer, _workload.Steps, _workload.Batch, lengths, null, 1, training ? 1 : 0,
                weight.Address, inputWeight.Address, bias.Address, inputs.Address, null, lastStates.Address, null).ThrowOnFailure();
        }
    }

    private void Backward(Tensor stateGradient)
    {
        using BufferScope weight = Weight.Value.Borrow(), inputWeight = InputWeight.Value.Borrow(), bias = Bias.Value.Borrow();
        using BufferScope inputs = _inputs.Borrow(), outputGradient = stateGradient.Borrow();
        using BufferScope weightGradient = Weight.Gradient.BorrowToWrite(), inputWeightGradient = InputWeight.Gradient.BorrowToWrite();
        using BufferScope biasGradient = Bias.Gradient.BorrowToWrite();
        using HandleScope<ortho_chain> chain = _chain.Borrow();
        NativeMethods.ortho_chain_backward(
            chain.Pointer, 0, weight.Address, inputWeight.Address, bias.Address, inputs.Address, outputGradient.Address, null,
            weightGradient.Address, inputWeightGradient.Address, biasGradient.Address, null, null).ThrowOnFailure();
    }
}
