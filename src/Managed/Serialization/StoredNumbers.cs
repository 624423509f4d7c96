using System.Numerics;
using System.Runtime.InteropServices;

namespace OrthoNative;

/// <summary>Numbers as a file has them, little-endian, and as tensors do. What has to be rounded is rounded to the nearest, ties to even, and once.</summary>
internal static class StoredNumbers
{
    /// <summary>Bytes of a number.</summary>
    public static int Bytes(this StorageType type) => type switch
    {
        StorageType.Float64 => sizeof(double),
        StorageType.Float32 => sizeof(float),
        _ => sizeof(ushort),
    };

    /// <summary>The type's name in the format.</summary>
    public static string FormatName(this StorageType type) => type switch
    {
        StorageType.Float64 => "F64",
        StorageType.Float32 => "F32",
        StorageType.Float16 => "F16",
        _ => "BF16",
    };

    /// <summary>The largest finite number of a type.</summary>
    public static double Largest(this StorageType type) => type switch
    {
        StorageType.Float64 => double.MaxValue,
        StorageType.Float32 => float.MaxValue,
        StorageType.Float16 => (double)Half.MaxValue,
        _ => BitConverter.UInt32BitsToSingle(0x7F7F0000),
    };

    /// <summary>The type that holds a tensor's numbers as they are; null: they are whole numbers.</summary>
    public static StorageType? StorageOf(DType dtype) => dtype switch
    {
        DType.Float32 => StorageType.Float32,
        DType.Float64 => StorageType.Float64,
        _ => null,
    };

    /// <summary>Converts numbers to a file's.</summary>
    /// <param name="values">float or double.</param>
    /// <param name="type">Their type in the file.</param>
    /// <param name="target">As many numbers of that type.</param>
    /// <returns>The index of the first finite number that became infinite, or -1.</returns>
    public static int Encode<T>(ReadOnlySpan<T> values, StorageType type, Span<byte> target) where T : unmanaged, IFloatingPointIeee754<T>
    {
        int beyond = -1;
        for (int i = values.Length - 1; i >= 0; i--)
        {
            bool isInfinite;
            switch (type)
            {
                case StorageType.Float64:
                    double whole = double.CreateTruncating(values[i]);
                    MemoryMarshal.Cast<byte, double>(target)[i] = whole;
                    isInfinite = double.IsInfinity(whole);
                    break;
                case StorageType.Float32:
                    float single = float.CreateTruncating(values[i]);
                    MemoryMarshal.Cast<byte, float>(target)[i] = single;
                    isInfinite = float.IsInfinity(single);
                    break;
                case StorageType.Float16:
                    var half = Half.CreateTruncating(values[i]);
                    MemoryMarshal.Cast<byte, Half>(target)[i] = half;
                    isInfinite = Half.IsInfinity(half);
                    break;
                default:
                    ushort bits = ToBFloat16(ToOdd(values[i]));
                    MemoryMarshal.Cast<byte, ushort>(target)[i] = bits;
                    isInfinite = (bits & 0x7FFF) == 0x7F80;
                    break;
            }

            beyond = isInfinite && T.IsFinite(values[i]) ? i : beyond;
        }

        return beyond;
    }

    /// <summary>Converts a file's numbers.</summary>
    /// <param name="source">Numbers of the file's type.</param>
    /// <param name="type">That type.</param>
    /// <param name="values">As many, float or double.</param>
    /// <returns>The index of the first finite number that became infinite, or -1.</returns>
    public static int Decode<T>(ReadOnlySpan<byte> source, StorageType type, Span<T> values) where T : unmanaged, IFloatingPointIeee754<T>
    {
        int beyond = -1;
        for (int i = values.Length - 1; i >= 0; i--)
        {
            double value = type switch
            {
                StorageType.Float64 => MemoryMarshal.Cast<byte, double>(source)[i],
                StorageType.Float32 => MemoryMarshal.Cast<byte, float>(source)[i],
                StorageType.Float16 => (double)MemoryMarshal.Cast<byte, Half>(source)[i],
                _ => BitConverter.UInt32BitsToSingle((uint)MemoryMarshal.Cast<byte, ushort>(source)[i] << 16),
            };
            values[i] = T.CreateTruncating(value);
            beyond = T.IsInfinity(values[i]) && double.IsFinite(value) ? i : beyond;
        }

        return beyond;
    }

    /// <summary>Rounds a number to 24 bits such that rounding it again, to fewer, gives what rounding once would have: the last bit tells what was cut.</summary>
    private static float ToOdd<T>(T value) where T : unmanaged, IFloatingPointIeee754<T>
    {
        float nearest = float.CreateTruncating(value);
        if (T.IsNaN(value) || T.CreateTruncating(nearest) == value)
        {
            return nearest;
        }

        uint bits = BitConverter.SingleToUInt32Bits(nearest);
        if (T.Abs(T.CreateTruncating(nearest)) > T.Abs(value))
        {
            bits--;
        }

        return BitConverter.UInt32BitsToSingle(bits | 1);
    }

    private static ushort ToBFloat16(float value)
    {
        const uint QuietBit = 0x40;
        uint bits = BitConverter.SingleToUInt32Bits(value);
        return float.IsNaN(value)
            ? (ushort)((bits >> 16) | QuietBit)
            : (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }
}
