namespace OrthoNative;

/// <summary>
/// One cycle (Smith and Topin, arXiv 1708.07120): rises along half a cosine to a peak and falls along another one far below where it began. The
/// numbers are those of PyTorch's <c>OneCycleLR</c>, without its momentum.
/// </summary>
public sealed class OneCycleSchedule : LearningRateSchedule
{
    private readonly double _first;
    private readonly double _peak;
    private readonly double _last;
    private readonly double _peakStep;
    private readonly long _lastStep;

    /// <summary>Creates a schedule.</summary>
    /// <param name="peakLearningRate">The highest learning rate, not negative.</param>
    /// <param name="steps">Steps of the cycle, at least 2; after it the last learning rate stays.</param>
    /// <param name="warmup">Part of the steps until the peak, which is at step warmup·steps - 1, from 0; 0 to 1. Default 0.3.</param>
    /// <param name="initialDivisor">The first learning rate is the peak divided by it; finite, above 0. Default 25.</param>
    /// <param name="finalDivisor">The last learning rate is the first one divided by it; finite, above 0. Default 10000.</param>
    /// <exception cref="ArgumentOutOfRangeException">An argument is out of range.</exception>
    public OneCycleSchedule(double peakLearningRate, long steps, double warmup = 0.3, double initialDivisor = 25, double finalDivisor = 1e4)
    {
        Check.NotNegative(peakLearningRate);
        Check.AtLeast(steps, 2);
        Check.That(warmup is >= 0 and <= 1, warmup, "from 0 to 1", nameof(warmup));
        Check.Positive(initialDivisor);
        Check.Positive(finalDivisor);
        _first = peakLearningRate / initialDivisor;
        _peak = peakLearningRate;
        _last = _first / finalDivisor;
        _peakStep = (warmup * steps) - 1;
        _lastStep = steps - 1;
    }

    /// <inheritdoc/>
    public override double At(long stepsDone)
    {
        if (stepsDone < _peakStep)
        {
            return Between(_first, _peak, stepsDone / _peakStep);
        }

        // Where the warm-up takes all steps, the peak is the end.
        return stepsDone == _peakStep || _lastStep <= _peakStep
            ? _peak
            : Between(_peak, _last, (long.Min(stepsDone, _lastStep) - _peakStep) / (_lastStep - _peakStep));
    }

    private static double Between(double start, double end, double part) => end + ((start - end) / 2 * (1 + Math.Cos(Math.PI * part)));
}
