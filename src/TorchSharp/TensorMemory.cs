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

    /// <summary>A new torch tensor with the elements of a tensor, of its element type, on the CPU.</summary>
    public static TorchTensor Copy(OrthoNative.Tensor source)
    {
        bool isSingle = source.DType == OrthoNative.DType.Float32;
        TorchTensor copy = empty(source.Shape, dtype: isSingle ? ScalarType.Float32 : ScalarType.Float64);
        if (isSingle)
        {
            Copy<float>(source, copy, isTarget: false);
        }
        else
        {
            Copy<double>(source, copy, isTarget: false);
        }

        return copy;
    }

    /// <summary>Writes the elements of a torch tensor of the same shape into a tensor, converted to its element type.</summary>
    public static void CopyTo(TorchTensor source, OrthoNative.Tensor target)
    {
        bool isSingle = target.DType == OrthoNative.DType.Float32;
        using TorchTensor detached = source.detach();
        using TorchTensor converted = detached.to(isSingle ? ScalarType.Float32 : ScalarType.Float64, CPU);
        using TorchTensor values = converted.contiguous();
        if (isSingle)
        {
            Copy<float>(target, values, isTarget: true);
        }
        else
        {
            Copy<double>(target, values, isTarget: true);
        }
    }

    /// <summary>Copies between a tensor and a contiguous torch tensor of the same elements.</summary>
    private static void Copy<T>(OrthoNative.Tensor tensor, TorchTensor torchTensor, bool isTarget) where T : unmanaged
    {
        // In pieces: a span is shorter than a tensor may be.
        const int Piece = 1 << 20;
        T* values = (T*)Address(torchTensor);
        for (long start = 0; start < tensor.Count; start += Piece)
        {
            var piece = new Span<T>(values + start, (int)Math.Min(Piece, tensor.Count - start));
            if (isTarget)
            {
                tensor.CopyFrom<T>(start, piece);
            }
            else
            {
                tensor.CopyTo(start, piece);
            }
        }
    }

    /// <summary>A shape as messages have it: [2, 3].</summary>
    public static string FormatShape(long[] shape) => $"[{string.Join(", ", shape)}]";

    /// <summary>The element type of a layer's weights as torch calls it.</summary>
    public static ScalarType DTypeOf(Layer layer) =>
        layer.Parameters is [{ Value.DType: OrthoNative.DType.Float64 }, ..] ? ScalarType.Float64 : ScalarType.Float32;

    /// <summary>The element type as the library calls it.</summary>
    /// <exception cref="ArgumentException">It is neither float32 nor float64.</exception>
    public static DType DTypeOf(TorchTensor tensor, string name) => tensor.dtype switch
    {
        ScalarType.Float32 => DType.Float32,
        ScalarType.Float64 => DType.Float64,
        _ => throw new ArgumentException($"{name} has the element type {tensor.dtype}; it must be Float32 or Float64.", name),
    };
}
