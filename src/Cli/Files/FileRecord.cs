using System.Text.Json;
using OrthoNative.Cli.Output;
using OrthoNative.Cli.Reports;
using OrthoNative.Cli.Training;
using OrthoNative.Interop;

namespace OrthoNative.Cli.Files;

/// <summary>What the tool adds to a run on a file: run.json, pictures, the report, and the measurements at the end.</summary>
internal sealed class FileRecord : RunRecord
{
    private readonly FileModel _model;
    private readonly FileReport _report;
    private readonly ITrainingView _view;
    private readonly LossCurve _curve = new();
    private readonly FileFindings _findings;
    private FileResult? _result;
    private RunState? _saved;
    private IReadOnlyList<EpochResult> _epochs = [];
    private TrainingStatus _status = TrainingStatus.Running;
    private double _seconds;
    private string? _conclusion;

    /// <param name="model">The model.</param>
    /// <param name="report">The run as it begins.</param>
    /// <param name="first">Findings of a model that has not learnt from the validation data, where this one has; null: this one has not.</param>
    /// <param name="view">Told what is done.</param>
    public FileRecord(FileModel model, FileReport report, FileFindings? first, ITrainingView view)
    {
        (_model, _report, _view) = (model, report, view);
        // Of data that the kept model has learnt from, it says nothing.
        _findings = first is not null && model.Test is null ? first : new FileFindings(model, model.Test, first?.Validation);
        Pictures = [(RunFolder.Picture, Draw), (RunFolder.ReportPage, DrawReport)];
    }

    /// <inheritdoc/>
    public override IReadOnlyList<(string Name, Func<byte[]> Content)> Pictures { get; }

    public override void Write(string path, RunState state)
    {
        (_epochs, _status, _seconds) = (state.Epochs, state.Status, state.Seconds);
        ToReport(state).Save(path);
    }

    public override string Format(EpochResult epoch) => JsonSerializer.Serialize(epoch, EpochJson.Default.EpochResult);

    public override void OnLoss(double loss) => _curve.Add(loss);

    public override TrainingStatus Conclude(TrainingStatus status, long step, CancellationToken cancellationToken)
    {
        if (_findings.Validation is not null)
        {
            return status;
        }

        _view.Note(_model.Test is { } test
            ? Texts.Format($"measuring on {_model.Validation.Count:#,0} validation and {test.Count:#,0} test samples")
            : Texts.Format($"measuring on {_model.Validation.Count:#,0} validation samples"));
        return _findings.Measure(cancellationToken) ? status : TrainingStatus.Interrupted;
    }

    public override void BeforeLastSave(RunState state, long steps)
    {
        string reason = state.Status == TrainingStatus.StoppedEarly ? " (ended early: the validation did not improve any more)" : "";
        string result = "interrupted; what was trained was not measured";
        if (_findings.Validation is { } validation)
        {
            int? best = FileFindings.BestEpoch(state.Epochs);
            _result = new FileResult(validation, _findings.Test, _findings.Baselines.ToDictionary(baseline => baseline.Method, baseline => baseline.Value), best, state.Seconds, Machine.PeakBytes());
            result = _findings.Headline + (best is { } epoch ? Texts.Format($"; weights of epoch {epoch}") : "");
        }

        _conclusion = $"{result}; {Texts.Format($"{steps:#,0}")} steps in {Texts.Duration(state.Seconds)}{reason}";
    }

    public override void AfterRequestedSave(long step) => _view.Note(Texts.Format($"saved at step {step:#,0}"));

    public override void AfterLastSave(RunState state) => _saved = state;

    public override void OnWarning(string message, bool isOnTheWay)
    {
        if (isOnTheWay)
        {
            _view.Note(message);
        }
        else
        {
            StandardError.Warn(message);
        }
    }

    /// <summary>Says what came out, where it is saved, and what can be done with it.</summary>
    public void Tell(RunFolder folder)
    {
        if (_conclusion is not null)
        {
            Console.Out.WriteLine(_conclusion);
        }

        if (_saved is null)
        {
            return;
        }

        string[] others = [.. ((string[])[RunFolder.Weights, RunFolder.Picture, RunFolder.ReportPage]).Where(name => File.Exists(folder.PathOf(name)))];
        string shown = ForeignText.CleanPath(folder.Path);
        Console.Out.WriteLine(string.Join(", ", (string[])[ForeignText.CleanPath(Path.Combine(folder.Path, RunFolder.Report)), .. others]));
        Console.Out.WriteLine(_saved.HasEnded
            ? $"next: orthonative predict '{shown}' FILE, or open {RunFolder.ReportPage} in a browser"
            : $"the same command with --out '{shown}' --resume, and without --overwrite, continues it");
    }

    private FileReport ToReport(RunState state) => _report with
    {
        Status = state.Status,
        Epochs = state.Epochs,
        Seconds = state.Seconds,
        Result = _result,
        LossLog = state.LossLog,
        EpochLog = state.EpochLog,
    };

    /// <summary>Tells whose figures are shown.</summary>
    private string FewSequences => "few sequences: the model that is kept learnt from the training and the validation part; " +
        (_model.Test is null ? "all figures and examples are those of a second model" : "the figures on the validation part are those of a second model") + ", which learnt from the training part alone";

    private string Title => Path.GetFileName(Path.TrimEndingDirectorySeparator(_report.Path));

    private string LossName => _model.Training.IsClassification ? "cross-entropy (nats)" : "mean squared error (standardized)";

    private byte[] Draw() => LossPlot.Draw($"{Title}: {_report.Plan.Model.ToName()}", LossName, _curve, _findings.ChanceLoss, ValidationCurve.Of("validation", _epochs, _result?.BestEpoch));

    private byte[] DrawReport() => HtmlReport.Create(new ReportContent
    {
        Title = Title,
        Headline = _findings.Validation is null ? "training was interrupted; nothing was measured" : _findings.Headline,
        Status = _status,
        Command = CommandLine.Text,
        Started = _report.Started,
        Seconds = _seconds,
        Machine = _report.Machine,
        Findings = [.. _model.Content.Findings, _model.Parts.Finding, .. _model.LearnsAll ? (string[])[FewSequences] : []],
        Settings = [.. Settings()],
        Summary = _model.Summary,
        Losses = _curve,
        LossName = LossName,
        ChanceLoss = _findings.ChanceLoss,
        Epochs = _epochs,
        Metric = _model.Metric,
        BestEpoch = _result?.BestEpoch,
        Validation = _findings.Validation,
        Test = _findings.Test,
        Baselines = _findings.Baselines,
        Classes = _model.Content.Data.ClassNames,
        Confusion = _findings.Confusion,
        Worst = _findings.Worst,
        Values = _findings.Values,
        Forecasts = _findings.Forecasts,
        ErrorByStep = _findings.ErrorByStep,
        GradientNorms = _findings.GradientNorms,
        Code = UsageCode.Of(_model),
    });

    private IEnumerable<(string Name, string Value)> Settings()
    {
        foreach (JsonProperty setting in JsonSerializer.SerializeToElement(_report.Plan, FileReportJson.Default.ModelPlan).EnumerateObject())
        {
            string value = setting.Value.ValueKind == JsonValueKind.Array ? string.Join(", ", setting.Value.EnumerateArray()) : setting.Value.ToString();
            if (value.Length > 0)
            {
                yield return (setting.Name, value);
            }
        }
    }
}
