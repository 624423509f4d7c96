using System.Text;
using OrthoNative.Cli;
using OrthoNative.Cli.Output;
using OrthoNative.Cli.Training;

namespace OrthoNative.Fuzz.Readers;

/// <summary>The run.json of a run that is resumed.</summary>
internal sealed class ReportTarget : Target
{
    private static readonly TrainingTask s_task = Tasks.All.Single(task => task.Name == "copy");

    private readonly string _run;

    public ReportTarget(WorkingFolder folder)
        : base(folder, "report")
    {
        _run = Directory.CreateDirectory(folder.File("run")).FullName;
        TrainSettings settings = new()
        {
            Hidden = 8,
            Alpha = 1,
            Beta = 0.1,
            Filter = FilterChoice.Haar,
            Activation = Activation.Tanh,
            WeightScale = 1,
            InputScale = 1,
            BiasScale = 1,
            LearningRate = 0.001,
            Batch = 10,
        };
        EpochReport[] epochs = [new(1, 10, 1.5, 0.25, null, 0.001, 1, 2, 50)];
        var report = new RunReport(
            s_task.Name, TrainingStatus.Interrupted, "0.1.0", DateTimeOffset.UnixEpoch, 1, settings, 100, Machine.Describe(Device.Default), epochs, 2.5, null);
        Seeds = [Saved(report), Saved(report with { Status = TrainingStatus.Running, Epochs = [], LossLog = new FileMark(10, 200) })];

        byte[] Saved(RunReport saved)
        {
            File.Delete(FilePath);
            saved.Save(FilePath);
            return File.ReadAllBytes(FilePath);
        }
    }

    public override IReadOnlyList<byte[]> Seeds { get; }

    protected override long BytesForByte => 200;

    protected override void Read()
    {
        File.Copy(FilePath, Path.Combine(_run, RunFolder.Report), overwrite: true);
        RunReport report = RunReport.LoadForResuming(_run, s_task);
        report.RequireSettings(_run, report.Settings);
    }

    protected override bool IsDocumented(Exception exception) => exception is CliException;
}

/// <summary>The run.json of a trainer's run that is resumed.</summary>
internal sealed class TrainingRecordTarget : Target
{
    private readonly TrainingRecord _record = new(new TrainingSettings(8, 1, 0, true, 3, false, 1, 1, true, "accuracy", "accuracy", 50, 100, 30));
    private readonly string _run;

    public TrainingRecordTarget(WorkingFolder folder)
        : base(folder, "record")
    {
        _run = Directory.CreateDirectory(folder.File("trainer-run")).FullName;
        var validation = new EvaluationResult(0.5, new Dictionary<string, double> { ["accuracy"] = 0.75 }, 30);
        EpochResult[] epochs = [new(1, 7, 1.5, 0.25, validation, 0.001, 1, 2, 50), new(2, 10, 1.25, double.NaN, null, 0.001, 1, 2, double.PositiveInfinity)];
        Seeds = [Saved(new RunState(TrainingStatus.Interrupted, epochs, 2.5, 0, new FileMark(10, 200))), Saved(new RunState(TrainingStatus.Completed, epochs[..1], 2.5))];

        byte[] Saved(RunState state)
        {
            File.Delete(FilePath);
            _record.Write(FilePath, state);
            return File.ReadAllBytes(FilePath);
        }
    }

    public override IReadOnlyList<byte[]> Seeds { get; }

    protected override long BytesForByte => 200;

    protected override void Read()
    {
        File.Copy(FilePath, Path.Combine(_run, RunFolder.Report), overwrite: true);
        _record.Read(_run);
    }

    protected override bool IsDocumented(Exception exception) => exception is InvalidDataException or FileNotFoundException;
}

/// <summary>The loss.csv of a run that is resumed.</summary>
internal sealed class LossLogTarget : Target
{
    public LossLogTarget(WorkingFolder folder)
        : base(folder, "losses")
    {
        byte[] saved = Encoding.ASCII.GetBytes("step,loss,metric\n1,1.5,0\n2,1e-300,0.125\n3,0.25,1\n");
        Seeds = [saved, Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(saved).ReplaceLineEndings("\r\n"))];
    }

    public override IReadOnlyList<byte[]> Seeds { get; }

    protected override long BytesForByte => 100;

    protected override void Read()
    {
        LossLog.Load(FilePath, value => value is >= 0 and <= 1 ? null : "an accuracy", mark: null, (loss, metric) =>
        {
            if (!double.IsFinite(loss) || metric is not (>= 0 and <= 1))
            {
                throw new FindingException("a loss is not finite or an accuracy is none");
            }
        });
    }
}

/// <summary>The epochs.jsonl of a run that is resumed.</summary>
internal sealed class EpochLogTarget : Target
{
    public EpochLogTarget(WorkingFolder folder)
        : base(folder, "epochs")
    {
        EpochReport[] epochs = [new(1, 10, 1.5, 0.25, null, 0.001, 1, 2, 50), new(2, 20, 1e-300, 1, 0.5, 0.001, 1, 2, 50)];
        Seeds = [Encoding.ASCII.GetBytes(string.Concat(epochs.Select(epoch => $"{epoch.ToLine()}\n")))];
    }

    public override IReadOnlyList<byte[]> Seeds { get; }

    protected override long BytesForByte => 200;

    protected override void Read() => EpochLog.Load(FilePath, new FileMark(Lines: 2, new FileInfo(FilePath).Length), EpochReport.Parse);
}
