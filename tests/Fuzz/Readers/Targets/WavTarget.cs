namespace OrthoNative.Fuzz.Readers;

/// <summary>Sound in the WAV format.</summary>
internal sealed class WavTarget(WorkingFolder folder) : Target(folder, "wav")
{
    public override IReadOnlyList<byte[]> Seeds { get; } =
    [
        Wav(1, 1, 8, new byte[5], []),
        Wav(1, 2, 16, new byte[8], [.. "LIST"u8, 3, 0, 0, 0, 1, 2, 3, 0]),
        Wav(1, 3, 24, new byte[18], []),
        Wav(1, 1, 32, new byte[8], []),
        Wav(3, 1, 32, new byte[8], []),
        Wav(3, 2, 64, new byte[32], [.. "fact"u8, 4, 0, 0, 0, 2, 0, 0, 0]),
        Wav(0xFFFE, 1, 16, new byte[8], []),
    ];

    /// <summary>A sample of a byte takes 4.</summary>
    protected override long BytesForByte => 8;

    protected override void Read()
    {
        WavFile file = WavFile.Read(FilePath);
        if (file.Channels < 1 || file.SampleRate < 1 || file.Samples.Length != (long)file.Length * file.Channels)
        {
            throw new FindingException("sizes that do not fit");
        }

        foreach (float sample in file.Samples)
        {
            if (!float.IsFinite(sample))
            {
                throw new FindingException("a sample that is not finite");
            }
        }
    }

    private static byte[] Wav(int format, int channels, int bits, byte[] data, byte[] other)
    {
        byte[] tail = format == 0xFFFE ? [22, 0, (byte)bits, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71] : [];
        return
        [
            .. "RIFF\0\0\0\0WAVEfmt "u8, .. BitConverter.GetBytes(16 + tail.Length), .. BitConverter.GetBytes((ushort)format), .. BitConverter.GetBytes((ushort)channels),
            .. BitConverter.GetBytes(8000), .. BitConverter.GetBytes(8000 * channels * bits / 8), .. BitConverter.GetBytes((ushort)(channels * bits / 8)),
            .. BitConverter.GetBytes((ushort)bits), .. tail, .. other, .. "data"u8, .. BitConverter.GetBytes(data.Length), .. data,
        ];
    }
}
