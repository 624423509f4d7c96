namespace OrthoNative;

/// <content>Training through sequences that are read window by window.</content>
public sealed partial class Trainer
{
    /// <summary>
    /// Trains the model through sequences of any length by truncated backpropagation (R. J. Williams and J. Peng, Neural Computation 2, 1990): each training step is one window, which begins with the states
    /// that the window before ended with. Gradients end at the window's first step. Memory is that of one window.
    /// </summary>
    /// <remarks>
    /// <para>
    /// A pass over the sequences begins with the initial states of the layers, so states are carried within a pass alone. With a window of at least <see cref="SequenceReader.Steps"/> a step is, bit
    /// for bit, that of <see cref="Fit"/> on the same sequences as one batch. A pass is an epoch, unless <see cref="TrainerOptions.StepsPerEpoch"/> is given.
    /// </para>
    /// <para>
    /// All options are as in <see cref="Fit"/>, but the reader decides the order and the number of sequences in a step: <see cref="TrainerOptions.BatchSize"/>, <see cref="TrainerOptions.EvaluationBatchSize"/> and
    /// <see cref="TrainerOptions.Loading"/> are not used, and <see cref="TrainerOptions.AccumulateBatches"/> must be 1. In the folder, <c>states.safetensors</c> has the states that are carried. In results, a
    /// window of each sequence counts as a sample.
    /// </para>
    /// <para>
    /// <see cref="Dropout"/> draws anew in every window, also where it drops the same units at all steps.
    /// </para>
    /// </remarks>
    /// <param name="training">Sequences to learn from. Belongs to the caller.</param>
    /// <param name="window">Steps of a window, at least 1; the last one of a pass may have fewer. Dependencies over more steps than these are not learnt, though states carry what lies farther back.</param>
    /// <param name="validation">
    /// Sequences to validate on, in windows of the same size whose states are carried, too; as in <see cref="Fit"/>. It is another reader, or another part of the same one
    /// (<see cref="SequenceReader.Slice"/>). Null: there are none.
    /// </param>
    /// <param name="progress">As in <see cref="Fit"/>.</param>
    /// <param name="cancellationToken">As in <see cref="Fit"/>; a validation ends after a window.</param>
    /// <exception cref="ArgumentException">A reader does not fit the model or the options, or has no targets; or as in <see cref="Fit"/>.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="window"/> or a size that a reader gives is out of range.</exception>
    /// <exception cref="InvalidOperationException">
    /// A layer needs other steps than its own beside the states of recurrent layers (<see cref="Layer.IsStepwise"/>), or <see cref="TrainerOptions.AccumulateBatches"/> is above 1; or as in <see cref="Fit"/>.
    /// </exception>
    /// <inheritdoc cref="Fit" path="/exception[not(contains(@cref, 'ArgumentException')) and not(contains(@cref, 'InvalidOperation'))]"/>
    /// <example><code>
    /// using var file = new SequenceFileReader("sensor.bin", new SequenceFileOptions { Features = 3, IsClassification = true, Outputs = 2 });
    /// using var model = new Sequential(Device.Default, seed: 1, new RoaRnn(3, 64, new RoaRnnOptions { Output = SequenceOutput.All }), new Dense(64, 2));
    /// using var loss = new CrossEntropyLoss();
    /// using var adam = new Adam(model, 1e-3);
    /// var trainer = new Trainer(model, loss, adam, new TrainerOptions { Epochs = 3, Metrics = [new Accuracy()] });
    /// long train = file.Steps * 9 / 10;
    /// trainer.FitStream(file.Slice(0, train).Split(8), window: 1000, file.Slice(train, file.Steps - train));
    /// </code></example>
    public TrainingResult FitStream(
        SequenceReader training, int window, SequenceReader? validation = null, IProgress<TrainingProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(training);
        Check.AtLeast(window, 1);
        RequireValidation(validation, nameof(validation));
        RequireTargets(training, nameof(training));
        if (validation is not null)
        {
            RequireTargets(validation, nameof(validation));
        }

        if (Options.AccumulateBatches > 1)
        {
            throw new InvalidOperationException(FormattableString.Invariant(
                $"options.{nameof(TrainerOptions.AccumulateBatches)} is {Options.AccumulateBatches}; it must be 1 for windows, of which each is a step. A larger window, or more sequences, make larger steps."));
        }

        using Use use = BeginUse();
        var record = new TrainingRecord(new TrainingSettings(
            training.Sequences, 1, Options.StepsPerEpoch ?? 0, Shuffle: false, Seed: 0, DropLast: false, BucketBatches: 1, Options.ClipNorm, Options.KeepBest, FirstMetric, MonitorName,
            training.Sequences, Model.ParameterData.Count, validation?.Sequences, window, training.Steps, validation?.Steps));
        var data = new RunData(
            () => BatchSource.OfWindows(Model, training, window, nameof(training)),
            validation is null ? null : () => BatchSource.OfWindows(Model, validation, window, nameof(validation)));
        return Run(record, data, progress, cancellationToken);
    }

