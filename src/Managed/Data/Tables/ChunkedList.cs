namespace OrthoNative;

/// <summary>A list that grows without copying what is in it: it takes at most twice its elements while it is small, and a chunk more than them when it is large.</summary>
internal sealed class ChunkedList<T>
{
    private const int FirstBits = 4;
    private const int LargestBits = 16;

    /// <summary>Elements in the chunks that double: those of 2^4, 2^4, 2^5, ... 2^15 elements.</summary>
    private const int Doubled = 1 << LargestBits;

    private readonly List<T[]> _chunks = [];
    private T[] _last = [];
    private int _lastCount;

    public long Count { get; private set; }

    public T this[long index]
    {
        get
        {
            (int chunk, int offset) = Locate(index);
            return _chunks[chunk][offset];
        }

        set
        {
            (int chunk, int offset) = Locate(index);
            _chunks[chunk][offset] = value;
        }
    }

    public void Add(T item)
    {
        if (_lastCount == _last.Length)
        {
            Grow();
        }

        _last[_lastCount++] = item;
        Count++;
    }

    public void Add(ReadOnlySpan<T> items)
    {
        while (!items.IsEmpty)
        {
            if (_lastCount == _last.Length)
            {
                Grow();
            }

            int count = Math.Min(items.Length, _last.Length - _lastCount);
            items[..count].CopyTo(_last.AsSpan(_lastCount));
            items = items[count..];
            _lastCount += count;
            Count += count;
        }
    }

    /// <summary>Copies some elements.</summary>
    public void CopyTo(long start, Span<T> destination)
    {
        while (!destination.IsEmpty)
        {
            (int chunk, int offset) = Locate(start);
            ReadOnlySpan<T> source = _chunks[chunk].AsSpan(offset);
            source = source[..Math.Min(source.Length, destination.Length)];
            source.CopyTo(destination);
            destination = destination[source.Length..];
            start += source.Length;
        }
    }

    private static (int Chunk, int Offset) Locate(long index)
    {
        if (index >= Doubled)
        {
            long rest = index - Doubled;
            return (LargestBits - FirstBits + 1 + (int)(rest >> LargestBits), (int)(rest & (Doubled - 1)));
        }

        if (index < 1 << FirstBits)
        {
            return (0, (int)index);
        }

        int bits = int.Log2((int)index);
        return (bits - FirstBits + 1, (int)index - (1 << bits));
    }

    private void Grow()
    {
        int number = _chunks.Count;
        _last = new T[number == 0 ? 1 << FirstBits : 1 << Math.Min(number - 1 + FirstBits, LargestBits)];
        _lastCount = 0;
        _chunks.Add(_last);
    }
}
