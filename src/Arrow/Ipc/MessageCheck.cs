using System.Buffers.Binary;

namespace OrthoNative.Arrow;

/// <summary>
/// Checks the description of an Arrow message, a FlatBuffer, before its reader sees it: Apache.Arrow follows offsets as they are, in circles if they form some, and allocates by lengths.
/// </summary>
/// <param name="bytes">The description.</param>
internal ref struct MessageCheck(ReadOnlySpan<byte> bytes)
{
    private const int MaximumDepth = 32;
    private const int MaximumTables = 1 << 17;
    private const byte Schema = 1, DictionaryBatch = 2, RecordBatch = 3;
    private const byte TimestampType = 10, UnionType = 14;

    private readonly ReadOnlySpan<byte> _bytes = bytes;
    private int _tables;

    /// <summary>Checks a message.</summary>
    /// <returns>Length of its body.</returns>
    /// <exception cref="InvalidDataException">It is damaged.</exception>
    public long Run()
    {
        Table message = TableAt(Follow(0));
        byte kind = Inline(message, 1, 1) is var at && at != 0 ? _bytes[at] : (byte)0;
        int header = Inline(message, 2, 4);
        Vector(message, 4, 4, KeyValue);
        if (header == 0)
        {
            throw Damaged();
        }

        Table table = TableAt(Follow(header));
        switch (kind)
        {
            case Schema:
                Inline(table, 0, 2);
                Vector(table, 1, 4, Field, 0);
                Vector(table, 2, 4, KeyValue);
                Vector(table, 3, 8);
                break;
            case DictionaryBatch:
                Inline(table, 0, 8);
                Inline(table, 2, 1);
                Batch(TableAt(Follow(Required(Inline(table, 1, 4)))));
                break;
            case RecordBatch:
                Batch(table);
                break;
            default:
                throw Damaged();
        }

        at = Inline(message, 3, 8);
        return at == 0 ? 0 : BinaryPrimitives.ReadInt64LittleEndian(_bytes[at..]);
    }

    private delegate void Item(ref MessageCheck check, int at, int depth);

    private static InvalidDataException Damaged() => new("the description of a message is damaged");

    private static int Required(int at) => at != 0 ? at : throw Damaged();

    private static void KeyValue(ref MessageCheck check, int at, int depth)
    {
        Table table = check.TableAt(at);
        check.Text(table, 0);
        check.Text(table, 1);
    }

    private static void Field(ref MessageCheck check, int at, int depth)
    {
        if (depth > MaximumDepth)
        {
            throw Damaged();
        }

        Table table = check.TableAt(at);
        check.Text(table, 0);
        check.Inline(table, 1, 1);
        int kind = check.Inline(table, 2, 1);
        if (check.Inline(table, 3, 4) is var typeAt && typeAt != 0)
        {
            Table type = check.TableAt(check.Follow(typeAt));
            switch (kind == 0 ? 0 : check._bytes[kind])
            {
                case TimestampType:
                    check.Text(type, 1);
                    break;
                case UnionType:
                    check.Vector(type, 1, 4);
                    break;
            }

            // Numbers of types have up to 4 bytes.
            for (int i = 0; i < 4; i++)
            {
                check.Inline(type, i, 1);
            }
        }

        if (check.Inline(table, 4, 4) is var dictionaryAt && dictionaryAt != 0)
        {
            Table dictionary = check.TableAt(check.Follow(dictionaryAt));
            check.Inline(dictionary, 0, 8);
            check.Inline(dictionary, 2, 1);
            if (check.Inline(dictionary, 1, 4) is var indexAt && indexAt != 0)
            {
                Table index = check.TableAt(check.Follow(indexAt));
                check.Inline(index, 0, 4);
                check.Inline(index, 1, 1);
            }
        }

        check.Vector(table, 5, 4, Field, depth + 1);
        check.Vector(table, 6, 4, KeyValue);
    }

    private void Batch(Table table)
    {
        Inline(table, 0, 8);
        Vector(table, 1, 16);
        (_, int buffers) = Vector(table, 2, 16);
        if (Inline(table, 3, 4) is var at && at != 0)
        {
            Table compression = TableAt(Follow(at));
            Inline(compression, 0, 1);
            Inline(compression, 1, 1);
        }

        (int start, int count) = Vector(table, 4, 8);
        for (int i = 0; i < count; i++)
        {
            if (BinaryPrimitives.ReadInt64LittleEndian(_bytes[(start + (8 * i))..]) is var number && (number < 0 || number > buffers))
            {
                throw Damaged();
            }
        }
    }

    /// <summary>Where an offset leads: forward, within the bytes.</summary>
    private readonly int Follow(int at)
    {
        if (at > _bytes.Length - sizeof(uint))
        {
            throw Damaged();
        }

        long target = at + (long)BinaryPrimitives.ReadUInt32LittleEndian(_bytes[at..]);
        return target <= _bytes.Length - sizeof(uint) ? (int)target : throw Damaged();
    }

    private Table TableAt(int at)
    {
        if (++_tables > MaximumTables)
        {
            throw Damaged();
        }

        long fields = at - (long)BinaryPrimitives.ReadInt32LittleEndian(_bytes[at..]);
        if (fields < 0 || fields > _bytes.Length - 4)
        {
            throw Damaged();
        }

        int start = (int)fields;
        int length = BinaryPrimitives.ReadUInt16LittleEndian(_bytes[start..]), size = BinaryPrimitives.ReadUInt16LittleEndian(_bytes[(start + 2)..]);
        return length >= 4 && length <= _bytes.Length - start && size >= 4 && size <= _bytes.Length - at ? new Table(at, size, start, length) : throw Damaged();
    }

    /// <summary>Place of a field; 0: it is absent.</summary>
    private readonly int Inline(Table table, int number, int bytes)
    {
        int entry = 4 + (2 * number);
        int offset = entry + 2 <= table.FieldsLength ? BinaryPrimitives.ReadUInt16LittleEndian(_bytes[(table.Fields + entry)..]) : 0;
        return offset == 0 ? 0 : offset >= 4 && offset + bytes <= table.Size ? table.At + offset : throw Damaged();
    }

    private readonly void Text(Table table, int number)
    {
        if (Inline(table, number, 4) is var at && at != 0)
        {
            Elements(Follow(at), 1);
        }
    }

    private (int Start, int Count) Vector(Table table, int number, int bytes, Item? item = null, int depth = 0)
    {
        int at = Inline(table, number, 4);
        if (at == 0)
        {
            return (0, 0);
        }

        (int start, int count) = Elements(Follow(at), bytes);
        for (int i = 0; item is not null && i < count; i++)
        {
            item(ref this, Follow(start + (bytes * i)), depth);
        }

        return (start, count);
    }

    private readonly (int Start, int Count) Elements(int at, int bytes)
    {
        uint count = BinaryPrimitives.ReadUInt32LittleEndian(_bytes[at..]);
        return count <= (_bytes.Length - at - sizeof(uint)) / bytes ? (at + sizeof(uint), (int)count) : throw Damaged();
    }

    /// <summary>A table: where it is, its size, and where the places of its fields are.</summary>
    private readonly record struct Table(int At, int Size, int Fields, int FieldsLength);
}
