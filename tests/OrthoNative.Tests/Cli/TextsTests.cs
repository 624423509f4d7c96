using OrthoNative.Cli.Output;

namespace OrthoNative.Tests.Cli;

internal sealed class TextsTests
{
    [TestCase(59.4, "59s")]
    [TestCase(59.5, "1m00s")]
    [TestCase(60.4, "1m00s")]
    [TestCase(125, "2m05s")]
    [TestCase(3599.6, "1h00m")]
    [TestCase(12_000, "3h20m")]
    public void Durations_are_rounded_before_they_are_cut_into_parts(double seconds, string text) =>
        Assert.That(Texts.Duration(TimeSpan.FromSeconds(seconds)), Is.EqualTo(text));

    [TestCase(1.0 / 6, "0.1667")]
    [TestCase(0.00003125, "0.00003125")]
    [TestCase(0.99999, "1.000")]
    [TestCase(-2.0794, "-2.079")]
    [TestCase(123456.7, "123457")]
    [TestCase(999_999.9, "1.000e6")]
    [TestCase(1_234_567, "1.235e6")]
    [TestCase(3.4e38, "3.400e38")]
    [TestCase(1.25e-20, "1.250e-20")]
    [TestCase(0, "0")]
    [TestCase(double.NaN, "NaN")]
    public void Values_have_four_digits_and_large_ones_an_exponent(double value, string text) =>
        Assert.That(Texts.Value(value), Is.EqualTo(text));

    [TestCase(null, "0")]
    [TestCase(-640.0, "1.0e-640")]
    [TestCase(5.999, "1.0e6")]
    [TestCase(5.99, "9.8e5")]
    [TestCase(0.0, "1.000")]
    public void Powers_of_ten_have_one_digit_before_the_point(double? logarithm, string text) =>
        Assert.That(Texts.PowerOfTen(logarithm), Is.EqualTo(text));
}
