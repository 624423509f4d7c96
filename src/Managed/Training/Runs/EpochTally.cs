using System.Diagnostics;

namespace OrthoNative;

/// <summary>Sums over the steps of an epoch; its time begins when it is created.</summary>
internal sealed class EpochTally(int number)
{
    private readonly long _start = Stopwatch.GetTimestamp();
    private long _samples;
    private double _loss;
    private double _metric;
    private long _newSteps;
    private long _newSamples;
    private double _norm;

    public int Number { get; } = number;

    /// <summary>True if it has steps of this run.</summary>
    public bool HasNewSteps => _newSteps > 0;

    public double SamplesPerSecond => _newSamples / Seconds;

    /// <summary>Not 0, by which rates are divided.</summary>
    private double Seconds => Math.Max(Stopwatch.GetElapsedTime(_start).TotalSeconds, 1e-9);

    /// <summary>Adds a step that a run before did.</summary>
    public void AddEarlier(long samples, double loss, double metric)
    {
        _samples += samples;
        _loss += loss * samples;
        _metric += metric * samples;
    }

    public void Add(TrainingState step)
    {
        AddEarlier(step.Samples, step.Loss, step.Metric);
        _newSteps++;
        _newSamples += step.Samples;
        _norm += step.GradientNorm;
    }

    /// <summary>Ends the epoch.</summary>
    /// <param name="step">Training steps since the start of the run.</param>
    /// <param name="learningRate">Learning rate of the last step.</param>
    public EpochResult Result(long step, double learningRate)
    {
        double seconds = Seconds;
        return new EpochResult(
            Number, step, _loss / _samples, _metric / _samples, Validation: null, learningRate, _newSteps == 0 ? 0 : _norm / _newSteps, seconds, _newSamples / seconds);
    }
}
