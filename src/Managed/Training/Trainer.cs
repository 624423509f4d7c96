using System.Globalization;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Trains a model on a data set, step by step, validates it, and keeps its best weights.</summary>
/// <remarks>
/// <para>
/// Model, loss and optimizer are the caller's, and so is a schedule of learning rates: <see cref="Optimizer.Schedule"/>, which sees the validation if it depends on it. The
/// data set gives samples and targets; batches lie where the model lies.
/// </para>
/// <para>
/// Same data, options, seeds and processor: the same bits, whatever the number of threads, and whether or not the run was interrupted and resumed. A step
/// allocates no managed memory beyond what the data set and callbacks do and, with a folder, the log of losses. One call at a time is made of a trainer.
/// </para>
/// <example><code>
/// using var model = new Sequential(Device.Default, seed: 1, new RoaRnn(3, 64), new Dense(64, 4));
/// using var loss = new CrossEntropyLoss();
/// using var adam = new Adam(model, 1e-3);
/// var trainer = new Trainer(model, loss, adam, new TrainerOptions { Epochs = 20, Metrics = [new Accuracy()] });
/// TrainingResult result = trainer.Fit(training, validation);
/// Console.WriteLine(trainer.Evaluate(test)["accuracy"]);
/// </code></example>
/// </remarks>
public sealed partial class Trainer
{
    /// <summary>Bytes that run.json stays well below.</summary>
    private const long RoomForRecord = 1 << 20;

    private const string FolderArgument = "options.Folder";

    private int _inUse;

    /// <summary>Creates a trainer.</summary>
    /// <param name="model">Trained. Belongs to the caller.</param>
    /// <param name="loss">What training makes small. Belongs to the caller.</param>
    /// <param name="optimizer">Of the model. Belongs to the caller.</param>
    /// <param name="options">Batches, epochs, metrics, saving. Null: the defaults.</param>
    /// <exception cref="ArgumentException">The optimizer is of another model, or an option is out of range.</exception>
    public Trainer(Model model, Loss loss, Optimizer optimizer, TrainerOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(loss);
        ArgumentNullException.ThrowIfNull(optimizer);
        options ??= new TrainerOptions();
        options.Validate();
        if (optimizer.Model != model)
        {
            throw new ArgumentException($"{nameof(optimizer)} is of another model; it must be of {nameof(model)}.", nameof(optimizer));
        }

        (Model, Loss, Optimizer, Options) = (model, loss, optimizer, options with { Metrics = [.. options.Metrics], Callbacks = [.. options.Callbacks] });
    }

    /// <summary>The model that is trained.</summary>
    public Model Model { get; }

    /// <summary>What training makes small.</summary>
    public Loss Loss { get; }

    /// <summary>Changes the model's parameters.</summary>
    public Optimizer Optimizer { get; }

    /// <summary>The options.</summary>
    public TrainerOptions Options { get; }

    /// <summary>Trains the model.</summary>
    /// <param name="training">Samples to learn from.</param>
    /// <param name="validation">
    /// Samples to validate on after the epochs; the model is left with the weights that were best on them (<see cref="TrainerOptions.KeepBest"/>), however training ends. Null: there are
    /// none, and the model is left with the last weights.
    /// </param>
    /// <param name="progress">Told about every step and the end of every epoch, in order, in the calling thread. What it throws ends the training as what a callback throws does.</param>
    /// <param name="cancellationToken">
    /// Ends the training after the step, or the batch of a validation, that is being done: the result then has the status <see cref="TrainingStatus.Interrupted"/>, and a run with a folder can
    /// be resumed.
    /// </param>
    /// <exception cref="ArgumentException">
    /// A data set does not fit the model or the options, or has no targets; or <see cref="TrainerOptions.EarlyStopping"/> or <see cref="TrainerOptions.Monitor"/> is given without validation data.
    /// </exception>
    /// <exception cref="TrainingDivergedException">A loss, a gradient or an output is NaN or infinite.</exception>
    /// <exception cref="InvalidDataException">The folder has a run that is damaged or of other settings.</exception>
    /// <exception cref="IOException">
    /// The folder is in use, has a run already (<see cref="ExistingRun.Refuse"/>), cannot be written, or has too little room. Where the last save failed, the message says where else the files were saved;
    /// the model has its best weights.
    /// </exception>
    /// <exception cref="InvalidOperationException">Another call of this trainer is running, or another thread uses the model.</exception>
    public TrainingResult Fit(Dataset training, Dataset? validation = null, IProgress<TrainingProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(training);
        RequireValidation(validation, nameof(validation));
        RequireTargets(training, nameof(training));
        if (validation is not null)
        {
            RequireTargets(validation, nameof(validation));
        }

        using Use use = BeginUse();
        return Run(CreateRecord(training, validation), DataOf(training, validation), progress, cancellationToken);
    }

