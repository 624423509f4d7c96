using System.Numerics;

namespace OrthoNative;

/// <summary>Checks every number that a run is resumed with, first: found at its end, a wrong one would cost the run.</summary>
internal static class RunChecks
{
    /// <summary>More steps than any run has.</summary>
    private const long MostSteps = 1L << 48;

    /// <summary>Refuses a state with a number that no run can have.</summary>
    /// <exception cref="InvalidDataException">There is one.</exception>
    public static void Require(RunState state, double mostSeconds)
    {
        Require("seconds", state.Seconds, 0, mostSeconds);
        Require("stepsBefore", state.StepsBefore, 0, MostSteps);
        if (state.LossLog is { } mark)
        {
            RequireMark("lossLog", mark, 1);
        }

        long previous = 0;
        int number = 0;
        for (int i = 0; i < state.Epochs.Count; i++)
        {
            if (state.Epochs[i] is not { } epoch)
            {
                throw new InvalidDataException(FormattableString.Invariant($"epochs[{i}] is null."));
            }

            if (epoch.Validation is { Metrics: null })
            {
                throw new InvalidDataException(FormattableString.Invariant($"epochs[{i}].validation.metrics is missing."));
            }

            string name = FormattableString.Invariant($"epochs[{i}]");
            Require($"{name}.epoch", epoch.Epoch, number + 1, int.MaxValue);
            Require($"{name}.step", epoch.Step, previous + 1, MostSteps);
            Require($"{name}.loss", epoch.Loss, double.MinValue, double.MaxValue);
            Require($"{name}.learningRate", epoch.LearningRate, 0, double.MaxValue);
            Require($"{name}.gradientNorm", epoch.GradientNorm, 0, double.MaxValue);
            Require($"{name}.seconds", epoch.Seconds, 0, mostSeconds);
            Require($"{name}.samplesPerSecond", epoch.SamplesPerSecond, 0, double.PositiveInfinity);
            (previous, number) = (epoch.Step, epoch.Epoch);
        }
    }

    /// <summary>Refuses a mark that no file can have.</summary>
    /// <exception cref="InvalidDataException">It is one.</exception>
    public static void RequireMark(string name, FileMark mark, long leastBytes)
    {
        Require($"{name}.lines", mark.Lines, 0, MostSteps);
        Require($"{name}.bytes", mark.Bytes, leastBytes, long.MaxValue);
    }

    /// <summary>Refuses a number out of a range.</summary>
    /// <exception cref="InvalidDataException">It is.</exception>
    public static void Require<T>(string name, T value, T lowest, T highest) where T : INumber<T>
    {
        // Written so that NaN is refused, too.
        if (!(value >= lowest && value <= highest))
        {
            throw new InvalidDataException(FormattableString.Invariant($"{name} is {value}; it must be from {lowest} to {highest}"));
        }
    }
}
