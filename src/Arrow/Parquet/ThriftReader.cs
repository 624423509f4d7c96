namespace OrthoNative.Arrow;

/// <summary>
/// Reads a structure of the compact protocol of Thrift whose fields are known. Never reads beyond the bytes, and keeps no more than they have.
/// </summary>
/// <param name="bytes">The bytes.</param>
/// <param name="isStrict">True: fields that are not known are refused; false: they are left out.</param>
internal ref struct ThriftReader(ReadOnlySpan<byte> bytes, bool isStrict)
{
    private const int MaximumDepth = 32;

    private readonly ReadOnlySpan<byte> _bytes = bytes;
    private readonly bool _isStrict = isStrict;

    /// <summary>Bytes that were read.</summary>
    public int At { get; private set; }

    /// <summary>Reads a structure.</summary>
    /// <exception cref="InvalidDataException">It is damaged.</exception>
    public ThriftStruct ReadStruct(ThriftType type) => ReadStruct(type, 0);

    private static InvalidDataException Damaged(string problem) => new(problem);

    private ThriftStruct ReadStruct(ThriftType? type, int depth)
    {
        var result = new ThriftStruct();
        int last = 0;
        while (true)
        {
            byte header = ReadByte();
            byte code = (byte)(header & 15);
            if (header == 0)
            {
                return result;
            }

            int number = header >> 4 is var delta && delta != 0 ? last + delta : (int)Math.Clamp(ReadNumber(), int.MinValue, int.MaxValue);
            last = number;
            if (type?.Fields?.TryGetValue(number, out ThriftType? field) != true)
            {
                if (_isStrict)
                {
                    throw Damaged($"there is an unknown field {number}");
                }

                Skip(code, depth + 1, isField: true);
                continue;
            }

            if (code != field!.Code && !(field.Code == ThriftType.TrueCode && code == ThriftType.FalseCode))
            {
                throw Damaged($"field {number} of a structure has type {code}");
            }

            object value = field.Code == ThriftType.TrueCode ? code == ThriftType.TrueCode : ReadValue(field, depth + 1);
            if (!result.Fields.TryAdd(number, value))
            {
                throw Damaged($"field {number} of a structure is there twice");
            }
        }
    }

    private object ReadValue(ThriftType type, int depth)
    {
        if (depth > MaximumDepth)
        {
            throw Damaged("structures are nested too deeply");
        }

        switch (type.Code)
        {
            case ThriftType.ByteCode:
                return (long)(sbyte)ReadByte();
            case ThriftType.Int32Code or ThriftType.Int64Code:
                long number = ReadNumber();
                return type.Code == ThriftType.Int64Code || number == (int)number ? number : throw Damaged("a number has more than 32 bits");
            case ThriftType.BinaryCode:
                int length = ReadLength();
                byte[] binary = _bytes.Slice(At, length).ToArray();
                At += length;
                return binary;
            case ThriftType.ListCode:
                (int count, byte element) = ReadListHeader();
                if (element != type.Element!.Code && count > 0)
                {
                    throw Damaged($"a list has elements of type {element}");
                }

                List<object> list = [];
                for (int i = 0; i < count; i++)
                {
                    list.Add(ReadValue(type.Element, depth + 1));
                }

                return list;
            default:
                return ReadStruct(type, depth);
        }
    }

    private void Skip(byte code, int depth, bool isField)
    {
        if (depth > MaximumDepth)
        {
            throw Damaged("structures are nested too deeply");
        }

        switch (code)
        {
            case ThriftType.TrueCode or ThriftType.FalseCode:
                At += isField ? 0 : 1;
                break;
            case ThriftType.ByteCode:
                ReadByte();
                break;
            case ThriftType.Int16Code or ThriftType.Int32Code or ThriftType.Int64Code:
                ReadNumber();
                break;
            case ThriftType.DoubleCode:
                At += sizeof(double);
                break;
            case ThriftType.BinaryCode:
                int length = ReadLength();
                At += length;
                break;
            case ThriftType.ListCode or ThriftType.SetCode:
                (int count, byte element) = ReadListHeader();
                for (int i = 0; i < count; i++)
                {
                    Skip(element, depth + 1, isField: false);
                }

                break;
            case ThriftType.StructCode:
                ReadStruct(null, depth);
                break;
            default:
                throw Damaged($"a value has type {code}");
        }

        if (At > _bytes.Length)
        {
            throw Damaged("it ends too early");
        }
    }

    private (int Count, byte Element) ReadListHeader()
    {
        byte header = ReadByte();
        ulong count = (ulong)(header >> 4);
        if (count == 15)
        {
            count = ReadUnsigned();
        }

        // An element takes a byte at least.
        return count <= (ulong)(_bytes.Length - At) ? ((int)count, (byte)(header & 15)) : throw Damaged($"a list has {count} elements");
    }

    private int ReadLength()
    {
        ulong length = ReadUnsigned();
        return length <= (ulong)(_bytes.Length - At) ? (int)length : throw Damaged($"a text has {length} bytes");
    }

    private byte ReadByte() => At < _bytes.Length ? _bytes[At++] : throw Damaged("it ends too early");

    private long ReadNumber()
    {
        ulong number = ReadUnsigned();
        return (long)(number >> 1) ^ -(long)(number & 1);
    }

    private ulong ReadUnsigned()
    {
        ulong number = 0;
        for (int shift = 0; shift < 64; shift += 7)
        {
            byte next = ReadByte();
            number |= (ulong)(next & 127) << shift;
            if (next < 128)
            {
                return number;
            }
        }

        throw Damaged("a number has more than 64 bits");
    }
}
