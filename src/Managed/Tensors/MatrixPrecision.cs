using OrthoNative.Interop;

namespace OrthoNative;

#pragma warning disable CA1720 // the names that every library with such a setting uses

/// <summary>
/// To what precision a GPU may round float32 matrices before it multiplies them, which cuBLAS does where it is faster: small
/// products may stay in float32. Sums are float32 always.
/// </summary>
public enum MatrixPrecision
{
    /// <summary>Not at all: 23 bits of mantissa.</summary>
    Float32 = (int)ortho_matrix_precision.ORTHO_MATRIX_FLOAT32,

    /// <summary>10 bits of mantissa, the range of float32: tensor cores, from compute capability 8.0 on.</summary>
    Tf32 = (int)ortho_matrix_precision.ORTHO_MATRIX_TF32,

    /// <summary>7 bits of mantissa, the range of float32: tensor cores, from compute capability 8.0 on.</summary>
    Bfloat16 = (int)ortho_matrix_precision.ORTHO_MATRIX_BFLOAT16,
}
