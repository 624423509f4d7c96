using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>
/// A dense, row-major array of <see cref="float"/>, <see cref="double"/> or <see cref="int"/> in native memory on a <see cref="Device"/>.
/// </summary>
/// <remarks>
/// New tensors are zero. Copies from a GPU to the host wait for its work, and throw what that met: see <see cref="Device"/>. A tensor is not
/// thread-safe: one thread at a time may write it. Tensors that a model, a layer, a loss or a data loader hands out (outputs, gradients,
/// parameters, batches) belong to it: they are valid until it is disposed, outputs and batches change with its next call, and
/// <see cref="Dispose"/> leaves them as they are. Tensors that are the caller's, as final states are, say so.
/// </remarks>
public sealed unsafe class Tensor : IDisposable
{
    /// <summary>Highest number of dimensions.</summary>
    public const int MaximumRank = 8;

    private readonly long _byteOffset;
    private readonly bool _isView;
    private readonly ContentWatch _watch;
    private long[] _shape;
    private BufferHandle _buffer;
    private bool _isOwned;
    private bool _disposed;

    /// <summary>Creates a tensor of zeros.</summary>
    /// <param name="device">Where the tensor lies.</param>
    /// <param name="dtype">Element type.</param>
    /// <param name="shape">Sizes, each at least 1; none for a single number. Copied.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is less than 1, or <paramref name="dtype"/> is unknown.</exception>
    /// <exception cref="ArgumentException">
    /// There are more than 8 sizes, or their product is beyond 64 bits, or the element type is <see cref="DType.Int32"/> and the device a GPU.
    /// </exception>
    /// <exception cref="OutOfMemoryException">There is not enough memory; the message says how much is needed and free.</exception>
    /// <exception cref="ObjectDisposedException">The device was disposed.</exception>
    public Tensor(Device device, DType dtype, params ReadOnlySpan<long> shape)
    {
        ArgumentNullException.ThrowIfNull(device);
        device.ThrowIfDisposed();
        Check.Defined(dtype);
        Check.Holds(device, dtype);
        Device = device;
        DType = dtype;
        Count = CountOf(shape, dtype);
        _shape = shape.ToArray();
        _buffer = BufferHandle.Create(device.Handle, Count * dtype.Bytes());
        _watch = new ContentWatch(this);
    }

    /// <inheritdoc cref="Tensor(Device, DType, ReadOnlySpan{long})"/>
    /// <remarks>For languages without <c>params</c> spans, as C# 12 is, the default in projects for .NET 8.</remarks>
    public Tensor(Device device, DType dtype, params long[] shape)
        : this(device, dtype, Given(shape))
    {
    }

    private Tensor(Device device, BufferHandle buffer, DType dtype, ReadOnlySpan<long> shape)
    {
        Device = device;
        DType = dtype;
        Count = CountOf(shape, dtype);
        _shape = shape.ToArray();
        _buffer = buffer;
        _watch = new ContentWatch(this);
    }

    private Tensor(Tensor whole, long offset, ReadOnlySpan<long> shape)
    {
        Device = whole.Device;
        DType = whole.DType;
        Count = CountOf(shape, DType);
        _shape = shape.ToArray();
        _buffer = whole._buffer;
        _byteOffset = whole._byteOffset + (offset * DType.Bytes());
        _isView = true;
        _watch = whole._watch;
    }

    /// <summary>Where the tensor lies.</summary>
    public Device Device { get; }

    /// <summary>Element type.</summary>
    public DType DType { get; }

    /// <summary>Sizes, outermost first. Those of an output or a gradient change with the tensor.</summary>
    public ReadOnlySpan<long> Shape => _shape;

    /// <summary>Number of dimensions.</summary>
    public int Rank => _shape.Length;

    /// <summary>Number of elements: the product of the sizes.</summary>
    public long Count { get; private set; }

    /// <summary>
    /// The time steps T and samples B whose rows the tensor has: those of <c>[T, B, ..., n]</c>, one step of <c>[B, n]</c>, and one step of rows of
    /// one element where there is no row dimension. Dimensions between B and n count as samples.
    /// </summary>
    internal (long Steps, long Batch) StepsAndBatch => Rank switch
    {
        < 2 => (1, Count),
        2 => (1, _shape[0]),
        _ => (_shape[0], Count / (_shape[0] * _shape[^1])),
    };

