namespace OrthoNative;

/// <summary>Numbers names in the order in which they come, without a string for a name that is known.</summary>
internal sealed class NameTable
{
    private readonly List<(int Hash, int Next)> _entries = [];
    private int[] _buckets = NewBuckets(8);
    private int _last = -1;

    public List<string> Names { get; } = [];

    /// <summary>Finds the number of a name; -1: it is unknown.</summary>
    public int Find(ReadOnlySpan<char> name)
    {
        if (_last >= 0 && name.SequenceEqual(Names[_last]))
        {
            return _last;
        }

        int hash = string.GetHashCode(name);
        for (int at = _buckets[hash & (_buckets.Length - 1)]; at >= 0; at = _entries[at].Next)
        {
            if (_entries[at].Hash == hash && name.SequenceEqual(Names[at]))
            {
                return _last = at;
            }
        }

        return -1;
    }

    /// <summary>Adds a name that is unknown.</summary>
    public int Add(ReadOnlySpan<char> name)
    {
        if (Names.Count == _buckets.Length)
        {
            _buckets = NewBuckets(2 * _buckets.Length);
            for (int i = 0; i < _entries.Count; i++)
            {
                ref int head = ref _buckets[_entries[i].Hash & (_buckets.Length - 1)];
                _entries[i] = (_entries[i].Hash, head);
                head = i;
            }
        }

        int hash = string.GetHashCode(name);
        ref int bucket = ref _buckets[hash & (_buckets.Length - 1)];
        _entries.Add((hash, bucket));
        bucket = _last = Names.Count;
        Names.Add(name.ToString());
        return _last;
    }

    /// <summary>The numbers of the names in an order that does not depend on that in which they came: that of <see cref="LabelOrder"/>.</summary>
    public int[] Sort()
    {
        int[] order = [.. Enumerable.Range(0, Names.Count)];
        IComparer<string> comparer = LabelOrder.For(Names);
        Array.Sort(order, (a, b) => comparer.Compare(Names[a], Names[b]));
        return order;
    }

    private static int[] NewBuckets(int count)
    {
        int[] buckets = new int[count];
        Array.Fill(buckets, -1);
        return buckets;
    }
}
