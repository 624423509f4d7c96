namespace OrthoNative;

/// <summary>
/// Training met a loss, gradient or output that is NaN or infinite. The step that met it changed nothing: the model has its best weights, or without
/// validation those before the step.
/// </summary>
public sealed class TrainingDivergedException : ArithmeticException
{
    internal TrainingDivergedException(long step, double loss, bool inValidation, bool isInitial, string advice, string saved, long savedStep, NotFiniteNumberException exception)
        : base(
            FormattableString.Invariant($"Training diverged {(inValidation ? $"by step {step}, seen in validation" : $"at step {step}")} ({exception.Message.TrimEnd('.')}); {saved}; {advice}."),
            exception)
    {
        Step = step;
        Loss = loss;
        IsInValidation = inValidation;
        IsInitial = isInitial;
        SavedStep = savedStep;
        Advice = advice;
    }

    /// <summary>The step, from 1.</summary>
    public long Step { get; }

    /// <summary>Training loss of the step before; NaN if there was none.</summary>
    public double Loss { get; }

    /// <summary>True if it was met in a validation, after <see cref="Step"/> steps.</summary>
    public bool IsInValidation { get; }

    /// <summary>The step after which the run was last saved; 0: it is not saved.</summary>
    public long SavedStep { get; }

    /// <summary>True where the initial weights are the cause: nothing had been updated yet.</summary>
    public bool IsInitial { get; }

    /// <summary>What may help.</summary>
    public string Advice { get; }
}
