using static TorchSharp.torch;
using TorchParameter = TorchSharp.Modules.Parameter;
using TorchTensor = TorchSharp.torch.Tensor;

namespace OrthoNative.Benchmarks.Models;

/// <summary>A recurrent layer of TorchSharp's own, of the same hidden size: another model, hence other losses.</summary>
internal sealed class TorchLibraryLayer : TorchModel
{
    private readonly IDisposable _layer;
    private readonly Func<TorchTensor, TorchTensor> _states;

    private TorchLibraryLayer(Workload workload, ModelData data, nn.Module layer, Func<TorchTensor, TorchTensor> states)
        : base(workload, data)
    {
        _layer = Keep(layer);
        _states = states;
        RecurrentParameters = [.. layer.parameters()];
    }

    protected override IEnumerable<TorchParameter> RecurrentParameters { get; }

    public static TorchLibraryLayer Rnn(Workload workload, ModelData data)
    {
        var layer = nn.RNN(Benchmarks.Workload.Inputs, workload.Hidden);
        return new TorchLibraryLayer(workload, data, layer, inputs => layer.call(inputs).Item1);
    }

    public static TorchLibraryLayer Gru(Workload workload, ModelData data)
    {
        var layer = nn.GRU(Benchmarks.Workload.Inputs, workload.Hidden);
        return new TorchLibraryLayer(workload, data, layer, inputs => layer.call(inputs).Item1);
    }

    public static TorchLibraryLayer Lstm(Workload workload, ModelData data)
    {
        var layer = nn.LSTM(Benchmarks.Workload.Inputs, workload.Hidden);
        return new TorchLibraryLayer(workload, data, layer, inputs => layer.call(inputs).Item1);
    }

    protected override TorchTensor LastState() => _states(Inputs)[-1];
}
