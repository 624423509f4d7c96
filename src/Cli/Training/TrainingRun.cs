using OrthoNative.Cli.Output;
using OrthoNative.Interop;
using Spectre.Console;

namespace OrthoNative.Cli.Training;

/// <summary>A whole run: from the settings to the files that it leaves.</summary>
internal static class TrainingRun
{
    /// <summary>Bytes that run.json and loss.png stay well below.</summary>
    private const long RoomForReports = 1 << 20;

    /// <summary>Units from which a random orthogonal matrix takes seconds: its time grows with their third power.</summary>
    private const int LargeFilter = 2000;

    /// <summary>Trains, shows how it goes, saves and says what came out.</summary>
    /// <returns>Exit code of the program.</returns>
    /// <exception cref="CliException">It cannot be done; nothing is left half-written.</exception>
    public static int Execute(TrainingTask task, TrainSettings settings)
    {
        DateTimeOffset started = DateTimeOffset.Now;
        using var interruption = new Interruption();
        StandardOutput.Tolerate();
        if (settings.Resume && settings.Out is null)
        {
            throw CliException.Usage("--resume is given without --out; allowed: with the --out of the run to go on with");
        }

        string[] files = [RunFolder.Weights, RunFolder.Picture, RunFolder.OptimizerState, RunFolder.Losses, RunFolder.Report];
        using RunFolder folder = settings.Out is { } path ? RunFolder.Open(path, files) : RunFolder.OpenNew(task.Name, started, files);
        try
        {
            // In the folder that is taken, where a save that was cut short has been brought to its end.
            RunReport? earlier = settings.Resume ? RunReport.LoadForResuming(folder.Path, task.Name) : null;
            if (settings.Data is not null)
            {
                EnsureMnist(settings, interruption.Token);
            }

            using Device device = settings.Device.CudaIndex is { } index
                ? Device.Cuda(index, new CudaOptions { MatrixPrecision = settings.MatrixPrecision })
                : Device.Cpu(settings.Threads);
            if (settings.Filter == FilterChoice.Haar && settings.Hidden >= LargeFilter)
            {
                Console.Out.WriteLine(Texts.Format($"drawing the haar filter of {settings.Hidden:#,0} units"));
            }

            using var trainer = new Trainer(task, settings, device);
            interruption.Token.ThrowIfCancellationRequested();
            folder.EnsureRoom(trainer.SavedBytes + RoomForReports);
            Console.Out.WriteLine(Describe(task, trainer.Settings, trainer, device));
            if (settings.Layers is not null)
            {
                Console.Out.WriteLine(trainer.Summary);
            }

            ITrainingView view = AnsiConsole.Profile.Out.IsTerminal && AnsiConsole.Profile.Capabilities.Ansi
                ? new TerminalView(AnsiConsole.Console, task.Metric, trainer.Epochs)
                : new PlainView(Console.Out, task.Metric, trainer.Epochs);
            if (earlier is not null)
            {
                Resume(folder, earlier, trainer);
                view.Note(Texts.Format($"going on from step {trainer.StepsDone:#,0}"));
            }

            (string Name, Action<string> Write)[] Files(TrainingOutcome at) => FilesOf(task, earlier?.Started ?? started, trainer, device, at);
            bool SaveOnTheWay(TrainingOutcome soFar)
            {
                if (folder.TryWrite(Files(soFar)) is not { } problem)
                {
                    return true;
                }

                // There may be room again by the end.
                view.Note($"{ForeignText.CleanMessage(problem)}; the run goes on without having been saved");
                return false;
            }

            TrainingOutcome outcome = view.Run(() => trainer.Run(view, SaveOnTheWay, interruption.Token));
            // Before it is saved, so that it is known even if that fails.
            Console.Out.WriteLine(Conclude(task, outcome));
            folder.Write(Files(outcome));
            if (HasEnded(outcome))
            {
                folder.Remove(RunFolder.OptimizerState);
                folder.Remove(RunFolder.Losses);
            }

            Console.Out.WriteLine($"{ForeignText.CleanPath(Path.Combine(folder.Path, RunFolder.Report))}, {RunFolder.Weights}, {RunFolder.Picture}");
            if (!HasEnded(outcome))
            {
                Console.Out.WriteLine($"the same command with --out '{ForeignText.CleanPath(folder.Path)}' --resume goes on with it");
            }

            return outcome.Status == RunStatus.Interrupted ? interruption.ExitCode : ExitCodes.Success;
        }
        catch (OperationCanceledException)
        {
            StandardError.WriteLine("interrupted before training; nothing was saved");
            return interruption.ExitCode;
        }
    }

