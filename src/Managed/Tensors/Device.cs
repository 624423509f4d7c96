using System.Globalization;
using System.Runtime.InteropServices;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Where tensors lie and work runs: the CPU, with a pool of threads, or an NVIDIA GPU.</summary>
/// <remarks>
/// <para>
/// Tensors, models, losses and optimizers that work together on a GPU share one device object. Those on CPU devices lie in the host's memory: any
/// CPU device takes them, and a model's work runs on the model's device. Results do not depend on the number of threads. How many of them take part in a call is decided anew for each: no more than its work is worth, and fewer
/// while other programs use the processors. Disposing a device ends its use for new work; memory on it stays valid until it is disposed itself.
/// </para>
/// <para>
/// A GPU is given its work and does it in that order; calls return before it is done, unless they return a number or copy to the host.
/// There values are checked while the work is done. What is found not to be finite stops the optimizer steps that follow, which leave the
/// parameters as they are, and gives an <see cref="NotFiniteNumberException"/> in the next call that waits: <c>Forward</c> or <c>Evaluate</c>
/// of a loss, <see cref="Model.ClipGradientNorm"/>, a copy of a tensor to the host, or <see cref="Synchronize"/>.
/// </para>
/// </remarks>
public sealed unsafe class Device : IDisposable
{
    private const int MaximumThreads = 1024;

    private const string ThreadsVariable = "ORTHONATIVE_THREADS";

    // A failure is not kept: the environment and the limits of the system can be put right.
    private static readonly Lazy<Device> s_default = new(() => Cpu(), LazyThreadSafetyMode.PublicationOnly);

    private readonly DeviceHandle _handle;
    private readonly string _description;
    private bool _disposed;

    private Device(ortho_device_options options)
    {
        _handle = DeviceHandle.Create(options);
        Kind = (DeviceKind)options.kind;
        using HandleScope<ortho_device> device = _handle.Borrow();
        Threads = NativeMethods.ortho_device_threads(device.Pointer);
        Name = Marshal.PtrToStringUTF8((nint)NativeMethods.ortho_device_name(device.Pointer))!;
        _description = Kind == DeviceKind.Cpu
            ? $"{Name}, {Threads} {(Threads == 1 ? "thread" : "threads")}"
            : $"cuda:{options.index}, {Name}";
    }

    /// <summary>The CPU with the default number of threads, that of <see cref="Cpu"/>. Shared by all; disposing it has no effect.</summary>
    /// <exception cref="NotSupportedException">The environment variable <c>ORTHONATIVE_THREADS</c> is not a whole number from 1 to 1024.</exception>
    public static Device Default => s_default.Value;

    /// <summary>The kind of device: the CPU or a GPU.</summary>
    public DeviceKind Kind { get; }

    /// <summary>The name of the device: <c>cpu</c>, or that of the GPU, <c>NVIDIA H200</c>.</summary>
    public string Name { get; }

    /// <summary>The most threads that work together, the caller's among them; 0 for a GPU.</summary>
    public int Threads { get; }

    /// <summary>Memory of the device in bytes; for the CPU that of <see cref="SystemInfo.TotalMemory"/>.</summary>
    /// <exception cref="ObjectDisposedException">The device was disposed.</exception>
    public long TotalMemory => Describe().total_memory;

    /// <summary>Memory of the device in bytes that is free now; for the CPU that of <see cref="SystemInfo.AvailableMemory"/>.</summary>
    /// <exception cref="ObjectDisposedException">The device was disposed.</exception>
    public long FreeMemory => Describe().free_memory;

    /// <summary>The native device, for new work.</summary>
    /// <exception cref="ObjectDisposedException">The device was disposed.</exception>
    internal DeviceHandle Handle
    {
        get
        {
            ThrowIfDisposed();
            return _handle;
        }
    }

    /// <summary>Creates a CPU device.</summary>
    /// <param name="threads">
    /// Threads that work together, 1 to 1024. 0: as many as the environment variable <c>ORTHONATIVE_THREADS</c> says, 1 to 1024;
    /// where it is not set, <see cref="Environment.ProcessorCount"/>, which follows the affinity of the process, the quota of its
    /// container and <c>DOTNET_PROCESSOR_COUNT</c>; fewer if the system does not start as many. <c>OMP_NUM_THREADS</c> is not read.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="threads"/> is outside 0 to 1024.</exception>
    /// <exception cref="NotSupportedException">
    /// The system does not start so many threads; the message names the limit. Or <c>ORTHONATIVE_THREADS</c> is wrong.
    /// </exception>
    /// <exception cref="OutOfMemoryException">Memory for the threads is missing.</exception>
    public static Device Cpu(int threads = 0)
    {
        Check.InRange(threads, 0, MaximumThreads);
        if (threads > 0)
        {
            return OfCpu(threads);
        }

        int wanted = ThreadsOfEnvironment() ?? int.Min(Environment.ProcessorCount, MaximumThreads);
        try
        {
            return OfCpu(wanted);
        }
        catch (Exception exception) when (exception is NotSupportedException or OutOfMemoryException)
        {
            // Not so many can be started. Its own default gives as many as can, which are fewer, or fails for the same reason.
            return OfCpu(0);
        }
    }

