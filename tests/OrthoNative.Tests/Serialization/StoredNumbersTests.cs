using System.Numerics;
using System.Runtime.InteropServices;

namespace OrthoNative.Tests.Serialization;

/// <summary>Numbers are rounded once, to the nearest one, ties to even.</summary>
internal sealed class StoredNumbersTests
{
    private static readonly StorageType[] s_halves = [StorageType.Float16, StorageType.BFloat16];

    [TestCaseSource(nameof(s_halves))]
    public void All_numbers_of_16_bits_come_back(StorageType type)
    {
        ushort[] all = [.. Enumerable.Range(0, 1 << 16).Select(bits => (ushort)bits)];
        AssertBack<float>();
        AssertBack<double>();

        void AssertBack<T>() where T : unmanaged, IFloatingPointIeee754<T>
        {
            var values = new T[all.Length];
            Assert.That(StoredNumbers.Decode(MemoryMarshal.AsBytes<ushort>(all), type, values), Is.EqualTo(-1));
            var back = new ushort[all.Length];
            Assert.That(StoredNumbers.Encode<T>(values, type, MemoryMarshal.AsBytes(back.AsSpan())), Is.EqualTo(-1));
            for (int i = 0; i < all.Length; i++)
            {
                if (T.IsNaN(values[i]))
                {
                    Assert.That(IsNaN(back[i]) && IsNaN(all[i]), $"{all[i]:X4} is NaN and became {back[i]:X4}");
                }
                else if (back[i] != all[i])
                {
                    Assert.Fail($"{all[i]:X4} became {back[i]:X4}");
                }
            }
        }

        bool IsNaN(ushort bits) => type == StorageType.Float16 ? (bits & 0x7FFF) > 0x7C00 : (bits & 0x7FFF) > 0x7F80;
    }

    [TestCaseSource(nameof(s_halves))]
    public void Between_two_numbers_the_nearest_is_taken_and_the_even_one_in_the_middle(StorageType type)
    {
        ushort largest = type == StorageType.Float16 ? (ushort)0x7BFF : (ushort)0x7F7F;
        for (ushort bits = 0; bits < largest; bits++)
        {
            // Both and their middle are exact in double precision; of Float16, in single precision, too.
            double lower = Value(bits), upper = Value((ushort)(bits + 1)), middle = (lower + upper) / 2;
            ushort even = (ushort)(bits + (bits & 1));
            Check(middle, even);
            Check(Math.BitDecrement(middle), bits);
            Check(Math.BitIncrement(middle), (ushort)(bits + 1));
            Check(-middle, (ushort)(even | 0x8000));
        }

        // Half way to the number that would follow the largest one.
        double last = Value(largest), step = last - Value((ushort)(largest - 1));
        Assert.That(Encode(Math.BitDecrement(last + (step / 2))), Is.EqualTo((largest, -1)));
        Assert.That(Encode(last + (step / 2)), Is.EqualTo(((ushort)(largest + 1), 0)), "it becomes infinite, and is told so");
        Assert.That(Encode(double.NegativeInfinity).Beyond, Is.EqualTo(-1));

        double Value(ushort bits)
        {
            var value = new double[1];
            StoredNumbers.Decode(MemoryMarshal.AsBytes<ushort>([bits]), type, value);
            return value[0];
        }

        void Check(double value, ushort expected)
        {
            if (Encode(value) != (expected, -1))
            {
                Assert.Fail($"{value:R} became {Encode(value).Bits:X4}; {expected:X4} is nearest");
            }

            if ((float)value == value)
            {
                var bits = new ushort[1];
                StoredNumbers.Encode<float>([(float)value], type, MemoryMarshal.AsBytes(bits.AsSpan()));
                Assert.That(bits[0], Is.EqualTo(expected), $"{value:R} of float32");
            }
        }

        (ushort Bits, int Beyond) Encode(double value)
        {
            var bits = new ushort[1];
            int beyond = StoredNumbers.Encode<double>([value], type, MemoryMarshal.AsBytes(bits.AsSpan()));
            return (bits[0], beyond);
        }
    }

    [Test]
    public void The_first_number_that_does_not_fit_is_told()
    {
        var bytes = new byte[16];
        Assert.That(StoredNumbers.Encode<double>([1, 1e300, double.PositiveInfinity, -1e300], StorageType.Float32, bytes), Is.EqualTo(1));
        Assert.That(StoredNumbers.Decode<float>(MemoryMarshal.AsBytes<double>([double.NaN, -1e39]), StorageType.Float64, new float[2]), Is.EqualTo(1));
        Assert.That(StoredNumbers.Decode<double>(MemoryMarshal.AsBytes<double>([double.NaN, -1e39]), StorageType.Float64, new double[2]), Is.EqualTo(-1));
    }
}
