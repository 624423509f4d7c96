using System.Runtime.InteropServices;

namespace OrthoNative.Interop;

/// <summary>Owns an <c>ortho_device</c>.</summary>
internal sealed class DeviceHandle : SafeHandle
{
    public DeviceHandle() : base(0, ownsHandle: true) { }

    public override bool IsInvalid => handle == 0;

    public static unsafe DeviceHandle Create(ortho_device_kind kind, int threads, int index)
    {
        var options = new ortho_device_options
        {
            struct_size = (uint)sizeof(ortho_device_options),
            kind = kind,
            threads = threads,
            index = index,
        };
        var device = new DeviceHandle();
        nint created;
        NativeMethods.ortho_device_create(&created, &options).ThrowOnFailure();
        device.SetHandle(created);
        return device;
    }

    protected override bool ReleaseHandle()
    {
        NativeMethods.ortho_device_free(handle);
        return true;
    }
}

/// <summary>Owns an <c>ortho_buffer</c>: zeroed memory on a device.</summary>
internal sealed unsafe class BufferHandle : SafeHandle
{
    private void* _data;

    public BufferHandle() : base(0, ownsHandle: true) { }

    public override bool IsInvalid => handle == 0;

    /// <summary>Size in bytes.</summary>
    public long Bytes { get; private set; }

    /// <summary>Address of the first byte. Stays valid until the handle is released: hold a reference, or keep alive.</summary>
    /// <exception cref="ObjectDisposedException">The buffer was disposed.</exception>
    public void* Data
    {
        get
        {
            ObjectDisposedException.ThrowIf(IsClosed, this);
            return _data;
        }
    }

    public static BufferHandle Create(DeviceHandle device, long bytes)
    {
        var buffer = new BufferHandle();
        nint created;
        NativeMethods.ortho_buffer_create(&created, device, bytes).ThrowOnFailure();
        buffer.SetHandle(created);
        buffer._data = NativeMethods.ortho_buffer_data(buffer);
        buffer.Bytes = bytes;
        return buffer;
    }

    protected override bool ReleaseHandle()
    {
        NativeMethods.ortho_buffer_free(handle);
        return true;
    }
}

/// <summary>Owns an <c>ortho_chain</c>.</summary>
internal sealed class ChainHandle : SafeHandle
{
    public ChainHandle() : base(0, ownsHandle: true) { }

    public override bool IsInvalid => handle == 0;

    public static unsafe ChainHandle Create(DeviceHandle device, ortho_chain_options options)
    {
        options.struct_size = (uint)sizeof(ortho_chain_options);
        var chain = new ChainHandle();
        nint created;
        NativeMethods.ortho_chain_create(&created, device, &options).ThrowOnFailure();
        chain.SetHandle(created);
        return chain;
    }

    protected override bool ReleaseHandle()
    {
        NativeMethods.ortho_chain_free(handle);
        return true;
    }
}

/// <summary>Keeps a buffer's memory from being released for as long as the scope lasts.</summary>
internal readonly unsafe ref struct BufferScope
{
    private readonly BufferHandle? _buffer;

    /// <summary>Opens the scope. The default value is one without memory, whose address is null.</summary>
    /// <exception cref="ObjectDisposedException">The buffer was disposed.</exception>
    public BufferScope(BufferHandle buffer, long byteOffset)
    {
        bool added = false;
        buffer.DangerousAddRef(ref added);
        _buffer = buffer;
        Address = (byte*)buffer.Data + byteOffset;
    }

    public void* Address { get; }

    public void Dispose() => _buffer?.DangerousRelease();
}
