namespace OrthoNative;

/// <summary>A block of units of a <see cref="Filter.Blocks"/>, with a filter and factors of its own.</summary>
/// <remarks>
/// The filter mixes the states of the block's units with each other and with no others. W and V are those of the whole layer, so blocks still exchange what
/// they compute.
/// </remarks>
public sealed record FilterBlock
{
    /// <summary>Describes a block.</summary>
    /// <param name="size">Number of its units, 1 to 65536.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="size"/> is out of range.</exception>
    public FilterBlock(long size)
    {
        ChainLayer.CheckHiddenSize(size, nameof(size));
        Size = size;
    }

    /// <summary>Number of units.</summary>
    public long Size { get; }

    /// <summary>The orthogonal matrix of the block: any filter but blocks. Default <see cref="Filter.Haar"/>.</summary>
    public Filter Filter { get; init; } = Filter.Haar;

    /// <summary>α of the block's units. Null, the default: that of the layer.</summary>
    public double? Alpha { get; init; }

    /// <summary>β of the block's units. Null, the default: that of the layer.</summary>
    public double? Beta { get; init; }

    /// <summary>g, not negative: the block's rows of W start with standard deviation g / √N, N of the whole layer. Null, the default: g of the layer.</summary>
    public double? WeightScale { get; init; }
}
