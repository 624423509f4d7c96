namespace OrthoNative;

/// <summary>A sum of doubles without rounding: the order of what is added does not matter. It is rounded once, when it is read.</summary>
/// <remarks>
/// A fixed-point number with a digit of 32 bits for each 32 powers of two that a double can have, as in Neal, "Fast exact summation using small and large
/// superaccumulators", 2015. Digits are kept in 64 bits, so that carries can wait.
/// </remarks>
internal sealed class ExactSum
{
    /// <summary>The lowest bit of digit 0 is worth 2^-1075.</summary>
    private const int Bias = 1075;

    /// <summary>Each addition changes a digit by less than 2^32.</summary>
    private const int AdditionsBetweenCarries = 1 << 30;

    /// <summary>The largest double reaches digit 65; two more take carries.</summary>
    private const int DigitCount = 68;

    private readonly long[] _digits = new long[DigitCount];
    private int _additions;
    private double _notFinite;

    /// <summary>The sum, rounded to the nearest double; infinite or NaN where that is what was added.</summary>
    public double Value
    {
        get
        {
            if (_notFinite != 0)
            {
                return _notFinite;
            }

            Carry(_digits);
            _additions = 0;
            Span<long> digits = stackalloc long[DigitCount];
            _digits.CopyTo(digits);
            bool negative = digits[^1] < 0;
            if (negative)
            {
                for (int i = 0; i < digits.Length; i++)
                {
                    digits[i] = -digits[i];
                }

                Carry(digits);
            }

            double value = Round(digits);
            return negative ? -value : value;
        }
    }

    /// <summary>Adds a number.</summary>
    public void Add(double value)
    {
        long bits = BitConverter.DoubleToInt64Bits(value);
        int exponent = (int)(bits >> 52) & 0x7FF;
        if (exponent == 0x7FF)
        {
            _notFinite += value;
            return;
        }

        ulong mantissa = (ulong)bits & ((1UL << 52) - 1);
        if (exponent == 0)
        {
            exponent = 1;
        }
        else
        {
            mantissa |= 1UL << 52;
        }

        // |value| is mantissa · 2^(exponent - 1075): up to 53 bits from bit `shift` of a digit on, in three digits at most.
        int digit = exponent >> 5;
        int shift = exponent & 31;
        ulong high = mantissa >> (32 - shift);
        long sign = bits >> 63;
        _digits[digit] += ((uint)(mantissa << shift) ^ sign) - sign;
        _digits[digit + 1] += ((uint)high ^ sign) - sign;
        _digits[digit + 2] += ((long)(high >> 32) ^ sign) - sign;
        if (++_additions == AdditionsBetweenCarries)
        {
            Carry(_digits);
            _additions = 0;
        }
    }

    /// <summary>Sets the sum to 0.</summary>
    public void Reset()
    {
        Array.Clear(_digits);
        _additions = 0;
        _notFinite = 0;
    }

    /// <summary>Brings all digits but the last to 0 to 2^32 - 1.</summary>
    private static void Carry(Span<long> digits)
    {
        for (int i = 0; i < digits.Length - 1; i++)
        {
            digits[i + 1] += digits[i] >> 32;
            digits[i] &= uint.MaxValue;
        }
    }

    private static double Round(ReadOnlySpan<long> digits)
    {
        int highest = digits.LastIndexOfAnyExcept(0);
        if (highest < 0)
        {
            return 0;
        }

        // The three highest digits have 65 bits at least. 62 of them, of which the last stands for all lower ones, too, round as the whole does.
        UInt128 head = 0;
        for (int i = highest; i > highest - 3; i--)
        {
            head = (head << 32) | (i < 0 ? 0 : (ulong)digits[i]);
        }

        int dropped = 128 - (int)UInt128.LeadingZeroCount(head) - 62;
        bool rest = (head & ((UInt128.One << dropped) - 1)) != 0 || (highest > 2 && digits[..(highest - 2)].ContainsAnyExcept(0));
        ulong rounded = (ulong)(head >> dropped) | (rest ? 1UL : 0);
        return Math.ScaleB((long)rounded, (32 * (highest - 2)) - Bias + dropped);
    }
}
