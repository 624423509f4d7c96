using System.Globalization;
using OrthoNative.Cli.Training;

namespace OrthoNative.Cli.Output;

/// <summary>Numbers as people read them, the same on every machine.</summary>
internal static class Texts
{
    public static string Format(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    /// <summary>Four significant digits: 0.1667, 0.00003125, 2.079.</summary>
    public static string Value(double value)
    {
        if (!double.IsFinite(value) || value == 0)
        {
            return value.ToString(CultureInfo.InvariantCulture);
        }

        int decimals = Math.Clamp(3 - (int)Math.Floor(Math.Log10(Math.Abs(value))), 0, 12);
        return value.ToString($"F{decimals}", CultureInfo.InvariantCulture);
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
        return Format($"{Math.Pow(10, value - exponent):0.0}e{exponent:0}");
    }

    /// <summary>A fraction in per cent, or a mean squared error.</summary>
    public static string Metric(string metric, double value) =>
        metric == Metrics.Accuracy ? Format($"{100 * value:0.00} %") : Value(value);

    public static string Rate(double perSecond) => Format($"{perSecond:#,0} samples/s");

    /// <summary>5s, 2m05s, 3h20m.</summary>
    public static string Duration(TimeSpan time) => time.TotalSeconds < 59.5
        ? Format($"{time.TotalSeconds:0}s")
        : time.TotalMinutes < 60
            ? Format($"{(int)time.TotalMinutes}m{time.Seconds:00}s")
            : Format($"{(long)time.TotalHours}h{time.Minutes:00}m");

    /// <summary>Bytes in binary units: 850 MiB, 3.2 GiB.</summary>
    public static string Bytes(long bytes) => bytes < 1L << 30
        ? Format($"{bytes / (double)(1L << 20):0} MiB")
        : Format($"{bytes / (double)(1L << 30):0.0} GiB");

    public static string LossAndMetric(string metric, double loss, double value) =>
        $"loss {Value(loss)}  {metric} {Metric(metric, value)}";

    public static string Epoch(string metric, EpochReport epoch, int epochs) =>
        Format($"epoch {epoch.Epoch}/{epochs}  step {epoch.Step}  {LossAndMetric(metric, epoch.Loss, epoch.Metric)}  ") +
        (epoch.TestMetric is { } test ? $"test {Metric(metric, test)}  " : "") +
        $"{Rate(epoch.SamplesPerSecond)}  {Duration(TimeSpan.FromSeconds(epoch.Seconds))}";
}
