namespace OrthoNative.Interop.Generator;

/// <summary>The header does not parse, or declares something for which the generator has no C# counterpart.</summary>
internal sealed class UnmappedException(string message) : Exception(message);
