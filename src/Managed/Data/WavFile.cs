using System.Buffers.Binary;
using System.Globalization;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Sound read from a file in the WAV format (RIFF): PCM of 8, 16, 24 or 32 bits, or floating-point numbers of 32 or 64 bits, of any number of channels.</summary>
/// <remarks>
/// Samples are numbers from -1 to 1: PCM is divided by 2 to the power of its bits - 1 (8 bits are counted from 128), floating-point numbers come as they are. Chunks
/// other than <c>fmt </c> and <c>data</c> are left out; the size at the start of the file is not relied upon. Compressed sound is refused.
/// </remarks>
public sealed class WavFile
{
    private const int Pcm = 1;
    private const int Float = 3;
    private const int Extensible = 0xFFFE;
    private const int FormatBytes = 16;
    private const int ExtensibleBytes = 40;
    private const int SubFormatAt = 24;

    /// <summary>The last 14 bytes of the identifiers whose first two are the tag of a format.</summary>
    private static ReadOnlySpan<byte> SubFormatTail => [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71];

    private readonly float[] _samples;

    private WavFile(Format format, float[] samples)
    {
        Channels = format.Channels;
        SampleRate = format.SampleRate;
        BitsPerSample = format.Bits;
        IsFloat = format.IsFloat;
        _samples = samples;
    }

    /// <summary>Number of channels, at least 1.</summary>
    public int Channels { get; }

    /// <summary>Samples of a channel in a second, at least 1.</summary>
    public int SampleRate { get; }

    /// <summary>Bits of a sample in the file: 8, 16, 24, 32 or 64.</summary>
    public int BitsPerSample { get; }

    /// <summary>True if the file has floating-point numbers; false: PCM.</summary>
    public bool IsFloat { get; }

    /// <summary>Samples of a channel.</summary>
    public int Length => _samples.Length / Channels;

    /// <summary>The samples, [<see cref="Length"/>, <see cref="Channels"/>].</summary>
    public ReadOnlySpan<float> Samples => _samples;

