using System.Buffers;
using System.Runtime.InteropServices;

namespace OrthoNative.Interop;

/// <summary>Owns a native object. Calls into the library take its address from a <see cref="HandleScope{T}"/>.</summary>
/// <typeparam name="T">The opaque structure of the header.</typeparam>
internal abstract unsafe class NativeHandle<T> : SafeHandle where T : unmanaged
{
    protected NativeHandle(T* created) : base(0, ownsHandle: true) => SetHandle((nint)created);

    public override bool IsInvalid => handle == 0;

    /// <summary>The native object, kept from being freed for as long as the scope lasts.</summary>
    /// <exception cref="ObjectDisposedException">The handle was disposed.</exception>
    public HandleScope<T> Borrow() => new(this);

    /// <summary>The object, for <see cref="SafeHandle.ReleaseHandle"/>.</summary>
    protected T* Owned => (T*)handle;
}

/// <summary>Keeps a native object from being freed, by Dispose or by the finalizer, while a call uses it.</summary>
internal readonly unsafe ref struct HandleScope<T> where T : unmanaged
{
    private readonly SafeHandle? _handle;

    /// <summary>Opens the scope. The default value is one without an object, whose pointer is null.</summary>
    /// <exception cref="ObjectDisposedException">The handle was disposed.</exception>
    public HandleScope(NativeHandle<T> handle)
    {
        bool added = false;
        handle.DangerousAddRef(ref added);
        _handle = handle;
        Pointer = (T*)handle.DangerousGetHandle();
    }

    public T* Pointer { get; }

    public void Dispose() => _handle?.DangerousRelease();
}

/// <summary>Owns an <c>ortho_device</c>.</summary>
internal sealed unsafe class DeviceHandle : NativeHandle<ortho_device>
{
    private DeviceHandle(ortho_device* created) : base(created) { }

    public static DeviceHandle Create(ortho_device_options options)
    {
        options.struct_size = (uint)sizeof(ortho_device_options);
        ortho_device* created;

        NativeMethods.ortho_device_create(&created, &options).ThrowOnFailure();
        return new DeviceHandle(created);
    }

    protected override bool ReleaseHandle()
    {
        NativeMethods.ortho_device_free(Owned);
        return true;
    }
}

/// <summary>Owns an <c>ortho_buffer</c>: memory on a device.</summary>
internal sealed unsafe class BufferHandle : NativeHandle<ortho_buffer>
{
    private readonly void* _data;
    private readonly DeviceHandle _device;
    private readonly long _pressure;
    private MemoryHandle _pinned;

    private BufferHandle(ortho_buffer* created, DeviceHandle device, long bytes, bool ownsMemory, MemoryHandle pinned = default) : base(created)
    {
        _pinned = pinned;

        // Copies need the device for as long as there is the buffer, even if the device's owner disposes it before.
        bool added = false;
        device.DangerousAddRef(ref added);
        _device = device;
        _data = NativeMethods.ortho_buffer_data(created);
        Bytes = bytes;

        // The garbage collector sees an object of a few bytes; tensors that are dropped instead of disposed would fill the memory.
        _pressure = ownsMemory ? bytes : 0;
        if (_pressure > 0)
        {
            GC.AddMemoryPressure(_pressure);
        }
    }

    /// <summary>Size in bytes.</summary>
    public long Bytes { get; }

    /// <summary>
    /// Address of the first byte on the device: the host may read and write there on a CPU device alone. Stays valid until the handle is
    /// released: hold a reference, or keep alive.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The buffer was disposed.</exception>
    public void* Data
    {
        get
        {
            ObjectDisposedException.ThrowIf(IsClosed, this);
            return _data;
        }
    }

    /// <summary>The device that the buffer lies on, for copies; also where it was disposed since.</summary>
    public HandleScope<ortho_device> BorrowDevice() => _device.Borrow();

    /// <summary>Takes zeroed memory.</summary>
    public static BufferHandle Create(DeviceHandle device, long bytes)
    {
        using HandleScope<ortho_device> owner = device.Borrow();
        ortho_buffer* created;
        ortho_status status = NativeMethods.ortho_buffer_create(&created, owner.Pointer, bytes);
        if (status == ortho_status.ORTHO_OUT_OF_MEMORY)
        {
            // What is missing may be held by tensors that were dropped and not collected yet.
            GC.Collect();
            GC.WaitForPendingFinalizers();
            status = NativeMethods.ortho_buffer_create(&created, owner.Pointer, bytes);
        }

        status.ThrowOnFailure();
        return new BufferHandle(created, device, bytes, ownsMemory: true);
    }