    /// <summary>Trains the model in a thread of its own, as <see cref="Fit"/> does.</summary>
    /// <inheritdoc cref="Fit"/>
    /// <returns>The outcome. The task is not cancelled by the token: it ends with the status <see cref="TrainingStatus.Interrupted"/>.</returns>
    public Task<TrainingResult> FitAsync(Dataset training, Dataset? validation = null, IProgress<TrainingProgress>? progress = null, CancellationToken cancellationToken = default) =>
        Task.Factory.StartNew(() => Fit(training, validation, progress, cancellationToken), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    /// <summary>Measures loss and metrics on a data set; nothing of the model changes.</summary>
    /// <param name="dataset">Has samples with targets, in batches of <see cref="TrainerOptions.BatchSize"/>.</param>
    /// <param name="cancellationToken">Ends it after a batch.</param>
    /// <exception cref="ArgumentException">The data set does not fit the model, the loss or a metric.</exception>
    /// <exception cref="NotFiniteNumberException">An output is NaN or infinite.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    /// <exception cref="InvalidOperationException">Another call of this trainer is running, or another thread uses the model.</exception>
    public EvaluationResult Evaluate(Dataset dataset, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(dataset);
        RequireTargets(dataset, nameof(dataset));
        using Use use = BeginUse();
        using BatchSource source = CreateEvaluationSource(dataset);
        return Measure(source, cancellationToken) ?? throw new OperationCanceledException(cancellationToken);
    }

    /// <summary>Computes the model's outputs for a data set; its targets, if any, are not used.</summary>
    /// <param name="dataset">The samples.</param>
    /// <param name="cancellationToken">Ends it after a batch.</param>
    /// <exception cref="ArgumentException">The data set does not fit the model.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    /// <exception cref="InvalidOperationException">Another call of this trainer is running, or another thread uses the model.</exception>
    public Predictions Predict(Dataset dataset, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(dataset);
        RequireSamples(dataset, nameof(dataset));
        using Use use = BeginUse();
        using BatchSource source = CreateEvaluationSource(dataset);
        bool training = Model.Training;
        Model.Training = false;
        try
        {
            var predictions = new Predictions(Model.OutputSize, dataset.Count);
            foreach (Batch batch in source.Loader.Epoch(0))
            {
                cancellationToken.ThrowIfCancellationRequested();
                Tensor outputs = Model.Forward(batch.Inputs, batch.Lengths);
                predictions.Add(outputs, Model.OutputLengths);
            }

            return predictions;
        }
        finally
        {
            Model.Training = training;
        }
    }

    /// <summary>
    /// Looks for a learning rate: trains with rates that rise from step to step, and watches the loss (L. N. Smith, Cyclical Learning Rates for Training Neural Networks, WACV 2017).
    /// Afterwards model and optimizer are, bit for bit, as they were.
    /// </summary>
    /// <param name="training">Samples to learn from.</param>
    /// <param name="options">The range of rates and the number of steps. Null: the defaults.</param>
    /// <param name="cancellationToken">Ends it after a step.</param>
    /// <exception cref="ArgumentException">The data set does not fit the model, or an option is out of range.</exception>
    /// <exception cref="TrainingDivergedException">The first step met NaN or infinity: the initial weights are the cause.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    /// <exception cref="InvalidOperationException">Another call of this trainer is running, or another thread uses the model.</exception>
    public LearningRateSearch FindLearningRate(Dataset training, LearningRateSearchOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(training);
        RequireTargets(training, nameof(training));
        options ??= new LearningRateSearchOptions();
        options.Validate();
        using Use use = BeginUse();
        return LearningRateSearch.Run(this, training, options, cancellationToken);
    }

    /// <summary>The most samples, as a power of two, whose training steps fit into memory.</summary>
    /// <param name="training">Tells the length of sequences and the number of samples.</param>
    /// <param name="memory">Bytes that parameters, gradients, the optimizer's state, activations and batches may take together, at least 1. Null, the default: four fifths of what is free and they take already.</param>
    /// <returns>1, 2, 4, …; at most the first power of two that holds all samples.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="memory"/> is out of range.</exception>
    /// <exception cref="OutOfMemoryException">Not even one sample fits.</exception>
    public int SuggestBatchSize(Dataset training, long? memory = null)
    {
        ArgumentNullException.ThrowIfNull(training);
        Check.AtLeast(memory ?? 1, 1, nameof(memory));
        DataLoader.CheckSequences(training);
        ModelSummary one = Summary(1);
        long available = memory ?? (long)((Model.Device.FreeMemory + one.WeightBytes + one.GradientBytes + one.OptimizerBytes) * 0.8);
        long most = DataLoader.GetLargestBatchSize(training);
        int best = 0;
        for (long size = 1; size <= most; size *= 2)
        {
            long targets = !training.HasTargets ? 0 : training.TargetSteps * (training.IsClassification ? sizeof(int) : training.Outputs * Model.DType.Bytes());
            double batch = size * (double)((training.Steps * training.Features * Model.DType.Bytes()) + targets);
            if (Bytes(size) + batch > available)
            {
                break;
            }

            best = (int)size;
            if (size >= training.Count)
            {
                break;
            }
        }

#pragma warning disable CA2201 // the standard exception for a lack of memory
        return best > 0 ? best : throw new OutOfMemoryException(string.Create(
            CultureInfo.InvariantCulture, $"out of memory: a batch of one sample of {training.Steps} steps needs {one.Arithmetic}, {ModelSummary.Bytes(available)} may be used."));
#pragma warning restore CA2201

        double Bytes(long size)
        {
            try
            {
                return Summary(size).TotalBytes;
            }
            catch (OutOfMemoryException)
            {
                return double.PositiveInfinity;
            }
        }

        ModelSummary Summary(long size) => Model.Summary(size, training.Steps, Optimizer.Options);
    }

    private void RequireValidation(object? validation, string name)
    {
        if (validation is null && (Options.EarlyStopping is not null || Options.Monitor is not null))
        {
            string option = Options.EarlyStopping is not null ? nameof(TrainerOptions.EarlyStopping) : nameof(TrainerOptions.Monitor);
            throw new ArgumentException($"{name} is null, but options.{option} is given, which needs validation data.", name);
        }
    }

    private static void RequireSamples(Dataset dataset, string name)
    {
        if (dataset.Count < 1)
        {
            throw new ArgumentException($"{name} has {dataset.Count} samples; at least one is required.", name);
        }
    }

    private static void RequireTargets(Dataset dataset, string name)
    {
        if (!dataset.HasTargets)
        {
            throw new ArgumentException($"{name} has no targets; targets are required.", name);
        }

        RequireSamples(dataset, name);
    }

    /// <summary>Creates a source of samples in the data set's order.</summary>
    internal BatchSource CreateEvaluationSource(Dataset dataset) => new(new DataLoader(
        dataset, (int)long.Min(Options.EvaluationBatchSize ?? Options.BatchSize, dataset.Count), new DataLoaderOptions { Device = Model.Device, DType = Model.DType, Prefetch = Options.Loading.Prefetch }));

    /// <summary>Measures loss and metrics.</summary>
    /// <returns>Null: it was cancelled.</returns>
    /// <exception cref="NotFiniteNumberException">An output is NaN or infinite.</exception>
    internal EvaluationResult? Measure(BatchSource source, CancellationToken cancellationToken)
    {
        bool training = Model.Training;
        Model.Training = false;
        try
        {
            var loss = new MeanLoss(Loss);
            foreach (Metric metric in Options.Metrics)
            {
                metric.Reset();
            }

            long samples = 0;
            source.States?.Reset();
            foreach (Batch batch in source.Loader.Epoch(0))
            {
                if (cancellationToken.IsCancellationRequested)
                {
                    return null;
                }

                Tensor outputs = source.Forward(Model, batch);
                source.States?.Advance();
                loss.Add(outputs, batch);
                foreach (Metric metric in Options.Metrics)
                {
                    if (metric is not Accuracy accuracy || !accuracy.TryAdd(Loss, batch, wasEvaluated: false))
                    {
                        metric.Add(outputs, batch);
                    }
                }

                // Windows are parts of the same samples.
                samples = source.States is null ? samples + batch.Size : batch.Size;
            }

            return new EvaluationResult(loss.Value, Options.Metrics.ToDictionary(metric => metric.Name, metric => metric.Value), samples);
        }
        finally
        {
            Model.Training = training;
        }
    }

    /// <summary>Prepares a run, or one that is resumed.</summary>
    /// <param name="folder">Where it is saved; null: nowhere.</param>
    /// <param name="record">What is particular to who runs it.</param>
    /// <param name="earlier">The state to resume; null: a new run.</param>
    /// <param name="training">Samples to learn from.</param>
    /// <param name="validation">Samples to validate on; null: there are none.</param>
    internal TrainingRun Prepare(RunFolder? folder, RunRecord record, RunState? earlier, Dataset training, Dataset? validation) =>
        Prepare(folder, record, earlier, DataOf(training, validation));

    private TrainingRun Prepare(RunFolder? folder, RunRecord record, RunState? earlier, RunData data)
    {
        BatchSource training = data.Training();
        BatchSource? validation = null;
        TrainingRun run;
        try
        {
            validation = data.Validation?.Invoke();
            run = new TrainingRun(this, training, validation, record, folder);
        }
        catch
        {
            validation?.Dispose();
            training.Dispose();
            throw;
        }

        try
        {
            if (folder is not null && earlier is not { HasEnded: true })
            {
                long weights = Model.ParameterData.Count * Model.DType.Bytes();
                folder.EnsureRoom((weights * (1 + Optimizer.Options.State.Count)) + RoomForRecord);
                if (earlier is not null)
                {
                    run.Resume(earlier);
                }

                Rehearse(folder, record);
            }

            return run;
        }
        catch
        {
            run.Dispose();
            throw;
        }
    }

    private RunData DataOf(Dataset training, Dataset? validation) => new(
        () => new BatchSource(new DataLoader(
            training, (int)long.Min(Options.BatchSize, training.Count), Options.Loading with { Device = Model.Device, DType = Model.DType })),
        validation is null ? null : () => CreateEvaluationSource(validation));

    private TrainingResult Run(TrainingRecord record, RunData data, IProgress<TrainingProgress>? progress, CancellationToken cancellationToken) => Options.Folder is { } folder
        ? FitInFolder(folder, record, data, progress, cancellationToken)
        : Run(null, record, null, data, progress, cancellationToken);

    private TrainingResult Run(
        RunFolder? folder, TrainingRecord record, RunState? earlier, RunData data, IProgress<TrainingProgress>? progress, CancellationToken cancellationToken)
    {
        bool wasTraining = Model.Training;
        Model.Training = true;
        try
        {
            using TrainingRun run = Prepare(folder, record, earlier, data);
            return earlier is { HasEnded: true } ? run.LoadEnded(earlier) : run.Execute(progress, cancellationToken);
        }
        finally
        {
            Model.Training = wasTraining;
        }
    }

    /// <summary>Saves a model of one unit, its optimizer and a record, so that what a save loads is loaded before hours are spent.</summary>
    private void Rehearse(RunFolder folder, RunRecord record)
    {
        using var model = new Sequential(Model.Device, 1, new RoaRnn(1, 1), new Dense(1, 1));
        using var optimizer = new Adam(model);
        var state = new RunState(TrainingStatus.Running, [], 0);
        folder.Rehearse((RunFolder.Weights, model.Save), (RunFolder.OptimizerState, optimizer.Save), (RunFolder.Report, path => record.Write(path, state)));
    }

    private TrainingResult FitInFolder(string path, TrainingRecord record, RunData data, IProgress<TrainingProgress>? progress, CancellationToken cancellationToken)
    {
        string[] files = [RunFolder.Weights, RunFolder.OptimizerState, RunFolder.BestWeights, RunFolder.States, RunFolder.Losses, RunFolder.Epochs, RunFolder.Report];
        using RunFolder folder = RunFolder.Open(path, FolderArgument, files);
        if (Options.ExistingRun == ExistingRun.Refuse && File.Exists(folder.PathOf(RunFolder.Report)))
        {
            throw new RunFolderException(
                $"{FolderArgument} is '{ForeignText.CleanPath(path)}', which has a run already; choose another folder, or set options.{nameof(TrainerOptions.ExistingRun)}.");
        }

        RunState? earlier = Options.ExistingRun == ExistingRun.Resume ? record.Read(folder.Path) : null;
        return Run(folder, record, earlier, data, progress, cancellationToken);
    }

    private string? FirstMetric => Options.Metrics.Count > 0 ? Options.Metrics[0].Name : null;

    private string MonitorName => Options.Monitor ?? FirstMetric ?? EvaluationResult.LossName;

    private TrainingRecord CreateRecord(Dataset training, Dataset? validation)
    {
        long batch = long.Min(Options.BatchSize, training.Count);
        return new TrainingRecord(new TrainingSettings(
            (int)batch, Options.AccumulateBatches, Options.StepsPerEpoch ?? 0, Options.Loading.Shuffle, Options.Loading.Seed, Options.Loading.DropLast, Options.Loading.BucketBatches, Options.ClipNorm,
            Options.KeepBest, FirstMetric, MonitorName, training.Count, Model.ParameterData.Count, validation?.Count));
    }

    private Use BeginUse() => Interlocked.Exchange(ref _inUse, 1) == 0
        ? new Use(this)
        : throw new InvalidOperationException($"Another call of this {nameof(Trainer)} is running; one call at a time is made of a trainer.");

    /// <summary>The time of one call.</summary>
    private readonly ref struct Use(Trainer trainer)
    {
        public void Dispose() => Volatile.Write(ref trainer._inUse, 0);
    }
}
