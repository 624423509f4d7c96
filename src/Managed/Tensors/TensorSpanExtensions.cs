using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Tensor spans of System.Numerics.Tensors in and out of tensors.</summary>
/// <remarks>
/// Extension methods, since members beside those of spans would make calls with arrays ambiguous for C# 12.
/// <see cref="Tensor.From{T}(Device, ReadOnlyTensorSpan{T})"/> creates a tensor of such a span.
/// </remarks>
public static unsafe class TensorSpanExtensions
{
    /// <summary>All elements in the tensor's shape, as a tensor span over the native memory itself; on a CPU device alone.</summary>
    /// <typeparam name="T">The .NET type of the element type.</typeparam>
    /// <param name="tensor">The tensor.</param>
    /// <returns>
    /// Lengths are the sizes; of a single number without sizes <c>[1]</c>. Valid while the tensor is alive: keep a reference to it, and do not dispose it, for
    /// as long as the span is used.
    /// </returns>
    /// <remarks>Take a new span for each use: what is written through one that was taken before a forward pass is not noticed by <see cref="Sequential.Backward"/>.</remarks>
    /// <exception cref="ArgumentException"><typeparamref name="T"/> is not the element type.</exception>
    /// <exception cref="InvalidOperationException">The tensor lies on a GPU; copy it instead.</exception>
    /// <exception cref="ObjectDisposedException">The tensor was disposed.</exception>
    public static TensorSpan<T> AsTensorSpan<T>(this Tensor tensor) where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(tensor);

        // The first element, since a span of all would have no more than fit into one. The memory is native or pinned.
        Span<T> first = tensor.AsSpan<T>(0, 1);
        return Elements(tensor, (T*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(first)));
    }

    /// <summary>Overwrites all elements.</summary>
    /// <typeparam name="T">The .NET type of the element type.</typeparam>
    /// <param name="tensor">The tensor; for a single number without sizes lengths are <c>[1]</c>.</param>
    /// <param name="values">Elements of the tensor's shape, with any strides; not a span of the tensor itself.</param>
    /// <exception cref="ArgumentException"><typeparamref name="T"/> is not the element type, or the shape differs.</exception>
    /// <exception cref="OutOfMemoryException">The tensor lies on a GPU, the values do not lie side by side, and memory to put them there is missing.</exception>
    /// <exception cref="ObjectDisposedException">The tensor was disposed.</exception>
    public static void CopyFrom<T>(this Tensor tensor, ReadOnlyTensorSpan<T> values) where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(tensor);
        tensor.CheckType<T>();
        CheckShape(tensor, values.Lengths, nameof(values));
        if (IsContiguous(values.Lengths, values.Strides))
        {
            fixed (T* source = values)
            {
                tensor.CopyFromHost(0, source, tensor.Count * sizeof(T));
            }
        }
        else if (tensor.Device.Kind == DeviceKind.Cpu)
        {
            using BufferScope memory = tensor.BorrowToWrite();
            values.CopyTo(Elements(tensor, (T*)memory.Address));
        }
        else
        {
            using var host = new Tensor(Device.Default, tensor.DType, tensor.Shape);
            host.CopyFrom(values);
            tensor.Overwrite(host);
        }
    }

    /// <summary>Copies all elements.</summary>
    /// <typeparam name="T">The .NET type of the element type.</typeparam>
    /// <param name="tensor">The tensor; for a single number without sizes lengths are <c>[1]</c>.</param>
    /// <param name="destination">Elements of the tensor's shape, with any strides, written; not a span of the tensor itself.</param>
    /// <exception cref="ArgumentException"><typeparamref name="T"/> is not the element type, or the shape differs.</exception>
    /// <exception cref="OutOfMemoryException">The tensor lies on a GPU, the destination does not lie side by side, and memory to copy through is missing.</exception>
    /// <exception cref="NotFiniteNumberException">Earlier work on a GPU met a value that is NaN or infinite.</exception>
    /// <exception cref="ObjectDisposedException">The tensor was disposed.</exception>
    public static void CopyTo<T>(this Tensor tensor, TensorSpan<T> destination) where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(tensor);
        tensor.CheckType<T>();
        CheckShape(tensor, destination.Lengths, nameof(destination));
        if (IsContiguous(destination.Lengths, destination.Strides))
        {
            fixed (T* target = destination)
            {
                tensor.CopyToHost(0, target, tensor.Count * sizeof(T));
            }
        }
        else if (tensor.Device.Kind == DeviceKind.Cpu)
        {
            using BufferScope memory = tensor.Borrow();
            Elements(tensor, (T*)memory.Address).CopyTo(destination);
        }
        else
        {
            using var host = new Tensor(Device.Default, tensor.DType, tensor.Shape);
            using BufferScope memory = host.BorrowToWrite();
            tensor.CopyToHost(0, memory.Address, tensor.Count * sizeof(T));
            Elements(host, (T*)memory.Address).CopyTo(destination);
        }
    }

    /// <summary>A tensor's elements at an address.</summary>
    private static TensorSpan<T> Elements<T>(Tensor tensor, T* address) where T : unmanaged
    {
        Span<nint> lengths = stackalloc nint[int.Max(tensor.Rank, 1)];
        lengths[0] = 1;
        for (int i = 0; i < tensor.Rank; i++)
        {
            lengths[i] = (nint)tensor.Shape[i];
        }

        return new TensorSpan<T>(address, (nint)tensor.Count, lengths);
    }

    private static void CheckShape(Tensor tensor, ReadOnlySpan<nint> lengths, string name)
    {
        bool same = tensor.Rank == 0 ? lengths is [1] : lengths.Length == tensor.Rank;
        for (int i = 0; same && i < tensor.Rank; i++)
        {
            same = lengths[i] == tensor.Shape[i];
        }

        if (!same)
        {
            long[] found = new long[lengths.Length];
            for (int i = 0; i < found.Length; i++)
            {
                found[i] = lengths[i];
            }

            throw new ArgumentException($"{name} has shape {Check.FormatShape(found)}; it must be {Check.FormatShape(tensor.Rank == 0 ? [1] : tensor.Shape)}.", name);
        }
    }

    /// <summary>Tells whether elements lie side by side in row-major order. Steps over a single element do not count.</summary>
    private static bool IsContiguous(ReadOnlySpan<nint> lengths, ReadOnlySpan<nint> strides)
    {
        nint expected = 1;
        for (int i = lengths.Length - 1; i >= 0; i--)
        {
            if (lengths[i] != 1 && strides[i] != expected)
            {
                return false;
            }

            expected *= lengths[i];
        }

        return true;
    }
}
