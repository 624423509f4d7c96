using OrthoNative.Cli.Output;
using OrthoNative.Cli.Training;
using OrthoNative.Interop;

namespace OrthoNative.Cli.Files;

/// <summary>A whole run on a file: from the command line to the files that it leaves.</summary>
internal static class FileRun
{
    /// <summary>Reads, trains, shows how it goes, measures, saves and says what came out.</summary>
    /// <param name="settings">What the command line says.</param>
    /// <returns>Exit code of the program.</returns>
    /// <exception cref="CliException">It cannot be done; nothing is left half-written.</exception>
    public static int Execute(FileSettings settings)
    {
        DateTimeOffset started = DateTimeOffset.Now;
        using var interruption = new Interruption();
        StandardOutput.Tolerate();
        using RunFolder folder = RunFolders.Open(settings.Out, settings.Resume, settings.Overwrite, NameOf(settings.Path), started);
        try
        {
            FileReport? earlier = settings.Resume ? FileReport.LoadForResuming(folder.Path) : null;
            DataContent content = Read(settings, interruption.Token);
            using Device device = settings.Device.CudaIndex is { } index ? Device.Cuda(index) : Device.Cpu(settings.Threads);
            using TensorBoardCallback? board = settings.TensorBoard ? new TensorBoardCallback(folder.Path) : null;
            using var saveSignal = new SaveSignal();
            bool isSmall = FileModel.IsSmall(content, settings);
            using var model = new FileModel(content, settings, device, isSmall, board is null ? [saveSignal] : [saveSignal, board]);
            foreach (string finding in (string[])[.. content.Findings, model.Parts.Finding, $"model: {model.Plan}", Texts.Format($"{model.Model.ParameterData.Count:#,0} parameters, {device}")])
            {
                Console.Out.WriteLine(finding);
            }

            interruption.Token.ThrowIfCancellationRequested();

            // Of a run that is resumed, too, which then loads its weights: the start is one of those that the end is chosen from.
            LinearStart? start = model.Training is WindowDataset windows && LinearStart.Fits(windows) ? LinearStart.Apply(model, interruption.Token) : null;
            if (start is not null)
            {
                Console.Out.WriteLine(start);
            }

            GuardedView view = TrainingViews.Create(model.Metric, model.Plan.Epochs, "validation");
            var report = new FileReport(
                settings.Path, TrainingStatus.Running, SystemInfo.Version, earlier?.Started ?? started, content.Settings, model.Fingerprint,
                new PartSizes(model.Training.Count, model.Validation.Count, model.Test?.Count ?? 0), model.Plan, model.Model.ParameterData.Count, Machine.Describe(device), [], 0, null, LinearStart: start?.Report);
            earlier?.RequireSame(folder.Path, report);
            FileFindings? first = isSmall ? TrainFirst(content, settings, device, view, interruption.Token) : null;
            var record = new FileRecord(model, report, first, start, view);
            using TrainingRun run = Prepare(folder, record, earlier, model);
            if (earlier is not null)
            {
                view.Note(Texts.Format($"resuming from step {run.StepsDone:#,0}"));
            }

            TrainingStatus status;
            try
            {
                status = view.Run(() => run.Execute(new ViewProgress(view), interruption.Token)).Status;
            }
            finally
            {
                record.Tell(folder);
            }

            return status == TrainingStatus.Interrupted ? interruption.ExitCode : ExitCodes.Success;
        }
        catch (TrainingDivergedException exception)
        {
            string saved = exception.SavedStep > 0 ? Texts.Format($"the run is saved as it was after step {exception.SavedStep}") : "nothing is saved";
            throw CliException.Failure(Texts.Format($"training diverged at step {exception.Step} ({exception.InnerException!.Message.TrimEnd('.')}); {saved}; a lower --lr may help"));
        }
        catch (OperationCanceledException)
        {
            StandardError.WriteLine("interrupted before training; nothing was saved");
            return interruption.ExitCode;
        }
    }

    /// <summary>Trains a model of the same plan without the validation data, and measures it on them.</summary>
    private static FileFindings TrainFirst(DataContent content, FileSettings settings, Device device, GuardedView view, CancellationToken cancellationToken)
    {
        using var model = new FileModel(content, settings, device, learnsAll: false, []);
        view.Note(Texts.Format(
            $"few sequences: a first model learns from {model.Training.Count:#,0} of them and is measured on the {model.Validation.Count:#,0} for validation; the one that is kept then learns from both"));
        var trainer = new Trainer(model.Model, model.Loss, model.Trainer.Optimizer, model.Trainer.Options with { KeepBest = false, EarlyStopping = null, Monitor = null });
        TrainingResult result = trainer.Fit(model.Learnt, null, null, cancellationToken);
        cancellationToken.ThrowIfCancellationRequested();
        var findings = new FileFindings(model, test: null, given: null, start: null);
        if (!findings.Measure(cancellationToken))
        {
            throw new OperationCanceledException(cancellationToken);
        }

        view.Note(Texts.Format($"{result.Steps:#,0} steps in {Texts.Duration(result.Duration)}: {findings.Headline}"));
        return findings;
    }

    /// <summary>A name for the folder of a run.</summary>
    private static string NameOf(string path)
    {
        string name = Path.GetFileNameWithoutExtension(Path.TrimEndingDirectorySeparator(path));
        string plain = string.Concat(name.Select(character => char.IsAsciiLetterOrDigit(character) || character is '-' or '_' ? character : '-')).Trim('-');
        return plain.Length == 0 ? "file" : plain[..Math.Min(plain.Length, 40)];
    }

    private static DataContent Read(FileSettings settings, CancellationToken cancellationToken)
    {
        DataContent content = DataFile.Read(settings.Path, settings.Data, cancellationToken);
        if (settings.Test is not { } test)
        {
            return content;
        }

        SequenceData data = DataFile.Read(test, content.Settings, content.Data.ClassNames, requireTargets: content.Settings.Goal != Goal.Forecast, cancellationToken);
        return content with { Test = data, Findings = [.. content.Findings, Texts.Format($"test data: {data.Count:#,0} sequences of '{ForeignText.CleanPath(test)}'")] };
    }

    private static TrainingRun Prepare(RunFolder folder, FileRecord record, FileReport? earlier, FileModel model)
    {
        try
        {
            return model.Trainer.Prepare(folder, record, earlier?.State, model.Learnt, model.LearnsAll ? null : model.Validation);
        }
        catch (Exception exception) when (earlier is not null && (FileErrors.Is(exception) || exception is InvalidDataException))
        {
            throw CliException.Failure($"--resume is given, and the run in '{ForeignText.CleanPath(folder.Path)}' cannot be resumed: {exception.Message.TrimEnd('.')}");
        }
    }
}
