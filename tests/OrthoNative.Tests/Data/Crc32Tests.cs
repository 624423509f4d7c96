namespace OrthoNative.Tests.Data;

internal sealed class Crc32Tests
{
    // The check value that catalogues of checksums give for CRC-32.
    [Test]
    public void The_checksum_of_nine_digits_is_the_published_one() => Assert.That(Crc32.Append(0, "123456789"u8), Is.EqualTo(0xCBF43926));

    [Test]
    public void Parts_make_the_checksum_of_the_whole([Range(0, 9)] int first) =>
        Assert.That(Crc32.Append(Crc32.Append(0, "123456789"u8[..first]), "123456789"u8[first..]), Is.EqualTo(Crc32.Append(0, "123456789"u8)));
}
