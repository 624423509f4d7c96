using System.Buffers.Binary;

namespace OrthoNative;

/// <summary>Bytes of a protocol buffer, written field by field. The memory is kept when it is cleared.</summary>
internal sealed class ProtobufBuffer
{
    private const int Varint = 0, Fixed64 = 1, LengthDelimited = 2, Fixed32 = 5;

    private byte[] _bytes = new byte[64];
    private int _count;

    /// <summary>What was written since it was cleared.</summary>
    public ReadOnlySpan<byte> Written => _bytes.AsSpan(0, _count);

    /// <summary>Forgets what was written.</summary>
    public void Clear() => _count = 0;

    /// <summary>Writes a field of the type double.</summary>
    public void Write(int field, double value)
    {
        WriteKey(field, Fixed64);
        BinaryPrimitives.WriteDoubleLittleEndian(Take(sizeof(double)), value);
    }

    /// <summary>Writes a field of the type float.</summary>
    public void Write(int field, float value)
    {
        WriteKey(field, Fixed32);
        BinaryPrimitives.WriteSingleLittleEndian(Take(sizeof(float)), value);
    }

    /// <summary>Writes a field of the type int64 or of an enumeration.</summary>
    public void Write(int field, long value)
    {
        WriteKey(field, Varint);
        WriteVarint((ulong)value);
    }

    /// <summary>Writes a field of the type string, of UTF-8, or a message.</summary>
    public void Write(int field, ReadOnlySpan<byte> value)
    {
        WriteKey(field, LengthDelimited);
        WriteVarint((ulong)value.Length);
        Append(value);
    }

    /// <summary>Writes bytes that are no field.</summary>
    public void Append(ReadOnlySpan<byte> value) => value.CopyTo(Take(value.Length));

    private void WriteKey(int field, int type) => WriteVarint((ulong)((field << 3) | type));

    private void WriteVarint(ulong value)
    {
        while (value > 0x7F)
        {
            Take(1)[0] = (byte)(value | 0x80);
            value >>= 7;
        }

        Take(1)[0] = (byte)value;
    }

    private Span<byte> Take(int count)
    {
        if (count > _bytes.Length - _count)
        {
            Array.Resize(ref _bytes, int.Max(_count + count, 2 * _bytes.Length));
        }

        _count += count;
        return _bytes.AsSpan(_count - count, count);
    }
}
