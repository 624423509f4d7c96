using System.IO.Compression;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Arrays with names in NumPy's <c>.npz</c> format: a ZIP file of <c>.npy</c> files, compressed or not.</summary>
/// <remarks>
/// An array takes memory as its content is decompressed, never more than its own header says and <see cref="NpzOptions.MaximumBytes"/> allows, and its
/// checksum is compared. Entries that are no <c>.npy</c> files are left out. Used by one thread at a time.
/// </remarks>
public sealed class NpzFile : IDisposable
{
    private const string Extension = ".npy";

    private readonly ZipArchive _archive;
    private readonly string _name;
    private readonly long _maximumBytes;
    private readonly Dictionary<string, ZipArchiveEntry> _entries = new(StringComparer.Ordinal);

    private NpzFile(ZipArchive archive, string name, long maximumBytes)
    {
        _archive = archive;
        _name = name;
        _maximumBytes = maximumBytes;
        List<string> names = [];
        foreach (ZipArchiveEntry entry in archive.Entries)
        {
            if (!entry.FullName.EndsWith(Extension, StringComparison.OrdinalIgnoreCase))
            {
                continue;
            }

            string array = entry.FullName[..^Extension.Length];
            if (!_entries.TryAdd(array, entry))
            {
                throw new InvalidDataException($"{name}: there are two arrays '{ForeignText.Clean(array)}'; expected each name once.");
            }

            names.Add(array);
        }

        Names = names.AsReadOnly();
    }

    /// <summary>Names of the arrays, without <c>.npy</c>, in the file's order.</summary>
    public IReadOnlyList<string> Names { get; }

    /// <summary>Opens a file and reads the list of its arrays.</summary>
    /// <param name="path">The file.</param>
    /// <inheritdoc cref="Open(string, NpzOptions)" path="/exception"/>
    public static NpzFile Open(string path) => Open(path, null);

    /// <summary>Opens a file and reads the list of its arrays.</summary>
    /// <param name="path">The file.</param>
    /// <param name="options">Limits. Null: the defaults.</param>
    /// <exception cref="ArgumentException">The path is empty or has a null character.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range.</exception>
    /// <exception cref="InvalidDataException">The file is no ZIP file, is damaged, or has two arrays of the same name.</exception>
    /// <exception cref="IOException">The file is missing or cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read, or is a folder.</exception>
    public static NpzFile Open(string path, NpzOptions? options)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        options ??= new NpzOptions();
        Check.AtLeast(options.MaximumBytes, 1);
        return Open(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 1 << 16), path, options, leaveOpen: false);
    }

    /// <summary>Reads the list of arrays of a stream.</summary>
    /// <param name="stream">Can seek; must stay open while the file is in use, and is not closed with it.</param>
    /// <param name="name">Name of the stream for messages.</param>
    /// <param name="options">Limits. Null: the defaults.</param>
    /// <exception cref="ArgumentException">The stream cannot seek.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range.</exception>
    /// <exception cref="InvalidDataException">As of <see cref="Open(string, NpzOptions)"/>.</exception>
    /// <exception cref="IOException">The stream cannot be read.</exception>
    public static NpzFile Open(Stream stream, string name, NpzOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(name);
        options ??= new NpzOptions();
        Check.AtLeast(options.MaximumBytes, 1);
        return stream.CanSeek
            ? Open(stream, name, options, leaveOpen: true)
            : throw new ArgumentException($"{nameof(stream)} cannot seek; it must, as the list of a ZIP file is at its end.", nameof(stream));
    }

    /// <summary>Reads an array.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <exception cref="ArgumentException">There is no such array.</exception>
    /// <exception cref="InvalidDataException">
    /// The array is damaged, of another element type, or larger than <see cref="NpzOptions.MaximumBytes"/>. The message has the file, the entry, the offset in its
    /// uncompressed content, what is there and what is expected.
    /// </exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The file was disposed.</exception>
    public NpyFile Read(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (!_entries.TryGetValue(name, out ZipArchiveEntry? entry))
        {
            throw new ArgumentException($"{nameof(name)} is '{ForeignText.Clean(name)}'; {_name} has the arrays {ForeignText.CleanList(Names, Names.Count)}.", nameof(name));
        }

        string place = $"{_name}: entry '{ForeignText.Clean(entry.FullName)}'";
        using Stream content = Guard(place, entry.Open);
        using var counted = new Crc32Stream(content);
        var reader = new OffsetReader(counted, place);
        NpyFile array = NpyFile.Read(reader, _maximumBytes);
        reader.RequireEnd("the end of the entry behind the array");
        if (counted.Crc != entry.Crc32)
        {
            reader.Fail(reader.Offset, $"found content with the checksum {counted.Crc:X8}", $"{entry.Crc32:X8}, as the file says");
        }

        return array;
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => _archive.Dispose();

    private static NpzFile Open(Stream stream, string name, NpzOptions options, bool leaveOpen)
    {
        string place = ForeignText.CleanPath(name);
        try
        {
            return Guard(place, () =>
            {
                var archive = new ZipArchive(stream, ZipArchiveMode.Read, leaveOpen);
                return new NpzFile(archive, place, options.MaximumBytes);
            });
        }
        catch when (!leaveOpen)
        {
            stream.Dispose();
            throw;
        }
    }

    /// <summary>Gives errors of the ZIP file the file's name.</summary>
    private static T Guard<T>(string place, Func<T> action)
    {
        try
        {
            return action();
        }
        catch (Exception exception) when (exception is InvalidDataException or EndOfStreamException or ArgumentException or OverflowException or NotSupportedException)
        {
            if (exception is InvalidDataException && exception.Message.StartsWith(place, StringComparison.Ordinal))
            {
                throw;
            }

            throw new InvalidDataException($"{place}: the ZIP file cannot be read ({ForeignText.Clean(exception.Message).TrimEnd('.')}); expected an undamaged one.", exception);
        }
    }

    /// <summary>Reads a stream front to back and sums its checksum.</summary>
    private sealed class Crc32Stream(Stream inner) : Stream
    {
        public uint Crc { get; private set; }

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override int Read(Span<byte> buffer)
        {
            int read = inner.Read(buffer);
            Crc = Crc32.Gzip.Append(Crc, buffer[..read]);
            return read;
        }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
