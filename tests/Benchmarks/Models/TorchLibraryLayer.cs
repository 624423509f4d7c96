using static TorchSharp.torch;
using static TorchSharp.torch.nn.utils;
using TorchParameter = TorchSharp.Modules.Parameter;
using TorchTensor = TorchSharp.torch.Tensor;

namespace OrthoNative.Benchmarks.Models;

/// <summary>
/// A recurrent layer or cell of TorchSharp's own, of the same hidden size. Where the workload's cell is its own, it has the same weights;
/// otherwise it is another model, hence other losses.
/// </summary>
internal sealed class TorchLibraryLayer : TorchModel
{
    private readonly Calls _calls;
    private readonly bool _padded;
    private readonly TorchTensor? _lengths;
    private readonly TorchTensor? _lastSteps;
    private readonly TorchTensor? _rows;
    private readonly TorchTensor[] _steps = [];

    private TorchLibraryLayer(Workload workload, ModelData data, CellKind cell, nn.Module layer, Calls calls, bool padded = false)
        : base(workload, data)
    {
        _padded = padded;
        Keep(layer);
        _calls = calls;
        RecurrentParameters = cell == workload.Cell ? [.. CopyWeights(layer, workload, data)] : [.. layer.parameters()];
        if (Lengths is not null)
        {
            _lengths = Keep(tensor(Lengths, dtype: ScalarType.Int64));
            _lastSteps = Keep(_lengths - 1);
            _rows = Keep(arange(Lengths.Length, dtype: ScalarType.Int64));
        }

        if (workload.Mode == Mode.Stream)
        {
            // Made once, as they would arrive.
            _steps = [.. Enumerable.Range(0, workload.Steps).Select(t => Keep(calls.IsCell ? Inputs[t] : Inputs.narrow(0, t, 1)))];
        }
    }

    protected override IEnumerable<TorchParameter> RecurrentParameters { get; }

    public static TorchLibraryLayer Rnn(Workload workload, ModelData data) => Rnn(workload, data, padded: false);

    public static TorchLibraryLayer RnnPadded(Workload workload, ModelData data) => Rnn(workload, data, padded: true);

    public static TorchLibraryLayer Gru(Workload workload, ModelData data) => Gru(workload, data, padded: false);

    public static TorchLibraryLayer GruPadded(Workload workload, ModelData data) => Gru(workload, data, padded: true);

    public static TorchLibraryLayer Lstm(Workload workload, ModelData data) => Lstm(workload, data, padded: false);

    public static TorchLibraryLayer LstmPadded(Workload workload, ModelData data) => Lstm(workload, data, padded: true);

    private static TorchLibraryLayer Rnn(Workload workload, ModelData data, bool padded)
    {
        var layer = nn.RNN(Benchmarks.Workload.Inputs, workload.Hidden);
        return new TorchLibraryLayer(workload, data, CellKind.Elman, layer, new Calls(
            inputs => layer.call(inputs), inputs => layer.call(inputs).Item2, (inputs, states) => [Last(layer.call(inputs, Only(states)!))]), padded);
    }

    private static TorchLibraryLayer Gru(Workload workload, ModelData data, bool padded)
    {
        var layer = nn.GRU(Benchmarks.Workload.Inputs, workload.Hidden);
        return new TorchLibraryLayer(workload, data, CellKind.Gru, layer, new Calls(
            inputs => layer.call(inputs), inputs => layer.call(inputs).Item2, (inputs, states) => [Last(layer.call(inputs, Only(states)!))]), padded);
    }

    private static TorchLibraryLayer Lstm(Workload workload, ModelData data, bool padded)
    {
        var layer = nn.LSTM(Benchmarks.Workload.Inputs, workload.Hidden);
        return new TorchLibraryLayer(workload, data, CellKind.Lstm, layer, new Calls(
            inputs =>
            {
                (TorchTensor outputs, TorchTensor state, _) = layer.call(inputs);
                return (outputs, state);
            },
            inputs => layer.call(inputs).Item2,
            (inputs, states) =>
            {
                (TorchTensor outputs, TorchTensor state, TorchTensor cellState) = layer.call(inputs, Both(states));
                outputs.Dispose();
                return [state, cellState];
            }), padded);
    }

    public static TorchLibraryLayer RnnCell(Workload workload, ModelData data)
    {
        var cell = nn.RNNCell(Benchmarks.Workload.Inputs, workload.Hidden);
        return new TorchLibraryLayer(workload, data, CellKind.Elman, cell, new Calls((inputs, states) => [cell.call(inputs, Only(states)!)]));
    }

