using OrthoNative.Cli.Output;
using OrthoNative.Interop;
using Spectre.Console;

namespace OrthoNative.Cli.Training;

/// <summary>A whole run: from the settings to the files that it leaves.</summary>
internal static class TrainingRun
{
    /// <summary>Bytes that run.json and loss.png stay well below.</summary>
    private const long RoomForReports = 1 << 20;

    /// <summary>Epochs in run.json during the run; all are in epochs.jsonl.</summary>
    private const int EpochsOnTheWay = 100;

    /// <summary>Units from which a random orthogonal matrix takes seconds: its time grows with their third power.</summary>
    private const int LargeFilter = 2000;

    /// <summary>Trains, shows how it goes, saves and says what came out.</summary>
    /// <param name="task">The task.</param>
    /// <param name="settings">The settings.</param>
    /// <param name="complete">Fills in what depends on the data, once they are there.</param>
    /// <returns>Exit code of the program.</returns>
    /// <exception cref="CliException">It cannot be done; nothing is left half-written.</exception>
    public static int Execute(TrainingTask task, TrainSettings settings, Func<TrainSettings, TrainSettings> complete)
    {
        DateTimeOffset started = DateTimeOffset.Now;
        using var interruption = new Interruption();
        StandardOutput.Tolerate();
        if (settings.Resume && settings.Out is null)
        {
            throw CliException.Usage("--resume is given without --out; it requires the --out of the run to resume");
        }

        string[] files = [RunFolder.Weights, RunFolder.Picture, RunFolder.OptimizerState, RunFolder.Losses, RunFolder.Epochs, RunFolder.Report];
        using RunFolder folder = settings.Out is { } path ? RunFolder.Open(path, files) : RunFolder.OpenNew(task.Name, started, files);
        try
        {
            // In the folder that is taken, where a save that was cut short has been brought to its end.
            RunReport? earlier = settings.Resume ? RunReport.LoadForResuming(folder.Path, task.Name) : null;
            if (settings.Data is not null)
            {
                EnsureMnist(settings, interruption.Token);
            }

            settings = complete(settings);
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

            var view = new GuardedView(CreateView(task, trainer));
            var machine = Machine.Describe(device);
            if (earlier is not null)
            {
                Resume(folder, earlier, trainer);
                view.Note(Texts.Format($"resuming from step {trainer.StepsDone:#,0}"));
            }

            Rehearse(folder, task, trainer, machine, device);
            (string Name, Action<string> Write)[] Files(RunFolder target, TrainingOutcome at) =>
                FilesOf(target, trainer, ReportOf(task, earlier?.Started ?? started, trainer, machine, at));
            (string Name, Func<byte[]> Content) picture = (RunFolder.Picture, () => Draw(task, trainer));
            bool SaveOnTheWay(TrainingOutcome soFar)
            {
                string? problem;
                try
                {
                    problem = folder.TryWrite(Files(folder, soFar));
                }
                catch (Exception exception)
                {
                    problem = $"the run cannot be saved ({FileErrors.Cause(exception)})";
                }

                if (problem is not null)
                {
                    // There may be room again by the end.
                    view.Note($"{ForeignText.CleanMessage(problem)}; the run continues unsaved");
                    return false;
                }

                WarnOf(folder.TryWritePictures(picture));
                return true;
            }

            TrainingOutcome outcome = view.Run(() => trainer.Run(view, SaveOnTheWay, interruption.Token));
            // Before it is saved, so that it is known even if that fails.
            Console.Out.WriteLine(Conclude(task, outcome));
            (string Name, Action<string> Write)[] essential =
            [
                (RunFolder.Weights, trainer.Model.Save),
                (RunFolder.Report, ReportOf(task, earlier?.Started ?? started, trainer, machine, outcome).Save),
            ];
            WarnOf(folder.Write(target => Files(target, outcome), essential, picture));
            folder.Remove(RunFolder.Epochs);
            if (HasEnded(outcome))
            {
                folder.Remove(RunFolder.OptimizerState);
                folder.Remove(RunFolder.Losses);
            }

            string[] written = [ForeignText.CleanPath(Path.Combine(folder.Path, RunFolder.Report)), RunFolder.Weights, .. File.Exists(folder.PathOf(RunFolder.Picture)) ? [RunFolder.Picture] : (string[])[]];
            Console.Out.WriteLine(string.Join(", ", written));
            if (!HasEnded(outcome))
            {
                Console.Out.WriteLine($"the same command with --out '{ForeignText.CleanPath(folder.Path)}' --resume continues it");
            }

            outcome.Failure?.Throw();
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
        $"{task.Describe(settings)}: {(settings.Model is { } model ? $"{model.ToName()}, " : "")}{settings.Hidden} units, ") + Texts.Format(settings.Model switch
        {
            ModelChoice.Elman => $"{settings.Activation!.Value.ToName()}, ",
            ModelChoice.Gru => $"",
            ModelChoice.Lstm => $"forget bias {settings.ForgetBias}, ",
            _ => $"{settings.Filter!.Value.ToName()} filter, {settings.Activation!.Value.ToName()}, alpha {settings.Alpha}, beta {settings.Beta}, ",
        }) + Texts.Format(
        $"{trainer.Model.ParameterData.Count:#,0} parameters, {trainer.Steps:#,0} steps of {settings.Batch} samples, {device}");

    private static ITrainingView CreateView(TrainingTask task, Trainer trainer)
    {
        try
        {
            if (AnsiConsole.Profile.Out.IsTerminal && AnsiConsole.Profile.Capabilities.Ansi)
            {
                return new TerminalView(AnsiConsole.Console, task.Metric, trainer.Epochs);
            }
        }
        // Whatever is wrong with the terminal, lines can be written.
        catch (Exception exception)
        {
            StandardError.Warn($"the progress bar cannot be shown ({FileErrors.Cause(exception)})");
        }

        return new PlainView(Console.Out, task.Metric, trainer.Epochs);
    }

    /// <summary>Warns of a problem beside a save, which is done.</summary>
    private static void WarnOf(string? problem)
    {
        if (problem is not null)
        {
            StandardError.Warn($"{problem}; the run is saved without it");
        }
    }

    private static RunReport ReportOf(TrainingTask task, DateTimeOffset started, Trainer trainer, Machine machine, TrainingOutcome outcome)
    {
        TrainSettings settings = trainer.Settings;
        return new RunReport(
            task.Name,
            outcome.Status,
            SystemInfo.Version,
            started,
            settings.Seed,
            settings,
            trainer.Model.ParameterData.Count,
            machine,
            outcome.Epochs,
            outcome.Seconds,
            outcome.Test is { } test
                ? new RunResult(task.Metric, test.Metric, outcome.Baseline, outcome.Seconds, Machine.PeakBytes(), test.Answers)
                : null);
    }

    /// <summary>
    /// The files of a run: name, and what writes the file. Until it ends, only what is new is written of that which grows with the steps.
    /// </summary>
    private static (string Name, Action<string> Write)[] FilesOf(RunFolder target, Trainer trainer, RunReport report)
    {
        var files = new List<(string Name, Action<string> Write)> { (RunFolder.Weights, trainer.Model.Save) };
        if (report.Status is RunStatus.Interrupted or RunStatus.Running)
        {
            files.Add((RunFolder.OptimizerState, trainer.SaveOptimizer));
            if (!target.TryAppend(RunFolder.Losses, trainer.Losses))
            {
                files.Add((RunFolder.Losses, trainer.Losses.WriteWhole));
            }
        }

        if (report.Status == RunStatus.Running)
        {
            for (long i = trainer.EpochLog.Count; i < report.Epochs.Count; i++)
            {
                trainer.EpochLog.Add(report.Epochs[(int)i]);
            }

            if (!target.TryAppend(RunFolder.Epochs, trainer.EpochLog))
            {
                files.Add((RunFolder.Epochs, trainer.EpochLog.WriteWhole));
            }
        }

        // The marks are known once the files before are written.
        files.Add((RunFolder.Report, path => (report.Status switch
        {
            RunStatus.Running => report with
            {
                Epochs = [.. report.Epochs.Skip(report.Epochs.Count - EpochsOnTheWay)],
                LossLog = trainer.Losses.Mark,
                EpochLog = trainer.EpochLog.Mark,
            },
            RunStatus.Interrupted => report with { LossLog = trainer.Losses.Mark },
            _ => report,
        }).Save(path)));
        return [.. files];
    }

    /// <summary>Saves a model of one unit, its optimizer and a report, so that what a save loads is loaded before hours are spent.</summary>
    private static void Rehearse(RunFolder folder, TrainingTask task, Trainer trainer, Machine machine, Device device)
    {
        using var model = new Sequential(device, 1, new RoaRnn(1, 1), new Dense(1, 1));
        using var optimizer = new Adam(model);
        RunReport report = ReportOf(task, DateTimeOffset.UtcNow, trainer, machine, new TrainingOutcome(RunStatus.Running, 0, [], null, 0, 0));
        folder.Rehearse((RunFolder.Weights, model.Save), (RunFolder.OptimizerState, optimizer.Save), (RunFolder.Report, report.Save));
    }

    private static byte[] Draw(TrainingTask task, Trainer trainer)
    {
        string lossName = task.Metric == Metrics.MeanSquaredError ? "mean squared error" : "cross-entropy (nats)";
        return LossPlot.Draw($"{task.Describe(trainer.Settings)}: training loss", lossName, trainer.Curve, trainer.ChanceLoss);
    }

    /// <summary>True where there is nothing left to resume.</summary>
    private static bool HasEnded(TrainingOutcome outcome) => outcome.Status is RunStatus.Completed or RunStatus.GoalReached;

    private static void Resume(RunFolder folder, RunReport earlier, Trainer trainer)
    {
        earlier.RequireSettings(folder.Path, trainer.Settings);
        try
        {
            if (earlier.Parameters != trainer.Model.ParameterData.Count)
            {
                throw new InvalidDataException(Texts.Format(
                    $"parameters is {earlier.Parameters} in run.json; expected: {trainer.Model.ParameterData.Count}, those of the model."));
            }

            trainer.Resume(
                folder.PathOf(RunFolder.Weights),
                folder.PathOf(RunFolder.OptimizerState),
                folder.PathOf(RunFolder.Losses),
                earlier.LossLog,
                earlier.Epochs,
                earlier.Seconds);
        }
        catch (Exception exception) when (FileErrors.Is(exception) || exception is InvalidDataException)
        {
            throw CliException.Failure($"--resume is given, and the run in '{ForeignText.CleanPath(folder.Path)}' cannot be resumed: {exception.Message.TrimEnd('.')}");
        }
    }

    private static string Conclude(TrainingTask task, TrainingOutcome outcome)
    {
        string result = outcome.Test is { } test
            ? $"test {task.Metric} {Texts.Metric(task.Metric, test.Metric)}, baseline {Texts.Metric(task.Metric, outcome.Baseline)}{Describe(test.Answers)}"
            : "interrupted; what was trained was not tested";
        string reason = outcome.Status == RunStatus.GoalReached ? " (ended early, the goal was reached)" : "";
        return $"{result}; {Texts.Format($"{outcome.Steps:#,0}")} steps in {Texts.Duration(outcome.Seconds)}{reason}";
    }

    /// <summary>Counts, since a percentage is rounded; empty: there are none.</summary>
    private static string Describe(TestAnswers? answers) => answers is null
        ? ""
        : Texts.Format($"; {answers.CorrectSteps:#,0} of {answers.Steps:#,0} steps are right, the last step of {answers.CorrectLastSteps:#,0} of {answers.Samples:#,0} samples");

    /// <summary>Says what is being fetched, at once and in order.</summary>
    private sealed class DownloadLines : IProgress<Uri>
    {
        public void Report(Uri value) => Console.Out.WriteLine($"fetching {value}");
    }
}
