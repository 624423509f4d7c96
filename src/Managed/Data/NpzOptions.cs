namespace OrthoNative;

/// <summary>Limits on reading an <c>.npz</c> file.</summary>
public sealed record NpzOptions
{
    /// <summary>The most bytes of elements of an array, at least 1, however small the file is that they are compressed to. Default: 2 GiB.</summary>
    public long MaximumBytes { get; init; } = 1L << 31;
}
