using System.Globalization;

namespace OrthoNative;

/// <summary>
/// Which random numbers a layer draws in a training pass: those of the model's seed, of the layer's place in the model, and of the number of
/// its training passes so far. So the n-th pass of a model draws the same again, and a model that was saved and loaded continues counting.
/// </summary>
internal struct PassNumbers
{
    /// <summary>The largest values that the counter of the random numbers has bits for.</summary>
    private const ulong MaximumPasses = (1UL << 32) - 1;
    private const ulong MaximumSource = (1UL << 20) - 1;

    private const string SeedKey = "seed";
    private const string SourceKey = "source";
    private const string PassesKey = "training_passes";

    /// <summary>Those of the first pass.</summary>
    /// <param name="seed">Seed of the model.</param>
    /// <param name="layer">Place of the layer in it.</param>
    public PassNumbers(ulong seed, int layer) => (Seed, Source) = (seed, (uint)layer);

    /// <summary>Seed of the numbers.</summary>
    public ulong Seed { get; private set; }

    /// <summary>Who draws them.</summary>
    public uint Source { get; private set; }

    /// <summary>Training passes before the model's first one, where the layer was loaded from a file; they wrap around.</summary>
    public ulong Before { get; private set; }

    /// <summary>Number of a pass of the model in the stream of the layer.</summary>
    public readonly ulong Of(long pass) => ((ulong)pass + Before) & MaximumPasses;

    /// <summary>Writes down where a loaded layer continues.</summary>
    /// <param name="metadata">Of the file.</param>
    /// <param name="name">Name of the layer in the model.</param>
    /// <param name="passes">Training passes of the model so far.</param>
    public readonly void Save(IDictionary<string, string> metadata, string name, long passes)
    {
        metadata[$"{name}.{SeedKey}"] = Seed.ToString(CultureInfo.InvariantCulture);
        metadata[$"{name}.{SourceKey}"] = Source.ToString(CultureInfo.InvariantCulture);
        metadata[$"{name}.{PassesKey}"] = Of(passes).ToString(CultureInfo.InvariantCulture);
    }

    /// <summary>Reads what <see cref="Save"/> wrote.</summary>
    /// <param name="metadata">Of the file.</param>
    /// <param name="name">Name of the layer in the model.</param>
    /// <param name="fromVersion01">Whether version 0.1 had the layer; it wrote no source, and told layers apart by their seeds alone.</param>
    /// <param name="passes">Training passes of the model so far.</param>
    /// <param name="apply">Called once the whole file has been read.</param>
    /// <returns>Null: the file has nothing of it, as that of a model that was trained without the layer.</returns>
    /// <exception cref="InvalidDataException">A part is missing, or not a number in range.</exception>
    public static LoadedState? Load(IReadOnlyDictionary<string, string> metadata, string name, bool fromVersion01, long passes, Action<PassNumbers> apply) =>
        metadata.ContainsKey($"{name}.{SeedKey}") || metadata.ContainsKey($"{name}.{PassesKey}") || metadata.ContainsKey($"{name}.{SourceKey}")
            ? new Loaded(
                new PassNumbers
                {
                    Seed = LoadedState.Number(metadata, $"{name}.{SeedKey}", ulong.MaxValue),
                    Source = fromVersion01 && !metadata.ContainsKey($"{name}.{SourceKey}") ? 0 : (uint)LoadedState.Number(metadata, $"{name}.{SourceKey}", MaximumSource),
                    Before = (LoadedState.Number(metadata, $"{name}.{PassesKey}", ulong.MaxValue >> 16) - (ulong)passes) & MaximumPasses,
                },
                apply)
            : null;

    private sealed class Loaded(PassNumbers numbers, Action<PassNumbers> apply) : LoadedState
    {
        public override void Apply() => apply(numbers);
    }
}
