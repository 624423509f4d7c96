using Microsoft.Win32.SafeHandles;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>The bytes of a file that is read: on a disk, or of a stream.</summary>
internal abstract class FileContent : IDisposable
{
    /// <summary>The content in messages.</summary>
    public abstract string Place { get; }

    /// <summary>True if more than the file may follow, which is then left to others.</summary>
    public virtual bool MayContinue => true;

    /// <summary>Tells how many bytes there are.</summary>
    /// <param name="wanted">A stream that cannot be asked is read until so many are there, or it ends.</param>
    /// <exception cref="IOException">It cannot be read.</exception>
    public abstract long Fetch(long wanted);

    /// <summary>Reads some bytes that <see cref="Fetch"/> found.</summary>
    /// <returns>Their number; 0 at the end.</returns>
    public abstract int Read(Span<byte> destination, long offset);

    /// <summary>The file was read: what follows in a stream is next.</summary>
    /// <param name="length">Bytes of the file.</param>
    public virtual void Leave(long length) { }

    public virtual void Dispose() { }

    /// <summary>A file on a disk.</summary>
    public static FileContent Of(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return new OfFile(path, File.OpenHandle(path));
    }

    /// <summary>What a stream has from its position on. A stream that cannot seek is kept in memory.</summary>
    /// <exception cref="ArgumentException">The stream cannot be read.</exception>
    public static FileContent Of(Stream stream, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(stream);
        return !stream.CanRead ? throw new ArgumentException($"{nameof(stream)} cannot be read, or was closed; it must be readable.", nameof(stream)) :
            stream.CanSeek ? new OfStream(stream) : new OfPipe(stream, cancellationToken);
    }

    private sealed class OfFile(string path, SafeFileHandle file) : FileContent
    {
        public override string Place => $"'{ForeignText.CleanPath(path)}'";

        public override bool MayContinue => false;

        public override long Fetch(long wanted)
        {
            try
            {
                return RandomAccess.GetLength(file);
            }
            catch (NotSupportedException exception)
            {
                throw new IOException($"{Place} is a pipe or a device; a file is expected.", exception);
            }
        }

        public override int Read(Span<byte> destination, long offset) => RandomAccess.Read(file, destination, offset);

        public override void Dispose()
        {
            file.Dispose();
            base.Dispose();
        }
    }

    private sealed class OfStream(Stream stream) : FileContent
    {
        private readonly long _start = stream.Position;

        public override string Place => "the stream";

        public override long Fetch(long wanted) => long.Max(0, stream.Length - _start);

        public override int Read(Span<byte> destination, long offset)
        {
            stream.Position = _start + offset;
            return stream.Read(destination);
        }

        public override void Leave(long length) => stream.Position = _start + length;
    }

    private sealed class OfPipe(Stream stream, CancellationToken cancellationToken) : FileContent
    {
        private const int PartBytes = 1 << 16;

        private readonly List<byte[]> _parts = [];
        private long _length;

        public override string Place => "the stream";

        public override long Fetch(long wanted)
        {
            while (_length < wanted)
            {
                cancellationToken.ThrowIfCancellationRequested();
                int start = (int)(_length % PartBytes);
                if (start == 0 && _parts.Count == _length / PartBytes)
                {
                    _parts.Add(new byte[PartBytes]);
                }

                int read = stream.Read(_parts[^1].AsSpan(start, (int)long.Min(PartBytes - start, wanted - _length)));
                if (read == 0)
                {
                    break;
                }

                _length += read;
            }

            return _length;
        }

        public override int Read(Span<byte> destination, long offset)
        {
            int start = (int)(offset % PartBytes);
            int count = (int)long.Min(destination.Length, long.Min(PartBytes - start, _length - offset));
            if (count <= 0)
            {
                return 0;
            }

            _parts[(int)(offset / PartBytes)].AsSpan(start, count).CopyTo(destination);
            return count;
        }
    }
}
