using static TorchSharp.torch;
using TorchParameter = TorchSharp.Modules.Parameter;
using TorchTensor = TorchSharp.torch.Tensor;

namespace OrthoNative.Benchmarks.Models;

/// <summary>The same model as <see cref="OrthoModel"/> in TorchSharp; how it runs over time is left open.</summary>
internal abstract class TorchFilterModel : TorchModel
{
    private readonly TorchTensor? _permutation;
    private readonly TorchTensor? _signs;

    protected TorchFilterModel(Workload workload, ModelData data)
        : base(workload, data)
    {
        Weight = Keep(new TorchParameter(tensor(data.Weight, [workload.Hidden, workload.Hidden])));
        InputWeight = Keep(new TorchParameter(tensor(data.InputWeight, [workload.Hidden, Benchmarks.Workload.Inputs])));
        Bias = Keep(new TorchParameter(tensor(data.Bias)));
        using TorchTensor filter = tensor(data.Filter);
        AlphaFilter = Keep((filter * ModelData.Alpha).to(ScalarType.Float32));
        if (workload.Filter == FilterKind.Permutation)
        {
            _permutation = Keep(AlphaFilter.abs().argmax(1));
            _signs = Keep(AlphaFilter.sum(1));
        }
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

    /// <summary>αO x of states <c>[B, N]</c>, without a product where O has structure; α is 1.</summary>
    protected TorchTensor Filtered(TorchTensor state) => Workload.Filter switch
    {
        FilterKind.Cycle => state.roll(1, 1),
        FilterKind.Permutation => state.index_select(1, _permutation!) * _signs!,
        FilterKind.Identity => state,
        _ => nn.functional.linear(state, AlphaFilter),
    };

    /// <summary>Runs over time from the state 0. A sequence that has ended takes no part in further steps.</summary>
    /// <param name="step">The next state from the state and the time step; the rows are the first ones.</param>
    /// <returns>The last state of each sequence.</returns>
    protected TorchTensor Run(Func<TorchTensor, int, TorchTensor> step)
    {
        TorchTensor state = zeros(Workload.Batch, Workload.Hidden);
        var ended = new List<TorchTensor>();
        int rows = Workload.Batch;
        for (int t = 0; t < Workload.Steps; t++)
        {
            int left = rows;
            while (left > 0 && Lengths?[left - 1] <= t)
            {
                left--;
            }

            if (left < rows)
            {
                ended.Add(state.narrow(0, left, rows - left));
                state = state.narrow(0, 0, left);
                rows = left;
            }

            if (rows == 0)
            {
                break;
            }

            state = step(state, t);
        }

        if (ended.Count == 0)
        {
            return state;
        }

        ended.Add(state);
        ended.Reverse();
        return cat(ended, 0);
    }

    /// <summary>The rows of a tensor <c>[B, ...]</c> that belong to a state.</summary>
    protected TorchTensor RowsFor(TorchTensor all, TorchTensor state) =>
        Lengths is null || all.shape[0] == state.shape[0] ? all : all.narrow(0, 0, state.shape[0]);
}
