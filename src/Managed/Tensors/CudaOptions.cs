namespace OrthoNative;

/// <summary>Options of <see cref="Device.Cuda"/>.</summary>
public sealed record CudaOptions
{
    /// <summary>
    /// Precision of all products of float32 matrices but those with the filter O, and but the gradient of a recurrent layer's input weights with
    /// up to 4 inputs, for which nothing is rounded. Default <see cref="MatrixPrecision.Float32"/>.
    /// </summary>
    public MatrixPrecision MatrixPrecision { get; init; }

    /// <summary>
    /// Precision of products with the filter O. Default <see cref="MatrixPrecision.Float32"/>; less makes the filter a little less than
    /// orthogonal at each step, which adds up over long sequences.
    /// </summary>
    public MatrixPrecision FilterPrecision { get; init; }

    /// <summary>
    /// A <c>CUstream</c> (<c>cudaStream_t</c>) of the same GPU to work on, shared with other CUDA code: work is done in the order in which
    /// either gives it. Stays the caller's and must outlive the device and all that was made on it. Default 0: a stream of its own.
    /// </summary>
    public nint Stream { get; init; }

    /// <summary>
    /// A <c>cublasHandle_t</c> of the same GPU to use, whose stream, workspace, pointer mode, math mode and atomics mode the device sets for
    /// itself at every call that multiplies, during which no other thread may use it. Disposing of the device puts the stream back, with cuBLAS'
    /// default workspace. Stays the caller's and must outlive the device and all that was made on it. Default 0: a handle of its own.
    /// </summary>
    public nint CublasHandle { get; init; }
}
