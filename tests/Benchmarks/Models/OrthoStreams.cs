using OrthoNative.Interop;

namespace OrthoNative.Benchmarks.Models;

/// <summary>This library's streams, one call for each time step, through the C interface: the layers have none.</summary>
internal sealed unsafe class OrthoStreams : ITimedModel
{
    private readonly Workload _workload;
    private readonly Device _device;
    private readonly Sequential _readout;
    private readonly CrossEntropyLoss _loss = new();
    private readonly Tensor _inputs;
    private readonly Tensor _states;
    private readonly byte[] _allReset;
    private readonly int[] _targets;
    private ortho_weights* _weights;
    private ortho_streams* _streams;

    public OrthoStreams(Workload workload, ModelData data)
    {
        _workload = workload;
        _device = Device.Cpu(workload.Threads);
        _readout = new Sequential(_device, ModelData.Seed, new Dense(workload.Hidden, Workload.Classes)) { Training = false };
        OrthoModel.FillReadout(_readout.Layers[0], data);
        _inputs = Tensor.From<float>(_device, data.Inputs, workload.Steps, workload.Batch, Workload.Inputs);
        _states = new Tensor(_device, DType.Float32, workload.Batch, workload.Hidden);
        _allReset = [.. Enumerable.Repeat((byte)1, workload.Batch)];
        _targets = data.Targets;
        NativeChain.Create(workload, data, options =>
        {
            using HandleScope<ortho_device> device = _device.Handle.Borrow();
            ortho_weights* created;
            NativeMethods.ortho_weights_create(&created, device.Pointer, &options).ThrowOnFailure();
            _weights = created;
            return true;
        });

        // Parameters are read during the call only.
        using Tensor weight = Given(data.Weight), inputWeight = Given(data.InputWeight), bias = Given(data.Bias);
        using BufferScope weightValues = weight.Borrow(), inputWeightValues = inputWeight.Borrow(), biasValues = bias.Borrow();
        NativeMethods.ortho_weights_prepare(_weights, 1, 0, weightValues.Address, inputWeightValues.Address, biasValues.Address).ThrowOnFailure();
        ortho_streams* streams;
        NativeMethods.ortho_streams_create(&streams, _weights, workload.Batch).ThrowOnFailure();
        _streams = streams;
    }

    public double Step() => throw new NotSupportedException("Streams do not train.");

    public double Infer() => throw new NotSupportedException($"{nameof(OrthoModel)} times whole sequences.");

    public double Stream()
    {
        using (BufferScope inputs = _inputs.Borrow(), states = _states.BorrowToWrite())
        {
            fixed (byte* allReset = _allReset)
            {
                var step = (float*)inputs.Address;
                for (int t = 0; t < _workload.Steps; t++)
                {
                    NativeMethods.ortho_streams_step(_streams, t == 0 ? allReset : null, step, states.Address).ThrowOnFailure();
                    step += _workload.Batch * Workload.Inputs;
                }
            }
        }

        return _loss.Evaluate(_readout.Forward(_states), _targets);
    }

    public void Dispose()
    {
        NativeMethods.ortho_streams_free(_streams);
        _streams = null;
        NativeMethods.ortho_weights_free(_weights);
        _weights = null;
        _states.Dispose();
        _inputs.Dispose();
        _loss.Dispose();
        _readout.Dispose();
        _device.Dispose();
    }

    private Tensor Given(float[] values) => Tensor.From<float>(_device, values, values.Length);
}
