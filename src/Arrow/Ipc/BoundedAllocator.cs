using System.Buffers;
using Apache.Arrow.Memory;

namespace OrthoNative.Arrow;

/// <summary>Gives the reader memory, up to a bound: the length that compressed data say to have may be any.</summary>
/// <param name="bytes">The bound, for all that is allocated together.</param>
internal sealed class BoundedAllocator(long bytes) : MemoryAllocator
{
    private long _allocated;

    protected override IMemoryOwner<byte> AllocateInternal(int length, out int bytesAllocated)
    {
        _allocated += length;
        bytesAllocated = length;
        return _allocated <= bytes ? new Owner(new byte[length]) : throw new InvalidDataException(FormattableString.Invariant($"the data have more than {bytes} bytes"));
    }

    private sealed class Owner(byte[] array) : IMemoryOwner<byte>
    {
        public Memory<byte> Memory { get; } = array;

        public void Dispose() { }
    }
}
