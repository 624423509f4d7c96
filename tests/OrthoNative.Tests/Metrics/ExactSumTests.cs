using System.Numerics;

namespace OrthoNative.Tests.Metrics;

internal sealed class ExactSumTests
{
    /// <summary>Every double is a whole number of these: 2^-1074.</summary>
    private static BigInteger Units(double value)
    {
        long bits = BitConverter.DoubleToInt64Bits(value);
        int exponent = (int)(bits >> 52) & 0x7FF;
        long mantissa = bits & ((1L << 52) - 1);
        BigInteger units = exponent == 0 ? mantissa : new BigInteger(mantissa | (1L << 52)) << (exponent - 1);
        return value < 0 ? -units : units;
    }

    /// <summary>Rounds to the nearest double, half to even, by comparing with neighbours.</summary>
    private static double Nearest(BigInteger units)
    {
        // Truncated to 53 bits: the nearest is this one or the next one away from 0.
        BigInteger size = BigInteger.Abs(units);
        int excess = int.Max((int)size.GetBitLength() - 53, 0);
        double below = Math.ScaleB((double)(long)(size >> excess), excess - 1074);
        double above = Math.BitIncrement(below);
        if (excess > 0)
        {
            BigInteger toBelow = size - Units(below);
            BigInteger toAbove = Units(above) - size;
            bool even = (BitConverter.DoubleToInt64Bits(below) & 1) == 0;
            below = toBelow < toAbove || (toBelow == toAbove && even) ? below : above;
        }

        return units.Sign < 0 ? -below : below;
    }

    [Test]
    public void A_sum_is_the_exact_one_rounded_once([Values(1, 2, 3, 10, 1000)] int count, [Values(0, 1, 2, 60, 1022)] int exponents)
    {
        var random = new Random((count * 10_000) + exponents);
        for (int repetition = 0; repetition < 50; repetition++)
        {
            var sum = new ExactSum();
            BigInteger exact = 0;
            for (int i = 0; i < count; i++)
            {
                double value = ((2 * random.NextDouble()) - 1) * Math.ScaleB(1, random.Next(-exponents - 1, int.Min(exponents, 1010) + 1));
                sum.Add(value);
                exact += Units(value);
            }

            Assert.That(sum.Value, Is.EqualTo(Nearest(exact)));
            Assert.That(sum.Value, Is.EqualTo(Nearest(exact)), "read again");
        }
    }

    [Test]
    public void What_cancels_leaves_nothing_behind()
    {
        var sum = new ExactSum();
        foreach (double value in (double[])[1e300, 1, -1e300, 1e-300, -1, double.Epsilon, -1e-300])
        {
            sum.Add(value);
        }

        Assert.That(sum.Value, Is.EqualTo(double.Epsilon));
        sum.Add(-2 * double.Epsilon);
        Assert.That(sum.Value, Is.EqualTo(-double.Epsilon));
        sum.Reset();
        Assert.That(sum.Value, Is.Zero);
    }

    [Test]
    public void Halves_are_rounded_to_even()
    {
        // 2^53 + 1 lies between two doubles; a little more decides.
        Assert.That(Sum(9007199254740992, 1), Is.EqualTo(9007199254740992));
        Assert.That(Sum(9007199254740994, 1), Is.EqualTo(9007199254740996));
        Assert.That(Sum(9007199254740992, 1, 1e-300), Is.EqualTo(9007199254740994));
        Assert.That(Sum(-9007199254740992, -1, -double.Epsilon), Is.EqualTo(-9007199254740994));
    }

    [Test]
    public void Overflow_and_infinite_numbers_are_those_of_doubles()
    {
        Assert.That(Sum(double.MaxValue, double.MaxValue), Is.EqualTo(double.PositiveInfinity));
        Assert.That(Sum(double.MaxValue, double.MaxValue, -double.MaxValue), Is.EqualTo(double.MaxValue));
        Assert.That(Sum(1, double.NegativeInfinity), Is.EqualTo(double.NegativeInfinity));
        Assert.That(Sum(double.NegativeInfinity, double.PositiveInfinity), Is.NaN);
        Assert.That(Sum(1, double.NaN), Is.NaN);
    }

    private static double Sum(params double[] values)
    {
        var sum = new ExactSum();
        Array.ForEach(values, sum.Add);
        return sum.Value;
    }
}