    /// <summary>A buffer of memory that stays the caller's; releasing the handle leaves it alone.</summary>
    public static BufferHandle Wrap(DeviceHandle device, void* data, long bytes)
    {
        using HandleScope<ortho_device> owner = device.Borrow();
        ortho_buffer* created;
        NativeMethods.ortho_buffer_wrap(&created, owner.Pointer, data, bytes).ThrowOnFailure("address");
        return new BufferHandle(created, device, bytes, ownsMemory: false);
    }

    /// <summary>A buffer of managed memory, which stays pinned until the handle is released. Where this fails, the pin stays the caller's.</summary>
    public static BufferHandle Wrap(DeviceHandle device, MemoryHandle pinned, long bytes)
    {
        using HandleScope<ortho_device> owner = device.Borrow();
        ortho_buffer* created;
        NativeMethods.ortho_buffer_wrap(&created, owner.Pointer, pinned.Pointer, bytes).ThrowOnFailure("memory");
        return new BufferHandle(created, device, bytes, ownsMemory: false, pinned);
    }

    protected override bool ReleaseHandle()
    {
        NativeMethods.ortho_buffer_free(Owned);
        _pinned.Dispose();
        _device.DangerousRelease();
        if (_pressure > 0)
        {
            GC.RemoveMemoryPressure(_pressure);
        }

        return true;
    }
}

/// <summary>Owns an <c>ortho_staging</c>: memory of the host from which a device is filled while it works.</summary>
internal sealed unsafe class StagingHandle : NativeHandle<ortho_staging>
{
    private readonly void* _data;

    private StagingHandle(ortho_staging* created) : base(created) => _data = NativeMethods.ortho_staging_data(created);

    /// <summary>Address of the first byte, in the host's memory. Stays valid until the handle is released.</summary>
    /// <exception cref="ObjectDisposedException">The staging was disposed.</exception>
    public void* Data
    {
        get
        {
            ObjectDisposedException.ThrowIf(IsClosed, this);
            return _data;
        }
    }

    public static StagingHandle Create(DeviceHandle device, long bytes)
    {
        using HandleScope<ortho_device> owner = device.Borrow();
        ortho_staging* created;
        NativeMethods.ortho_staging_create(&created, owner.Pointer, bytes).ThrowOnFailure();
        return new StagingHandle(created);
    }

    protected override bool ReleaseHandle()
    {
        NativeMethods.ortho_staging_free(Owned);
        return true;
    }
}

/// <summary>Owns an <c>ortho_chain</c>.</summary>
internal sealed unsafe class ChainHandle : NativeHandle<ortho_chain>
{
    private long _pressure;

    private ChainHandle(ortho_chain* created) : base(created) { }

    /// <param name="device">Where it runs.</param>
    /// <param name="options">The kind of chain; all sizes have been checked.</param>
    /// <param name="argument">The public method's argument that the options come from.</param>
    /// <param name="prefix">Says which part of it.</param>
    public static ChainHandle Create(DeviceHandle device, ortho_chain_options options, string argument, string prefix)
    {
        options.struct_size = (uint)sizeof(ortho_chain_options);
        using HandleScope<ortho_device> owner = device.Borrow();
        ortho_chain* created;
        NativeMethods.ortho_chain_create(&created, owner.Pointer, &options).ThrowOnFailure(argument, prefix);
        return new ChainHandle(created);
    }

    /// <summary>
    /// Tells the garbage collector what a pass left in memory, which is most of what a model takes: without it, models that are dropped
    /// instead of disposed would fill the memory.
    /// </summary>
    /// <param name="bytes">Of the states of the pass; the chain keeps the most that it ever needed.</param>
    public void AddStatePressure(long bytes)
    {
        if (bytes > _pressure)
        {
            GC.AddMemoryPressure(bytes - _pressure);
            _pressure = bytes;
        }
    }

    protected override bool ReleaseHandle()
    {
        NativeMethods.ortho_chain_free(Owned);
        if (_pressure > 0)
        {
            GC.RemoveMemoryPressure(_pressure);
        }

        return true;
    }
}

/// <summary>A part of a buffer's memory, kept from being released for as long as the scope lasts.</summary>
internal readonly unsafe ref struct BufferScope
{
    private readonly HandleScope<ortho_buffer> _buffer;

    /// <summary>Opens the scope. The default value is one without memory, whose address is null.</summary>
    /// <exception cref="ObjectDisposedException">The buffer was disposed.</exception>
    public BufferScope(BufferHandle buffer, long byteOffset)
    {
        _buffer = buffer.Borrow();
        Address = (byte*)buffer.Data + byteOffset;
    }

    public void* Address { get; }

    public void Dispose() => _buffer.Dispose();
}
