using System.Buffers.Binary;

namespace OrthoNative.Tests.Data;

internal sealed class WavFileTests
{
    private const int Extensible = 0xFFFE;

    private static readonly byte[] s_pcm = Wav(1, 1, 8000, 16, [0, 0, 0xFF, 0x7F, 0, 0x80]);

    // -1, 0 and the largest number below 1, as the formats write them.
    [TestCase(1, 8, "0080FF", new[] { -1, 0, 127 / 128f })]
    [TestCase(1, 16, "00800000FF7F", new[] { -1, 0, 32767 / 32768f })]
    [TestCase(1, 24, "000080000000FFFF7F", new[] { -1, 0, 8388607 / 8388608f })]
    [TestCase(1, 32, "0000008000000000FFFFFF7F", new[] { -1f, 0, 1 })]
    [TestCase(3, 32, "000080BF0000000000000040", new[] { -1f, 0, 2 })]
    [TestCase(3, 64, "000000000000F0BF00000000000000000000000000000040", new[] { -1f, 0, 2 })]
    [TestCase(Extensible, 16, "00800000FF7F", new[] { -1, 0, 32767 / 32768f })]
    public void Formats(int format, int bits, string bytes, float[] expected)
    {
        WavFile file = Read(Wav(format, 1, 8000, bits, Convert.FromHexString(bytes)));

        Assert.That((file.Channels, file.SampleRate, file.BitsPerSample, file.IsFloat, file.Length), Is.EqualTo((1, 8000, bits, format == 3, 3)));
        Assert.That(file.Samples.ToArray(), Is.EqualTo(expected));
    }

    [Test]
    public void Channels_lie_side_by_side()
    {
        WavFile file = Read(Wav(1, 3, 44100, 8, [128, 192, 64, 0, 128, 160]));

        Assert.That((file.Channels, file.SampleRate, file.Length), Is.EqualTo((3, 44100, 2)));
        Assert.That(file.Samples.ToArray(), Is.EqualTo((float[])[0, 0.5f, -0.5f, -1, 0, 0.25f]));
    }

    [Test]
    public void Other_chunks_and_odd_sizes_are_passed_over()
    {
        byte[] start = s_pcm[..12], format = s_pcm[12..36], data = s_pcm[36..];
        byte[] odd = [.. "LIST"u8, 3, 0, 0, 0, 1, 2, 3, 0];
        byte[] even = [.. "bext"u8, 2, 0, 0, 0, 1, 2];
        byte[] longer = [.. "fmt "u8, 19, 0, 0, 0, .. format[8..], 1, 2, 3, 0];

        foreach (byte[] content in (byte[][])[[.. start, .. odd, .. format, .. even, .. odd, .. data], [.. start, .. longer, .. data], [.. start, .. format, .. data, .. odd, 9]])
        {
            Assert.That(Read(content).Samples.ToArray(), Is.EqualTo((float[])[0, 32767 / 32768f, -1]));
        }

        using var stream = new ForwardStream([.. start, .. odd, .. format, .. data]);
        Assert.That(WavFile.Read(stream, "a").Length, Is.EqualTo(3));
    }

    [Test]
    public void A_long_sound_is_read_whole()
    {
        byte[] data = IdxFiles.Noise(100_000);
        WavFile file = Read(Wav(1, 1, 8000, 8, data));
        using var stream = new ForwardStream(Wav(1, 1, 8000, 8, data));

        Assert.That(file.Samples.ToArray(), Is.EqualTo(data.Select(value => (value - 128) / 128f)));
        Assert.That(WavFile.Read(stream, "a").Samples.ToArray(), Is.EqualTo(file.Samples.ToArray()));
        Assert.That(Read(Wav(1, 2, 8000, 16, [])).Length, Is.Zero);
    }

