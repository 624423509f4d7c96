namespace OrthoNative.Arrow;

/// <summary>
/// What a reader sees of a file: its bytes up to some length, and others behind them. A read beyond the end throws, since readers that ask for single bytes take the end for data.
/// </summary>
/// <param name="content">The file.</param>
/// <param name="length">Bytes of the file that are seen.</param>
/// <param name="tail">The bytes behind them.</param>
internal sealed class ContentStream(FileContent content, long length, byte[] tail) : Stream
{
    private long _position;

    public override bool CanRead => true;

    public override bool CanSeek => true;

    public override bool CanWrite => false;

    public override long Length => length + tail.Length;

    public override long Position
    {
        get => _position;
        set => Seek(value, SeekOrigin.Begin);
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override int Read(Span<byte> buffer)
    {
        if (buffer.IsEmpty)
        {
            return 0;
        }

        int read;
        if (_position >= length)
        {
            ReadOnlySpan<byte> rest = _position < Length ? tail.AsSpan((int)(_position - length)) : [];
            read = Math.Min(rest.Length, buffer.Length);
            rest[..read].CopyTo(buffer);
        }
        else
        {
            read = content.Read(buffer[..(int)Math.Min(buffer.Length, length - _position)], _position);
        }

        _position += read;
        return read > 0 ? read : throw new EndOfStreamException();
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => Task.FromResult(Read(buffer.AsSpan(offset, count)));

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => ValueTask.FromResult(Read(buffer.Span));

    public override long Seek(long offset, SeekOrigin origin)
    {
        long position = offset + origin switch { SeekOrigin.Begin => 0, SeekOrigin.Current => _position, _ => Length };
        return _position = position >= 0 && position <= Length ? position : throw new EndOfStreamException();
    }

    public override void Flush() { }

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
