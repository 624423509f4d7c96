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
}

#pragma warning restore CA1720

internal static class DTypes
{
    /// <summary>The number that stands for the element type in native calls, <see cref="ortho_dtype"/>.</summary>
    public static int ToNative(this DType dtype) => (int)dtype;

    public static int Bytes(this DType dtype) => dtype == DType.Float32 ? sizeof(float) : sizeof(double);

    /// <summary>The element type that a .NET type stands for.</summary>
    /// <exception cref="ArgumentException"><typeparamref name="T"/> is neither float nor double.</exception>
    public static DType Of<T>() where T : unmanaged =>
        typeof(T) == typeof(float) ? DType.Float32 :
        typeof(T) == typeof(double) ? DType.Float64 :
        throw new ArgumentException($"{nameof(T)} is {typeof(T).Name}; it must be float or double.", nameof(T));
}