    /// <summary>Tells whether the content was changed; shared by all views of the same memory.</summary>
    internal ContentWatch Watch => _watch;

    internal bool IsDisposed => _disposed || _buffer.IsClosed;

    /// <summary>Creates a tensor with the elements given.</summary>
    /// <typeparam name="T">float, double or int; decides the element type. Tensors of int lie on CPU devices only.</typeparam>
    /// <param name="device">Where the tensor lies.</param>
    /// <param name="values">Elements in row-major order. Copied.</param>
    /// <param name="shape">Sizes, each at least 1, whose product is the number of elements.</param>
    /// <exception cref="ArgumentException">
    /// <typeparamref name="T"/> is another type, or int for a GPU, or the number of elements does not match the shape.
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException">A size is less than 1.</exception>
    /// <exception cref="OutOfMemoryException">There is not enough memory.</exception>
    /// <exception cref="ObjectDisposedException">The device was disposed.</exception>
    public static Tensor From<T>(Device device, ReadOnlySpan<T> values, params ReadOnlySpan<long> shape) where T : unmanaged
    {
        DType dtype = DTypes.Of<T>();
        CheckCount(values.Length, shape, dtype, nameof(values));
        var tensor = new Tensor(device, dtype, shape);
        tensor.CopyFrom(values);
        return tensor;
    }

    /// <inheritdoc cref="From{T}(Device, ReadOnlySpan{T}, ReadOnlySpan{long})"/>
    /// <remarks>For languages without <c>params</c> spans, as C# 12 is, the default in projects for .NET 8.</remarks>
    public static Tensor From<T>(Device device, ReadOnlySpan<T> values, params long[] shape) where T : unmanaged =>
        From(device, values, Given(shape));

    /// <summary>Creates a tensor with the shape and the elements of a tensor span.</summary>
    /// <typeparam name="T">float, double or int; decides the element type. Tensors of int lie on CPU devices only.</typeparam>
    /// <param name="device">Where the tensor lies.</param>
    /// <param name="values">Up to 8 dimensions with any strides, and at least one element. Copied.</param>
    /// <exception cref="ArgumentException">
    /// <typeparamref name="T"/> is another type, or int for a GPU, or there are no elements, or more than 8 dimensions.
    /// </exception>
    /// <exception cref="OutOfMemoryException">There is not enough memory.</exception>
    /// <exception cref="ObjectDisposedException">The device was disposed.</exception>
    public static Tensor From<T>(Device device, ReadOnlyTensorSpan<T> values) where T : unmanaged
    {
        DType dtype = DTypes.Of<T>();
        if (values.IsEmpty)
        {
            throw new ArgumentException($"{nameof(values)} is empty; it must have at least one element.", nameof(values));
        }

        if (values.Rank > MaximumRank)
        {
            throw new ArgumentException($"{nameof(values)} has {values.Rank} dimensions; it must have at most {MaximumRank}.", nameof(values));
        }

        Span<long> shape = stackalloc long[values.Rank];
        for (int i = 0; i < shape.Length; i++)
        {
            shape[i] = values.Lengths[i];
        }

        var tensor = new Tensor(device, dtype, shape);
        tensor.CopyFrom(values);
        return tensor;
    }

