using CppSharp.AST;

namespace OrthoNative.Interop.Generator;

/// <summary>C# names of C types. All of them are blittable.</summary>
internal static class TypeNames
{
    private static readonly Dictionary<string, string> s_fixedWidth = new()
    {
        ["int8_t"] = "sbyte",
        ["uint8_t"] = "byte",
        ["int16_t"] = "short",
        ["uint16_t"] = "ushort",
        ["int32_t"] = "int",
        ["uint32_t"] = "uint",
        ["int64_t"] = "long",
        ["uint64_t"] = "ulong",
    };

    /// <param name="type">Type of a parameter, a result or a field.</param>
    /// <param name="where">The place that has the type, for the error.</param>
    /// <exception cref="UnmappedException">The type has no counterpart.</exception>
    public static string Of(CppSharp.AST.Type type, string where) => type switch
    {
        TypedefType typedef when s_fixedWidth.TryGetValue(typedef.Declaration.Name, out string? name) => name,
        TypedefType typedef => Of(typedef.Declaration.Type, where),
        TagType { Declaration: Class or Enumeration } tag => tag.Declaration.Name,
        PointerType pointer => Of(pointer.Pointee, where) + "*",
        BuiltinType builtin => Of(builtin.Type, where),
        _ => throw new UnmappedException($"{where} has the type {type}, which has no C# counterpart."),
    };

    /// <exception cref="UnmappedException">The size of the type differs between platforms, or it has no counterpart.</exception>
    public static string Of(PrimitiveType type, string where) => type switch
    {
        PrimitiveType.Void => "void",
        // A pointer to text is a pointer to UTF-8 bytes.
        PrimitiveType.Char => "byte",
        PrimitiveType.Int => "int",
        PrimitiveType.UInt => "uint",
        PrimitiveType.Float => "float",
        PrimitiveType.Double => "double",
        _ => throw new UnmappedException($"{where} has the type {type}; it must be a type of stdint.h, float, double, char or void."),
    };
}
