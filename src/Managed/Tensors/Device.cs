using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Where tensors lie and work runs. A CPU device owns a pool of threads.</summary>
/// <remarks>
/// Tensors, models, losses and optimizers that work together share one device object. Results do not depend on the number
/// of threads. Disposing a device ends its use for new work; memory on it stays valid until it is disposed itself.
/// </remarks>
public sealed unsafe class Device : IDisposable
{
    private const int MaximumThreads = 1024;

    private static readonly Lazy<Device> s_default = new(() => Cpu());

    private readonly string _name;

    private Device(ortho_device_kind kind, int threads, int index, string name)
    {
        Handle = DeviceHandle.Create(kind, threads, index);
        using HandleScope<ortho_device> device = Handle.Borrow();
        Threads = NativeMethods.ortho_device_threads(device.Pointer);
        _name = name;
    }

    /// <summary>The CPU with as many threads as there are cores. Shared by all; disposing it has no effect.</summary>
    public static Device Default => s_default.Value;

    /// <summary>Number of threads that work together, the caller's among them.</summary>
    public int Threads { get; }

    internal DeviceHandle Handle { get; }

    /// <summary>Makes a CPU device.</summary>
    /// <param name="threads">Threads that work together, 1 to 1024; 0: as many as there are cores.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="threads"/> is outside 0 to 1024.</exception>
    /// <exception cref="OutOfMemoryException">The threads cannot be started.</exception>
    public static Device Cpu(int threads = 0)
    {
        Check.InRange(threads, 0, MaximumThreads);
        return new Device(ortho_device_kind.ORTHO_DEVICE_CPU, threads, 0, "cpu");
    }

    /// <summary>Makes a device of an NVIDIA GPU.</summary>
    /// <param name="index">Which GPU, from 0.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="index"/> is negative.</exception>
    /// <exception cref="NotSupportedException">This build or this machine has no such GPU.</exception>
    public static Device Cuda(int index = 0)
    {
        Check.InRange(index, 0, int.MaxValue);
        return new Device(ortho_device_kind.ORTHO_DEVICE_CUDA, 0, index, $"cuda:{index}");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!s_default.IsValueCreated || this != s_default.Value)
        {
            Handle.Dispose();
        }
    }

    /// <summary>The device in a few words: <c>cpu, 2 threads</c>.</summary>
    public override string ToString() => Threads > 0 ? $"{_name}, {Threads} {(Threads == 1 ? "thread" : "threads")}" : _name;

    internal void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(Handle.IsClosed, this);
}
