using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace OrthoNative;

/// <summary>Reads a stream front to back and knows the offset for messages. What a file says of its size does not take memory before it is known to be there.</summary>
/// <param name="stream">Read from where it is; stays open.</param>
/// <param name="name">Where the content is from, made fit for messages.</param>
internal sealed class OffsetReader(Stream stream, string name)
{
    /// <summary>Memory that a stream gets before it has given anything.</summary>
    private const int FirstBytes = 1 << 16;

    private readonly long _length = stream.CanSeek ? stream.Length - stream.Position : -1;

    /// <summary>Where the content is from.</summary>
    public string Name => name;

    /// <summary>Bytes read so far.</summary>
    public long Offset { get; private set; }

    /// <summary>Bytes that are left; null: the stream does not tell.</summary>
    public long? Left => _length < 0 ? null : _length - Offset;

    /// <summary>Reads as many bytes as there are room for.</summary>
    /// <param name="destination">Written.</param>
    /// <param name="what">What they are, for the message.</param>
    public void ReadExactly(Span<byte> destination, string what)
    {
        int read = ReadAtMost(destination);
        if (read < destination.Length)
        {
            Fail(Offset, "found the end", $"{what}; {(destination.Length - read).ToString(CultureInfo.InvariantCulture)} bytes are missing");
        }
    }

    /// <summary>Reads as many bytes as there are room for, or up to the end.</summary>
    public int ReadAtMost(Span<byte> destination)
    {
        int done = 0;
        while (done < destination.Length)
        {
            int read;
            try
            {
                read = stream.Read(destination[done..]);
            }
            catch (InvalidDataException exception)
            {
                throw new InvalidDataException(
                    string.Create(CultureInfo.InvariantCulture, $"{name}: offset {Offset}: the compressed data cannot be read further ({exception.Message.TrimEnd('.')}); ") +
                    "expected an undamaged file.",
                    exception);
            }

            if (read == 0)
            {
                break;
            }

            done += read;
            Offset += read;
        }

        return done;
    }

    /// <summary>Reads numbers as they lie in memory.</summary>
    /// <param name="count">How many.</param>
    /// <param name="what">What they are, for the message.</param>
    public T[] ReadArray<T>(int count, string what) where T : unmanaged
    {
        int size = Unsafe.SizeOf<T>();
        if (Left is { } left && left < (long)count * size)
        {
            Fail(Offset, string.Create(CultureInfo.InvariantCulture, $"found {left} more bytes"), what);
        }

        T[] elements = new T[Left is null ? Math.Min(count, FirstBytes / size) : count];
        int done = 0;
        while (true)
        {
            // A span of bytes has at most 2 GiB.
            const int Chunk = 1 << 20;
            while (done < elements.Length)
            {
                Span<T> part = elements.AsSpan(done, Math.Min(Chunk, elements.Length - done));
                ReadExactly(MemoryMarshal.AsBytes(part), what);
                done += part.Length;
            }

            if (done == count)
            {
                return elements;
            }

            Array.Resize(ref elements, (int)Math.Min(count, 2L * elements.Length));
        }
    }

    /// <summary>Leaves out bytes.</summary>
    public void Skip(long count, string what)
    {
        if (Left is { } left && left < count)
        {
            Fail(Offset, string.Create(CultureInfo.InvariantCulture, $"found {left} more bytes"), what);
        }

        Span<byte> buffer = stackalloc byte[1024];
        while (count > 0)
        {
            Span<byte> part = buffer[..(int)Math.Min(count, buffer.Length)];
            ReadExactly(part, what);
            count -= part.Length;
        }
    }

    public void RequireEnd(string what)
    {
        long at = Offset;
        Span<byte> beyond = stackalloc byte[1];
        if (ReadAtMost(beyond) > 0)
        {
            Fail(at, "found more data", what);
        }
    }

    [DoesNotReturn]
    public void Fail(long offset, string found, string expected) =>
        throw new InvalidDataException(string.Create(CultureInfo.InvariantCulture, $"{name}: offset {offset}: {found}; expected {expected}."));
}
