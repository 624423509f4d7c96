using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Metrics;

internal sealed class ForecastTests
{
    [Test]
    public void Metrics_are_the_means_of_their_losses()
    {
        using Tensor outputs = UniformTensor(new Random(1), 2, 30, 6);
        using Tensor targets = UniformTensor(new Random(2), 2, 30, 6);
        using Tensor halves = UniformTensor(new Random(3), 2, 30, 3);
        using var absolute = new MeanAbsoluteErrorLoss();
        using var squared = new MeanSquaredErrorLoss();
        using var quantiles = new QuantileLoss(0.3, 0.8);
        var pinball = new PinballLoss(0.3, 0.8);

        Assert.That(Of(new MeanAbsoluteError(), outputs, targets), Is.EqualTo(absolute.Evaluate(outputs, targets)).Within(1e-14));
        Assert.That(Of(new RootMeanSquaredError(), outputs, targets), Is.EqualTo(Math.Sqrt(squared.Evaluate(outputs, targets))).Within(1e-14));
        Assert.That(Of(pinball, outputs, halves), Is.EqualTo(quantiles.Evaluate(outputs, halves)).Within(1e-14));
        Assert.That(pinball.Quantiles, Is.EqualTo(quantiles.Quantiles));
    }

    [Test]
    public void A_mean_far_from_0_does_not_spoil_r_squared()
    {
        // Deviations of 1 around 1E9: Σ y² - (Σ y)²/n would have no digit right.
        using Tensor targets = Tensor.From<double>(Device.Default, [1e9 - 1, 1e9 + 1, 1e9 - 1, 1e9 + 1], 4, 1);
        using Tensor outputs = Tensor.From<double>(Device.Default, [1e9, 1e9 + 1, 1e9 - 1, 1e9 + 1], 4, 1);

        Assert.That(Of(new RSquared(), outputs, targets), Is.EqualTo(0.75));
    }

    [Test]
    public void R_squared_needs_two_rows_and_the_same_outputs()
    {
        using Tensor one = Tensor.From<double>(Device.Default, [1, 2], 1, 2);
        using Tensor wide = Tensor.From<double>(Device.Default, [1, 2, 3], 1, 3);
        var metric = new RSquared();
        Assert.That(Of(metric, one, one), Is.NaN);
        Assert.That(() => metric.Add(wide, Targets.Of(wide)), Throws.ArgumentException.With.Message.StartsWith("outputs has shape [1, 3]; it must be [..., 2], as since the last reset."));
        Assert.That(Of(metric, one, one), Is.EqualTo(1), "constant targets that are met");
    }

    [Test]
    public void Symmetric_mape_keeps_within_0_and_2()
    {
        using Tensor outputs = Tensor.From<double>(Device.Default, [0, 1, 0, 1e308, -1e308], 5, 1);
        using Tensor targets = Tensor.From<double>(Device.Default, [0, 0, 3, 1e308, 1e308], 5, 1);

        Assert.That(Of(new SymmetricMape(), outputs, targets), Is.EqualTo((0 + 2 + 2 + 0 + 2) / 5.0));
    }

    [Test]
    public void One_scale_is_that_of_all_outputs()
    {
        using Tensor outputs = Tensor.From<float>(Device.Default, [1, 2, 3], 1, 3);
        using Tensor targets = Tensor.From<float>(Device.Default, [2, 4, 6], 1, 3);

        Assert.That(Of(new MeanAbsoluteScaledError(4), outputs, targets), Is.EqualTo(0.5));
        Assert.That(Of(new MeanAbsoluteScaledError(1, 2, 4), outputs, targets), Is.EqualTo((1 + 1 + 0.75) / 3));
        Assert.That(() => Of(new MeanAbsoluteScaledError(1, 2), outputs, targets), Throws.ArgumentException.With.Message.StartsWith("outputs has shape [1, 3]; it must be [..., 2], the number of scales."));
        Assert.That(() => new MeanAbsoluteScaledError(), Throws.ArgumentException.With.Message.StartsWith("scales is empty; at least one is required."));
        Assert.That(() => new MeanAbsoluteScaledError(1, 0), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("scales[1] is 0; it must be finite and above 0."));
        Assert.That(new MeanAbsoluteScaledError(1, 2).Scales, Is.EqualTo((double[])[1, 2]));
    }

