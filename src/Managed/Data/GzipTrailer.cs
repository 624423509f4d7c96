using System.Buffers.Binary;
using System.Globalization;

namespace OrthoNative;

/// <summary>The last bytes of a gzip file of one member, against the content that comes out of it.</summary>
/// <remarks>
/// <see cref="System.IO.Compression.GZipStream"/> takes the end of the file for the end of the content, whether or not the trailer is
/// there, and ignores what is behind it. A checksum and a length that match the last eight bytes rule out both. Those of several
/// members would match the last one's content alone, whose start the stream does not tell.
/// </remarks>
internal sealed class GzipTrailer
{
    private const int Bytes = 8;

    private readonly uint _expectedCrc;
    private readonly uint _expectedLength;
    private uint _crc;
    private uint _length;

    /// <summary>Reads the trailer, and goes back to the start.</summary>
    /// <param name="file">The compressed file.</param>
    public GzipTrailer(Stream file)
    {
        // A file that is too short for a trailer has no content either, which is what its reader will say.
        Span<byte> trailer = stackalloc byte[Bytes];
        trailer.Clear();
        file.Position = Math.Max(0, file.Length - Bytes);
        file.ReadAtLeast(trailer, Bytes, throwOnEndOfStream: false);
        file.Position = 0;
        _expectedCrc = BinaryPrimitives.ReadUInt32LittleEndian(trailer);
        _expectedLength = BinaryPrimitives.ReadUInt32LittleEndian(trailer[sizeof(uint)..]);
    }

    /// <summary>Takes note of content, in its order.</summary>
    /// <param name="content">What was decompressed.</param>
    public void Append(ReadOnlySpan<byte> content)
    {
        _crc = Crc32.Append(_crc, content);

        // The format holds the length modulo 2^32.
        _length = unchecked(_length + (uint)content.Length);
    }

    /// <summary>Compares the trailer with the whole content.</summary>
    /// <returns>What was found and what is expected; null: they match.</returns>
    public (string Found, string Expected)? FindMismatch() => _crc == _expectedCrc && _length == _expectedLength
        ? null
        : (
            string.Create(CultureInfo.InvariantCulture, $"found CRC-32 {_expectedCrc:X8} and length {_expectedLength} in the last {Bytes} bytes of the gzip file"),
            string.Create(CultureInfo.InvariantCulture,
                $"{_crc:X8} and {_length}, those of the content, at the end of a file of one gzip member that is neither cut off, damaged nor continued"));
}
