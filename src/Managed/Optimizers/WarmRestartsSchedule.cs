namespace OrthoNative;

/// <summary>
/// Warm restarts (SGDR, Loshchilov and Hutter, arXiv 1608.03983): falls along half a cosine, period after period, each of which begins at the first
/// learning rate again and may be longer than the one before.
/// </summary>
public sealed class WarmRestartsSchedule : LearningRateSchedule
{
    private readonly double _first;
    private readonly double _lowest;
    private readonly long _period;
    private readonly long _factor;

    /// <summary>Creates a schedule.</summary>
    /// <param name="learningRate">At the beginning of each period, not negative.</param>
    /// <param name="period">Steps of the first period, at least 1.</param>
    /// <param name="factor">Each period is so many times as long as the one before, at least 1. Default 1.</param>
    /// <param name="lowestLearningRate">Towards which each period falls; its next step is the first of the next one. Not negative. Default 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">An argument is out of range.</exception>
    public WarmRestartsSchedule(double learningRate, long period, long factor = 1, double lowestLearningRate = 0)
    {
        Check.NotNegative(learningRate);
        Check.AtLeast(period, 1);
        Check.AtLeast(factor, 1);
        Check.NotNegative(lowestLearningRate);
        _first = learningRate;
        _lowest = lowestLearningRate;
        _period = period;
        _factor = factor;
    }

    /// <inheritdoc/>
    public override double At(long stepsDone)
    {
        long step = stepsDone;
        long period = _period;
        if (_factor == 1)
        {
            step %= period;
        }

        while (step >= period)
        {
            step -= period;

            // No number of steps reaches the end of such a period.
            period = period > long.MaxValue / _factor ? long.MaxValue : period * _factor;
        }

        return _lowest + ((_first - _lowest) * (1 + Math.Cos(Math.PI * step / period)) / 2);
    }
}
