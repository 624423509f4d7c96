namespace OrthoNative;

/// <summary>Code of a user's that a <see cref="Trainer"/> calls. Derive from this class and override what is needed.</summary>
/// <remarks>
/// Calls come one after another, in the thread that trains. What a callback changes is not saved, so a resumed run does not have it: change learning rates by a schedule. What a callback throws ends the training: the state is saved if there is a
/// <see cref="TrainerOptions.Folder"/>, the model gets its best weights, and the exception is thrown on.
/// </remarks>
public abstract class TrainingCallback
{
    /// <summary>Creates a callback.</summary>
    protected TrainingCallback() { }

    /// <summary>Called after each training step.</summary>
    /// <param name="state">Where the training stands.</param>
    public virtual void OnStep(TrainingState state) { }

    /// <summary>Called after each epoch and its validation.</summary>
    /// <param name="state">Where the training stands.</param>
    /// <param name="epoch">The results of the epoch.</param>
    public virtual void OnEpochEnd(TrainingState state, EpochResult epoch) { }

    /// <summary>Called once when the training has ended, however it did, and the model has its best weights.</summary>
    /// <param name="result">The outcome.</param>
    public virtual void OnEnd(TrainingResult result) { }

    /// <summary>Called where something failed that does not end the training, such as a save on the way.</summary>
    /// <param name="message">One line.</param>
    public virtual void OnWarning(string message) { }
}
