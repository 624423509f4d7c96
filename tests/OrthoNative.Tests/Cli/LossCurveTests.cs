using OrthoNative.Cli.Output;

namespace OrthoNative.Tests.Cli;

internal sealed class LossCurveTests
{
    /// <summary>The work of drawing is that of these points; what is kept between the steps is not more.</summary>
    [TestCase(20_000_000)]
    [TestCase(4_097)]
    [TestCase(100)]
    public void However_many_the_steps_the_points_are_few_and_extremes_stay_where_they_were(int steps)
    {
        int highest = (steps / 3) + 1, lowest = (steps / 7) + 5;
        var curve = new LossCurve();
        for (int step = 1; step <= steps; step++)
        {
            curve.Add(step == highest ? 1000 : step == lowest ? 1e-9 : 1 + (1e-3 * (step % 17)));
        }

        (double Step, double Loss)[] points = [.. curve.Extremes()];

        Assert.That(curve.Steps, Is.EqualTo(steps));
        Assert.That(points, Has.Length.LessThanOrEqualTo(Math.Min(steps, 2 * LossCurve.MostSegments)));
        Assert.That(points.Select(point => point.Step), Is.Ordered.Ascending.And.Unique);
        Assert.That(points, Has.Member(((double)highest, 1000.0)).And.Member(((double)lowest, 1e-9)));
        Assert.That((curve.Largest, curve.SmallestPositive), Is.EqualTo((1000.0, 1e-9)));
        Assert.That(curve.Means(steps / 100).Count(), Is.LessThanOrEqualTo(LossCurve.MostSegments));
    }

    [Test]
    public void Runs_that_fit_are_drawn_step_by_step_with_the_mean_of_the_latest()
    {
        double[] losses = [.. Enumerable.Range(0, 500).Select(i => 2 + Math.Sin(i))];
        var curve = new LossCurve();
        Array.ForEach(losses, curve.Add);

        double[] means = [.. curve.Means(5).Select(point => point.Loss)];

        Assert.That(curve.Extremes(), Is.EqualTo(losses.Select((loss, i) => (i + 1.0, loss))));
        for (int i = 0; i < losses.Length; i++)
        {
            // Sums of at most five numbers below 3, kept by adding and taking away 500 times: 1,000 roundings of numbers below 16.
            Assert.That(means[i], Is.EqualTo(losses[Math.Max(0, i - 4)..(i + 1)].Average()).Within(1000 * 16 * Math.Pow(2, -53)));
        }
    }

    [Test]
    public void Means_of_long_runs_weigh_every_step_alike()
    {
        const int Steps = 1_000_001;
        var curve = new LossCurve();
        for (int step = 0; step < Steps; step++)
        {
            curve.Add(step % 2);
        }

        (double end, double mean) = curve.Means(Steps * 2L).Last();

        // Sums of whole numbers are exact.
        Assert.That(end, Is.EqualTo(Steps));
        Assert.That(mean, Is.EqualTo((Steps / 2) / (double)Steps));
    }
}
