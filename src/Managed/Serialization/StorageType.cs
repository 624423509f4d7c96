namespace OrthoNative;

#pragma warning disable CA1720 // the names of DType

/// <summary>The element type of numbers in a file. A tensor in memory has one of <see cref="DType"/>.</summary>
public enum StorageType
{
    /// <summary>F32: 4 bytes a number.</summary>
    Float32,

    /// <summary>F64: 8 bytes a number.</summary>
    Float64,

    /// <summary>F16: 2 bytes a number, 11 bits of precision, magnitudes up to 65504.</summary>
    Float16,

    /// <summary>BF16: 2 bytes a number, 8 bits of precision, the range of <see cref="Float32"/>.</summary>
    BFloat16,
}

#pragma warning restore CA1720