    /// <summary>Creates a tensor over memory of the caller's, without a copy; on a CPU device alone.</summary>
    /// <typeparam name="T">float, double or int; decides the element type.</typeparam>
    /// <param name="device">A CPU device.</param>
    /// <param name="memory">
    /// The elements in row-major order. An array, a part of one, or memory of another kind: of a file that is mapped, say. Stays pinned until the
    /// tensor is disposed; the tensor never frees it.
    /// </param>
    /// <param name="shape">Sizes, each at least 1, whose product is the number of elements.</param>
    /// <returns>A tensor that reads and writes that memory. Dispose it, since memory that is pinned hinders the garbage collector.</returns>
    /// <remarks>
    /// What is written to the memory changes the tensor at once, and is not noticed by <see cref="Sequential.Backward"/>, which reads inputs again: leave
    /// inputs as they are until then. The tensor keeps an array alive. Whoever owns memory of another kind must not free it before the tensor is disposed.
    /// </remarks>
    /// <exception cref="ArgumentException">
    /// <typeparamref name="T"/> is another type, the device is a GPU, the number of elements does not match the shape, or the memory is not aligned to its elements.
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException">A size is less than 1.</exception>
    /// <exception cref="ObjectDisposedException">The device was disposed.</exception>
    public static Tensor Wrap<T>(Device device, Memory<T> memory, params ReadOnlySpan<long> shape) where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(device);
        device.ThrowIfDisposed();
        DType dtype = DTypes.Of<T>();
        if (device.Kind != DeviceKind.Cpu)
        {
            throw new ArgumentException(
                $"{nameof(device)} is '{device}'; it must be a CPU device. {nameof(CudaInterop)}.{nameof(CudaInterop.Wrap)} takes memory of a GPU.", nameof(device));
        }

