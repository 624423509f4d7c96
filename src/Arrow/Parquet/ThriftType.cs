namespace OrthoNative.Arrow;

/// <summary>Type of a value in the compact protocol of Thrift.</summary>
/// <param name="Code">Its number in the protocol; that of true for logical values.</param>
/// <param name="Element">Type of the elements of a list.</param>
/// <param name="Fields">Types of the fields of a structure by their numbers.</param>
internal sealed record ThriftType(byte Code, ThriftType? Element = null, Dictionary<int, ThriftType>? Fields = null)
{
    public const byte TrueCode = 1;
    public const byte FalseCode = 2;
    public const byte ByteCode = 3;
    public const byte Int16Code = 4;
    public const byte Int32Code = 5;
    public const byte Int64Code = 6;
    public const byte DoubleCode = 7;
    public const byte BinaryCode = 8;
    public const byte ListCode = 9;
    public const byte SetCode = 10;
    public const byte MapCode = 11;
    public const byte StructCode = 12;

    public static ThriftType Logical { get; } = new(TrueCode);

    public static ThriftType Byte { get; } = new(ByteCode);

    public static ThriftType Int32 { get; } = new(Int32Code);

    public static ThriftType Int64 { get; } = new(Int64Code);

    public static ThriftType Binary { get; } = new(BinaryCode);

    public static ThriftType List(ThriftType element) => new(ListCode, element);

    public static ThriftType Struct(params (int Number, ThriftType Type)[] fields) =>
        new(StructCode, null, fields.ToDictionary(field => field.Number, field => field.Type));
}
