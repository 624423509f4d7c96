namespace OrthoNative;

/// <summary>A tensor in a safetensors file.</summary>
/// <param name="Name">Its name.</param>
/// <param name="ElementType">Its element type as the file has it: F32, BF16, I64, ...</param>
/// <param name="Shape">Its sizes; none for a scalar.</param>
/// <param name="IsLoadable">
/// Tells whether <see cref="SafeTensors.Load(string, Device, IEnumerable{string}, IProgress{double}, CancellationToken)"/> can load it: its elements are F32, F64, F16, BF16 or
/// I32 (which lie on CPU devices only), there is at least one of them, and it has at most 8 dimensions.
/// </param>
public sealed record SafeTensorsEntry(string Name, string ElementType, IReadOnlyList<long> Shape, bool IsLoadable);