    public static TorchLibraryLayer GruCell(Workload workload, ModelData data)
    {
        var cell = nn.GRUCell(Benchmarks.Workload.Inputs, workload.Hidden);
        return new TorchLibraryLayer(workload, data, CellKind.Gru, cell, new Calls((inputs, states) => [cell.call(inputs, Only(states)!)]));
    }

    public static TorchLibraryLayer LstmCell(Workload workload, ModelData data)
    {
        var cell = nn.LSTMCell(Benchmarks.Workload.Inputs, workload.Hidden);
        return new TorchLibraryLayer(workload, data, CellKind.Lstm, cell, new Calls((inputs, states) =>
        {
            // TorchSharp 0.107 passes tensors without rows where no states are given.
            (TorchTensor, TorchTensor) before = Both(states) ?? (zeros(workload.Batch, workload.Hidden), zeros(workload.Batch, workload.Hidden));
            (TorchTensor state, TorchTensor cellState) = cell.call(inputs, before);
            return [state, cellState];
        }));
    }

    /// <summary>The state after the last step, not the last of all states: its gradient needs no tensor of zeros for the other steps.</summary>
    protected override TorchTensor LastState()
    {
        if (_lengths is null)
        {
            return _calls.Sequences!(Inputs).Last[0];
        }

        if (_padded)
        {
            return _calls.Sequences!(Inputs).Outputs.index(TensorIndex.Tensor(_lastSteps!), TensorIndex.Tensor(_rows!));
        }

        using rnn.PackedSequence packed = rnn.pack_padded_sequence(Inputs, _lengths, batch_first: false, enforce_sorted: true);
        return _calls.Packed!(packed)[0];
    }

    protected override TorchTensor LastStateOfStream()
    {
        TorchTensor[] states = [];
        foreach (TorchTensor inputs in _steps)
        {
            TorchTensor[] next = _calls.Step(inputs, states);
            foreach (TorchTensor state in states)
            {
                state.Dispose();
            }

            states = next;
        }

        return states[0].view(Workload.Batch, Workload.Hidden);
    }

    /// <summary>Gives a layer the weights of the comparison.</summary>
    /// <returns>The parameters that train.</returns>
    private static List<TorchParameter> CopyWeights(nn.Module layer, Workload workload, ModelData data)
    {
        using IDisposable noGradient = no_grad();
        int rows = workload.Gates * workload.Hidden;
        var trained = new List<TorchParameter>();
        foreach ((string name, TorchParameter parameter) in layer.named_parameters())
        {
            // Elman has one bias, so the other one is 0 and stays so.
            bool frozen = !workload.HasRecurrentBias && name.StartsWith("bias_hh", StringComparison.Ordinal);
            float[] values = frozen ? new float[rows] : name.Replace("_l0", "", StringComparison.Ordinal) switch
            {
                "weight_ih" => data.InputWeight,
                "weight_hh" => data.Weight,
                "bias_ih" => data.Bias[..rows],
                "bias_hh" => data.Bias[rows..],
                _ => throw new NotSupportedException($"The layer has a parameter {name}, for which there is no data."),
            };
            using TorchTensor source = tensor(values, parameter.shape);
            parameter.copy_(source);
            if (frozen)
            {
                parameter.requires_grad = false;
            }
            else
            {
                trained.Add(parameter);
            }
        }

        return trained;
    }

    private static TorchTensor Last((TorchTensor Outputs, TorchTensor State) results)
    {
        results.Outputs.Dispose();
        return results.State;
    }

    private static TorchTensor? Only(TorchTensor[] states) => states.Length == 0 ? null : states[0];

    private static (TorchTensor, TorchTensor)? Both(TorchTensor[] states) => states.Length == 0 ? null : (states[0], states[1]);

    /// <summary>How a layer is called.</summary>
    /// <param name="Sequences">All states <c>[T, B, N]</c> and the last ones <c>[1, B, N]</c> of inputs <c>[T, B, D]</c>; null: it is a cell.</param>
    /// <param name="Packed">The last states of packed sequences.</param>
    /// <param name="Step">The states after one step from those before it, of which there are none at the first step.</param>
    private sealed record Calls(
        Func<TorchTensor, (TorchTensor Outputs, TorchTensor Last)>? Sequences,
        Func<rnn.PackedSequence, TorchTensor>? Packed,
        Func<TorchTensor, TorchTensor[], TorchTensor[]> Step)
    {
        public Calls(Func<TorchTensor, TorchTensor[], TorchTensor[]> step)
            : this(null, null, step)
        {
        }

        public bool IsCell => Sequences is null;
    }
}
