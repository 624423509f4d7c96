using System.Runtime.CompilerServices;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Shares streams, cuBLAS handles and memory of a GPU with other CUDA code, without a copy.</summary>
/// <remarks>
/// <para>
/// Pointers are those of CUDA's driver and runtime interfaces, which are the same numbers. The library works in the GPU's primary context,
/// as the runtime does; other code must, too. Work of both sides on one stream is done in the order in which it is given.
/// </para>
/// <para>With ManagedCuda, whose <c>PrimaryContext</c> is that context:</para>
/// <code language="csharp">
/// using var context = new PrimaryContext(0);
/// context.SetCurrent();
/// using var stream = new CudaStream();
/// var blas = new CudaBlas(stream.Stream);
/// using var values = new CudaDeviceVariable&lt;float&gt;(steps * batch * features);
///
/// using var device = Device.Cuda(0, new CudaOptions { Stream = stream.Stream.Pointer, CublasHandle = blas.CublasHandle.Pointer });
/// using Tensor inputs = CudaInterop.Wrap(device, values.DevicePointer.Pointer, DType.Float32, steps, batch, features);
/// using var model = new Sequential(device, seed: 1, new RoaRnn(features, 128), new Dense(128, 10));
/// Tensor outputs = model.Forward(inputs);
///
/// // The outputs, as ManagedCuda sees them; the size is in bytes.
/// using var logits = new CudaDeviceVariable&lt;float&gt;(new CUdeviceptr { Pointer = CudaInterop.GetPointer(outputs) }, batch * 10 * sizeof(float));
/// </code>
/// </remarks>
public static class CudaInterop
{
    /// <summary>The <c>CUstream</c> (<c>cudaStream_t</c>) that a device works on; belongs to the device unless it was given to it.</summary>
    /// <param name="device">A CUDA device.</param>
    /// <exception cref="ArgumentException">It is a CPU device.</exception>
    /// <exception cref="ObjectDisposedException">The device was disposed.</exception>
    public static nint GetStream(Device device) => Describe(device).Stream;

    /// <summary>The <c>cublasHandle_t</c> that a device uses; belongs to the device unless it was given to it.</summary>
    /// <param name="device">A CUDA device.</param>
    /// <remarks>
    /// Its stream, workspace and modes are the device's, which sets them anew at every call that multiplies: whoever changes them need not put
    /// them back, but must set them again for work of their own, and no other thread may use the handle during a call.
    /// </remarks>
    /// <exception cref="ArgumentException">It is a CPU device.</exception>
    /// <exception cref="ObjectDisposedException">The device was disposed.</exception>
    public static nint GetCublasHandle(Device device) => Describe(device).CublasHandle;

    /// <summary>Address of a tensor's first element in the GPU's memory, a <c>CUdeviceptr</c>.</summary>
    /// <param name="tensor">A tensor on a CUDA device.</param>
    /// <returns>
    /// Valid as long as the tensor: keep a reference to it, and do not dispose it. Outputs of a model may lie elsewhere after its next call.
    /// Work on streams other than the device's that uses it must have ended before the tensor is disposed or collected.
    /// </returns>
    /// <exception cref="ArgumentException">The tensor lies on a CPU device.</exception>
    /// <exception cref="ObjectDisposedException">The tensor was disposed.</exception>
    public static unsafe nint GetPointer(Tensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        RequireCuda(tensor.Device, nameof(tensor));
        using BufferScope memory = tensor.Borrow();
        return (nint)memory.Address;
    }

    /// <summary>Creates a tensor of memory that stays the caller's.</summary>
    /// <param name="device">A CUDA device.</param>
    /// <param name="address">
    /// A <c>CUdeviceptr</c>: memory of the same GPU, aligned to the element type. Must outlive the tensor, which never frees it.
    /// </param>
    /// <param name="dtype">Element type.</param>
    /// <param name="shape">Sizes, each at least 1; the memory holds at least as many elements as their product.</param>
    /// <returns>A tensor that reads and writes that memory; its elements are what is there.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A size is less than 1, or <paramref name="dtype"/> is unknown.</exception>
    /// <exception cref="ArgumentException">
    /// It is a CPU device, <paramref name="dtype"/> is <see cref="DType.Int32"/>, <paramref name="address"/> is 0, not aligned or not memory of that
    /// GPU, or there are more than 8 sizes.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The device was disposed.</exception>
    public static Tensor Wrap(Device device, nint address, DType dtype, params ReadOnlySpan<long> shape)
    {
        ArgumentNullException.ThrowIfNull(device);
        RequireCuda(device);
        Check.Defined(dtype);
        Check.Holds(device, dtype);
        if (address == 0 || address % dtype.Bytes() != 0)
        {
            throw new ArgumentException(
                $"{nameof(address)} is 0x{(nuint)address:x}; it must be an address of GPU memory, and a multiple of {dtype.Bytes()}.", nameof(address));
        }

        return Tensor.Wrap(device, address, dtype, shape);
    }

    private static unsafe (nint Stream, nint CublasHandle) Describe(Device device)
    {
        ArgumentNullException.ThrowIfNull(device);
        RequireCuda(device);
        ortho_device_info info = device.Describe();
        return ((nint)info.cuda_stream, (nint)info.cublas_handle);
    }

    private static void RequireCuda(Device device, [CallerArgumentExpression(nameof(device))] string name = "")
    {
        if (device.Kind != DeviceKind.Cuda)
        {
            throw new ArgumentException(
                name == nameof(device)
                    ? $"{name} is '{device}'; it must be a device of {nameof(Device)}.{nameof(Device.Cuda)}."
                    : $"{name} lies on the device '{device}'; it must lie on a device of {nameof(Device)}.{nameof(Device.Cuda)}.",
                name);
        }
    }
}
