using System.Buffers.Binary;
using System.Globalization;
using System.IO.Compression;

namespace OrthoNative;

/// <summary>The content of a gzip file (RFC 1952): that of all of its members, one after another, up to zeros that fill it up.</summary>
/// <remarks>
/// <see cref="GZipStream"/> takes the end of the file for the end of the content, whether or not a checksum is there, and
/// ignores what is behind it. Here every member must end with its checksum and length, and nothing but another member or zeros may follow.
/// </remarks>
internal sealed class GzipContent : Stream
{
    private const int HeaderBytes = 10;
    private const int TrailerBytes = 8;
    private const byte Deflate = 8;
    private const byte HasHeaderCheck = 2;
    private const byte HasExtra = 4;
    private const byte HasName = 8;
    private const byte HasComment = 16;
    private const byte Reserved = 0xE0;

    private readonly Stream _file;
    private readonly bool _ownsFile;
    private readonly Window _window;
    private readonly long _end;
    private DeflateStream? _member;
    private long _position;
    private uint _crc;
    private uint _length;
    private bool _ended;

    /// <summary>Reads from the file's beginning.</summary>
    /// <param name="file">The compressed file, which can seek.</param>
    /// <param name="ownsFile">True: it is closed with the content.</param>
    public GzipContent(Stream file, bool ownsFile = false)
    {
        (_file, _ownsFile) = (file, ownsFile);
        _window = new Window(file);
        _end = EndOf(file);
    }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>Reads content.</summary>
    /// <returns>0: the file ends, and all of its members were whole.</returns>
    /// <exception cref="InvalidDataException">A member is damaged or cut off, or what follows it is none.</exception>
    public override int Read(Span<byte> buffer)
    {
        while (!_ended && !buffer.IsEmpty)
        {
            if (_member is null)
            {
                BeginMember();
            }
            else
            {
                int read = _member.Read(buffer);
                if (read > 0)
                {
                    _crc = Crc32.Gzip.Append(_crc, buffer[..read]);

                    // The format holds the length modulo 2^32.
                    _length = unchecked(_length + (uint)read);
                    return read;
                }

                EndMember();
            }
        }

        return 0;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override void Flush() => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _member?.Dispose();
            if (_ownsFile)
            {
                _file.Dispose();
            }
        }

        base.Dispose(disposing);
    }

    private void BeginMember()
    {
        _file.Position = _position;
        uint crc = 0;
        Span<byte> header = stackalloc byte[HeaderBytes];
        ReadHeader(header, ref crc);
        if (header is not [0x1F, 0x8B, Deflate, ..])
        {
            throw Invalid($"found bytes {header[0]:X2} {header[1]:X2} {header[2]:X2}", "1F 8B 08, a gzip member");
        }

        byte flags = header[3];
        if ((flags & Reserved) != 0)
        {
            throw Invalid($"found flags {flags:X2} in the header", "none above 1F");
        }

        if ((flags & HasExtra) != 0)
        {
            Span<byte> size = stackalloc byte[sizeof(ushort)];
            ReadHeader(size, ref crc);
            Span<byte> extra = new byte[BinaryPrimitives.ReadUInt16LittleEndian(size)];
            ReadHeader(extra, ref crc);
        }

        SkipText(flags & HasName, ref crc);
        SkipText(flags & HasComment, ref crc);
        if ((flags & HasHeaderCheck) != 0)
        {
            ushort expected = (ushort)crc;
            Span<byte> check = stackalloc byte[sizeof(ushort)];
            ReadHeader(check, ref crc);
            if (BinaryPrimitives.ReadUInt16LittleEndian(check) is ushort found && found != expected)
            {
                throw Invalid($"found checksum {found:X4} of the header", $"{expected:X4}");
            }
        }

        _window.Start();
        _member = new DeflateStream(_window, CompressionMode.Decompress, leaveOpen: true);
        (_crc, _length) = (0, 0);
    }

    /// <summary>Finds the checksum and the length of the content that was read, which follow it.</summary>
    private void EndMember()
    {
        _member!.Dispose();
        _member = null;

        // How much of what it took last belonged to the member, the stream does not tell. These eight bytes do.
        Span<byte> trailer = stackalloc byte[TrailerBytes];
        BinaryPrimitives.WriteUInt32LittleEndian(trailer, _crc);
        BinaryPrimitives.WriteUInt32LittleEndian(trailer[sizeof(uint)..], _length);
        const int NextBytes = 2;
        long from = _window.LastStart;
        Span<byte> last = new byte[(int)(_window.LastEnd - from) + TrailerBytes + NextBytes];
        _file.Position = from;
        last = last[.._file.ReadAtLeast(last, last.Length, throwOnEndOfStream: false)];
        bool found = false;
        for (int at = 0; at + TrailerBytes <= last.Length; at++)
        {
            int step = last[at..].IndexOf(trailer);
            if (step < 0)
            {
                break;
            }

            // The data may end as the trailer begins: with zeros. So what follows has to be right, too.
            found = true;
            at += step;
            _position = from + at + TrailerBytes;
            _ended = _position >= _end;
            if (_ended || last[(at + TrailerBytes)..] is [0x1F, 0x8B, ..])
            {
                return;
            }
        }

        throw found
            ? Invalid("found other bytes behind the compressed data", "the end of the file, zeros up to there or another gzip member")
            : Invalid($"found no CRC-32 {_crc:X8} and length {_length}, those of the content, behind the compressed data", "them there; the file is damaged or cut off");
    }

    /// <summary>Where the zeros begin that a file ends with: devices and archives fill up with them.</summary>
    private static long EndOf(Stream file)
    {
        byte[] buffer = new byte[1 << 12];
        long end = file.Length;
        while (end > 0)
        {
            Span<byte> block = buffer.AsSpan(0, (int)long.Min(buffer.Length, end));
            file.Position = end - block.Length;
            file.ReadExactly(block);
            int last = block.LastIndexOfAnyExcept((byte)0);
            end -= block.Length - (last + 1);
            if (last >= 0)
            {
                break;
            }
        }

        return end;
    }

    private void SkipText(int flag, ref uint crc)
    {
        Span<byte> character = stackalloc byte[1];
        character[0] = (byte)flag;
        while (character[0] != 0)
        {
            ReadHeader(character, ref crc);
        }
    }

    private void ReadHeader(Span<byte> destination, ref uint crc)
    {
        if (_file.ReadAtLeast(destination, destination.Length, throwOnEndOfStream: false) < destination.Length)
        {
            throw Invalid("found the end of the file", "the header of a gzip member");
        }

        crc = Crc32.Gzip.Append(crc, destination);
    }

    private InvalidDataException Invalid(FormattableString found, string expected) =>
        new(string.Create(CultureInfo.InvariantCulture, $"at byte {_position} of the file: {found.ToString(CultureInfo.InvariantCulture)}; expected {expected}"));

    private InvalidDataException Invalid(string found, string expected) => Invalid((FormattableString)$"{found}", expected);

    /// <summary>The rest of the file as a stream that cannot seek, and the place of what was last read from it.</summary>
    private sealed class Window(Stream file) : Stream
    {
        public long LastStart { get; private set; }

        public long LastEnd { get; private set; }

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public void Start() => LastStart = LastEnd = file.Position;

        public override int Read(Span<byte> buffer)
        {
            long start = file.Position;
            int read = file.Read(buffer);
            if (read > 0)
            {
                (LastStart, LastEnd) = (start, start + read);
            }

            return read;
        }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override void Flush() => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
