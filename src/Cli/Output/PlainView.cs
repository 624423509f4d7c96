using System.Diagnostics;

namespace OrthoNative.Cli.Output;

/// <summary>Lines of text, for files and pipes: one for each epoch, and one from time to time in between.</summary>
internal sealed class PlainView(TextWriter output, string metric, int epochs, string measured) : ITrainingView
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);

    private long _last = Stopwatch.GetTimestamp();

    public TrainingResult Run(Func<TrainingResult> train) => train();

    public void Step(in TrainingProgress progress)
    {
        if (Stopwatch.GetElapsedTime(_last) < Interval)
        {
            return;
        }

        _last = Stopwatch.GetTimestamp();
        Note(Texts.Format($"epoch {progress.Epoch}/{epochs}  step {progress.Step}/{progress.Steps}  ") +
            $"{Texts.LossAndMetric(metric, progress.Loss, progress.Metric)}  {Texts.Rate(progress.SamplesPerSecond)}  " +
            $"{Texts.Duration(progress.Remaining)} left");
    }

    public void Epoch(EpochResult epoch)
    {
        _last = Stopwatch.GetTimestamp();
        Note(Texts.Epoch(metric, epoch, epochs, measured));
    }

    public void Note(string text)
    {
        output.WriteLine(text);
        output.Flush();
    }
}
