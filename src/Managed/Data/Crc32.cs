namespace OrthoNative;

/// <summary>CRC-32 as gzip has it (RFC 1952): the polynomial 04C11DB7, bits reflected.</summary>
internal static class Crc32
{
    private const uint ReflectedPolynomial = 0xEDB88320;

    private static readonly uint[] s_table = MakeTable();

    /// <summary>The checksum of some bytes and more behind them.</summary>
    /// <param name="crc">Checksum of what is before; 0: nothing.</param>
    /// <param name="bytes">The bytes that follow.</param>
    public static uint Append(uint crc, ReadOnlySpan<byte> bytes)
    {
        uint remainder = ~crc;
        foreach (byte value in bytes)
        {
            remainder = s_table[(byte)(remainder ^ value)] ^ (remainder >> 8);
        }

        return ~remainder;
    }

    private static uint[] MakeTable()
    {
        var table = new uint[256];
        for (uint value = 0; value < table.Length; value++)
        {
            uint remainder = value;
            for (int bit = 0; bit < 8; bit++)
            {
                remainder = (remainder & 1) == 0 ? remainder >> 1 : ReflectedPolynomial ^ (remainder >> 1);
            }

            table[value] = remainder;
        }

        return table;
    }
}
