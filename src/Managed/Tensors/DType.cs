using OrthoNative.Interop;

namespace OrthoNative;

#pragma warning disable CA1720 // the names that every tensor library uses

/// <summary>Element type of a tensor.</summary>
public enum DType
{
    /// <summary>32-bit floating point, <see cref="float"/>: for training.</summary>
    Float32 = (int)ortho_dtype.ORTHO_FLOAT32,

    /// <summary>64-bit floating point, <see cref="double"/>: for gradient checks and diagnostics.</summary>
    Float64 = (int)ortho_dtype.ORTHO_FLOAT64,

    /// <summary>
    /// 32-bit whole numbers, <see cref="int"/>: for indices, classes and lengths, which are read from the host's memory. Tensors of them lie on CPU
    /// devices only; models and optimizers compute in floating point.
    /// </summary>
    Int32 = 2,
}

#pragma warning restore CA1720

internal static class DTypes
{
    /// <summary>The number that stands for the element type in native calls, <see cref="ortho_dtype"/>.</summary>
    /// <exception cref="ArgumentException">No native function computes with the type.</exception>
    public static int ToNative(this DType dtype) => dtype switch
    {
        DType.Float32 => (int)ortho_dtype.ORTHO_FLOAT32,
        DType.Float64 => (int)ortho_dtype.ORTHO_FLOAT64,
        _ => throw new ArgumentException($"The element type is {dtype}; it must be {nameof(DType.Float32)} or {nameof(DType.Float64)}.", nameof(dtype)),
    };

    /// <summary>Size of an element.</summary>
    public static int Bytes(this DType dtype) => dtype == DType.Float64 ? sizeof(double) : sizeof(float);

    /// <summary>Tells whether the library computes with the type: it is no integer.</summary>
    public static bool IsFloatingPoint(this DType dtype) => dtype is DType.Float32 or DType.Float64;

    /// <summary>The element type that a .NET type stands for.</summary>
    /// <exception cref="ArgumentException"><typeparamref name="T"/> is none of float, double and int.</exception>
    public static DType Of<T>() where T : unmanaged =>
        typeof(T) == typeof(float) ? DType.Float32 :
        typeof(T) == typeof(double) ? DType.Float64 :
        typeof(T) == typeof(int) ? DType.Int32 :
        throw new ArgumentException($"{nameof(T)} is {typeof(T).Name}; it must be float, double or int.", nameof(T));
}