    /// <summary>Reads a file whole.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="ArgumentException">The path is empty or has a null character.</exception>
    /// <exception cref="InvalidDataException">
    /// The file is damaged or cut off, its sound is compressed, or a floating-point number is NaN or infinite. The message has the file, the offset, what is
    /// there and what is expected.
    /// </exception>
    /// <exception cref="IOException">The file is missing or cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read, or is a folder.</exception>
    public static WavFile Read(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 1 << 16);
        return Read(file, path);
    }

    /// <summary>Reads a stream.</summary>
    /// <param name="stream">Read up to the end of the sound; stays open.</param>
    /// <param name="name">Name of the stream for messages.</param>
    /// <exception cref="InvalidDataException">As of <see cref="Read(string)"/>.</exception>
    /// <exception cref="IOException">The stream cannot be read.</exception>
    public static WavFile Read(Stream stream, string name)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(name);
        var reader = new OffsetReader(stream, ForeignText.CleanPath(name));
        Span<byte> start = stackalloc byte[12];
        reader.ReadExactly(start, "the 12 bytes at the start of a WAV file");
        if (!start.StartsWith("RIFF"u8) || !start.EndsWith("WAVE"u8))
        {
            reader.Fail(0, $"found bytes {Convert.ToHexString(start)}", "'RIFF', a size and 'WAVE', the start of a WAV file");
        }

        Format? format = null;
        Span<byte> chunk = stackalloc byte[8];
        while (true)
        {
            long at = reader.Offset;
            reader.ReadExactly(chunk, format is null ? "a chunk 'fmt '" : "a chunk 'data'");
            uint size = BinaryPrimitives.ReadUInt32LittleEndian(chunk[4..]);
            if (chunk.StartsWith("fmt "u8))
            {
                if (format is not null)
                {
                    reader.Fail(at, "found another chunk 'fmt '", "a single one");
                }

                format = Format.Read(reader, at, size);
            }
            else if (chunk.StartsWith("data"u8))
            {
                if (format is null)
                {
                    reader.Fail(at, "found the chunk 'data'", "a chunk 'fmt ' before it");
                }

                return new WavFile(format, ReadSamples(reader, at, size, format));
            }
            else
            {
                reader.Skip((long)size + (size & 1), string.Create(CultureInfo.InvariantCulture, $"{size} bytes of the chunk at offset {at}"));
            }
        }
    }

    private static float[] ReadSamples(OffsetReader reader, long at, uint size, Format format)
    {
        int width = format.Bits / 8;
        if (size % (width * format.Channels) != 0)
        {
            reader.Fail(at + 4, $"found {size} bytes of samples", string.Create(CultureInfo.InvariantCulture, $"a multiple of {width * format.Channels}, {format.Channels} x {width}"));
        }

        string what = string.Create(CultureInfo.InvariantCulture, $"{size} bytes of samples");
        if (reader.Left is { } left && left < size)
        {
            reader.Fail(reader.Offset, string.Create(CultureInfo.InvariantCulture, $"found {left} more bytes"), $"{what}; the file is cut off");
        }

        if (size / width > Array.MaxLength)
        {
            reader.Fail(at + 4, $"found {what}", string.Create(CultureInfo.InvariantCulture, $"at most {(long)Array.MaxLength * width}"));
        }

        const int Part = 1 << 14;
        int count = (int)(size / width);
        float[] samples = new float[reader.Left is null ? Math.Min(count, Part) : count];
        byte[] bytes = new byte[Math.Min(count, Part) * width];
        for (int done = 0; done < count;)
        {
            int part = Math.Min(Part, count - done);
            long offset = reader.Offset;
            reader.ReadExactly(bytes.AsSpan(0, part * width), what);
            if (samples.Length < done + part)
            {
                Array.Resize(ref samples, (int)Math.Min(count, 2L * samples.Length));
            }

            for (int i = 0; i < part; i++)
            {
                float value = ToSingle(bytes.AsSpan(i * width, width), format.IsFloat);
                if (!float.IsFinite(value))
                {
                    reader.Fail(offset + ((long)i * width), string.Create(CultureInfo.InvariantCulture, $"found the sample {value}"), "a finite number");
                }

                samples[done + i] = value;
            }

            done += part;
        }

        return samples;
    }

    private static float ToSingle(ReadOnlySpan<byte> sample, bool isFloat) => (sample.Length, isFloat) switch
    {
        (1, _) => (sample[0] - 128) / 128f,
        (2, _) => BinaryPrimitives.ReadInt16LittleEndian(sample) / 32768f,
        (3, _) => ((sample[2] << 24) | (sample[1] << 16) | (sample[0] << 8)) / 2147483648f,
        (4, false) => BinaryPrimitives.ReadInt32LittleEndian(sample) / 2147483648f,
        (4, true) => BinaryPrimitives.ReadSingleLittleEndian(sample),
        _ => (float)BinaryPrimitives.ReadDoubleLittleEndian(sample),
    };

    /// <summary>What the chunk <c>fmt </c> says.</summary>
    private sealed record Format(int Channels, int SampleRate, int Bits, bool IsFloat)
    {
        public static Format Read(OffsetReader reader, long at, uint size)
        {
            if (size < FormatBytes)
            {
                reader.Fail(at + 4, $"found a chunk 'fmt ' of {size} bytes", $"at least {FormatBytes}");
            }

            long start = reader.Offset;
            Span<byte> bytes = stackalloc byte[(int)Math.Min(size, ExtensibleBytes)];
            reader.ReadExactly(bytes, $"{size} bytes of the chunk 'fmt '");

            // Chunks begin at even offsets.
            reader.Skip(size - bytes.Length + (size & 1), $"{size} bytes of the chunk 'fmt '");
            int tag = BinaryPrimitives.ReadUInt16LittleEndian(bytes);
            int channels = BinaryPrimitives.ReadUInt16LittleEndian(bytes[2..]);
            uint rate = BinaryPrimitives.ReadUInt32LittleEndian(bytes[4..]);
            int align = BinaryPrimitives.ReadUInt16LittleEndian(bytes[12..]);
            int bits = BinaryPrimitives.ReadUInt16LittleEndian(bytes[14..]);
            long tagAt = start;
            if (tag == Extensible)
            {
                if (bytes.Length < ExtensibleBytes)
                {
                    reader.Fail(at + 4, $"found a chunk 'fmt ' of {size} bytes in the extensible format", $"at least {ExtensibleBytes}");
                }

                tagAt = start + SubFormatAt;
                tag = bytes[(SubFormatAt + 2)..].SequenceEqual(SubFormatTail) ? BinaryPrimitives.ReadUInt16LittleEndian(bytes[SubFormatAt..]) : -1;
            }

            if (tag is not (Pcm or Float))
            {
                reader.Fail(tagAt, $"found sound of {NameOf(tag)}", "PCM (1) or floating-point numbers (3)");
            }

            if (bits is not (8 or 16 or 24 or 32 or 64) || (tag == Float ? bits < 32 : bits > 32))
            {
                reader.Fail(start + 14, $"found {bits} bits per sample", tag == Float ? "32 or 64 of floating-point numbers" : "8, 16, 24 or 32 of PCM");
            }

            if (channels == 0)
            {
                reader.Fail(start + 2, "found 0 channels", "at least 1");
            }

            if (rate is 0 or > int.MaxValue)
            {
                reader.Fail(start + 4, $"found a sample rate of {rate}", $"1 to {int.MaxValue}");
            }

            if (align != channels * bits / 8)
            {
                reader.Fail(start + 12, $"found {align} bytes for the samples of a moment", string.Create(CultureInfo.InvariantCulture, $"{channels * bits / 8}, {channels} x {bits / 8}"));
            }

            return new Format(channels, (int)rate, bits, tag == Float);
        }

        private static string NameOf(int tag) => tag switch
        {
            -1 => "an unknown format",
            2 => "format 2 (ADPCM)",
            6 => "format 6 (A-law)",
            7 => "format 7 (mu-law)",
            0x55 => "format 85 (MP3)",
            _ => string.Create(CultureInfo.InvariantCulture, $"format {tag}"),
        };
    }
}
