namespace OrthoNative.Tests.Data;

internal sealed class Crc32Tests
{
    // The check value that catalogues of checksums give for CRC-32.
    [Test]
    public void The_checksum_of_nine_digits_is_the_published_one() => Assert.That(Crc32.Gzip.Append(0, "123456789"u8), Is.EqualTo(0xCBF43926));

    [Test]
    public void Parts_make_the_checksum_of_the_whole([Range(0, 9)] int first) =>
        Assert.That(Crc32.Gzip.Append(Crc32.Gzip.Append(0, "123456789"u8[..first]), "123456789"u8[first..]), Is.EqualTo(Crc32.Gzip.Append(0, "123456789"u8)));

    // RFC 3720, B.4, and the check value of the catalogues.
    [Test]
    public void The_checksums_of_CRC_32C_are_the_published_ones()
    {
        byte[] rising = [.. Enumerable.Range(0, 32).Select(value => (byte)value)];
        Assert.That(Crc32.Castagnoli.Append(0, new byte[32]), Is.EqualTo(0x8A9136AA));
        Assert.That(Crc32.Castagnoli.Append(0, [.. Enumerable.Repeat((byte)0xFF, 32)]), Is.EqualTo(0x62A8AB43));
        Assert.That(Crc32.Castagnoli.Append(0, rising), Is.EqualTo(0x46DD794E));
        Assert.That(Crc32.Castagnoli.Append(0, [.. rising.Reverse()]), Is.EqualTo(0x113FDB5C));
        Assert.That(Crc32.Castagnoli.Append(0, "123456789"u8), Is.EqualTo(0xE3069283));
    }
}
