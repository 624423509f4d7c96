using static TorchSharp.torch;
using TorchParameter = TorchSharp.Modules.Parameter;
using TorchTensor = TorchSharp.torch.Tensor;

namespace OrthoNative.Benchmarks.Models;

/// <summary>The same model as <see cref="OrthoModel"/> in TorchSharp; how it runs over time is left open.</summary>
internal abstract class TorchFilterModel : TorchModel
{
    protected TorchFilterModel(Workload workload, ModelData data)
        : base(workload, data)
    {
        Weight = Keep(new TorchParameter(tensor(data.Weight, [workload.Hidden, workload.Hidden])));
        InputWeight = Keep(new TorchParameter(tensor(data.InputWeight, [workload.Hidden, Benchmarks.Workload.Inputs])));
        Bias = Keep(new TorchParameter(tensor(data.Bias)));
        using TorchTensor filter = tensor(data.Filter);
        AlphaFilter = Keep((filter * ModelData.Alpha).to(ScalarType.Float32));
    }

    /// <summary>W.</summary>
    protected TorchParameter Weight { get; }

    /// <summary>V.</summary>
    protected TorchParameter InputWeight { get; }

    /// <summary>b.</summary>
    protected TorchParameter Bias { get; }

    /// <summary>αO.</summary>
    protected TorchTensor AlphaFilter { get; }

    protected sealed override IEnumerable<TorchParameter> RecurrentParameters => [Weight, InputWeight, Bias];
}
