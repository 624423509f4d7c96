using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>The choice of the orthogonal matrix O of a layer. It is fixed: training never changes it.</summary>
public sealed class Filter
{
    private const string CustomName = "Custom";
    private const int MaximumBlocks = 1024;

    private Filter(ortho_filter_kind kind, double[]? matrices = null, long count = 0, long size = 0)
    {
        Kind = kind;
        Matrices = matrices;
        Count = count;
        Size = size;
    }

    private Filter(FilterBlock[] parts)
    {
        Kind = ortho_filter_kind.ORTHO_FILTER_BLOCKS;
        Parts = parts;
        Size = parts.Sum(part => part.Size);
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

    /// <summary>Number of given matrices; 0: none is given.</summary>
    internal long Count { get; }

    /// <summary>Number of units that given matrices or blocks are for; 0: any.</summary>
    internal long Size { get; }

    /// <summary>The blocks, in the order of the units; empty unless there are blocks.</summary>
    internal IReadOnlyList<FilterBlock> Parts { get; } = [];

    /// <summary>True if the matrix depends on the seed.</summary>
    internal bool IsDrawn => this == Haar || this == Permutation || Parts.Any(part => part.Filter.IsDrawn);

    /// <summary>Random streams that a matrix is drawn from: one, or one for each block.</summary>
    internal long Streams => long.Max(1, Parts.Count);

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

    /// <summary>A matrix of blocks on the diagonal, each with a kind, α and β of its own: several regimes in one layer, and products that skip the zeros between blocks.</summary>
    /// <param name="blocks">1 to 1024 blocks, in the order of the units, whose sizes add up to the layer's number of units. Copied.</param>
    /// <exception cref="ArgumentException">There is no block or there are more than 1024, one is null, or one has blocks itself.</exception>
    public static Filter Blocks(params IReadOnlyList<FilterBlock> blocks)
    {
        ArgumentNullException.ThrowIfNull(blocks);
        FilterBlock[] parts = [.. blocks];
        if (parts.Length is 0 or > MaximumBlocks)
        {
            throw new ArgumentException($"{nameof(blocks)} has {parts.Length} elements; it must have 1 to {MaximumBlocks}.", nameof(blocks));
        }

        for (int i = 0; i < parts.Length; i++)
        {
            string name = string.Create(CultureInfo.InvariantCulture, $"{nameof(blocks)}[{i}]");
            Check.NotNull(parts[i], name);
            Check.NotNull(parts[i].Filter, $"{name}.{nameof(FilterBlock.Filter)}");
            Check.Finite(parts[i].Alpha ?? 0, $"{name}.{nameof(FilterBlock.Alpha)}");
            Check.Finite(parts[i].Beta ?? 0, $"{name}.{nameof(FilterBlock.Beta)}");
            Check.NotNegative(parts[i].WeightScale ?? 0, $"{name}.{nameof(FilterBlock.WeightScale)}");
            Filter filter = parts[i].Filter;
            if (filter.Parts.Count > 0)
            {
                throw new ArgumentException($"{name}.{nameof(FilterBlock.Filter)} has blocks; the filter of a block must have none.", nameof(blocks));
            }

            if (filter.Matrices is not null && filter.Size != parts[i].Size)
            {
                throw new ArgumentException(
                    $"{name}.{nameof(FilterBlock.Filter)} has matrices of size {filter.Size}; their size must be {parts[i].Size}, as that of the block is.", nameof(blocks));
            }
        }

        return new Filter(parts);
    }

    /// <summary>The kind of filter in a word; of blocks their sizes and kinds.</summary>
    public override string ToString() => Kind switch
    {
        ortho_filter_kind.ORTHO_FILTER_BLOCKS => $"Blocks of {string.Join(", ", Parts.Select(part => string.Create(CultureInfo.InvariantCulture, $"{part.Size} {part.Filter}")))}",
        ortho_filter_kind.ORTHO_FILTER_HAAR => nameof(Haar),
        ortho_filter_kind.ORTHO_FILTER_CYCLE => nameof(Cycle),
        ortho_filter_kind.ORTHO_FILTER_PERMUTATION => nameof(Permutation),
        ortho_filter_kind.ORTHO_FILTER_IDENTITY => nameof(Identity),
        _ => CustomName,
    };

    /// <summary>Refuses given matrices or blocks that are not for a layer.</summary>
    /// <param name="hiddenSize">Number of units N of the layer.</param>
    /// <param name="matrices">Number of matrices that the layer has.</param>
    internal void CheckFor(long hiddenSize, long matrices)
    {
        const string Options = "options";
        if (Size != 0 && Size != hiddenSize)
        {
            throw new ArgumentException(
                Parts.Count > 0
                    ? $"options.Filter has blocks of {Size} units in all; their sizes must add up to {hiddenSize}, as {nameof(hiddenSize)} is."
                    : $"options.Filter has matrices of size {Size}; their size must be {hiddenSize}, as {nameof(hiddenSize)} is.",
                Check.Parameter(Options));
        }

        for (int i = -1; i < Parts.Count; i++)
        {
            Filter filter = i < 0 ? this : Parts[i].Filter;
            if (filter.Matrices is not null && filter.Count != matrices)
            {
                string name = i < 0 ? "options.Filter" : string.Create(CultureInfo.InvariantCulture, $"The filter of block {i} of options.Filter");
                throw new ArgumentException($"{name} has {filter.Count} matrices; it must have {matrices}, as many as the layer has filters.", Check.Parameter(Options));
            }
        }
    }

    /// <summary>One number for each unit where blocks have their own.</summary>
    /// <param name="common">Of the layer.</param>
    /// <param name="own">That of a block; null: the layer's.</param>
    internal UnitValues WithBlocks(UnitValues common, Func<FilterBlock, double?> own)
    {
        if (!Parts.Any(part => own(part) is not null))
        {
            return common;
        }

        var values = new double[Size];
        int unit = 0;
        foreach (FilterBlock part in Parts)
        {
            for (long i = 0; i < part.Size; i++, unit++)
            {
                values[unit] = own(part) ?? common[common.Count == 1 ? 0 : unit];
            }
        }

        return UnitValues.Create(values);
    }

    /// <summary>Describes the filter for a model's file, which has given matrices as tensors.</summary>
    internal LayerDescription Describe()
    {
        if (Parts.Count == 0)
        {
            return new LayerDescription(ToString());
        }

        LayerDescription description = new LayerDescription(nameof(Blocks)).Add("count", Parts.Count);
        for (int i = 0; i < Parts.Count; i++)
        {
            FilterBlock part = Parts[i];
            LayerDescription block = part.Filter.Describe().Add("size", part.Size);
            foreach ((string option, double? value) in ((string, double?)[])[("alpha", part.Alpha), ("beta", part.Beta), ("weight_scale", part.WeightScale)])
            {
                if (value is { } own)
                {
                    block.Add(option, own);
                }
            }

            description.Add(NameOfBlock(i), block);
        }

        return description;
    }

    /// <summary>The tensors that a file has of the filter: given matrices.</summary>
    /// <param name="path">Path of the layer.</param>
    internal IEnumerable<(string Name, double[] Numbers, long[] Shape)> TensorsOf(string path) => TensorsNamed(TensorName(path));

    /// <summary>The filter that a file describes.</summary>
    /// <param name="reader">Its description.</param>
    internal static Filter Read(LayerReader reader) => Read(reader, TensorName(reader.Path));

    private static Filter Read(LayerReader reader, string tensor)
    {
        switch (reader.Kind)
        {
            case nameof(Haar):
                return Haar;
            case nameof(Cycle):
                return Cycle;
            case nameof(Permutation):
                return Permutation;
            case nameof(Identity):
                return Identity;
            case CustomName:
                double[] matrices = reader.GetMatrices(tensor, out long count, out long size);
                return new Filter(ortho_filter_kind.ORTHO_FILTER_CUSTOM, matrices, count, size);
            case nameof(Blocks):
                long blocks = reader.GetInt64("count");
                if (blocks is < 1 or > MaximumBlocks)
                {
                    throw reader.Invalid(string.Create(CultureInfo.InvariantCulture, $"option 'count' is {blocks}; it must be 1 to {MaximumBlocks}"));
                }

                return Blocks([.. Enumerable.Range(0, (int)blocks).Select(i => ReadBlock(reader.GetPart(NameOfBlock(i)), TensorOfBlock(tensor, i)))]);
            default:
                throw reader.Invalid($"kind '{ForeignText.Clean(reader.Kind)}' is not known; one of {nameof(Haar)}, {nameof(Cycle)}, {nameof(Permutation)}, {nameof(Identity)}, {nameof(Blocks)}, {CustomName} is expected");
        }
    }

    private static FilterBlock ReadBlock(LayerReader reader, string tensor)
    {
        return new FilterBlock(reader.GetInt64("size"))
        {
            Filter = Read(reader, tensor),
            Alpha = Optional("alpha"),
            Beta = Optional("beta"),
            WeightScale = Optional("weight_scale"),
        };

        double? Optional(string option) => reader.Has(option) ? reader.GetDouble(option) : null;
    }

    private IEnumerable<(string Name, double[] Numbers, long[] Shape)> TensorsNamed(string name) => Matrices is not null
        ? [(name, Matrices, Count == 1 ? [Size, Size] : [Count, Size, Size])]
        : Parts.SelectMany((part, i) => part.Filter.TensorsNamed(TensorOfBlock(name, i)));

    private static string TensorName(string path) => $"{path}.filter";

    private static string TensorOfBlock(string tensor, int block) => string.Create(CultureInfo.InvariantCulture, $"{tensor}.{block}");

    private static string NameOfBlock(int block) => string.Create(CultureInfo.InvariantCulture, $"block_{block}");

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
