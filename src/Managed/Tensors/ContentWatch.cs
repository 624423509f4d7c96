using System.Numerics;
using System.Runtime.InteropServices;

namespace OrthoNative;

/// <summary>Tells a pass that read a tensor in its forward half whether the tensor was written before its backward half.</summary>
/// <remarks>
/// Writes by members of <see cref="Tensor"/>, and by models, losses, optimizers and loaders, are counted. Writes through a span cannot be
/// counted, so a span that is taken while a pass waits makes the watch compare digests of the memory: reading through the span is no change.
/// A span that was taken before, memory that is shared with other code, and a device's address go unseen.
/// </remarks>
/// <param name="whole">The tensor that owns the memory; its views share the watch.</param>
internal sealed class ContentWatch(Tensor whole)
{
    private long _writes;
    private int _passes;
    private bool _isLent;
    private ulong _digest;

    /// <summary>Number of writes that were counted.</summary>
    public long Writes => Volatile.Read(ref _writes);

    /// <summary>Counts a write.</summary>
    public void NoteWrite() => _writes++;

    /// <summary>A span over the memory is about to be handed out.</summary>
    public void Lend()
    {
        if (Volatile.Read(ref _passes) == 0)
        {
            return;
        }

        lock (this)
        {
            if (!_isLent)
            {
                _digest = Digest();
                _isLent = true;
            }
        }
    }

    /// <summary>A pass begins, which needs the content once more.</summary>
    /// <returns>To be given to <see cref="EndPass"/>.</returns>
    public long BeginPass()
    {
        Interlocked.Increment(ref _passes);
        Settle();
        return Writes;
    }

    /// <summary>The pass reads the content again, or is given up.</summary>
    /// <param name="mark">The result of <see cref="BeginPass"/>.</param>
    /// <returns>True if the content is what it was.</returns>
    public bool EndPass(long mark)
    {
        Settle();
        bool unchanged = Writes == mark;
        if (Interlocked.Decrement(ref _passes) == 0)
        {
            Volatile.Write(ref _isLent, false);
        }

        return unchanged;
    }

    /// <summary>Counts what was written through a span.</summary>
    private void Settle()
    {
        if (!Volatile.Read(ref _isLent))
        {
            return;
        }

        lock (this)
        {
            ulong digest = Digest();
            if (digest != _digest)
            {
                _writes++;
                _digest = digest;
            }
        }
    }

    /// <summary>Differs for certain where one word differs: both operations on the sum are one to one.</summary>
    private ulong Digest()
    {
        const ulong Factor = 0x9E3779B97F4A7C15;
        const int Chunk = 1 << 20;
        if (whole.IsDisposed)
        {
            return _digest;
        }

        ulong sum = 0;
        long bytes = whole.Count * whole.DType.Bytes();
        for (long start = 0; start < bytes; start += Chunk)
        {
            ReadOnlySpan<byte> part = whole.Bytes(start, (int)long.Min(Chunk, bytes - start));
            foreach (ulong word in MemoryMarshal.Cast<byte, ulong>(part))
            {
                sum = BitOperations.RotateLeft((sum ^ word) * Factor, 29);
            }

            foreach (byte rest in part[(part.Length / sizeof(ulong) * sizeof(ulong))..])
            {
                sum = BitOperations.RotateLeft((sum ^ rest) * Factor, 29);
            }
        }

        return sum;
    }
}