    /// <summary>The value of ORTHONATIVE_THREADS; null where it is not set. Read here too, since native code does not see what .NET sets.</summary>
    private static int? ThreadsOfEnvironment()
    {
        string? value = Environment.GetEnvironmentVariable(ThreadsVariable);
        if (string.IsNullOrEmpty(value) || Privileges.AreRaised)
        {
            return null;
        }

        return int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int threads) && threads is >= 1 and <= MaximumThreads
            ? threads
            : throw new NotSupportedException(string.Create(CultureInfo.InvariantCulture,
                $"{ThreadsVariable} is '{ForeignText.Clean(value)}'; it must be a whole number from 1 to {MaximumThreads}, or not set"));
    }

    private static Device OfCpu(int threads) =>
        new(new ortho_device_options { kind = (int)ortho_device_kind.ORTHO_DEVICE_CPU, threads = threads });

    /// <summary>Creates a device of an NVIDIA GPU.</summary>
    /// <param name="index">Which GPU, from 0.</param>
    /// <param name="options">Precision, and what is shared with other CUDA code; null: the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="index"/> is negative, or a precision is unknown.</exception>
    /// <exception cref="NotSupportedException">
    /// This machine has no such GPU, or it lacks a precision; the message says what is missing: the driver, the library
    /// <c>orthonative_cuda</c> that belongs to this one, or the GPU.
    /// </exception>
    /// <exception cref="OutOfMemoryException">The GPU has no memory left for the device's own use.</exception>
    public static Device Cuda(int index = 0, CudaOptions? options = null)
    {
        Check.InRange(index, 0, int.MaxValue);
        options ??= new CudaOptions();
        Check.Defined(options.MatrixPrecision);
        Check.Defined(options.FilterPrecision);
        return new Device(new ortho_device_options
        {
            kind = (int)ortho_device_kind.ORTHO_DEVICE_CUDA,
            index = index,
            matrix_precision = (int)options.MatrixPrecision,
            filter_precision = (int)options.FilterPrecision,
            cuda_stream = (void*)options.Stream,
            cublas_handle = (void*)options.CublasHandle,
        });
    }

    /// <summary>Waits until all work that was given to the device is done; a CPU has always done it.</summary>
    /// <exception cref="NotFiniteNumberException">Earlier work on a GPU met a value that is NaN or infinite.</exception>
    /// <exception cref="OrthoNativeException">Earlier work on a GPU failed.</exception>
    /// <exception cref="ObjectDisposedException">The device was disposed.</exception>
    public void Synchronize()
    {
        using HandleScope<ortho_device> device = Handle.Borrow();
        NativeMethods.ortho_device_synchronize(device.Pointer).ThrowOnFailure();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!s_default.IsValueCreated || this != s_default.Value)
        {
            _disposed = true;
            _handle.Dispose();
        }
    }

    /// <summary>The device in a few words: <c>cpu, 2 threads</c>, or <c>cuda:0, NVIDIA H200</c>.</summary>
    public override string ToString() => _description;

    /// <summary>Tells whether work of this device can use tensors of another one: all CPU devices have the host's memory in common.</summary>
    internal bool SharesMemoryWith(Device other) => this == other || (Kind == DeviceKind.Cpu && other.Kind == DeviceKind.Cpu);

    internal void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(_disposed, this);

    /// <summary>
    /// The limit of the system that refuses so much memory of the CPU, for the end of a message: "; memory.max of the control group
    /// ..."; empty if it is the memory of the machine, or of a GPU.
    /// </summary>
    internal string LimitThatRefuses(Int128 bytes)
    {
        const string Before = " free; ";
        if (Kind != DeviceKind.Cpu)
        {
            return "";
        }

        // The native library knows the limits; asked for memory that there is not, it allocates nothing.
        try
        {
            BufferHandle.Create(Handle, (long)Int128.Min(bytes, long.MaxValue)).Dispose();
            return "";
        }
        catch (OutOfMemoryException exception)
        {
            int end = exception.Message.IndexOf(Before, StringComparison.Ordinal);
            return end < 0 ? "" : $"; {exception.Message[(end + Before.Length)..]}";
        }
    }

    /// <summary>Facts about the device as they are now.</summary>
    internal ortho_device_info Describe()
    {
        using HandleScope<ortho_device> device = Handle.Borrow();
        var info = new ortho_device_info { struct_size = (uint)sizeof(ortho_device_info) };
        NativeMethods.ortho_device_get_info(device.Pointer, &info).ThrowOnFailure();
        return info;
    }
}
