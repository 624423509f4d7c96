using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>An array of unsigned bytes read from a file in the IDX format, plain or gzip-compressed.</summary>
/// <remarks>
/// The format: two zero bytes, the element type, the number of dimensions, the size of each dimension as a big-endian
/// 32-bit number, then the elements in row-major order.
/// </remarks>
public sealed class IdxFile
{
    private const byte UnsignedByte = 0x08;

    /// <summary>More than deflate can shrink anything: 258 bytes from a 2-bit code pair, and some slack for tables.</summary>
    private const long MaximumCompressionRatio = 1040;

    private readonly int[] _shape;
    private readonly byte[] _data;

    private IdxFile(int[] shape, byte[] data)
    {
        _shape = shape;
        _data = data;
    }

    /// <summary>Size of each dimension, the slowest first.</summary>
    public ReadOnlySpan<int> Shape => _shape;

    /// <summary>The elements in row-major order.</summary>
    public ReadOnlySpan<byte> Data => _data;

    /// <summary>Reads a file whole.</summary>
    /// <param name="path">The file; whether it is compressed is told by its first bytes, not by its name.</param>
    /// <param name="dimensions">Number of dimensions that it must have, 1 to 255: 1 for labels, 3 for images.</param>
    /// <remarks>A gzip file may have several members and be filled up with zeros.</remarks>
    /// <exception cref="ArgumentException">
    /// The path is empty or has a null character, or <paramref name="dimensions"/> is out of range.
    /// </exception>
    /// <exception cref="InvalidDataException">
    /// The file is corrupt, cut off, longer than its header says, or holds another type or number of dimensions. The message names the file,
    /// the offset in the uncompressed content, what is there and what was expected.
    /// </exception>
    /// <exception cref="IOException">The file is missing, cannot be read, or is a pipe or a device.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read, or is a folder.</exception>
    public static IdxFile Read(string path, int dimensions)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        Check.InRange(dimensions, 1, byte.MaxValue);
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 1 << 16);
        if (!file.CanSeek)
        {
            throw new IOException($"'{ForeignText.CleanPath(path)}' is a pipe or a device; a file is expected.");
        }

        Span<byte> start = stackalloc byte[2];
        bool compressed = file.ReadAtLeast(start, 2, throwOnEndOfStream: false) == 2 && start is [0x1F, 0x8B];
        file.Position = 0;
        if (!compressed)
        {
            return new Reader(path, file).ReadArray(dimensions, file.Length);
        }

        using var content = new GzipContent(file);
        return new Reader(path, content).ReadArray(dimensions, file.Length * MaximumCompressionRatio);
    }

    /// <summary>Reads the content front to back and knows the offset for messages.</summary>
    private sealed class Reader(string path, Stream stream)
    {
        private long _offset;

        /// <param name="dimensions">Number of dimensions expected.</param>
        /// <param name="maximumLength">Bytes that the content cannot exceed; keeps a false header from allocating.</param>
        public IdxFile ReadArray(int dimensions, long maximumLength)
        {
            Span<byte> magic = stackalloc byte[4];
            ReadExactly(magic, "the 4 bytes of an IDX header");
            if (magic is not [0, 0, ..])
            {
                Fail(0, $"found bytes {magic[0]:X2} {magic[1]:X2}", "00 00, the start of an IDX file");
            }

            if (magic[2] != UnsignedByte)
            {
                Fail(2, $"found element type {magic[2]:X2}{TypeName(magic[2])}", "08 (unsigned byte)");
            }

            if (magic[3] != dimensions)
            {
                Fail(3, $"found {magic[3]} dimension(s)", $"{dimensions}");
            }

            int[] shape = new int[dimensions];
            long count = 1;
            Span<byte> size = stackalloc byte[4];
            for (int i = 0; i < dimensions; i++)
            {
                long at = _offset;
                ReadExactly(size, $"the size of dimension {i + 1} of {dimensions}");
                uint value = BinaryPrimitives.ReadUInt32BigEndian(size);
                if (value == 0 || value > Array.MaxLength / count)
                {
                    Fail(at, $"found size {value} for dimension {i + 1}", $"1 to {Array.MaxLength / count}");
                }

                shape[i] = (int)value;
                count *= value;
            }

            string what = $"{count} bytes of data ({string.Join(" x ", shape)})";
            if (count > maximumLength - _offset)
            {
                Fail(_offset, $"found at most {maximumLength - _offset} more", $"{what}; the file is cut off");
            }

            byte[] data = new byte[count];
            ReadExactly(data, what);
            long end = _offset;
            Span<byte> beyond = stackalloc byte[1];
            if (Read(beyond) != 0)
            {
                Fail(end, "found more data", $"the end of the file after {count} bytes of data");
            }

            return new IdxFile(shape, data);
        }

        private void ReadExactly(Span<byte> destination, string what)
        {
            int done = 0;
            while (done < destination.Length)
            {
                int read = Read(destination[done..]);
                if (read == 0)
                {
                    Fail(_offset, "found the end of the file", $"{what}; {destination.Length - done} bytes are missing");
                }

                done += read;
            }
        }

        private int Read(Span<byte> destination)
        {
            try
            {
                int read = stream.Read(destination);
                _offset += read;
                return read;
            }
            catch (InvalidDataException exception)
            {
                throw new InvalidDataException(
                    $"{ForeignText.CleanPath(path)}: offset {_offset}: the compressed data cannot be read further ({exception.Message.TrimEnd('.')}); " +
                    "expected an undamaged gzip file.",
                    exception);
            }
        }

        [DoesNotReturn]
        private void Fail(long offset, string found, string expected) =>
            throw new InvalidDataException($"{ForeignText.CleanPath(path)}: offset {offset}: {found}; expected {expected}.");

        private static string TypeName(byte type) => type switch
        {
            0x09 => " (signed byte)",
            0x0B => " (16-bit integer)",
            0x0C => " (32-bit integer)",
            0x0D => " (32-bit float)",
            0x0E => " (64-bit float)",
            _ => "",
        };
    }
}
