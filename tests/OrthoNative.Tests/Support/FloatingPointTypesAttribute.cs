namespace OrthoNative.Tests;

/// <summary>The element types that models compute in, one after the other.</summary>
[AttributeUsage(AttributeTargets.Parameter)]
internal sealed class FloatingPointTypesAttribute() : ValuesAttribute(DType.Float32, DType.Float64)
{
    /// <summary>The same, for loops.</summary>
    public static IReadOnlyList<DType> All { get; } = [DType.Float32, DType.Float64];
}
