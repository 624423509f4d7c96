namespace OrthoNative;

/// <summary>Options of a <see cref="Trainer"/>.</summary>
public sealed record TrainerOptions
{
    /// <summary>Samples in a batch, at least 1; at most the training samples are used. Default 32.</summary>
    public int BatchSize { get; init; } = 32;

    /// <summary>Samples in a batch of a validation, an evaluation or a prediction, at least 1. Default: null, <see cref="BatchSize"/>.</summary>
    public int? EvaluationBatchSize { get; init; }

    /// <summary>Most epochs, at least 1. Default 10.</summary>
    public int Epochs { get; init; } = 10;

    /// <summary>Most training steps, at least 1. Default: null, as many as the epochs have.</summary>
    public long? Steps { get; init; }

    /// <summary>Training steps that count as an epoch, at least 1: for data that are generated without end. Default: null, those of one pass over the data.</summary>
    public long? StepsPerEpoch { get; init; }

    /// <summary>
    /// Order, buckets by length and reading ahead of the training data. <see cref="DataLoaderOptions.Device"/> and <see cref="DataLoaderOptions.DType"/> are those of
    /// the model. Default: shuffled.
    /// </summary>
    public DataLoaderOptions Loading { get; init; } = new() { Shuffle = true };

    /// <summary>Batches whose gradients are added up for a step, at least 1, for batches that do not fit into memory as one. Default 1.</summary>
    public int AccumulateBatches { get; init; } = 1;

    /// <summary>Largest norm of the gradient of all parameters, above 0; a larger one is scaled down. Default: null, no limit.</summary>
    public double? ClipNorm { get; init; }

    /// <summary>
    /// Metrics of the validation and of <see cref="Trainer.Evaluate"/>; the first one is measured on the training batches, too. They belong to the caller, who does
    /// not use them meanwhile. Names must differ, and none be <c>loss</c>. Default: none.
    /// </summary>
    public IReadOnlyList<Metric> Metrics { get; init; } = [];

    /// <summary>
    /// Name of the metric, or <c>loss</c>, whose value on the validation data tells which weights are best. Default: null, the first metric, or the loss where there is
    /// none.
    /// </summary>
    public string? Monitor { get; init; }

    /// <summary>True (the default): with validation data, the model has the weights of the best epoch when training ends, however it ends. False: those of the last step.</summary>
    public bool KeepBest { get; init; } = true;

    /// <summary>Epochs from one validation to the next, at least 1; the last epoch is always validated. Default 1.</summary>
    public int ValidationInterval { get; init; } = 1;

    /// <summary>Ends the training where the validation does not improve any more. Default: null, it does not.</summary>
    public EarlyStopping? EarlyStopping { get; init; }

    /// <summary>
    /// Training ends once the first metric on the training batches (without metrics, the loss), averaged over the latest 20 steps, is at least as good. Default: null, it
    /// does not.
    /// </summary>
    public double? StopAt { get; init; }

    /// <summary>
    /// Folder that the training is saved in, so that it can be resumed: <c>model.safetensors</c>, and until it ends <c>optimizer.safetensors</c>, <c>best.safetensors</c>,
    /// <c>states.safetensors</c>, <c>loss.csv</c> and <c>epochs.jsonl</c>; <c>run.json</c> has the results. All files of a save are replaced together or not at all, also where the program is
    /// killed. One program at a time uses a folder. Default: null, nothing is saved.
    /// </summary>
    public string? Folder { get; init; }

