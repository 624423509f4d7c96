namespace OrthoNative.Benchmarks.Models;

/// <summary>What this library is compared with.</summary>
/// <param name="Name">Name on the command line and in results.</param>
/// <param name="Description">What it is, in a line of text.</param>
/// <param name="SameModel">Whether it computes what this library does, so that losses must agree.</param>
/// <param name="Create">Makes it.</param>
internal sealed record Peer(string Name, string Description, bool SameModel, Func<Workload, ModelData, ITimedModel> Create)
{
    public static IReadOnlyList<Peer> All { get; } =
    [
        new("loop", "the equation in a plain loop", true, (workload, data) => new TorchLoop(workload, data)),
        new("fused", "one input product for all steps, sums inside products, autograd", true, (workload, data) => new TorchFused(workload, data)),
        new("manual", "stacked weights, reused buffers, backward by hand", true, (workload, data) => new TorchManual(workload, data)),
        new("rnn", "nn.RNN", false, TorchLibraryLayer.Rnn),
        new("gru", "nn.GRU", false, TorchLibraryLayer.Gru),
        new("lstm", "nn.LSTM", false, TorchLibraryLayer.Lstm),
    ];

    public static Peer Named(string name) => All.Single(peer => peer.Name == name);
}
