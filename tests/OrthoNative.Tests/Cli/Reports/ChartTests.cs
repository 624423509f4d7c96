using OrthoNative.Cli.Output;
using OrthoNative.Cli.Reports;
using OrthoNative.Cli.Reports.Charts;

namespace OrthoNative.Tests.Cli.Reports;

internal sealed class ChartTests
{
    [TestCase(0, 4.7, "0 1 2 3 4 5")]
    [TestCase(0, 0.93, "0 0.2 0.4 0.6 0.8 1.0")]
    [TestCase(-1.1, 1, "-1.5 -1.0 -0.5 0 0.5 1.0")]
    [TestCase(0, 0, "0 0.2 0.4 0.6 0.8 1.0")]
    [TestCase(0, 3e-7, "0 1e-7 2e-7 3e-7")]
    [TestCase(0, 4e8, "0 1e8 2e8 3e8 4e8")]
    [TestCase(1e9, 1.0004e9, "1e9 1.0001e9 1.0002e9 1.0003e9 1.0004e9")]
    public void Linear_axes_end_at_round_numbers(double low, double high, string labels)
    {
        var axis = Axis.Linear(low, high);

        Assert.That(string.Join(" ", axis.Ticks.Select(tick => tick.Label)), Is.EqualTo(labels));
        Assert.That((axis.Fraction(axis.Ticks[0].Value), axis.Fraction(axis.Ticks[^1].Value)), Is.EqualTo((0.0, 1.0)));
    }

    [TestCase(0.05, 1.4, "0.05 0.1 0.2 0.5 1 2")]
    [TestCase(1e-7, 1, "1e-7 1e-6 1e-5 0.0001 0.001 0.01 0.1 1")]
    [TestCase(1, 1, "1 2")]
    [TestCase(1e5, 3e6, "1e5 2e5 5e5 1e6 2e6 5e6")]
    public void Axes_of_ratios_are_labelled_by_round_numbers(double low, double high, string labels)
    {
        var axis = Axis.Logarithmic(low, high);

        Assert.That(string.Join(" ", axis.Ticks.Select(tick => tick.Label)), Is.EqualTo(labels));
        Assert.That(axis.Fraction(0), Is.Zero);
    }

    [Test]
    public void Axes_of_any_numbers_have_a_few_different_ticks()
    {
        double[] numbers = [0, double.Epsilon, 1e-300, 1e-12, 0.1, 1, 1 + 1e-7, 3, 1e9, 1e9 + 1, 1e15, 1e300, -1, -1e300, float.MaxValue, float.MinValue];
        foreach (double low in numbers)
        {
            foreach (double high in numbers.Where(high => high >= low))
            {
                List<Axis> axes = [Axis.Linear(low, high), Axis.Linear(low, high, percent: true)];
                if (low > 0)
                {
                    axes.Add(Axis.Logarithmic(low, high));
                }

                foreach (Axis axis in axes)
                {
                    Assert.That(axis.Ticks, Has.Count.InRange(2, 12), $"{low} to {high}");
                    Assert.That(axis.Ticks.Select(tick => tick.Label), Is.Unique, $"{low} to {high}");
                    Assert.That(axis.Fraction(low), Is.InRange(0, 1), $"{low} to {high}");
                    Assert.That(axis.Fraction(high), Is.InRange(axis.Fraction(low), 1), $"{low} to {high}");
                }
            }
        }
    }

    [TestCase(0, 2400, "0 500 1,000 1,500 2,000")]
    [TestCase(0, 3, "0 1 2 3")]
    [TestCase(-47, 24, "-40 -20 0 20")]
    [TestCase(5, 5, "5")]
    [TestCase(0, 10_000_000, "0 2,000,000 4,000,000 6,000,000 8,000,000 10,000,000")]
    public void Axes_that_count_have_whole_numbers(double low, double high, string labels) =>
        Assert.That(string.Join(" ", Axis.Whole(low, high).Ticks.Select(tick => tick.Label)), Is.EqualTo(labels));

    [Test]
    public void What_cannot_be_drawn_has_no_place()
    {
        var axis = Axis.Linear(0, 1);

        Assert.That(axis.Fraction(double.NaN), Is.NaN);
        Assert.That(axis.Fraction(double.PositiveInfinity), Is.NaN);
        Assert.That(axis.Fraction(double.MaxValue), Is.NaN);
        Assert.That((axis.Fraction(-1), axis.Fraction(2)), Is.EqualTo((0.0, 1.0)));
    }