    private static void EnsureMnist(TrainSettings settings, CancellationToken cancellationToken)
    {
        string directory = settings.Data!;
        if (Mnist.MissingMessage(directory) is not { } missing)
        {
            return;
        }

        if (!settings.Download)
        {
            throw CliException.Failure($"{missing}, or add --download to fetch them");
        }

        var progress = new DownloadLines();
        Mnist.DownloadAsync(directory, settings.Mirror is { } mirror ? [mirror] : null, progress, cancellationToken).GetAwaiter().GetResult();
    }

    private static string Describe(TrainingTask task, TrainSettings settings, Trainer trainer, Device device) => Texts.Format(
        $"{task.Describe(settings)}: {settings.Hidden} units, {settings.Filter.ToString().ToLowerInvariant()} filter, ") + Texts.Format(
        $"{settings.Activation.ToString().ToLowerInvariant()}, alpha {settings.Alpha}, beta {settings.Beta}, ") + Texts.Format(
        $"{trainer.Model.ParameterData.Count:#,0} parameters, {trainer.Steps:#,0} steps of {settings.Batch} samples, {device}");

    /// <summary>What is saved of a run: name, and what writes the file.</summary>
    private static (string Name, Action<string> Write)[] FilesOf(
        TrainingTask task, DateTimeOffset started, Trainer trainer, Device device, TrainingOutcome outcome)
    {
        TrainSettings settings = trainer.Settings;
        var report = new RunReport(
            task.Name,
            outcome.Status,
            SystemInfo.Version,
            started,
            settings.Seed,
            settings,
            trainer.Model.ParameterData.Count,
            Machine.Describe(device),
            outcome.Epochs,
            outcome.Seconds,
            outcome.TestMetric is { } value
                ? new RunResult(task.Metric, value, outcome.Baseline, outcome.Seconds, Machine.PeakBytes())
                : null);
        string lossName = task.Metric == Metrics.MeanSquaredError ? "mean squared error" : "cross-entropy (nats)";
        byte[] picture = LossPlot.Draw($"{task.Describe(settings)}: training loss", lossName, outcome.Losses, task.ChanceLoss);
        var files = new List<(string Name, Action<string> Write)>
        {
            (RunFolder.Weights, trainer.Model.Save),
            (RunFolder.Picture, path => File.WriteAllBytes(path, picture)),
        };
        if (!HasEnded(outcome))
        {
            files.Add((RunFolder.OptimizerState, trainer.SaveOptimizer));
            files.Add((RunFolder.Losses, path => LossLog.Save(path, outcome.Losses, outcome.Metrics)));
        }

        files.Add((RunFolder.Report, report.Save));
        return [.. files];
    }

    /// <summary>Whether there is nothing to go on with.</summary>
    private static bool HasEnded(TrainingOutcome outcome) => outcome.Status is RunStatus.Completed or RunStatus.GoalReached;

    private static void Resume(RunFolder folder, RunReport earlier, Trainer trainer)
    {
        earlier.RequireSettings(folder.Path, trainer.Settings);
        try
        {
            trainer.Resume(
                folder.PathOf(RunFolder.Weights),
                folder.PathOf(RunFolder.OptimizerState),
                LossLog.Load(folder.PathOf(RunFolder.Losses)),
                earlier.Epochs,
                earlier.Seconds);
        }
        catch (Exception exception) when (FileErrors.Is(exception) || exception is InvalidDataException)
        {
            throw CliException.Failure($"--resume is given, and the run in '{folder.Path}' cannot be gone on with: {exception.Message.TrimEnd('.')}");
        }
    }

    private static string Conclude(TrainingTask task, TrainingOutcome outcome)
    {
        string result = outcome.TestMetric is { } value
            ? $"test {task.Metric} {Texts.Metric(task.Metric, value)}, baseline {Texts.Metric(task.Metric, outcome.Baseline)}"
            : "interrupted; what was trained was not tested";
        string reason = outcome.Status == RunStatus.GoalReached ? " (ended early, the goal was reached)" : "";
        return $"{result}; {Texts.Format($"{outcome.Losses.Count:#,0}")} steps in {Texts.Duration(TimeSpan.FromSeconds(outcome.Seconds))}{reason}";
    }

    /// <summary>Says what is being fetched, at once and in order.</summary>
    private sealed class DownloadLines : IProgress<Uri>
    {
        public void Report(Uri value) => Console.Out.WriteLine($"fetching {value}");
    }
}