    /// <summary>Trains the model in a thread of its own, as <see cref="FitStream"/> does.</summary>
    /// <inheritdoc cref="FitStream"/>
    /// <returns>The outcome. The task is not cancelled by the token: it ends with the status <see cref="TrainingStatus.Interrupted"/>.</returns>
    public Task<TrainingResult> FitStreamAsync(
        SequenceReader training, int window, SequenceReader? validation = null, IProgress<TrainingProgress>? progress = null, CancellationToken cancellationToken = default) => Task.Factory.StartNew(
            () => FitStream(training, window, validation, progress, cancellationToken), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    /// <summary>Measures loss and metrics on sequences that are read window by window, with states that are carried; nothing of the model changes.</summary>
    /// <remarks>On a CPU the window's size changes the memory that is needed, and no output; loss and metrics are the same but for the rounding of their sums.</remarks>
    /// <param name="reader">Sequences with targets. Belongs to the caller.</param>
    /// <param name="window">Steps that are computed at once, at least 1.</param>
    /// <param name="cancellationToken">Ends it after a window.</param>
    /// <exception cref="ArgumentException">The reader does not fit the model, the loss or a metric, or has no targets.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="window"/> or a size that the reader gives is out of range.</exception>
    /// <exception cref="NotFiniteNumberException">An output is NaN or infinite.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    /// <exception cref="InvalidOperationException">
    /// A layer needs other steps than its own (<see cref="Layer.IsStepwise"/>), another call of this trainer is running, or another thread uses the model.
    /// </exception>
    public EvaluationResult EvaluateStream(SequenceReader reader, int window, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(reader);
        Check.AtLeast(window, 1);
        RequireTargets(reader, nameof(reader));
        using Use use = BeginUse();
        using BatchSource source = BatchSource.OfWindows(Model, reader, window, nameof(reader));
        return Measure(source, cancellationToken) ?? throw new OperationCanceledException(cancellationToken);
    }

    /// <summary>Computes the model's outputs for sequences that are read window by window, with states that are carried; targets, if any, are not used.</summary>
    /// <param name="reader">The sequences. Belongs to the caller.</param>
    /// <param name="window">Steps that are computed at once, at least 1.</param>
    /// <param name="onWindow">
    /// Given the first step of each window, in the order of time, and the outputs <c>[t, B, C]</c>, which belong to the model and change with the next window. What it throws ends the call.
    /// </param>
    /// <param name="cancellationToken">Ends it after a window.</param>
    /// <exception cref="ArgumentException">The reader does not fit the model.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="window"/> or a size that the reader gives is out of range.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    /// <exception cref="InvalidOperationException">
    /// A layer needs other steps than its own (<see cref="Layer.IsStepwise"/>), another call of this trainer is running, or another thread uses the model.
    /// </exception>
    public void PredictStream(SequenceReader reader, int window, Action<long, Tensor> onWindow, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(reader);
        Check.AtLeast(window, 1);
        ArgumentNullException.ThrowIfNull(onWindow);
        using Use use = BeginUse();
        using BatchSource source = BatchSource.OfWindows(Model, reader, window, nameof(reader));
        bool training = Model.Training;
        Model.Training = false;
        try
        {
            long start = 0;
            foreach (Batch batch in source.Loader.Epoch(0))
            {
                cancellationToken.ThrowIfCancellationRequested();
                Tensor outputs = source.Forward(Model, batch);
                source.States!.Advance();
                onWindow(start, outputs);
                start += batch.Inputs.Shape[0];
            }
        }
        finally
        {
            Model.Training = training;
        }
    }

    private static void RequireTargets(SequenceReader reader, string name)
    {
        if (!reader.HasTargets)
        {
            throw new ArgumentException($"{name} has no targets; targets are required.", name);
        }
    }
}
