namespace OrthoNative;

/// <summary>Cyclic redundancy checks of 32 bits whose bits are reflected.</summary>
internal sealed class Crc32
{
    /// <summary>CRC-32 of gzip and ZIP files (RFC 1952): the polynomial 04C11DB7.</summary>
    public static readonly Crc32 Gzip = new(0xEDB88320);

    /// <summary>CRC-32C (RFC 3720): the polynomial 1EDC6F41.</summary>
    public static readonly Crc32 Castagnoli = new(0x82F63B78);

    private readonly uint[] _table = new uint[256];

    private Crc32(uint reflectedPolynomial)
    {
        for (uint value = 0; value < _table.Length; value++)
        {
            uint remainder = value;
            for (int bit = 0; bit < 8; bit++)
            {
                remainder = (remainder & 1) == 0 ? remainder >> 1 : reflectedPolynomial ^ (remainder >> 1);
            }

            _table[value] = remainder;
        }
    }

    /// <summary>The checksum of some bytes and more behind them.</summary>
    /// <param name="crc">Checksum of what is before; 0: nothing.</param>
    /// <param name="bytes">The bytes that follow.</param>
    public uint Append(uint crc, ReadOnlySpan<byte> bytes)
    {
        ReadOnlySpan<uint> table = _table;
        uint remainder = ~crc;
        foreach (byte value in bytes)
        {
            remainder = table[(byte)(remainder ^ value)] ^ (remainder >> 8);
        }

        return ~remainder;
    }
}
