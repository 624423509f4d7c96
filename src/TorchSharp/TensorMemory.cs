using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using static TorchSharp.torch;
using TorchTensor = TorchSharp.torch.Tensor;

namespace OrthoNative.TorchSharp;

/// <summary>Where the elements of a torch tensor lie.</summary>
internal static unsafe class TensorMemory
{
    /// <summary>Address of the first element of a contiguous CPU tensor; null for null. Valid while the tensor is alive.</summary>
    public static void* Address(TorchTensor? tensor)
    {
        if (tensor is null)
        {
            return null;
        }

        // A span over the whole would refuse more than 2 GiB.
        using TorchTensor flat = tensor.view(-1);
        using TorchTensor first = flat.narrow(0, 0, 1);
        return Unsafe.AsPointer(ref MemoryMarshal.GetReference(first.bytes));
    }

    /// <summary>A shape as messages have it: [2, 3].</summary>
    public static string FormatShape(long[] shape) => $"[{string.Join(", ", shape)}]";

    /// <summary>The element type as the library calls it.</summary>
    /// <exception cref="ArgumentException">It is neither float32 nor float64.</exception>
    public static DType DTypeOf(TorchTensor tensor, string name) => tensor.dtype switch
    {
        ScalarType.Float32 => DType.Float32,
        ScalarType.Float64 => DType.Float64,
        _ => throw new ArgumentException($"{name} has the element type {tensor.dtype}; it must be Float32 or Float64.", name),
    };
}
