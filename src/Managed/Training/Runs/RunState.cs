namespace OrthoNative;

/// <summary>What a save holds beside weights, the optimizer's state and the losses.</summary>
/// <param name="Status">The outcome of the run, or that it is still running.</param>
/// <param name="Epochs">Results of the epochs.</param>
/// <param name="Seconds">Wall time so far.</param>
/// <param name="StepsBefore">Steps that the optimizer had done before the run.</param>
/// <param name="LossLog">The part of the file of losses that is of this save; null: all, or there is none.</param>
/// <param name="EpochLog">The part of the file of epochs that is of this save; null: all epochs are here.</param>
internal sealed record RunState(
    TrainingStatus Status,
    IReadOnlyList<EpochResult> Epochs,
    double Seconds,
    long StepsBefore = 0,
    FileMark? LossLog = null,
    FileMark? EpochLog = null)
{
    /// <summary>True where there is nothing left to resume.</summary>
    public bool HasEnded => Status is not (TrainingStatus.Interrupted or TrainingStatus.Running);
}
