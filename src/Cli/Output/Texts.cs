using System.Globalization;
using OrthoNative.Cli.Training;

namespace OrthoNative.Cli.Output;

/// <summary>Numbers as people read them, the same on every machine.</summary>
internal static class Texts
{
    public static string Format(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    /// <summary>Four significant digits, with an exponent beyond what is easily read: 0.1667, 0.00003125, 2079, 1.235e6; whole numbers below 1e6 in full.</summary>
    public static string Value(double value)
    {
        if (!double.IsFinite(value) || value == 0)
        {
            return value.ToString(CultureInfo.InvariantCulture);
        }

        // That of the rounded number: 0.99999 is 1.000.
        string rounded = value.ToString("E3", CultureInfo.InvariantCulture);
        int exponent = int.Parse(rounded.AsSpan(rounded.IndexOf('E', StringComparison.Ordinal) + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        return exponent is >= 6 or < -9
            ? value.ToString("0.000e0", CultureInfo.InvariantCulture)
            : value.ToString($"F{Math.Max(3 - exponent, 0)}", CultureInfo.InvariantCulture);
    }

    /// <summary>A number that is given by its decimal logarithm: 0.9731, 1.2e-640; null: 0.</summary>
    public static string PowerOfTen(double? logarithm)
    {
        if (logarithm is not { } value)
        {
            return "0";
        }

        if (Math.Abs(value) < 4)
        {
            return Value(Math.Pow(10, value));
        }

        double exponent = Math.Floor(value);
        double mantissa = Math.Round(Math.Pow(10, value - exponent), 1);
        return mantissa < 10 ? Format($"{mantissa:0.0}e{exponent:0}") : Format($"1.0e{exponent + 1:0}");
    }

    /// <summary>A fraction in per cent, or a mean squared error.</summary>
    public static string Metric(string metric, double value) =>
        metric == Metrics.Accuracy ? Format($"{100 * value:0.00} %") : Value(value);

    public static string Rate(double perSecond) => Format($"{perSecond:#,0} samples/s");

    /// <summary>5s, 2m05s, 3h20m.</summary>
    public static string Duration(TimeSpan time) => Duration(time.TotalSeconds);

    /// <summary>As <see cref="Duration(TimeSpan)"/>, of any number of seconds.</summary>
    public static string Duration(double time)
    {
        long seconds = (long)Math.Clamp(Math.Round(time), 0, long.MaxValue / 2);
        return seconds < 60
            ? Format($"{seconds}s")
            : seconds < 3600
                ? Format($"{seconds / 60}m{seconds % 60:00}s")
                : Format($"{seconds / 3600}h{seconds % 3600 / 60:00}m");
    }

    /// <summary>Bytes in binary units: 850 MiB, 3.2 GiB.</summary>
    public static string Bytes(long bytes) => bytes < 1L << 30
        ? Format($"{bytes / (double)(1L << 20):0} MiB")
        : Format($"{bytes / (double)(1L << 30):0.0} GiB");

    public static string LossAndMetric(string metric, double loss, double value) =>
        $"loss {Value(loss)}  {metric} {Metric(metric, value)}";

    public static string Epoch(string metric, EpochResult epoch, int epochs, string measured) =>
        Format($"epoch {epoch.Epoch}/{epochs}  step {epoch.Step}  {LossAndMetric(metric, epoch.Loss, epoch.Metric)}  ") +
        (epoch.Validation is { } test ? $"{measured} {Metric(metric, Metrics.ValueOf(test, metric))}  " : "") +
        $"{Rate(epoch.SamplesPerSecond)}  {Duration(epoch.Seconds)}";
}
