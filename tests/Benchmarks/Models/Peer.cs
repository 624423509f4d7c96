namespace OrthoNative.Benchmarks.Models;

/// <summary>What this library is compared with.</summary>
/// <param name="Name">Name on the command line and in results.</param>
/// <param name="Description">What it is, in a line of text.</param>
/// <param name="Cell">The step that it computes.</param>
/// <param name="CanRun">Which workloads of that cell it can run.</param>
/// <param name="Create">Creates it.</param>
internal sealed record Peer(
    string Name, string Description, CellKind Cell, Predicate<Workload> CanRun, Func<Workload, ModelData, ITimedModel> Create)
{
    public static IReadOnlyList<Peer> All { get; } =
    [
        new("loop", "the equation in a plain loop", CellKind.Roa, _ => true, (workload, data) => new TorchLoop(workload, data)),
        new("fused", "one input product for all steps, sums inside products, autograd", CellKind.Roa, workload => workload.Mode != Mode.Stream,
            (workload, data) => new TorchFused(workload, data)),
        new("manual", "stacked weights, reused buffers, backward by hand", CellKind.Roa, IsPlain, (workload, data) => new TorchManual(workload, data)),
        new("rnn", "nn.RNN", CellKind.Elman, _ => true, TorchLibraryLayer.Rnn),
        new("gru", "nn.GRU", CellKind.Gru, _ => true, TorchLibraryLayer.Gru),
        new("lstm", "nn.LSTM", CellKind.Lstm, _ => true, TorchLibraryLayer.Lstm),
        new("rnnpadded", "nn.RNN over all T steps, --lengths only", CellKind.Elman, workload => workload.Lengths, TorchLibraryLayer.RnnPadded),
        new("grupadded", "nn.GRU likewise", CellKind.Gru, workload => workload.Lengths, TorchLibraryLayer.GruPadded),
        new("lstmpadded", "nn.LSTM likewise", CellKind.Lstm, workload => workload.Lengths, TorchLibraryLayer.LstmPadded),
        new("rnncell", "nn.RNNCell, --stream only", CellKind.Elman, workload => workload.Mode == Mode.Stream, TorchLibraryLayer.RnnCell),
        new("grucell", "nn.GRUCell likewise", CellKind.Gru, workload => workload.Mode == Mode.Stream, TorchLibraryLayer.GruCell),
        new("lstmcell", "nn.LSTMCell likewise", CellKind.Lstm, workload => workload.Mode == Mode.Stream, TorchLibraryLayer.LstmCell),
    ];

    public static Peer Named(string name) => All.Single(peer => peer.Name == name);

    /// <summary>Whether it computes what this library does, so that losses must agree.</summary>
    public bool IsSameModel(Workload workload) => Cell == workload.Cell;

    /// <summary>
    /// Whether it can be compared: the same model, or, beside the filter network with all the rest as usual, a layer of another one.
    /// </summary>
    public bool Supports(Workload workload) =>
        CanRun(workload) && (IsSameModel(workload) || (workload.Cell == CellKind.Roa && IsPlain(workload)));

    private static bool IsPlain(Workload workload) => workload is { Mode: not Mode.Stream, Filter: FilterKind.Haar, Lengths: false };
}
