using System.Diagnostics;

namespace OrthoNative.Cli.Training;

/// <summary>The results of a training step.</summary>
/// <param name="Samples">Samples in the batch.</param>
/// <param name="Loss">Mean loss of the batch before the step.</param>
/// <param name="Metric">Metric of the batch before the step.</param>
/// <param name="GradientNorm">Norm of the gradient before clipping.</param>
internal readonly record struct StepResult(long Samples, double Loss, double Metric, double GradientNorm);

/// <summary>Means over the latest steps.</summary>
internal sealed class RecentSteps(int window)
{
    private readonly StepResult[] _results = new StepResult[window];
    private long _count;

    public bool IsFull => _count >= window;

    public double Loss => Mean(result => result.Loss);

    public double Metric => Mean(result => result.Metric);

    public void Add(in StepResult result) => _results[_count++ % window] = result;

    private double Mean(Func<StepResult, double> value)
    {
        int count = (int)Math.Min(_count, window);
        double sum = 0;
        for (int i = 0; i < count; i++)
        {
            sum += value(_results[i]);
        }

        return sum / count;
    }
}

/// <summary>Sums over the steps of an epoch; its time begins when it is made.</summary>
internal sealed class EpochTally(int number)
{
    private readonly long _start = Stopwatch.GetTimestamp();
    private long _steps;
    private long _samples;
    private double _loss;
    private double _metric;
    private double _norm;

    public int Number { get; } = number;

    public double SamplesPerSecond => _samples / Seconds;

    /// <summary>Not 0, by which rates are divided.</summary>
    private double Seconds => Math.Max(Stopwatch.GetElapsedTime(_start).TotalSeconds, 1e-9);

    public void Add(in StepResult result)
    {
        _steps++;
        _samples += result.Samples;
        _loss += result.Loss * result.Samples;
        _metric += result.Metric * result.Samples;
        _norm += result.GradientNorm;
    }

    /// <summary>Ends the epoch.</summary>
    /// <param name="step">Training steps since the start of the run.</param>
    /// <param name="learningRate">Learning rate of the last step.</param>
    public EpochReport Report(long step, double learningRate)
    {
        double seconds = Seconds;
        return new EpochReport(
            Number, step, _loss / _samples, _metric / _samples, TestMetric: null, learningRate, _norm / _steps, seconds, _samples / seconds);
    }
}
