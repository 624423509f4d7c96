using System.Globalization;
using System.Numerics;
using System.Runtime.CompilerServices;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>A tensor that is saved.</summary>
/// <param name="Name">Its name in the file.</param>
/// <param name="Tensor">The tensor.</param>
/// <param name="Type">The element type in the file; null: that of the tensor's whole numbers.</param>
internal readonly record struct StoredTensor(string Name, Tensor Tensor, StorageType? Type)
{
    /// <summary>Bytes of an element in the file.</summary>
    public long ElementBytes => Type?.Bytes() ?? Tensor.DType.Bytes();

    /// <summary>Bytes in the file.</summary>
    public long Bytes => Tensor.Count * ElementBytes;

    private bool IsConverted => Type is { } type && type != StoredNumbers.StorageOf(Tensor.DType);

    /// <summary>Some of the bytes of the file.</summary>
    /// <param name="position">The first one; a whole number of elements from the tensor's beginning.</param>
    /// <param name="destination">A whole number of elements.</param>
    public void Read(long position, Span<byte> destination)
    {
        if (!IsConverted)
        {
            Tensor.Download(position, destination);
        }
        else if (Tensor.DType == DType.Float32)
        {
            Convert<float>(position / ElementBytes, destination);
        }
        else
        {
            Convert<double>(position / ElementBytes, destination);
        }
    }

    /// <summary>Refuses finite numbers that the element type cannot hold.</summary>
    /// <param name="option">The caller's name of the option that chose the type.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="ArgumentException">There is one.</exception>
    public void RequireFits(string option, CancellationToken cancellationToken)
    {
        if (!IsConverted || Type!.Value.Largest() >= StoredNumbers.StorageOf(Tensor.DType)!.Value.Largest())
        {
            return;
        }

        if (Tensor.DType == DType.Float32)
        {
            RequireFits<float>(option, cancellationToken);
        }
        else
        {
            RequireFits<double>(option, cancellationToken);
        }
    }

    private int Convert<T>(long start, Span<byte> destination) where T : unmanaged, IFloatingPointIeee754<T>
    {
        var values = new T[destination.Length / ElementBytes];
        Tensor.Download<T>(start, values);
        return StoredNumbers.Encode<T>(values, Type!.Value, destination);
    }

    private void RequireFits<T>(string option, CancellationToken cancellationToken) where T : unmanaged, IFloatingPointIeee754<T>
    {
        long count = SafeTensors.ChunkBytes / Unsafe.SizeOf<T>();
        byte[] chunk = new byte[long.Min(count, Tensor.Count) * ElementBytes];
        for (long start = 0; start < Tensor.Count; start += count)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Span<byte> part = chunk.AsSpan(0, (int)(long.Min(count, Tensor.Count - start) * ElementBytes));
            int beyond = Convert<T>(start, part);
            if (beyond >= 0)
            {
                var value = new T[1];
                Tensor.Download<T>(start + beyond, value);
                throw new ArgumentException(
                    string.Create(CultureInfo.InvariantCulture, $"{option} is {Type}, which cannot hold element {start + beyond} of '{ForeignText.Clean(Name)}', {value[0]}; ") +
                    string.Create(CultureInfo.InvariantCulture, $"its largest number is {Type!.Value.Largest()}."),
                    Check.Parameter(option));
            }
        }
    }
}
