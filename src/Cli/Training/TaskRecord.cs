using System.Text.Json;
using OrthoNative.Cli.Output;
using OrthoNative.Cli.Reports;

namespace OrthoNative.Cli.Training;

/// <summary>What the tool adds to a run of the library's trainer: run.json, the picture of the loss, and the test at the end.</summary>
internal sealed class TaskRecord : ToolRecord
{
    private readonly TrainingTask _task;
    private readonly TaskModel _model;
    private readonly DateTimeOffset _started;
    private readonly Machine _machine;
    private readonly double _chanceLoss;
    private TestResult? _test;

    public TaskRecord(TrainingTask task, TaskModel model, DateTimeOffset started, Machine machine, ITrainingView view)
        : base(view)
    {
        (_task, _model, _started, _machine) = (task, model, started, machine);
        _chanceLoss = task.ChanceLoss(model.TrainingData.Outputs);
        Pictures = [(RunFolder.Picture, Draw), (RunFolder.ReportPage, DrawReport)];
    }

    public override IReadOnlyList<(string Name, Func<byte[]> Content)> Pictures { get; }

    /// <summary>Name of the task's metric.</summary>
    public string Metric => _task.Metric;

    private RunReport Report(RunState state) => new(
        _task.Name,
        state.Status,
        SystemInfo.Version,
        _started,
        _model.Settings.Seed,
        _model.Settings,
        _model.Model.ParameterData.Count,
        _machine,
        [.. state.Epochs.Select(epoch => EpochReport.Of(epoch, Metric))],
        state.Seconds,
        _test is { } test ? new RunResult(Metric, test.Metric, _model.Baseline, state.Seconds, Machine.PeakBytes(), test.Answers) : null,
        state.LossLog,
        state.EpochLog);

    public override string Format(EpochResult epoch) => EpochReport.Of(epoch, Metric).ToLine();

    /// <summary>An accuracy is a fraction; a squared error is only known not to be negative.</summary>
    public override string? ProblemOfMetric(double value)
    {
        bool isAccuracy = Metric == Metrics.Accuracy;
        return value >= 0 && value <= (isAccuracy ? 1 : double.MaxValue) ? null : $"a metric from 0{(isAccuracy ? " to 1" : "")}, as the {Metric} is";
    }

    public override TrainingStatus Conclude(TrainingStatus status, long step, CancellationToken cancellationToken)
    {
        Note(Texts.Format($"testing on {_model.TestData.Count:#,0} samples") + (_model.Settings.TestLength is { } length ? Texts.Format($" of {length:#,0} steps") : ""));
        using BatchSource source = _model.Trainer.CreateEvaluationSource(_model.TestData);
        if (_model.Trainer.Measure(source, cancellationToken) is not { } result)
        {
            return TrainingStatus.Interrupted;
        }

        _test = new TestResult(Metrics.ValueOf(result, Metric), _task.TargetsEveryStep ? _model.Answers.Answers : null);
        return status;
    }

    public override void BeforeLastSave(RunState state, long steps)
    {
        string reason = state.Status == TrainingStatus.GoalReached ? " (ended early, the goal was reached)" : "";
        Conclusion = $"{Result}; {Texts.Format($"{steps:#,0}")} steps in {Texts.Duration(state.Seconds)}{reason}";
    }

    protected override void Save(string path, RunState state) => Report(state).Save(path);

    /// <summary>Counts, since a percentage is rounded; empty: there are none.</summary>
    private static string Describe(TestAnswers? answers) => answers is null
        ? ""
        : Texts.Format($"; {answers.CorrectSteps:#,0} of {answers.Steps:#,0} steps are right, the last step of {answers.CorrectLastSteps:#,0} of {answers.Samples:#,0} samples");

    private string LossName => Metric == Metrics.MeanSquaredError ? "mean squared error" : "cross-entropy (nats)";

    private string Result => _test is { } test
        ? $"test {Metric} {Texts.Metric(Metric, test.Metric)}, baseline {Texts.Metric(Metric, _model.Baseline)}{Describe(test.Answers)}"
        : "interrupted; what was trained was not tested";

    private byte[] Draw() => LossPlot.Draw($"{_task.Describe(_model.Settings)}: loss", LossName, Curve, _chanceLoss, ValidationCurve.Of("test", Latest.Epochs));

    private byte[] DrawReport() => HtmlReport.Create(new ReportContent
    {
        Title = _task.Describe(_model.Settings),
        Headline = Result,
        Status = Latest.Status,
        Command = CommandLine.Text,
        Started = _started,
        Seconds = Latest.Seconds,
        Machine = _machine,
        Settings = [.. JsonSerializer.SerializeToElement(_model.Settings, RunReportJson.Default.TrainSettings).EnumerateObject()
            .Where(setting => setting.Value.ValueKind != JsonValueKind.Null)
            .Select(setting => (setting.Name, setting.Value.ToString()))],
        Summary = _model.Summary,
        Losses = Curve,
        LossName = LossName,
        ChanceLoss = _chanceLoss,
        Epochs = Latest.Epochs,
        ValidationName = "test",
        Metric = Metric == Metrics.Accuracy ? Metric : null,
    });
}