    /// <summary>Time between saves on the way, not negative; 0: after every step. <see cref="Timeout.InfiniteTimeSpan"/>: only at the end. Default 10 minutes.</summary>
    public TimeSpan SaveInterval { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>What is done where the folder already has a run. Default: <see cref="OrthoNative.ExistingRun.Refuse"/>.</summary>
    public ExistingRun ExistingRun { get; init; }

    /// <summary>Called in the training. Default: none.</summary>
    public IReadOnlyList<TrainingCallback> Callbacks { get; init; } = [];

    /// <summary>Refuses options that are out of range.</summary>
    internal void Validate()
    {
        const string Name = "options";
        Check.AtLeast(BatchSize, 1, $"{Name}.{nameof(BatchSize)}");
        Check.AtLeast(EvaluationBatchSize ?? 1, 1, $"{Name}.{nameof(EvaluationBatchSize)}");
        Check.AtLeast(Epochs, 1, $"{Name}.{nameof(Epochs)}");
        Check.AtLeast(Steps ?? 1, 1, $"{Name}.{nameof(Steps)}");
        Check.AtLeast(StepsPerEpoch ?? 1, 1, $"{Name}.{nameof(StepsPerEpoch)}");
        Check.NotNull(Loading, $"{Name}.{nameof(Loading)}");
        Check.AtLeast(Loading.BucketBatches, 1, $"{Name}.{nameof(Loading)}.{nameof(Loading.BucketBatches)}");
        Check.AtLeast(Loading.Prefetch, 0, $"{Name}.{nameof(Loading)}.{nameof(Loading.Prefetch)}");
        if (Loading.ShardCount != 1)
        {
            throw new ArgumentException($"{Name}.{nameof(Loading)}.{nameof(Loading.ShardCount)} is {Loading.ShardCount}; it must be 1, as a trainer learns from whole batches.", Check.Parameter(Name));
        }

        Check.AtLeast(AccumulateBatches, 1, $"{Name}.{nameof(AccumulateBatches)}");
        Check.Positive(ClipNorm ?? 1, $"{Name}.{nameof(ClipNorm)}");
        Check.NotNull(Metrics, $"{Name}.{nameof(Metrics)}");
        Check.NotNull(Callbacks, $"{Name}.{nameof(Callbacks)}");
        Check.AtLeast(ValidationInterval, 1, $"{Name}.{nameof(ValidationInterval)}");
        EarlyStopping?.Validate($"{Name}.{nameof(EarlyStopping)}");
        Check.Finite(StopAt ?? 0, $"{Name}.{nameof(StopAt)}");
        Check.Defined(ExistingRun, $"{Name}.{nameof(ExistingRun)}");
        if (SaveInterval < TimeSpan.Zero && SaveInterval != Timeout.InfiniteTimeSpan)
        {
            throw new ArgumentOutOfRangeException(Check.Parameter(Name), SaveInterval, $"{Name}.{nameof(SaveInterval)} is {SaveInterval}; it must not be negative.");
        }

        if (Folder is { } folder && (folder.Length == 0 || folder.Contains('\0', StringComparison.Ordinal)))
        {
            throw new ArgumentException($"{Name}.{nameof(Folder)} {(folder.Length == 0 ? "is empty" : "has a null character")}; it must be a path, or null.", Check.Parameter(Name));
        }

        var names = new HashSet<string> { EvaluationResult.LossName };
        for (int i = 0; i < Metrics.Count; i++)
        {
            string item = FormattableString.Invariant($"{Name}.{nameof(Metrics)}[{i}]");
            Check.NotNull(Metrics[i], item);
            if (!names.Add(Metrics[i].Name))
            {
                throw new ArgumentException($"{item} has the name '{Metrics[i].Name}'; names must be unique, and none be '{EvaluationResult.LossName}'.", Check.Parameter(Name));
            }
        }

        for (int i = 0; i < Callbacks.Count; i++)
        {
            Check.NotNull(Callbacks[i], FormattableString.Invariant($"{Name}.{nameof(Callbacks)}[{i}]"));
        }

        if (Monitor is { } monitor && !names.Contains(monitor))
        {
            throw new ArgumentException($"{Name}.{nameof(Monitor)} is '{monitor}'; it must be one of {string.Join(", ", names)}.", Check.Parameter(Name));
        }
    }
}