    [Test]
    public void A_series_must_be_longer_than_its_season()
    {
        Assert.That(MeanAbsoluteScaledError.ScaleOf([1, 4, 2]), Is.EqualTo(2.5));
        Assert.That(MeanAbsoluteScaledError.ScaleOf([1, 4, 3], season: 2), Is.EqualTo(2));
        Assert.That(() => MeanAbsoluteScaledError.ScaleOf([1, 4], 2), Throws.ArgumentException.With.Message.StartsWith("series has 2 elements; it must have more than 2, the season."));
        Assert.That(() => MeanAbsoluteScaledError.ScaleOf([1, 4], 0), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("season is 0; it must be at least 1."));
        Assert.That(() => MeanAbsoluteScaledError.ScaleOf([1, float.NaN]), Throws.TypeOf<NotFiniteNumberException>().With.Message.EqualTo("series[1] is NaN; it must be finite."));
    }

    [Test]
    public void Ends_of_an_interval_belong_to_it()
    {
        // Two targets a row, of the quantiles 0.25, 0.5 and 0.75.
        using Tensor outputs = Tensor.From<float>(Device.Default, [1, 2, 3, 1, 2, 3, 1, 2, 3, 3, 2, 1], 2, 6);
        using Tensor targets = Tensor.From<float>(Device.Default, [1, 3, 3.5f, 2], 2, 2);
        var coverage = new IntervalCoverage([0.25, 0.5, 0.75], 0.25, 0.75);
        var upper = new IntervalCoverage([0.25, 0.5, 0.75], 0.5, 0.75);

        // 3.5 is above its interval; the last interval is crossed, and covers nothing.
        Assert.That(Of(coverage, outputs, targets), Is.EqualTo(0.5));
        Assert.That(coverage.MeanWidth, Is.EqualTo((2 + 2 + 2 - 2) / 4.0));
        Assert.That(coverage.Nominal, Is.EqualTo(0.5));
        Assert.That(Of(upper, outputs, targets), Is.EqualTo(0.25));
        Assert.That(upper.MeanWidth, Is.EqualTo((1 + 1 + 1 - 1) / 4.0));
        coverage.Reset();
        Assert.That(coverage.MeanWidth, Is.NaN);
    }

    [Test]
    public void Quantiles_that_do_not_fit_are_refused()
    {
        using Tensor outputs = Tensor.From<float>(Device.Default, [1, 2, 3, 4], 1, 4);
        using Tensor targets = Tensor.From<float>(Device.Default, [1], 1, 1);

        Assert.That(() => Of(new PinballLoss(0.1, 0.5, 0.9), outputs, targets), Throws.ArgumentException.With.Message.StartsWith("outputs has shape [1, 4]; the last size must be a multiple of 3, the number of quantiles."));
        Assert.That(() => Of(new PinballLoss(0.1, 0.9), outputs, targets), Throws.ArgumentException.With.Message.StartsWith("targets.Values has shape [1, 1]; it must be [1, 2]."));
        Assert.That(() => new PinballLoss(), Throws.ArgumentException.With.Message.StartsWith("quantiles is empty; at least one is required."));
        Assert.That(() => new PinballLoss(0.5, 1), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("quantiles[1] is 1; it must be above 0 and below 1."));
        Assert.That(() => new IntervalCoverage([0.1, 0.9], 0.2, 0.9), Throws.ArgumentException.With.Message.StartsWith("lower is 0.2; it must be one of the quantiles, 0.1, 0.9."));
        Assert.That(() => new IntervalCoverage([0.1, 0.9], 0.9, 0.1), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("upper is 0.1; it must be above 0.9, the lower end."));
        Assert.That(() => new IntervalCoverage(null!, 0.1, 0.9), Throws.ArgumentNullException.With.Property("ParamName").EqualTo("quantiles"));
    }

    private static double Of(Metric metric, Tensor outputs, Tensor targets)
    {
        metric.Add(outputs, Targets.Of(targets));
        return metric.Value;
    }
}
