using System.Text;

namespace OrthoNative;

/// <summary>The part of a growing file that belongs to a save; part of run.json. What lies beyond was not committed.</summary>
/// <param name="Lines">Lines, without the header.</param>
/// <param name="Bytes">Bytes, with the header.</param>
internal sealed record FileMark(long Lines, long Bytes);

/// <summary>
/// A text file that gets a line for each record. A save appends only the records that are new, so that its time does not grow with the run.
/// Records that are in the file are not kept in memory.
/// </summary>
/// <param name="header">First line of the file; null: none.</param>
/// <param name="format">Line of a record, in ASCII and without its end, from its number (from 1) and the record.</param>
internal sealed class GrowingFile<T>(string? header, Func<long, T, string> format) : IDisposable
{
    private const int ChunkBytes = 1 << 16;

    /// <summary>Bytes at the end by which the file is recognized, beside its length.</summary>
    private const int TailBytes = 128;

    private readonly List<T> _pending = [];
    private FileStream? _file;
    private long _lines;
    private long _bytes;
    private bool _appendable;

    /// <summary>Number of records.</summary>
    public long Count => _lines + _pending.Count;

    /// <summary>The content of the file after <see cref="TryAppend"/> or <see cref="WriteWhole"/>.</summary>
    public FileMark Mark => new(_lines, _bytes);

    /// <summary>Adds a record; the next save writes it.</summary>
    public void Add(T record) => _pending.Add(record);

    /// <summary>Continues an existing file, whose records were read.</summary>
    /// <param name="path">The file.</param>
    /// <param name="mark">The part of it that counts.</param>
    /// <param name="appendable">True if an append before the next commit does no harm: where the last one says which part of the file counts.</param>
    /// <exception cref="IOException">The file cannot be opened.</exception>
    public void Continue(string path, FileMark mark, bool appendable)
    {
        Keep(Open(path, FileMode.Open, FileAccess.Read), mark.Lines, mark.Bytes);
        _appendable = appendable;
    }

    /// <summary>Appends the new records to the file, if it still is what was last written.</summary>
    /// <param name="path">Path of the file.</param>
    /// <returns>False: it is another file, or cannot be written; it has to be written whole.</returns>
    public bool TryAppend(string path)
    {
        FileStream? file = null;
        try
        {
            // A link may lead to someone else's file.
            if (_file is null || !_appendable || new FileInfo(path).LinkTarget is not null)
            {
                return false;
            }

            file = Open(path, FileMode.Open, FileAccess.ReadWrite);
            if (RandomAccess.GetLength(file.SafeFileHandle) != _bytes || !ReadTail(file).AsSpan().SequenceEqual(ReadTail(_file)))
            {
                file.Dispose();
                return false;
            }
        }
        catch (Exception exception) when (FileErrors.Is(exception))
        {
            file?.Dispose();
            return false;
        }

        try
        {
            long end = WritePending(file, _bytes);
            Keep(file, Count, end);
            return true;
        }
        catch (Exception exception) when (FileErrors.Is(exception))
        {
            Truncate(file);
            file.Dispose();
            return false;
        }
    }

    /// <summary>Writes all records into a new file.</summary>
    /// <param name="path">Path of the file, of which there is none yet.</param>
    /// <exception cref="IOException">The file cannot be written, or the earlier one not be read.</exception>
    public void WriteWhole(string path)
    {
        FileStream file = RunFolder.CreateNew(path, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        try
        {
            Keep(file, Count, WritePending(file, CopyWritten(file)));
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    public void Dispose() => _file?.Dispose();

    private static FileStream Open(string path, FileMode mode, FileAccess access) =>
        new(path, mode, access, FileShare.ReadWrite | FileShare.Delete);

    /// <summary>The file stays open: where it is removed with its folder, its lines can still be written elsewhere.</summary>
    private void Keep(FileStream file, long lines, long bytes)
    {
        _file?.Dispose();
        (_file, _lines, _bytes, _appendable) = (file, lines, bytes, true);
        _pending.Clear();
    }

    private byte[] ReadTail(FileStream file)
    {
        byte[] tail = new byte[Math.Min(TailBytes, _bytes)];
        Read(file, tail, _bytes - tail.Length);
        return tail;
    }

    private long CopyWritten(FileStream target)
    {
        if (_file is null)
        {
            byte[] first = header is null ? [] : Encoding.ASCII.GetBytes(header + "\n");
            RandomAccess.Write(target.SafeFileHandle, first, 0);
            return first.Length;
        }

        byte[] chunk = new byte[ChunkBytes];
        for (long offset = 0; offset < _bytes; offset += chunk.Length)
        {
            Span<byte> part = chunk.AsSpan(0, (int)Math.Min(chunk.Length, _bytes - offset));
            Read(_file, part, offset);
            RandomAccess.Write(target.SafeFileHandle, part, offset);
        }

        return _bytes;
    }

    private static void Read(FileStream file, Span<byte> destination, long offset)
    {
        while (!destination.IsEmpty)
        {
            int read = RandomAccess.Read(file.SafeFileHandle, destination, offset);
            if (read == 0)
            {
                throw new IOException("the earlier part of the file is cut off");
            }

            destination = destination[read..];
            offset += read;
        }
    }

    /// <returns>Bytes of the file with them.</returns>
    private long WritePending(FileStream target, long offset)
    {
        var text = new StringBuilder();
        for (int i = 0; i < _pending.Count; i++)
        {
            text.Append(format(_lines + i + 1, _pending[i])).Append('\n');
            if (text.Length >= ChunkBytes || i == _pending.Count - 1)
            {
                byte[] bytes = Encoding.ASCII.GetBytes(text.ToString());
                RandomAccess.Write(target.SafeFileHandle, bytes, offset);
                offset += bytes.Length;
                text.Clear();
            }
        }

        RandomAccess.FlushToDisk(target.SafeFileHandle);
        return offset;
    }

    private void Truncate(FileStream file)
    {
        try
        {
            RandomAccess.SetLength(file.SafeFileHandle, _bytes);
        }
        catch (Exception exception) when (FileErrors.Is(exception))
        {
            // Its length then says that it is to be written whole; who reads it reads as far as run.json says.
        }
    }
}
