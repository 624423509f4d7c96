using OrthoNative.Cli.Output;
using SkiaSharp;

namespace OrthoNative.Tests.Cli;

internal sealed class LossPlotTests
{
    private static readonly EpochResult[] s_epochs =
    [
        Epoch(1, 50, new EvaluationResult(0.9, new Dictionary<string, double>(), 1)), Epoch(2, 100, null), Epoch(3, 150, new EvaluationResult(double.NaN, new Dictionary<string, double>(), 1)),
        Epoch(4, 200, new EvaluationResult(0.7, new Dictionary<string, double>(), 1)),
    ];

    [Test]
    public void The_validation_has_a_point_at_the_last_step_of_each_epoch_that_has_a_loss()
    {
        var curve = ValidationCurve.Of("validation", s_epochs, bestEpoch: 4);

        Assert.That(curve.Points, Is.EqualTo((ValidationCurve.Point[])[new(1, 50, 0.9, false), new(4, 200, 0.7, true)]));
        Assert.That(ValidationCurve.Of("test", s_epochs).Points.Any(point => point.IsBest), Is.False);
    }

    [Test]
    public void A_linear_axis_starts_at_zero()
    {
        Assert.That(LossPlot.LinearLimits(ValueRange.Of([0.5, 1])), Is.EqualTo((0.0, 1.05)));
        Assert.That(LossPlot.LinearLimits(ValueRange.Of([-1, 1])), Is.EqualTo((-1.1, 1.1)));
        Assert.That(LossPlot.LinearLimits(ValueRange.Of([-1, -0.5])), Is.EqualTo((-1.05, 0.0)));
        Assert.That(LossPlot.LinearLimits(ValueRange.Of([])), Is.EqualTo((0.0, 1.0)));
    }

    /// <summary>The validation is red, and nothing else is.</summary>
    [Test]
    public void The_validation_and_its_best_epoch_are_in_the_picture()
    {
        int without = Red(Draw(null)), with = Red(Draw(ValidationCurve.Of("validation", s_epochs))), best = Red(Draw(ValidationCurve.Of("validation", s_epochs, bestEpoch: 4)));

        Assert.That(without, Is.Zero);
        // The line goes over most of the picture, which is 1,000 pixels wide; the ring and that of the legend come on top.
        Assert.That(with, Is.GreaterThan(500));
        Assert.That(best, Is.GreaterThan(with + 100));
    }

    [TestCase(0)]
    [TestCase(1)]
    public void Pictures_of_few_or_strange_steps_are_drawn(int steps)
    {
        var losses = new LossCurve();
        for (int i = 0; i < steps; i++)
        {
            losses.Add(1);
        }

        Assert.That(LossPlot.Draw("x\u202E\n" + new string('W', 500), "loss", losses, chance: null), Has.Length.GreaterThan(5_000));
        losses.Add(double.NaN);
        losses.Add(double.PositiveInfinity);
        losses.Add(-1e305);
        Assert.That(LossPlot.Draw("", "loss", losses, double.NaN, ValidationCurve.Of("test", s_epochs)), Has.Length.GreaterThan(5_000));
    }

    private static byte[] Draw(ValidationCurve? validation)
    {
        var losses = new LossCurve();
        for (int step = 1; step <= 200; step++)
        {
            losses.Add(1 - (step * 0.002));
        }

        return LossPlot.Draw("parity", "loss", losses, 1, validation);
    }

    private static int Red(byte[] picture)
    {
        using var bitmap = SKBitmap.Decode(picture);
        return bitmap.Pixels.Count(pixel => pixel.Red > 190 && pixel.Green < 70 && pixel.Blue < 70);
    }

    private static EpochResult Epoch(int number, long step, EvaluationResult? validation) => new(number, step, 1, 1, validation, 1, 1, 1, 1);
}
