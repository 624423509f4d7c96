using OrthoNative.Cli.Output;
using OrthoNative.Interop;

namespace OrthoNative.Cli.Training;

/// <summary>A whole run: from the settings to the files that it leaves.</summary>
internal static class TaskRun
{
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
        using var saveSignal = new SaveSignal();
        StandardOutput.Tolerate();
        using RunFolder folder = RunFolders.Open(settings.Out, settings.Resume, settings.Overwrite, task.Name, started);
        try
        {
            // In the folder that is taken, where a save that was cut short has been brought to its end.
            RunReport? earlier = settings.Resume ? RunReport.LoadForResuming(folder.Path, task) : null;
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

            using TensorBoardCallback? board = settings.TensorBoard ? new TensorBoardCallback(folder.Path) : null;
            using var model = new TaskModel(task, settings, device, board is null ? [saveSignal] : [saveSignal, board]);
            interruption.Token.ThrowIfCancellationRequested();
            Console.Out.WriteLine(Describe(task, model, device));
            if (settings.Layers is not null)
            {
                Console.Out.WriteLine(model.Summary);
            }

            GuardedView view = TrainingViews.Create(task.Metric, model.Epochs, "test");
            var record = new TaskRecord(task, model, earlier?.Started ?? started, Machine.Describe(device), view);
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
            catch (TrainingDivergedException exception)
            {
                throw Diverged(exception, model.Settings);
            }
            finally
            {
                record.Tell(folder);
            }

            return status == TrainingStatus.Interrupted ? interruption.ExitCode : ExitCodes.Success;
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

    private static string Describe(TrainingTask task, TaskModel model, Device device) => Describe(task, model.Settings) + Texts.Format(
        $"{model.Model.ParameterData.Count:#,0} parameters, {model.Steps:#,0} steps of {model.Settings.Batch} samples, {device}");

    private static string Describe(TrainingTask task, TrainSettings settings) => Texts.Format(
        $"{task.Describe(settings)}: {(settings.Model is { } model ? $"{model.ToName()}, " : "")}{settings.Hidden} units, ") + Texts.Format(settings.Model switch
        {
            ModelChoice.Elman => $"{settings.Activation!.Value.ToName()}, ",
            ModelChoice.Gru => $"",
            ModelChoice.Lstm => $"forget bias {settings.ForgetBias}, ",
            _ => $"{settings.Filter!.Value.ToName()} filter, {settings.Activation!.Value.ToName()}, alpha {settings.Alpha}, beta {settings.Beta}, ",
        });

    private static TrainingRun Prepare(RunFolder folder, TaskRecord record, RunReport? earlier, TaskModel model)
    {
        earlier?.RequireSettings(folder.Path, model.Settings);
        try
        {
            if (earlier is not null && earlier.Parameters != model.Model.ParameterData.Count)
            {
                throw new InvalidDataException(Texts.Format(
                    $"parameters is {earlier.Parameters} in run.json; expected: {model.Model.ParameterData.Count}, those of the model."));
            }

            Dataset? validation = model.Settings.TestEveryEpoch ? model.TestData : null;
            return model.Trainer.Prepare(folder, record, earlier?.ToState(record.Metric), model.TrainingData, validation);
        }
        catch (Exception exception) when (earlier is not null && (FileErrors.Is(exception) || exception is InvalidDataException))
        {
            throw CliException.Failure($"--resume is given, and the run in '{ForeignText.CleanPath(folder.Path)}' cannot be resumed: {exception.Message.TrimEnd('.')}");
        }
    }

    /// <summary>The end of a run whose numbers are not finite any more.</summary>
    private static CliException Diverged(TrainingDivergedException exception, TrainSettings settings)
    {
        // Before the first update neither the learning rate nor the clipping has done anything.
        string remedy = exception.IsInitial
            ? $"the initial model is beyond float32: a smaller {(settings.Model is null or ModelChoice.Roa ? "--alpha, --beta, " : "")}--weight-scale or --input-scale may help"
            : settings.Clip > 0 ? "a lower --lr or --clip may help" : "a lower --lr may help, or --clip, which is off";
        string saved = exception.SavedStep > 0 ? Texts.Format($"the run is saved as it was after step {exception.SavedStep}") : "nothing is saved";
        string when = exception.IsInValidation ? Texts.Format($"by step {exception.Step}, seen in testing") : Texts.Format($"at step {exception.Step}");
        return CliException.Failure($"training diverged {when} ({exception.InnerException!.Message.TrimEnd('.')}); {saved}; {remedy}");
    }

    /// <summary>Says what is being fetched, at once and in order.</summary>
    private sealed class DownloadLines : IProgress<Uri>
    {
        public void Report(Uri value) => Console.Out.WriteLine($"fetching {value}");
    }
}
