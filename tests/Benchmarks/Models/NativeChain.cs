using OrthoNative.Interop;

namespace OrthoNative.Benchmarks.Models;

/// <summary>The native chain of a comparison, for what the layers do not offer.</summary>
internal static unsafe class NativeChain
{
    /// <summary>Creates a native object from the options of a chain.</summary>
    /// <param name="workload">The case.</param>
    /// <param name="data">Has the filter.</param>
    /// <param name="create">Called with options that are valid during the call.</param>
    public static T Create<T>(Workload workload, ModelData data, Func<ortho_chain_options, T> create)
    {
        bool hasFilter = workload.Cell is CellKind.Roa or CellKind.Elman;
        bool isRoa = workload.Cell == CellKind.Roa;
        double alpha = isRoa ? ModelData.Alpha : 0;
        double beta = isRoa ? ModelData.Beta : 1;
        fixed (double* matrix = isRoa && workload.Filter == FilterKind.Haar ? data.Filter : null)
        {
            return create(new ortho_chain_options
            {
                struct_size = (uint)sizeof(ortho_chain_options),
                dtype = DType.Float32.ToNative(),
                model = (int)ortho_chain_model.ORTHO_RECURRENT,
                cell = (int)(workload.Cell switch
                {
                    CellKind.Gru => ortho_cell.ORTHO_CELL_GRU,
                    CellKind.Lstm => ortho_cell.ORTHO_CELL_LSTM,
                    _ => ortho_cell.ORTHO_CELL_FILTER,
                }),
                filter = hasFilter ? (int)FilterOf(workload) : 0,
                filter_matrix = matrix,
                seed = hasFilter ? ModelData.Seed : 0,
                recurrent_bias = workload.HasRecurrentBias ? 1 : 0,
                hidden_size = workload.Hidden,
                input_size = Workload.Inputs,
                check_finite = 1,
                alpha = hasFilter ? &alpha : null,
                alpha_count = hasFilter ? 1 : 0,
                beta = hasFilter ? &beta : null,
                beta_count = hasFilter ? 1 : 0,
                max_state_bytes = workload.StateMiB << 20 ?? 0,
            });
        }
    }

    private static ortho_filter_kind FilterOf(Workload workload) => (workload.Cell, workload.Filter) switch
    {
        (CellKind.Elman, _) or (_, FilterKind.Identity) => ortho_filter_kind.ORTHO_FILTER_IDENTITY,
        (_, FilterKind.Cycle) => ortho_filter_kind.ORTHO_FILTER_CYCLE,
        (_, FilterKind.Permutation) => ortho_filter_kind.ORTHO_FILTER_PERMUTATION,
        _ => ortho_filter_kind.ORTHO_FILTER_CUSTOM,
    };
}
