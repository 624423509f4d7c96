using System.Text.Json;
using OrthoNative.Cli.Output;
using OrthoNative.Cli.Reports;
using OrthoNative.Cli.Training;

namespace OrthoNative.Cli.Files;

/// <summary>What the tool adds to a run on a file: run.json, pictures, the report, and the measurements at the end.</summary>
internal sealed class FileRecord : ToolRecord
{
    private readonly FileModel _model;
    private readonly FileReport _report;
    private readonly FileFindings _findings;
    private readonly LinearStart? _start;
    private FileResult? _result;

    /// <param name="model">The model.</param>
    /// <param name="report">The run as it begins.</param>
    /// <param name="first">Findings of a model that has not learnt from the validation data, where this one has; null: this one has not.</param>
    /// <param name="start">Where the training begins; null: with random weights.</param>
    /// <param name="view">Told what is done.</param>
    public FileRecord(FileModel model, FileReport report, FileFindings? first, LinearStart? start, ITrainingView view)
        : base(view)
    {
        (_model, _report, _start) = (model, report, start);
        // Of data that the kept model has learnt from, it says nothing.
        _findings = first is not null && model.Test is null ? first : new FileFindings(model, model.Test, first?.Validation, start);
        Pictures = [(RunFolder.Picture, Draw), (RunFolder.ReportPage, DrawReport)];
    }

    /// <inheritdoc/>
    public override IReadOnlyList<(string Name, Func<byte[]> Content)> Pictures { get; }

    public override string Format(EpochResult epoch) => JsonSerializer.Serialize(epoch, EpochJson.Default.EpochResult);

    public override TrainingStatus Conclude(TrainingStatus status, long step, CancellationToken cancellationToken)
    {
        if (_findings.Validation is not null)
        {
            return status;
        }

        Note(_model.Test is { } test
            ? Texts.Format($"measuring on {_model.Validation.Count:#,0} validation and {test.Count:#,0} test samples")
            : Texts.Format($"measuring on {_model.Validation.Count:#,0} validation samples"));
        return _findings.Measure(cancellationToken) ? status : TrainingStatus.Interrupted;
    }

    public override void BeforeLastSave(RunState state, long steps)
    {
        string reason = state.Status == TrainingStatus.StoppedEarly ? " (ended early: the validation did not improve any more)" : "";
        string result = "interrupted; what was trained was not measured";
        if (state.HasEnded && _findings.Validation is { } validation)
        {
            int? best = _findings.BestEpoch(state.Epochs);
            _result = new FileResult(validation, _findings.Test, _findings.Baselines.ToDictionary(baseline => baseline.Method, baseline => baseline.Value), best, state.Seconds, Machine.PeakBytes());
            result = _findings.Headline + (best is { } epoch ? epoch == 0 ? "; weights of the linear path alone" : Texts.Format($"; weights of epoch {epoch}") : "");
        }

        Conclusion = $"{result}; {Texts.Format($"{steps:#,0}")} steps in {Texts.Duration(state.Seconds)}{reason}";
    }

    protected override void Save(string path, RunState state) => ToReport(state).Save(path);

    protected override string NextOf(string folder) => $"next: orthonative predict '{folder}' FILE, or open {RunFolder.ReportPage} in a browser";

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

    /// <summary>Tells of the linear path of a forecast.</summary>
    private IEnumerable<string> LinearFindings()
    {
        if (_start is { } start)
        {
            yield return start.ToString();
        }

        if (_findings.KeptStart)
        {
            yield return "no epoch was better on the validation part, so the forecasts are those of the linear path alone";
        }
    }

    private string Title => Path.GetFileName(Path.TrimEndingDirectorySeparator(_report.Path));

    private string LossName => _model.Training.IsClassification ? "cross-entropy (nats)" : "mean squared error (standardized)";

    private byte[] Draw() => LossPlot.Draw($"{Title}: {_report.Plan.Model.ToName()}", LossName, Curve, _findings.ChanceLoss, ValidationCurve.Of("validation", Latest.Epochs, _result?.BestEpoch));

    private byte[] DrawReport() => HtmlReport.Create(new ReportContent
    {
        Title = Title,
        Headline = _result is null ? "training has not ended; nothing was measured" : _findings.Headline,
        Status = Latest.Status,
        Command = CommandLine.Text,
        Started = _report.Started,
        Seconds = Latest.Seconds,
        Machine = _report.Machine,
        Findings = [.. _model.Content.Findings, _model.Parts.Finding, .. _model.LearnsAll ? (string[])[FewSequences] : [], .. LinearFindings()],
        Settings = [.. Settings()],
        Summary = _model.Summary,
        Losses = Curve,
        LossName = LossName,
        ChanceLoss = _findings.ChanceLoss,
        Epochs = Latest.Epochs,
        Metric = _model.Metric,
        BestEpoch = _result?.BestEpoch is > 0 and int best ? best : null,
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