        CheckCount(memory.Length, shape, dtype, nameof(memory));
        MemoryHandle pinned = memory.Pin();
        try
        {
            if ((nuint)pinned.Pointer % (nuint)sizeof(T) != 0)
            {
                throw new ArgumentException(
                    $"{nameof(memory)} begins at 0x{(nuint)pinned.Pointer:x}; its address must be a multiple of {sizeof(T)}.", nameof(memory));
            }

            return new Tensor(device, BufferHandle.Wrap(device.Handle, pinned, (long)memory.Length * sizeof(T)), dtype, shape);
        }
        catch
        {
            pinned.Dispose();
            throw;
        }
    }

    /// <inheritdoc cref="Wrap{T}(Device, Memory{T}, ReadOnlySpan{long})"/>
    /// <remarks>For languages without <c>params</c> spans, as C# 12 is, the default in projects for .NET 8.</remarks>
    public static Tensor Wrap<T>(Device device, Memory<T> memory, params long[] shape) where T : unmanaged => Wrap(device, memory, Given(shape));

    /// <summary>All elements, as a span over the native memory itself; on a CPU device alone.</summary>
    /// <typeparam name="T">The .NET type of the element type.</typeparam>
    /// <returns>A span that is valid while the tensor is alive: keep a reference to the tensor, and do not dispose it, for as long as the span is used.</returns>
    /// <remarks>Take a new span for each use: what is written through one that was taken before a forward pass is not noticed by <see cref="Model.Backward(Tensor, bool)"/>.</remarks>
    /// <exception cref="ArgumentException"><typeparamref name="T"/> is not the element type.</exception>
    /// <exception cref="InvalidOperationException">
    /// The tensor lies on a GPU; copy it instead. Or there are more elements than a span can hold; use the overload with a range.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The tensor was disposed.</exception>
    public Span<T> AsSpan<T>() where T : unmanaged
    {
        if (Count > int.MaxValue)
        {
            throw new InvalidOperationException($"The tensor has {Count} elements; a span holds up to {int.MaxValue}. Take it range by range.");
        }

        return AsSpan<T>(0, (int)Count);
    }

    /// <summary>A range of the elements in row-major order, as a span over the native memory itself; on a CPU device alone.</summary>
    /// <typeparam name="T">The .NET type of the element type.</typeparam>
    /// <param name="start">First element.</param>
    /// <param name="length">Number of elements.</param>
    /// <returns>A span that is valid while the tensor is alive: keep a reference to the tensor, and do not dispose it, for as long as the span is used.</returns>
    /// <remarks>Take a new span for each use: what is written through one that was taken before a forward pass is not noticed by <see cref="Model.Backward(Tensor, bool)"/>.</remarks>
    /// <exception cref="ArgumentException"><typeparamref name="T"/> is not the element type.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The range lies outside the tensor.</exception>
    /// <exception cref="InvalidOperationException">The tensor lies on a GPU; copy it instead.</exception>
    /// <exception cref="ObjectDisposedException">The tensor was disposed.</exception>
    public Span<T> AsSpan<T>(long start, int length) where T : unmanaged
    {
        CheckRange<T>(start, length);

        // Before the watch reads the memory: that of a GPU is refused here.
        Span<T> elements = Elements<T>(start, length);
        _watch.Lend();
        return elements;
    }

    /// <summary>A range of the elements to be read.</summary>
    internal ReadOnlySpan<T> Read<T>(long start, int length) where T : unmanaged
    {
        CheckRange<T>(start, length);
        return Elements<T>(start, length);
    }

    /// <summary>A range of the memory, to be read.</summary>
    internal ReadOnlySpan<byte> Bytes(long start, int length) => new((byte*)_buffer.Data + _byteOffset + start, length);

    private Span<T> Elements<T>(long start, int length) where T : unmanaged
    {
        if (Device.Kind != DeviceKind.Cpu)
        {
            throw new InvalidOperationException(
                $"The tensor lies on the device '{Device}', whose memory the host cannot address; " +
                $"use {nameof(ToArray)}, {nameof(CopyTo)}, {nameof(CopyFrom)} or {nameof(Fill)}.");
        }

        return new Span<T>((T*)((byte*)_buffer.Data + _byteOffset) + start, length);
    }

    /// <summary>Overwrites all elements.</summary>
    /// <param name="values">As many elements as the tensor has, in row-major order; not a span of the tensor itself.</param>
    /// <exception cref="ArgumentException"><typeparamref name="T"/> is not the element type, or the number of elements differs.</exception>
    /// <exception cref="ObjectDisposedException">The tensor was disposed.</exception>
    public void CopyFrom<T>(ReadOnlySpan<T> values) where T : unmanaged
    {
        CheckType<T>();
        ThrowUnlessCount(values.Length, nameof(values));
        Upload(0, values);
    }

    /// <summary>Overwrites a range of the elements.</summary>
    /// <param name="start">First element to overwrite, in row-major order.</param>
    /// <param name="values">At most as many elements as follow; not a span of the tensor itself.</param>
    /// <exception cref="ArgumentException"><typeparamref name="T"/> is not the element type.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The range lies outside the tensor.</exception>
    /// <exception cref="ObjectDisposedException">The tensor was disposed.</exception>
    public void CopyFrom<T>(long start, ReadOnlySpan<T> values) where T : unmanaged
    {
        CheckRange<T>(start, values.Length);
        Upload(start, values);
    }

    /// <summary>Overwrites all elements with those of another tensor.</summary>
    /// <param name="source">A tensor of the same shape and element type, on the same GPU device, or on any CPU device where this one lies on one.</param>
    /// <exception cref="ArgumentException">Shape or element type differ, or one of both tensors lies on a GPU device on which the other does not.</exception>
    /// <exception cref="ObjectDisposedException">One of the tensors was disposed.</exception>
    public void CopyFrom(Tensor source)
    {
        ThrowIfDisposed();
        Check.Compatible(source, Device, DType);
        Check.Shape(source, _shape);
        using BufferScope from = source.Borrow();
        using BufferScope to = BorrowToWrite();
        using HandleScope<ortho_device> device = _buffer.BorrowDevice();
        NativeMethods.ortho_copy(device.Pointer, to.Address, from.Address, Count * DType.Bytes()).ThrowOnFailure();
    }

    /// <summary>Overwrites a range of the elements with a range of another tensor of the same element type whose memory the device shares.</summary>
    internal void CopyFrom(long start, Tensor source, long sourceStart, long count)
    {
        long size = DType.Bytes();
        using BufferScope from = source.Borrow();
        using BufferScope to = BorrowToWrite();
        using HandleScope<ortho_device> device = _buffer.BorrowDevice();
        NativeMethods.ortho_copy(
            device.Pointer, (byte*)to.Address + (start * size), (byte*)from.Address + (sourceStart * size), count * size).ThrowOnFailure();
    }

    /// <summary>Copies all elements.</summary>
    /// <param name="destination">As many elements as the tensor has, written in row-major order; not a span of the tensor itself.</param>
    /// <exception cref="ArgumentException"><typeparamref name="T"/> is not the element type, or the number of elements differs.</exception>
    /// <exception cref="NotFiniteNumberException">Earlier work on a GPU met a value that is NaN or infinite.</exception>
    /// <exception cref="ObjectDisposedException">The tensor was disposed.</exception>
    public void CopyTo<T>(Span<T> destination) where T : unmanaged
    {
        CheckType<T>();
        ThrowUnlessCount(destination.Length, nameof(destination));
        Download(0, destination);
    }

    /// <summary>Copies a range of the elements.</summary>
    /// <param name="start">First element to copy, in row-major order.</param>
    /// <param name="destination">At most as many elements as follow, written; not a span of the tensor itself.</param>
    /// <exception cref="ArgumentException"><typeparamref name="T"/> is not the element type.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The range lies outside the tensor.</exception>
    /// <exception cref="NotFiniteNumberException">Earlier work on a GPU met a value that is NaN or infinite.</exception>
    /// <exception cref="ObjectDisposedException">The tensor was disposed.</exception>
    public void CopyTo<T>(long start, Span<T> destination) where T : unmanaged
    {
        CheckRange<T>(start, destination.Length);
        Download(start, destination);
    }

    /// <summary>All elements in row-major order, as a new array.</summary>
    /// <exception cref="ArgumentException"><typeparamref name="T"/> is not the element type.</exception>
    /// <exception cref="NotFiniteNumberException">Earlier work on a GPU met a value that is NaN or infinite.</exception>
    /// <exception cref="InvalidOperationException">There are more elements than an array can hold; copy them range by range.</exception>
    /// <exception cref="ObjectDisposedException">The tensor was disposed.</exception>
    public T[] ToArray<T>() where T : unmanaged
    {
        CheckType<T>();
        if (Count > Array.MaxLength)
        {
            throw new InvalidOperationException($"The tensor has {Count} elements; an array holds up to {Array.MaxLength}. Copy it range by range.");
        }

        T[] values = GC.AllocateUninitializedArray<T>((int)Count);
        Download<T>(0, values);
        return values;
    }

    /// <summary>Sets all elements to one number, rounded to the element type.</summary>
    /// <param name="value">The number; for <see cref="DType.Int32"/> a whole one that fits.</param>
    /// <exception cref="ArgumentOutOfRangeException">The elements are whole numbers, and the value is none, or outside -2147483648 to 2147483647.</exception>
    /// <exception cref="ObjectDisposedException">The tensor was disposed.</exception>
    public void Fill(double value)
    {
        if (DType == DType.Int32)
        {
            FillWhole(value);
            return;
        }

        using BufferScope memory = BorrowToWrite();
        using HandleScope<ortho_device> device = _buffer.BorrowDevice();
        NativeMethods.ortho_fill(device.Pointer, DType.ToNative(), Count, memory.Address, value).ThrowOnFailure();
    }

    /// <summary>
    /// Frees the memory. Does nothing where the tensor belongs to a model, a layer, a loss or a data loader, which frees it. Memory of
    /// <see cref="Wrap{T}(Device, Memory{T}, ReadOnlySpan{long})"/> and <see cref="CudaInterop.Wrap"/> stays: only the tensor's use of it ends.
    /// </summary>
    public void Dispose()
    {
        if (!_isOwned && !_isView)
        {
            Release();
        }
    }

    /// <summary>Element type and shape: <c>Float32 [784, 128, 1]</c>.</summary>
    public override string ToString() => $"{DType} {Check.FormatShape(_shape)}";

    /// <summary>
    /// A tensor of zeros that its maker hands out and keeps: a model's outputs, say. <see cref="Dispose"/> does nothing; the maker frees it by
    /// <see cref="Release"/>.
    /// </summary>
    internal static Tensor CreateOwned(Device device, DType dtype, params ReadOnlySpan<long> shape) => new(device, dtype, shape) { _isOwned = true };

    /// <summary>Frees the memory, whoever the tensor belongs to: for its owner. Views of it end, too.</summary>
    internal void Release()
    {
        _disposed = true;
        _buffer.Dispose();
    }

    /// <summary>A tensor over memory of the device that stays the caller's and must outlive it.</summary>
    internal static Tensor Wrap(Device device, nint address, DType dtype, ReadOnlySpan<long> shape) =>
        new(device, BufferHandle.Wrap(device.Handle, (void*)address, CountOf(shape, dtype) * dtype.Bytes()), dtype, shape);

    /// <summary>A tensor of another shape over a range of this one's memory. It ends with this one; disposing it does nothing.</summary>
    internal Tensor View(long offset, ReadOnlySpan<long> shape) => new(this, offset, shape);

    /// <summary>
    /// Changes the shape, and takes more memory where that at hand does not suffice. What the elements are is then undefined.
    /// A shape of the same rank that fits costs no managed allocation.
    /// </summary>
    internal void Resize(ReadOnlySpan<long> shape)
    {
        ThrowIfDisposed();
        if (shape.SequenceEqual(_shape))
        {
            return;
        }

        _watch.NoteWrite();
        long count = CountOf(shape, DType);
        long bytes = count * DType.Bytes();
        if (bytes > _buffer.Bytes)
        {
            BufferHandle larger = BufferHandle.Create(Device.Handle, bytes);
            _buffer.Dispose();
            _buffer = larger;
        }

        if (shape.Length == _shape.Length)
        {
            shape.CopyTo(_shape);
        }
        else
        {
            _shape = shape.ToArray();
        }

        Count = count;
    }

    /// <summary>
    /// The tensor for results that change from call to call, which belongs to whom they are handed out by: made on first use, after a
    /// release, and where device or element type change; otherwise resized.
    /// </summary>
    /// <param name="tensor">The tensor of the last call.</param>
    /// <param name="device">Where it lies.</param>
    /// <param name="dtype">Element type.</param>
    /// <param name="shape">Sizes.</param>
    /// <param name="source">
    /// The tensor that the results are computed from. It may be the results of the last call, which then become their reader's, who may dispose them.
    /// </param>
    internal static Tensor Ensure([NotNull] ref Tensor? tensor, Device device, DType dtype, ReadOnlySpan<long> shape, Tensor? source = null)
    {
        if (tensor is not null && tensor == source)
        {
            Tensor made = CreateOwned(device, dtype, shape);
            tensor._isOwned = false;
            tensor = made;
        }
        else if (tensor is { IsDisposed: false } && tensor.Device == device && tensor.DType == dtype)
        {
            tensor.Resize(shape);
        }
        else
        {
            Tensor made = CreateOwned(device, dtype, shape);
            tensor?.Release();
            tensor = made;
        }

        return tensor;
    }

    /// <summary>Keeps the memory of a tensor alive during a native call and gives its address on the device; null where there is none.</summary>
    internal static BufferScope Borrow(Tensor? tensor) => tensor is null ? default : tensor.Borrow();

    /// <summary>The same for a call that writes the tensor.</summary>
    internal static BufferScope BorrowToWrite(Tensor? tensor) => tensor is null ? default : tensor.BorrowToWrite();

    /// <summary>Copies bytes from the host's memory into the elements.</summary>
    internal void CopyFromHost(long byteOffset, void* source, long bytes)
    {
        using BufferScope memory = BorrowToWrite();
        using HandleScope<ortho_device> device = _buffer.BorrowDevice();
        NativeMethods.ortho_copy_from_host(device.Pointer, (byte*)memory.Address + byteOffset, source, bytes).ThrowOnFailure();
    }

    /// <summary>Overwrites all elements with those of a tensor of the same shape and element type on a CPU device; this one may lie on any.</summary>
    internal void Overwrite(Tensor source)
    {
        using BufferScope from = source.Borrow();
        CopyFromHost(0, from.Address, Count * DType.Bytes());
    }

    /// <summary>Copies bytes of the elements into the host's memory.</summary>
    internal void CopyToHost(long byteOffset, void* destination, long bytes)
    {
        using BufferScope memory = Borrow();
        using HandleScope<ortho_device> device = _buffer.BorrowDevice();
        NativeMethods.ortho_copy_to_host(device.Pointer, destination, (byte*)memory.Address + byteOffset, bytes).ThrowOnFailure();
    }

    /// <summary>Overwrites the elements' memory from a place on, counted in T, which may also be byte.</summary>
    internal void Upload<T>(long start, ReadOnlySpan<T> values) where T : unmanaged
    {
        if (!values.IsEmpty)
        {
            fixed (T* source = values)
            {
                CopyFromHost(start * sizeof(T), source, (long)values.Length * sizeof(T));
            }
        }
    }

    /// <summary>Copies the elements' memory from a place on, counted in T, which may also be byte.</summary>
    internal void Download<T>(long start, Span<T> values) where T : unmanaged
    {
        if (!values.IsEmpty)
        {
            fixed (T* destination = values)
            {
                CopyToHost(start * sizeof(T), destination, (long)values.Length * sizeof(T));
            }
        }
    }

    /// <summary>Keeps the memory alive during a native call that reads it, and gives its address on the device.</summary>
    internal BufferScope Borrow()
    {
        ThrowIfDisposed();
        return new BufferScope(_buffer, _byteOffset);
    }

    /// <summary>The same for a call that writes the tensor.</summary>
    internal BufferScope BorrowToWrite()
    {
        ThrowIfDisposed();
        _watch.NoteWrite();
        return new BufferScope(_buffer, _byteOffset);
    }

    internal void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(IsDisposed, this);

    private static long CountOf(ReadOnlySpan<long> shape, DType dtype, [CallerArgumentExpression(nameof(shape))] string name = "")
    {
        if (shape.Length > MaximumRank)
        {
            throw new ArgumentException($"{name} has {shape.Length} sizes; it must have at most {MaximumRank}.", name);
        }

        long count = 1;
        foreach (long size in shape)
        {
            if (size < 1)
            {
                throw new ArgumentOutOfRangeException(name, $"{name} is {Check.FormatShape(shape)}; every size must be at least 1.");
            }

            if (count > long.MaxValue / dtype.Bytes() / size)
            {
                throw new ArgumentException($"{name} is {Check.FormatShape(shape)}; it must have at most {long.MaxValue / dtype.Bytes()} elements.", name);
            }

            count *= size;
        }

        return count;
    }

    private static void CheckCount(int length, ReadOnlySpan<long> shape, DType dtype, string name)
    {
        long count = CountOf(shape, dtype, nameof(shape));
        if (count != length)
        {
            throw new ArgumentException($"{name} has {length} elements; it must have {count} for shape {Check.FormatShape(shape)}.", name);
        }
    }

    /// <summary>Null would otherwise be the shape of a single number.</summary>
    private static ReadOnlySpan<long> Given(long[] shape)
    {
        ArgumentNullException.ThrowIfNull(shape);
        return shape;
    }

    /// <summary>Integers lie in the host's memory: they are filled here.</summary>
    private void FillWhole(double value)
    {
        ThrowIfDisposed();
        Check.That(value is >= int.MinValue and <= int.MaxValue && double.IsInteger(value), value, $"a whole number from {int.MinValue} to {int.MaxValue}", nameof(value));
        _watch.NoteWrite();
        for (long start = 0; start < Count; start += int.MaxValue)
        {
            Elements<int>(start, (int)long.Min(int.MaxValue, Count - start)).Fill((int)value);
        }
    }

    /// <summary>Refuses another type than that of the elements.</summary>
    internal void CheckType<T>() where T : unmanaged
    {
        ThrowIfDisposed();
        if (DTypes.Of<T>() != DType)
        {
            throw new ArgumentException($"{nameof(T)} is {typeof(T).Name}; the element type is {DType}.", nameof(T));
        }
    }

    private void CheckRange<T>(long start, int length, [CallerArgumentExpression(nameof(length))] string name = "") where T : unmanaged
    {
        CheckType<T>();
        Check.InRange(start, 0, Count);
        Check.InRange(length, 0, Count - start, name);
    }

    private void ThrowUnlessCount(int count, string name)
    {
        if (count != Count)
        {
            throw new ArgumentException($"{name} has {count} elements; it must have {Count} for shape {Check.FormatShape(_shape)}.", name);
        }
    }
}
