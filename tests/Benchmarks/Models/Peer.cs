namespace OrthoNative.Benchmarks.Models;

/// <summary>What this library is compared with.</summary>
/// <param name="Name">Name on the command line and in results.</param>
/// <param name="Description">What it is, in a line of text.</param>
/// <param name="SameModel">Whether it computes what this library does, so that losses must agree.</param>
/// <param name="Modes">What is worth timing.</param>
/// <param name="Create">Makes it.</param>
internal sealed record Peer(
    string Name, string Description, bool SameModel, IReadOnlyList<Mode> Modes, Func<Workload, ModelData, ITimedModel> Create)
{
    private static readonly Mode[] s_both = [Mode.Train, Mode.Infer];

    public static IReadOnlyList<Peer> All { get; } =
    [
        new("loop", "the equation in a plain loop", true, s_both, (workload, data) => new TorchLoop(workload, data)),
        new("stacked", "one input product for all steps, stacked weights; inference in reused buffers", true, s_both, (workload, data) => new TorchStacked(workload, data)),
        new("manual", "as stacked, with a backward pass by hand in reused buffers", true, [Mode.Train], (workload, data) => new TorchManual(workload, data)),
        new("rnn", "nn.RNN", false, s_both, TorchLibraryLayer.Rnn),
        new("gru", "nn.GRU", false, s_both, TorchLibraryLayer.Gru),
        new("lstm", "nn.LSTM", false, s_both, TorchLibraryLayer.Lstm),
    ];

    public static Peer Named(string name) => All.Single(peer => peer.Name == name);
}
