using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>The choice of the orthogonal matrix O of a layer. It is fixed: training never changes it.</summary>
public sealed class Filter
{
    private Filter(ortho_filter_kind kind, double[]? matrices = null, long count = 0, long size = 0)
    {
        Kind = kind;
        Matrices = matrices;
        Count = count;
        Size = size;
    }

    /// <summary>
    /// Haar-distributed: QR of a Gaussian matrix in double precision, drawn from the model's seed. The default.
    /// </summary>
    public static Filter Haar { get; } = new(ortho_filter_kind.ORTHO_FILTER_HAAR);

    /// <summary>Cyclic shift: unit i receives unit i - 1. Costs N moves a step instead of N² multiplications.</summary>
    public static Filter Cycle { get; } = new(ortho_filter_kind.ORTHO_FILTER_CYCLE);

    /// <summary>Uniformly random permutation with independent random signs, drawn from the model's seed. As cheap as a cycle.</summary>
    public static Filter Permutation { get; } = new(ortho_filter_kind.ORTHO_FILTER_PERMUTATION);

    /// <summary>The identity: with α = β = 1 the chain is a residual network.</summary>
    public static Filter Identity { get; } = new(ortho_filter_kind.ORTHO_FILTER_IDENTITY);

    internal ortho_filter_kind Kind { get; }

    /// <summary>[Count, Size, Size] for given matrices.</summary>
    internal double[]? Matrices { get; }

    internal long Count { get; }

    internal long Size { get; }

    /// <summary>One matrix given by the caller.</summary>
    /// <param name="matrix">[N, N], orthogonal to 1e-6, which is checked when the layer joins a model. Copied.</param>
    /// <exception cref="ArgumentException">The matrix is empty or not square.</exception>
    public static Filter FromMatrix(double[,] matrix)
    {
        ArgumentNullException.ThrowIfNull(matrix);
        return FromArray(matrix, 1, matrix.GetLength(0), matrix.GetLength(1), nameof(matrix));
    }

    /// <summary>One matrix for each layer of a <see cref="RoaFnn"/> with <see cref="RoaFnnOptions.FilterPerLayer"/>.</summary>
    /// <param name="matrices">[L, N, N], each orthogonal to 1e-6, which is checked when the layer joins a model. Copied.</param>
    /// <exception cref="ArgumentException">There is no matrix, or they are empty or not square.</exception>
    public static Filter FromMatrices(double[,,] matrices)
    {
        ArgumentNullException.ThrowIfNull(matrices);
        return FromArray(matrices, matrices.GetLength(0), matrices.GetLength(1), matrices.GetLength(2), nameof(matrices));
    }

    /// <summary>The kind of filter in a word.</summary>
    public override string ToString() => Kind switch
    {
        ortho_filter_kind.ORTHO_FILTER_HAAR => nameof(Haar),
        ortho_filter_kind.ORTHO_FILTER_CYCLE => nameof(Cycle),
        ortho_filter_kind.ORTHO_FILTER_PERMUTATION => nameof(Permutation),
        ortho_filter_kind.ORTHO_FILTER_IDENTITY => nameof(Identity),
        _ => "Custom",
    };

    private static Filter FromArray(Array array, long count, long rows, long columns, string name)
    {
        if (count == 0 || rows == 0 || rows != columns)
        {
            throw new ArgumentException(
                array.Rank == 2
                    ? $"{name} is {rows} x {columns}; it must be square and not empty."
                    : $"{name} has shape {Check.FormatShape([count, rows, columns])}; it must be [count, N, N], none 0.",
                name);
        }

        var values = new double[array.LongLength];

        // Buffer.BlockCopy counts bytes, which are beyond its range from 16384 units on.
        ref double first = ref Unsafe.As<byte, double>(ref MemoryMarshal.GetArrayDataReference(array));
        MemoryMarshal.CreateReadOnlySpan(ref first, values.Length).CopyTo(values);
        return new Filter(ortho_filter_kind.ORTHO_FILTER_CUSTOM, values, count, rows);
    }
}
