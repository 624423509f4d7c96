using TorchSharp;
using static TorchSharp.torch;
using TorchParameter = TorchSharp.Modules.Parameter;
using TorchTensor = TorchSharp.torch.Tensor;

namespace OrthoNative.Benchmarks.Models;

/// <summary>A model in TorchSharp: some recurrent layer, a linear readout of its last state, cross-entropy and Adam.</summary>
internal abstract class TorchModel : ITimedModel
{
    private readonly List<IDisposable> _kept = [];
    private readonly TorchTensor _targets;
    private readonly TorchParameter _readoutWeight;
    private readonly TorchParameter _readoutBias;
    private TorchSharp.Modules.Adam? _optimizer;

    protected TorchModel(Workload workload, ModelData data)
    {
        set_num_threads(workload.Threads);
        Workload = workload;
        Inputs = Keep(tensor(data.Inputs, [workload.Steps, workload.Batch, Benchmarks.Workload.Inputs]));
        _targets = Keep(tensor(data.Targets, dtype: ScalarType.Int64));
        if (data.Lengths is { } lengths)
        {
            // Sorted once, outside what is timed, as packed sequences and loops need them.
            int[] order = [.. Enumerable.Range(0, lengths.Length).OrderByDescending(i => lengths[i])];
            Lengths = [.. order.Select(i => lengths[i])];
            using TorchTensor rows = tensor(order, dtype: ScalarType.Int64);
            Inputs = Keep(Inputs.index_select(1, rows));
            _targets = Keep(_targets.index_select(0, rows));
        }

        _readoutWeight = Keep(new TorchParameter(tensor(data.ReadoutWeight, [Benchmarks.Workload.Classes, workload.Hidden])));
        _readoutBias = Keep(new TorchParameter(tensor(data.ReadoutBias)));
    }

    protected Workload Workload { get; }

    /// <summary><c>[T, B, 1]</c>.</summary>
    protected TorchTensor Inputs { get; }

    /// <summary>Steps of each sequence, the longest first; null: all have T.</summary>
    protected int[]? Lengths { get; }

    /// <summary>All parameters are known once the model is made, which is where the optimizer wants them.</summary>
    protected TorchSharp.Modules.Adam Optimizer =>
        _optimizer ??= Keep(optim.Adam([.. RecurrentParameters, _readoutWeight, _readoutBias], Benchmarks.Workload.LearningRate));

    protected abstract IEnumerable<TorchParameter> RecurrentParameters { get; }

    public virtual double Step()
    {
        using DisposeScope scope = NewDisposeScope();
        Optimizer.zero_grad();
        TorchTensor loss = Loss(LastState());
        loss.backward();
        Optimizer.step();
        return loss.ToDouble();
    }

    public double Infer()
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGradient = no_grad();
        return Loss(LastState()).ToDouble();
    }

    public double Stream()
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGradient = no_grad();
        return Loss(LastStateOfStream()).ToDouble();
    }

    public void Dispose()
    {
        foreach (IDisposable kept in _kept)
        {
            kept.Dispose();
        }
    }

    /// <summary>The last state <c>[B, N]</c>.</summary>
    protected abstract TorchTensor LastState();

    /// <summary>The last state <c>[B, N]</c>, with a call for each time step.</summary>
    protected virtual TorchTensor LastStateOfStream() => LastState();

    /// <summary>Cross-entropy of the readout.</summary>
    protected TorchTensor Loss(TorchTensor state) =>
        nn.functional.cross_entropy(nn.functional.linear(state, _readoutWeight, _readoutBias), _targets);

    /// <summary>Gives an object the life of the model.</summary>
    protected T Keep<T>(T value) where T : IDisposable
    {
        if (value is TorchTensor tensor)
        {
            tensor.DetachFromDisposeScope();
        }

        _kept.Add(value);
        return value;
    }
}
