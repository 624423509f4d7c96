using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Operations over the steps of sequences that layers share.</summary>
internal static unsafe class Sequences
{
    /// <summary>Reverses the steps of each sample within its length; beyond it, zeros are written.</summary>
    /// <param name="device">Where it runs.</param>
    /// <param name="source"><c>[T, B, N]</c>.</param>
    /// <param name="lengths"><c>[B]</c>; empty: all are the steps of both tensors that either has.</param>
    /// <param name="target"><c>[T', B, N]</c>, written. Where T' differs from T, without lengths: the first min(T, T') steps are reversed.</param>
    public static void Reverse(Device device, Tensor source, ReadOnlySpan<int> lengths, Tensor target)
    {
        long steps = long.Min(source.Shape[0], target.Shape[0]);
        using BufferScope x = source.Borrow();
        using BufferScope y = target.BorrowToWrite();
        using HandleScope<ortho_device> scope = device.Handle.Borrow();
        fixed (int* stepsOf = lengths)
        {
            NativeMethods.ortho_reverse(
                scope.Pointer, target.DType.ToNative(), steps, source.Shape[1], source.Shape[2], stepsOf, x.Address, y.Address).ThrowOnFailure();
        }
    }

    /// <summary>Adds tensors of one shape: z = x + y; z may be one of them.</summary>
    public static void Add(Device device, Tensor x, Tensor y, Tensor z)
    {
        using BufferScope left = x.Borrow();
        using BufferScope right = y.Borrow();
        using BufferScope sum = z.BorrowToWrite();
        using HandleScope<ortho_device> scope = device.Handle.Borrow();
        NativeMethods.ortho_add(scope.Pointer, z.DType.ToNative(), z.Count, left.Address, right.Address, sum.Address).ThrowOnFailure();
    }

    /// <summary>Copies some elements of every row of a tensor into rows of another one.</summary>
    /// <param name="device">Where it runs.</param>
    /// <param name="source">Rows are all dimensions but the last.</param>
    /// <param name="sourceFirst">First element of a row to copy.</param>
    /// <param name="target">As many rows.</param>
    /// <param name="targetFirst">First element of a row to write.</param>
    /// <param name="count">Number of elements of a row.</param>
    public static void CopyColumns(Device device, Tensor source, long sourceFirst, Tensor target, long targetFirst, long count)
    {
        long columns = source.Shape[^1];
        using BufferScope x = source.Borrow();
        using BufferScope y = target.BorrowToWrite();
        using HandleScope<ortho_device> scope = device.Handle.Borrow();
        NativeMethods.ortho_copy_columns(
            scope.Pointer, target.DType.ToNative(), source.Count / columns, count, x.Address, columns, sourceFirst, y.Address, target.Shape[^1], targetFirst)
            .ThrowOnFailure();
    }
}
