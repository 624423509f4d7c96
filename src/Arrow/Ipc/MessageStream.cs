using System.Buffers.Binary;

namespace OrthoNative.Arrow;

/// <summary>The messages of an Arrow stream, or of a file, which is one with a frame: each is checked before it is read.</summary>
internal sealed class MessageStream : Stream
{
    private const int Continuation = -1;

    private readonly FileContent _content;
    private readonly TablePlaces _places;
    private readonly IProgress<double>? _progress;
    private readonly CancellationToken _cancellationToken;
    private readonly long _length;
    private long _at;

    /// <summary>What is served before the body: the lengths and the description of the message.</summary>
    private byte[] _head = [];
    private int _headAt;
    private long _bodyLeft;
    private bool _ended;

    /// <summary>Begins to read.</summary>
    /// <exception cref="InvalidDataException">It is neither a file nor a stream.</exception>
    public MessageStream(FileContent content, TablePlaces places, IProgress<double>? progress, CancellationToken cancellationToken)
    {
        (_content, _places, _progress, _cancellationToken) = (content, places, progress, cancellationToken);
        _length = content.Fetch(long.MaxValue);
        Span<byte> start = stackalloc byte[8];
        if (_length < start.Length)
        {
            throw places.Fault(FormattableString.Invariant($"the file has {_length} bytes; expected an Arrow file or stream"));
        }

        ReadContent(start);
        if (start.StartsWith("FEA1"u8))
        {
            throw places.Fault("the file is of Feather version 1; expected version 2, which is an Arrow file");
        }

        _at = start.StartsWith("ARROW1"u8) ? start.Length : 0;
    }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => _length;

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override int Read(Span<byte> buffer)
    {
        if (buffer.IsEmpty)
        {
            return 0;
        }

        if (_headAt == _head.Length && _bodyLeft == 0)
        {
            Next();
        }

        int read = Math.Min(buffer.Length, _head.Length - _headAt);
        if (read > 0)
        {
            _head.AsSpan(_headAt, read).CopyTo(buffer);
            _headAt += read;
            return read;
        }

        read = (int)Math.Min(buffer.Length, _bodyLeft);
        ReadContent(buffer[..read]);
        _bodyLeft -= read;
        return read;
    }

    public override void Flush() { }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    private void Next()
    {
        _cancellationToken.ThrowIfCancellationRequested();
        _progress?.Report((double)_at / _length);
        _headAt = 0;
        _head = [];
        long start = _at;
        int length = _ended || _length - _at < sizeof(int) ? 0 : ReadNumber();
        if (length == Continuation)
        {
            length = _length - _at < sizeof(int) ? 0 : ReadNumber();
        }

        if (length == 0)
        {
            _ended = true;
            return;
        }

        if (length < 0 || length > _length - _at)
        {
            throw Fault(start, FormattableString.Invariant($"the description of a message has {length} bytes; expected at most {_length - _at}"));
        }

        // Without the mark of older versions, which the reader takes, too.
        _head = new byte[(2 * sizeof(int)) + length];
        BinaryPrimitives.WriteInt32LittleEndian(_head, Continuation);
        BinaryPrimitives.WriteInt32LittleEndian(_head.AsSpan(sizeof(int)), length);
        ReadContent(_head.AsSpan(2 * sizeof(int)));
        try
        {
            _bodyLeft = new MessageCheck(_head.AsSpan(2 * sizeof(int))).Run();
        }
        catch (InvalidDataException exception)
        {
            throw Fault(start, exception.Message);
        }

        if (_bodyLeft < 0 || _bodyLeft > _length - _at)
        {
            throw Fault(start, FormattableString.Invariant($"a message has {_bodyLeft} bytes; expected at most {_length - _at}"));
        }
    }

    private int ReadNumber()
    {
        Span<byte> bytes = stackalloc byte[sizeof(int)];
        ReadContent(bytes);
        return BinaryPrimitives.ReadInt32LittleEndian(bytes);
    }

    private void ReadContent(Span<byte> destination)
    {
        while (!destination.IsEmpty)
        {
            int read = _content.Read(destination, _at);
            if (read == 0)
            {
                throw _places.Fault("the file became shorter");
            }

            destination = destination[read..];
            _at += read;
        }
    }

    private InvalidDataException Fault(long at, string problem) => _places.Fault(FormattableString.Invariant($"byte {at}: {problem}"));
}