    [Test]
    public void Paths_go_from_point_to_point_with_gaps_and_dots()
    {
        (double, double)[] points = [(1, 2), (2.24, 1.5), (2.2401, 1.5), (double.NaN, 0), (5, 5), (6, double.NaN), (0, -0.1), (0, 3)];

        Assert.That(new PathData().Add(points).ToString(), Is.EqualTo("M1 2l1.2-0.5m2.8 3.5h0m-5-5.1l0 3.1"));
        Assert.That(new PathData().ToString(), Is.Empty);
        Assert.That(new PathData().Move(0, 0).Line(1, 0).Line(1, 1).Close().Move(2, 0).Line(3, 0).ToString(), Is.EqualTo("M0 0l1 0l0 1zm2 0l1 0"));
    }

    [Test]
    public void Thinned_lines_keep_the_extremes_of_each_column()
    {
        var random = new Random(1);
        (double X, double Y)[] points = [.. Enumerable.Range(0, 100_000).Select(i => (i / 1000.0, random.NextDouble()))];
        points[12_345].Y = 7;
        points[54_321].Y = -7;
        points[77_777].Y = double.NaN;

        (double X, double Y)[] thinned = [.. Thinning.Columns(points)];

        Assert.That(thinned, Has.Length.LessThanOrEqualTo((4 * 101) + 1));
        Assert.That(thinned, Has.Member(points[12_345]).And.Member(points[54_321]).And.Member(points[0]).And.Member(points[^1]));
        Assert.That(thinned.Count(point => double.IsNaN(point.Y)), Is.EqualTo(1));
        Assert.That(thinned.Where(point => !double.IsNaN(point.X)).Select(point => point.X), Is.Ordered.Ascending);
        foreach (var column in points.Where(point => !double.IsNaN(point.Y)).GroupBy(point => Math.Floor(point.X)))
        {
            double[] kept = [.. thinned.Where(point => Math.Floor(point.X) == column.Key).Select(point => point.Y)];
            Assert.That((kept.Min(), kept.Max()), Is.EqualTo((column.Min(point => point.Y), column.Max(point => point.Y))));
        }
    }

    [Test]
    public void Few_points_are_not_thinned()
    {
        (double, double)[] points = [(0, 1), (1, 2), (2, 1)];

        Assert.That(Thinning.Columns(points), Is.EqualTo(points));
        Assert.That(Thinning.Columns([]), Is.Empty);
        Assert.That(Thinning.Spread([1, 2, 3], 3), Is.EqualTo((int[])[1, 2, 3]));
        Assert.That(Thinning.Spread([.. Enumerable.Range(0, 101)], 3), Is.EqualTo((int[])[0, 50, 100]));
    }

    [Test]
    public void Ranges_leave_out_what_is_not_finite()
    {
        Assert.That(ValueRange.Of([double.NaN, 3, double.PositiveInfinity, 1, double.NegativeInfinity]), Is.EqualTo(new ValueRange(1, 3, 1)));
        Assert.That(ValueRange.Of([]), Is.EqualTo(new ValueRange(0, 0, double.PositiveInfinity)));
        Assert.That(ValueRange.Of([0, 0.05, 1]).IsLogarithmic, Is.True);
        Assert.That(ValueRange.Of([0, 0.1, 1]).IsLogarithmic, Is.False);
        Assert.That(ValueRange.Of([-1, 0.05, 1]).IsLogarithmic, Is.False);
        Assert.That(ValueRange.Of([0, 0]).IsLogarithmic, Is.False);
    }

    [Test]
    public void Elements_are_closed_in_their_order()
    {
        var html = new HtmlWriter();
        html.Open("p", ("title", "\"<&>'\n")).Text("a < b & c > \"d\"").Void("meta").Close();

        Assert.That(html.ToString(), Is.EqualTo("<!DOCTYPE html>\n<p title=\"&quot;&lt;&amp;&gt;&#39;\\u000A\">a &lt; b &amp; c &gt; &quot;d&quot;<meta/></p>\n"));
        html.Open("p");
        Assert.That(html.ToString, Throws.InvalidOperationException);
    }

    [Test]
    public void Short_names_never_end_in_half_a_character()
    {
        for (int length = 1; length < 40; length++)
        {
            string shown = HtmlWriter.Short(new string('a', length) + string.Concat(Enumerable.Repeat("😀", 20)), 20);

            Assert.That(shown, Has.Length.LessThanOrEqualTo(20));
            Assert.That(shown.EnumerateRunes(), Has.None.EqualTo(System.Text.Rune.ReplacementChar));
        }
    }
}
