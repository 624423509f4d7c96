using System.Globalization;
using OrthoNative.Cli.Output;

namespace OrthoNative.Cli.Reports.Charts;

/// <summary>Where values are on an axis, and its ticks.</summary>
internal sealed class Axis
{
    /// <summary>Below it, steps between ticks are lost.</summary>
    private const double Smallest = 1e-290;

    private readonly double _low;
    private readonly double _high;

    private Axis(double low, double high, bool isLogarithmic, IReadOnlyList<(double Value, string Label)> ticks) =>
        (_low, _high, IsLogarithmic, Ticks) = (low, high, isLogarithmic, ticks);

    /// <summary>True if equal distances are equal ratios.</summary>
    public bool IsLogarithmic { get; }

    /// <summary>Values with their labels.</summary>
    public IReadOnlyList<(double Value, string Label)> Ticks { get; }

    /// <summary>True of a number that can be drawn.</summary>
    public static bool CanShow(double value) => Math.Abs(value) <= ValueRange.Largest;

    /// <summary>Place of a value: 0 at the lower end, 1 at the upper end; NaN for what cannot be drawn.</summary>
    public double Fraction(double value) => !CanShow(value)
        ? double.NaN
        : Math.Clamp(IsLogarithmic
            ? (Math.Log(Math.Max(value, _low)) - Math.Log(_low)) / (Math.Log(_high) - Math.Log(_low))
            : (value - _low) / (_high - _low), 0, 1);

    /// <summary>An axis that ends at ticks.</summary>
    /// <param name="low">Lowest value.</param>
    /// <param name="high">Highest value.</param>
    /// <param name="percent">True if labels are in per cent.</param>
    public static Axis Linear(double low, double high, bool percent = false)
    {
        (low, high) = Widen(low, high);
        double step = Step((high - low) / 5);
        long first = (long)Math.Floor((low / step) + 1e-9), last = (long)Math.Ceiling((high / step) - 1e-9);
        return new Axis(first * step, last * step, false, [.. Range(first, last).Select(i => (i * step, Label(i, step, percent)))]);
    }

    /// <summary>An axis that counts. It ends at its values, so that a curve fills it.</summary>
    public static Axis Whole(double low, double high)
    {
        if (high <= low)
        {
            (low, high) = (low - 1, high + 1);
            return new Axis(low, high, false, [(low + 1, (low + 1).ToString("N0", CultureInfo.InvariantCulture))]);
        }

        double step = Math.Max(1, Step((high - low) / 5));
        long first = (long)Math.Ceiling(low / step), last = (long)Math.Floor(high / step);
        List<(double, string)> ticks = [.. Range(first, last).Select(i => (i * step, (i * step).ToString("N0", CultureInfo.InvariantCulture)))];
        return new Axis(low, high, false, ticks);
    }

    /// <summary>An axis of ratios, from and to numbers that are read easily.</summary>
    /// <param name="low">Lowest value, above 0.</param>
    /// <param name="high">Highest value.</param>
    public static Axis Logarithmic(double low, double high)
    {
        (low, high) = (Math.Clamp(low, Smallest, ValueRange.Largest), Math.Clamp(high, Smallest, ValueRange.Largest));
        int from = (int)Math.Floor(Math.Log10(low)), to = (int)Math.Ceiling(Math.Log10(high));
        to = Math.Max(to, from + 1);
        int[] mantissas = to - from <= 3 ? [1, 2, 5] : [1];
        double[] values = [.. Enumerable.Range(from, to - from + 1).SelectMany(exponent => mantissas.Select(mantissa => mantissa * Power(exponent)))];
        // Rounding must not push an end off the axis.
        int first = Math.Max(0, Array.FindLastIndex(values, value => value <= low * (1 + 1e-12)));
        int last = Array.FindIndex(values, value => value >= high * (1 - 1e-12));
        last = Math.Max(last < 0 ? values.Length - 1 : last, first + 1);
        int every = mantissas.Length > 1 ? 1 : (last - first + 7) / 8;
        List<(double, string)> ticks = [];
        for (int i = first; i <= last; i += every)
        {
            ticks.Add((values[i], PowerLabel(values[i])));
        }

        return new Axis(values[first], values[last], true, ticks);
    }

    private static double Power(int exponent) => double.Parse(Texts.Format($"1e{exponent}"), CultureInfo.InvariantCulture);

    private static string PowerLabel(double value) => value is >= 1e5 or < 1e-4
        ? value.ToString("0e0", CultureInfo.InvariantCulture)
        : value.ToString("#,0.#####", CultureInfo.InvariantCulture);

    private static (double Low, double High) Widen(double low, double high)
    {
        double largest = Math.Max(Math.Abs(low), Math.Abs(high));
        if (!(largest > Smallest))
        {
            return (0, 1);
        }

        // Where all is equal, or differs in the last bits of a float only, ticks would read alike.
        double least = 1e-5 * largest;
        double middle = low + ((high - low) / 2);
        return high - low >= least ? (low, high)
            : low == 0 || high == 0 ? (Math.Min(low, 0), Math.Max(high, 0))
            : (middle - least, middle + least);
    }

    /// <summary>The next of 1, 2, 5, 10, … times a power of ten.</summary>
    private static double Step(double least)
    {
        int exponent = (int)Math.Floor(Math.Log10(least));
        double power = Power(exponent);
        double mantissa = least / power;
        return mantissa <= 1 + 1e-9 ? power : mantissa <= 2 + 1e-9 ? 2 * power : mantissa <= 5 + 1e-9 ? 5 * power : Power(exponent + 1);
    }

    private static IEnumerable<long> Range(long first, long last)
    {
        for (long i = first; i <= last; i++)
        {
            yield return i;
        }
    }

    private static string Label(long count, double step, bool percent)
    {
        double unit = percent ? 100 * step : step;
        double value = count * unit;
        int place = (int)Math.Floor(Math.Log10(unit) + 1e-9);
        string label;
        if (count != 0 && (Math.Abs(value) >= 1e7 || place < -5))
        {
            int digits = Math.Max(0, (int)Math.Floor(Math.Log10(Math.Abs(value)) + 1e-9) - place);
            label = value.ToString($"0.{new string('#', digits)}e0", CultureInfo.InvariantCulture);
        }
        else
        {
            label = count == 0 ? "0" : value.ToString($"N{Math.Max(0, -place)}", CultureInfo.InvariantCulture);
        }

        return percent ? $"{label} %" : label;
    }
}
