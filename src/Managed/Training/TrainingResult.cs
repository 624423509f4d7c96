namespace OrthoNative;

/// <summary>The outcome of a training.</summary>
/// <param name="Status">How it ended.</param>
/// <param name="Steps">Training steps done, those of a resumed run before included.</param>
/// <param name="Epochs">One result for each epoch that was begun.</param>
/// <param name="BestEpoch">
/// The epoch whose weights the model has now: the one that was best by <see cref="TrainerOptions.Monitor"/>. Null where there is no validation, and with
/// <see cref="TrainerOptions.KeepBest"/> = false: then the model has the weights of the last step.
/// </param>
/// <param name="Duration">Wall time, that of a resumed run before included.</param>
public sealed record TrainingResult(TrainingStatus Status, long Steps, IReadOnlyList<EpochResult> Epochs, EpochResult? BestEpoch, TimeSpan Duration)
{
    /// <summary>What ended the training, and is thrown once <see cref="TrainingCallback.OnEnd"/> has been called; null: nothing failed.</summary>
    public Exception? Failure { get; init; }
}
