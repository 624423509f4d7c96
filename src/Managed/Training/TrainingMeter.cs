using System.Diagnostics.Metrics;

namespace OrthoNative;

/// <summary>The instruments of training: what <c>dotnet-counters</c> and OpenTelemetry see of it.</summary>
internal static class TrainingMeter
{
    private const string Name = "OrthoNative";

    private static readonly Meter s_meter = new(Name, SystemInfo.Version);

    private static readonly Counter<long> s_steps = s_meter.CreateCounter<long>("orthonative.training.steps", "{step}", "Training steps done.");

    private static readonly Counter<long> s_samples = s_meter.CreateCounter<long>("orthonative.training.samples", "{sample}", "Samples learnt from.");

    private static readonly Histogram<double> s_duration = s_meter.CreateHistogram<double>("orthonative.training.step.duration", "s", "Duration of a training step.");

    private static readonly Histogram<double> s_loss = s_meter.CreateHistogram<double>("orthonative.training.loss", "1", "Training loss of a step.");

    private static readonly Histogram<double> s_norm = s_meter.CreateHistogram<double>("orthonative.training.gradient_norm", "1", "Norm of the gradient before clipping.");

    private static readonly Histogram<double> s_rate = s_meter.CreateHistogram<double>("orthonative.training.learning_rate", "1", "Learning rate of a step.");

    /// <summary>Adds a step.</summary>
    public static void Add(TrainingState state, double seconds)
    {
        s_steps.Add(1);
        s_samples.Add(state.Samples);
        s_duration.Record(seconds);
        s_loss.Record(state.Loss);
        s_norm.Record(state.GradientNorm);
        s_rate.Record(state.LearningRate);
    }
}
