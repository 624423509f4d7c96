namespace OrthoNative;

/// <summary>The state of a training, or how it ended.</summary>
public enum TrainingStatus
{
    /// <summary>All planned steps were done.</summary>
    Completed,

    /// <summary>The training metric reached <see cref="TrainerOptions.StopAt"/>.</summary>
    GoalReached,

    /// <summary><see cref="TrainerOptions.EarlyStopping"/> or <see cref="TrainingState.Stop"/> ended it.</summary>
    StoppedEarly,

    /// <summary>It was cancelled, or something failed. It can be resumed if it has a folder.</summary>
    Interrupted,

    /// <summary>It has not ended: what is saved is a state on the way.</summary>
    Running,
}
