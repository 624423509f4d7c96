using OrthoNative.Interop;
using static TorchSharp.torch;
using TorchTensor = TorchSharp.torch.Tensor;

namespace OrthoNative.TorchSharp;

/// <summary>The entry <c>filter</c> of a state dictionary: what the orthogonal matrices are drawn from.</summary>
/// <param name="Kind">The kind of filter.</param>
/// <param name="Seed">Seed of the matrices.</param>
/// <param name="Index">Random stream of the first one; 0 in a module of its own, that of the layer where it was copied from one.</param>
internal readonly record struct FilterState(ortho_filter_kind Kind, ulong Seed, uint Index)
{
    // Kinds take the low bits, so that dictionaries from before there were streams, [kind, seed], mean stream 0.
    private const int KindBits = 16;

    /// <summary>Reads the entry.</summary>
    public static FilterState Of(TorchTensor entry)
    {
        using TorchTensor values = entry.to(ScalarType.Int64);
        long[] state = values.data<long>().ToArray();
        return new FilterState((ortho_filter_kind)(state[0] & ((1 << KindBits) - 1)), unchecked((ulong)state[1]), (uint)(state[0] >> KindBits));
    }

    /// <summary>The entry, [2] of int64.</summary>
    public TorchTensor ToTensor() => tensor([(long)Kind | ((long)Index << KindBits), unchecked((long)Seed)]);
}
