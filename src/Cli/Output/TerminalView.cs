using OrthoNative.Cli.Training;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace OrthoNative.Cli.Output;

/// <summary>A progress bar on a terminal, with a line above it for every epoch.</summary>
internal sealed class TerminalView(IAnsiConsole console, string metric, int epochs, string measured) : ITrainingView
{
    /// <summary>Columns that the texts beside the bar take at most.</summary>
    private const int TextWidth = 80;

    /// <summary>Columns of a terminal that has room for more than the numbers.</summary>
    private const int WideTerminal = 100;

    /// <summary>Columns of the percentage, of the spaces between the four texts, and of the last one, which stays empty.</summary>
    private const int OtherColumns = 4 + 3 + 1;

    private readonly int _barWidth = Math.Clamp(console.Profile.Width - TextWidth, 8, 40);
    private readonly string _label = console.Profile.Width >= WideTerminal ? "epoch " : "";
    private ProgressTask? _task;
    private TrainingProgress _progress;
    private double? _measured;

    public TrainingResult Run(Func<TrainingResult> train) => console.Progress()
        .AutoClear(true)
        .Columns(
            new TaskDescriptionColumn { Alignment = Justify.Left },
            new ProgressBarColumn { Width = _barWidth },
            new PercentageColumn(),
            new StatusColumn(this))
        .Start(context =>
        {
            _task = context.AddTask(EpochText(1), maxValue: 1);
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
            task.Description = EpochText(progress.Epoch);
        }
    }

    public void Epoch(EpochResult epoch)
    {
        if (epoch.Validation is { } result)
        {
            lock (this)
            {
                _measured = Metrics.ValueOf(result, metric);
            }
        }

        Note(Texts.Epoch(metric, epoch, epochs, measured));
    }

    public void Note(string text) => console.Write(new ClearedLine(text));

    private string EpochText(int epoch) => Texts.Format($"{_label}{epoch}/{epochs}");

    private string Status()
    {
        TrainingProgress progress;
        double? latest;
        lock (this)
        {
            (progress, latest) = (_progress, _measured);
        }

        if (progress.Step == 0)
        {
            return "";
        }

        // A line longer than the terminal is wide would be wrapped, and its second part stay behind at every update.
        int room = Math.Max(0, console.Profile.Width - EpochText(progress.Epoch).Length - _barWidth - OtherColumns);
        string left = $"{Texts.Duration(progress.Remaining)} left";
        string status = $"{Texts.LossAndMetric(metric, progress.Loss, progress.Metric)}  {Texts.Rate(progress.SamplesPerSecond)}  {left}";
        if (latest is { } value)
        {
            // What the latest measurement gave says more than the pace.
            string full = $"{Texts.LossAndMetric(metric, progress.Loss, progress.Metric)}  {measured} {Texts.Metric(metric, value)}  {Texts.Rate(progress.SamplesPerSecond)}  {left}";
            status = full.Length <= room ? full : $"{Texts.LossAndMetric(metric, progress.Loss, progress.Metric)}  {measured} {Texts.Metric(metric, value)}  {left}";
        }

        return status.Length <= room ? status : status[..room];
    }

    /// <summary>A line in the place of the progress bar, which continues below: what the bar has left there is cleared.</summary>
    private sealed class ClearedLine(string text) : Renderable
    {
        private const string ClearToEndOfScreen = "\u001b[0J";

        protected override IEnumerable<Segment> Render(RenderOptions options, int maxWidth) =>
            [Segment.Control(ClearToEndOfScreen), .. ((IRenderable)new Text(text)).Render(options, maxWidth), Segment.LineBreak];
    }

    /// <summary>Loss, metric, pace and time left.</summary>
    private sealed class StatusColumn(TerminalView view) : ProgressColumn
    {
        protected override bool NoWrap => true;

        public override IRenderable Render(RenderOptions options, ProgressTask task, TimeSpan deltaTime) => new Text(view.Status());
    }
}
