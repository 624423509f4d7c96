using OrthoNative.Cli.Training;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace OrthoNative.Cli.Output;

/// <summary>A progress bar on a terminal, with a line above it for every epoch.</summary>
internal sealed class TerminalView(IAnsiConsole console, string metric, int epochs) : ITrainingView
{
    /// <summary>Columns that the texts beside the bar take at most.</summary>
    private const int TextWidth = 72;

    /// <summary>Columns of a terminal that has room for more than the numbers.</summary>
    private const int WideTerminal = 100;

    private readonly string _label = console.Profile.Width >= WideTerminal ? "epoch " : "";
    private ProgressTask? _task;
    private TrainingProgress _progress;

    public TrainingOutcome Run(Func<TrainingOutcome> train) => console.Progress()
        .AutoClear(true)
        .Columns(
            new TaskDescriptionColumn { Alignment = Justify.Left },
            new ProgressBarColumn { Width = Math.Clamp(console.Profile.Width - TextWidth, 8, 40) },
            new PercentageColumn(),
            new StatusColumn(this))
        .Start(context =>
        {
            _task = context.AddTask(Texts.Format($"{_label}1/{epochs}"), maxValue: 1);
            return train();
        });

    public void Step(in TrainingProgress progress)
    {
        lock (this)
        {
            _progress = progress;
        }

        if (_task is { } task)
        {
            task.MaxValue = progress.Steps;
            task.Value = progress.Step;
            task.Description = Texts.Format($"{_label}{progress.Epoch}/{progress.Epochs}");
        }
    }

    public void Epoch(EpochReport epoch) => Note(Texts.Epoch(metric, epoch, epochs));

    public void Note(string text) => console.WriteLine(text);

    private string Status()
    {
        TrainingProgress progress;
        lock (this)
        {
            progress = _progress;
        }

        return progress.Step == 0
            ? ""
            : $"{Texts.LossAndMetric(metric, progress.Loss, progress.Metric)}  {Texts.Rate(progress.SamplesPerSecond)}  " +
              $"{Texts.Duration(progress.Remaining)} left";
    }

    /// <summary>Loss, metric, pace and time left.</summary>
    private sealed class StatusColumn(TerminalView view) : ProgressColumn
    {
        protected override bool NoWrap => true;

        public override IRenderable Render(RenderOptions options, ProgressTask task, TimeSpan deltaTime) => new Text(view.Status());
    }
}