    private static IEnumerable<TestCaseData> WrongFiles()
    {
        TestCaseData Case(byte[] content, string message) => new TestCaseData(content, message).SetArgDisplayNames(message);
        byte[] With(int at, params byte[] bytes)
        {
            byte[] content = [.. s_pcm];
            bytes.CopyTo(content, at);
            return content;
        }

        yield return Case([.. "RIFF"u8], "offset 4: found the end; expected the 12 bytes at the start of a WAV file; 8 bytes are missing.");
        yield return Case(With(3, (byte)'X'), "offset 0: found bytes 524946582A00000057415645; expected 'RIFF', a size and 'WAVE', the start of a WAV file.");
        yield return Case(s_pcm[..12], "offset 12: found the end; expected a chunk 'fmt '; 8 bytes are missing.");
        yield return Case(s_pcm[..36], "offset 36: found the end; expected a chunk 'data'; 8 bytes are missing.");
        yield return Case([.. s_pcm[..12], .. s_pcm[36..]], "offset 12: found the chunk 'data'; expected a chunk 'fmt ' before it.");
        yield return Case([.. s_pcm[..36], .. s_pcm[12..]], "offset 36: found another chunk 'fmt '; expected a single one.");
        yield return Case(With(16, 15), "offset 16: found a chunk 'fmt ' of 15 bytes; expected at least 16.");
        yield return Case(With(20, 0x55), "offset 20: found sound of format 85 (MP3); expected PCM (1) or floating-point numbers (3).");
        yield return Case(With(20, 7), "offset 20: found sound of format 7 (mu-law); expected PCM (1) or floating-point numbers (3).");
        yield return Case(With(20, 0xFE, 0xFF), "offset 16: found a chunk 'fmt ' of 16 bytes in the extensible format; expected at least 40.");
        yield return Case(With(22, 0, 0), "offset 22: found 0 channels; expected at least 1.");
        yield return Case(With(24, 0, 0, 0, 0), "offset 24: found a sample rate of 0; expected 1 to 2147483647.");
        yield return Case(With(32, 3), "offset 32: found 3 bytes for the samples of a moment; expected 2, 1 x 2.");
        yield return Case(With(34, 12), "offset 34: found 12 bits per sample; expected 8, 16, 24 or 32 of PCM.");
        yield return Case(With(20, 3), "offset 34: found 16 bits per sample; expected 32 or 64 of floating-point numbers.");
        yield return Case(With(40, 5), "offset 40: found 5 bytes of samples; expected a multiple of 2, 1 x 2.");
        yield return Case(s_pcm[..^1], "offset 44: found 5 more bytes; expected 6 bytes of samples; the file is cut off.");
        yield return Case(With(40, 0xFE, 0xFF, 0xFF, 0xFF), "offset 44: found 6 more bytes; expected 4294967294 bytes of samples; the file is cut off.");
        yield return Case(Wav(3, 1, 8000, 32, [0, 0, 0, 0, 0, 0, 0xC0, 0x7F]), "offset 48: found the sample NaN; expected a finite number.");
        yield return Case([.. s_pcm[..12], .. "LIST"u8, 9, 0, 0, 0, 1], "offset 20: found 1 more bytes; expected 9 bytes of the chunk at offset 12.");
        byte[] unknown = Wav(Extensible, 1, 8000, 16, [0, 0]);
        unknown[50] ^= 1;
        yield return Case(unknown, "offset 44: found sound of an unknown format; expected PCM (1) or floating-point numbers (3).");
    }

    [TestCaseSource(nameof(WrongFiles))]
    public void Wrong_files_are_refused_with_offset_and_expectation(byte[] content, string message) =>
        Assert.That(() => Read(content), Throws.TypeOf<InvalidDataException>().With.Message.EqualTo($"test.wav: {message}"));

    /// <summary>A file as the format describes it.</summary>
    internal static byte[] Wav(int format, int channels, int rate, int bits, byte[] data)
    {
        byte[] tail = format == Extensible ? [22, 0, (byte)bits, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71] : [];
        byte[] content = [.. "RIFF\0\0\0\0WAVEfmt "u8, .. new byte[20], .. tail, .. "data\0\0\0\0"u8, .. data];
        BinaryPrimitives.WriteInt32LittleEndian(content.AsSpan(4), content.Length - 8);
        BinaryPrimitives.WriteInt32LittleEndian(content.AsSpan(16), 16 + tail.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(content.AsSpan(20), (ushort)format);
        BinaryPrimitives.WriteInt16LittleEndian(content.AsSpan(22), (short)channels);
        BinaryPrimitives.WriteInt32LittleEndian(content.AsSpan(24), rate);
        BinaryPrimitives.WriteInt32LittleEndian(content.AsSpan(28), rate * channels * bits / 8);
        BinaryPrimitives.WriteInt16LittleEndian(content.AsSpan(32), (short)(channels * bits / 8));
        BinaryPrimitives.WriteInt16LittleEndian(content.AsSpan(34), (short)bits);
        BinaryPrimitives.WriteInt32LittleEndian(content.AsSpan(40 + tail.Length), data.Length);
        return content;
    }

    private static WavFile Read(byte[] content)
    {
        using var stream = new MemoryStream(content);
        return WavFile.Read(stream, "test.wav");
    }
}
