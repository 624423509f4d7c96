namespace OrthoNative;

/// <summary>What a forward pass takes beside its inputs.</summary>
public sealed record ForwardOptions
{
    /// <summary>The most samples of a batch.</summary>
    internal const long MaximumSamples = 1 << 24;

    /// <summary>Steps of each sample, <c>[B]</c>, each 0 to T. Default: empty, all are T.</summary>
    public ReadOnlyMemory<int> Lengths { get; init; }

    /// <summary>
    /// States before the first step, <c>[B, N]</c> each, by name: the layer's path, a dot, and <c>state</c>, or <c>cell_state</c> for c of an
    /// <see cref="Lstm"/>, as <see cref="Model.GetFinalStates"/> names them. Copied in the pass. A state that is not given is zeros. Default: null, none.
    /// </summary>
    public IReadOnlyDictionary<string, Tensor>? InitialStates { get; init; }

    /// <summary>
    /// Number of the first sample in the whole batch, 0 to 16777215, where a batch is computed in parts, by several calls or machines:
    /// <see cref="Dropout"/> and <see cref="GaussianNoise"/> then draw for each sample what they draw in the whole batch. Default 0.
    /// </summary>
    public long FirstSample { get; init; }

    /// <summary>
    /// True: another part of the batch of the training pass before. <see cref="Dropout"/> and <see cref="GaussianNoise"/> draw the numbers of that pass, and it does not
    /// count as one of its own. Default false.
    /// </summary>
    public bool SamePass { get; init; }
}
