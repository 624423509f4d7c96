using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace OrthoNative.Arrow;

/// <summary>A structure of the compact protocol of Thrift: numbers are <see cref="long"/>, texts are bytes.</summary>
internal sealed class ThriftStruct
{
    public SortedDictionary<int, object> Fields { get; } = [];

    public long? Number(int field) => Fields.TryGetValue(field, out object? value) ? (long)value : null;

    public ThriftStruct? Struct(int field) => Fields.TryGetValue(field, out object? value) ? (ThriftStruct)value : null;

    public List<object>? List(int field) => Fields.TryGetValue(field, out object? value) ? (List<object>)value : null;

    public bool? Logical(int field) => Fields.TryGetValue(field, out object? value) ? (bool)value : null;

    public string? Text(int field) => Fields.TryGetValue(field, out object? value) ? Encoding.UTF8.GetString((byte[])value) : null;

    /// <summary>Writes the structure.</summary>
    public void Write(Stream stream, ThriftType type)
    {
        int last = 0;
        foreach ((int number, object value) in Fields)
        {
            ThriftType field = type.Fields![number];
            byte code = value is false ? ThriftType.FalseCode : field.Code;
            if (number - last is > 0 and < 16)
            {
                stream.WriteByte((byte)(((number - last) << 4) | code));
            }
            else
            {
                stream.WriteByte(code);
                WriteNumber(stream, number);
            }

            last = number;
            if (value is not bool)
            {
                WriteValue(stream, field, value);
            }
        }

        stream.WriteByte(0);
    }

    [SuppressMessage("Performance", "CA1859:Use concrete types when possible for improved performance", Justification = "A value may be of any of these types.")]
    private static void WriteValue(Stream stream, ThriftType type, object value)
    {
        switch (value)
        {
            case long number when type.Code == ThriftType.ByteCode:
                stream.WriteByte((byte)number);
                break;
            case long number:
                WriteNumber(stream, number);
                break;
            case byte[] bytes:
                WriteUnsigned(stream, (ulong)bytes.Length);
                stream.Write(bytes);
                break;
            case List<object> list:
                stream.WriteByte((byte)((Math.Min(list.Count, 15) << 4) | type.Element!.Code));
                if (list.Count >= 15)
                {
                    WriteUnsigned(stream, (ulong)list.Count);
                }

                foreach (object item in list)
                {
                    WriteValue(stream, type.Element, item);
                }

                break;
            case ThriftStruct structure:
                structure.Write(stream, type);
                break;
        }
    }

    private static void WriteNumber(Stream stream, long number) => WriteUnsigned(stream, (ulong)((number << 1) ^ (number >> 63)));

    private static void WriteUnsigned(Stream stream, ulong number)
    {
        for (; number >= 128; number >>= 7)
        {
            stream.WriteByte((byte)(number | 128));
        }

        stream.WriteByte((byte)number);
    }
}
