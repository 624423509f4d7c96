namespace OrthoNative;

/// <summary>
/// The file that commits the saves of a run, written last, and what is particular to who runs it: the trainer's own is <see cref="TrainingRecord"/>, the
/// command-line tool has another.
/// </summary>
internal abstract class RunRecord
{
    /// <summary>Pictures that are drawn after a save: name and content.</summary>
    public virtual IReadOnlyList<(string Name, Func<byte[]> Content)> Pictures => [];

    /// <summary>Writes the file.</summary>
    /// <param name="path">Path of the file, of which there is none yet.</param>
    /// <param name="state">What it tells.</param>
    public abstract void Write(string path, RunState state);

    /// <summary>Line of an epoch in the file of epochs, in ASCII and without its end.</summary>
    public abstract string Format(EpochResult epoch);

    /// <summary>Tells what a metric in the file of losses should have been; null: it is fine.</summary>
    public virtual string? ProblemOfMetric(double value) => null;

    /// <summary>Called for each step of a run that is resumed, and for each further one.</summary>
    /// <param name="loss">Loss of the step.</param>
    public virtual void OnLoss(double loss) { }

    /// <summary>Called once training has ended with the weights to be left, before they are saved.</summary>
    /// <param name="status">How it ended.</param>
    /// <param name="step">Steps done.</param>
    /// <param name="cancellationToken">Ends it early.</param>
    /// <returns>How the run ends; <see cref="TrainingStatus.Interrupted"/> if it was cancelled here.</returns>
    public virtual TrainingStatus Conclude(TrainingStatus status, long step, CancellationToken cancellationToken) => status;

    /// <summary>Called with the state that is about to be saved at the end, which tells the user of it even if that fails.</summary>
    public virtual void BeforeLastSave(RunState state, long steps) { }

    /// <summary>Called where something failed that does not end the training.</summary>
    /// <param name="message">One line.</param>
    /// <param name="isOnTheWay">True: a save on the way was left out; false: a picture is missing.</param>
    public virtual void OnWarning(string message, bool isOnTheWay) { }

    /// <summary>Called once a save is done that a callback has asked for.</summary>
    /// <param name="step">Steps done.</param>
    public virtual void AfterRequestedSave(long step) { }

    /// <summary>Called once the last save is done.</summary>
    public virtual void AfterLastSave(RunState state) { }
}
