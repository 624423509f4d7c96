namespace OrthoNative;

/// <summary>What a <see cref="TrainingCallback"/> sees of a training. One object for all calls: its values change with each step.</summary>
public sealed class TrainingState
{
    /// <summary>Creates the state of a training that has not begun.</summary>
    /// <param name="model">The model that is trained.</param>
    /// <param name="optimizer">Its optimizer.</param>
    /// <param name="metricName">Name of the metric in <see cref="Metric"/>; null: there is none.</param>
    /// <param name="warn">Tells all callbacks of a problem that does not end the training.</param>
    internal TrainingState(Model model, Optimizer optimizer, string? metricName, Action<string> warn)
    {
        Model = model;
        Optimizer = optimizer;
        MetricName = metricName;
        Warn = warn;
    }

    /// <summary>The model that is trained.</summary>
    public Model Model { get; }

    /// <summary>Its optimizer.</summary>
    public Optimizer Optimizer { get; }

    /// <summary>Number of the epoch, from 1.</summary>
    public int Epoch { get; internal set; }

    /// <summary>Training steps done, at least 1.</summary>
    public long Step { get; internal set; }

    /// <summary>Training steps planned.</summary>
    public long Steps { get; internal set; }

    /// <summary>Samples in the batches of the step.</summary>
    public long Samples { get; internal set; }

    /// <summary>Mean loss of the batches, before the step.</summary>
    public double Loss { get; internal set; }

    /// <summary>The first metric on the batches, before the step; the loss where there is no metric.</summary>
    public double Metric { get; internal set; }

    /// <summary>Norm of the gradient before clipping.</summary>
    public double GradientNorm { get; internal set; }

    /// <summary>Learning rate of the step.</summary>
    public double LearningRate { get; internal set; }

    /// <summary>Name of the metric in <see cref="Metric"/>; null: there is none.</summary>
    internal string? MetricName { get; }

    /// <summary>Tells all callbacks of a problem that does not end the training.</summary>
    internal Action<string> Warn { get; }

    internal bool StopRequested { get; private set; }

    /// <summary>True from <see cref="Save"/> to the save.</summary>
    internal bool SaveRequested { get; set; }

    /// <summary>Ends the training after this step or epoch, with <see cref="TrainingStatus.StoppedEarly"/>.</summary>
    public void Stop() => StopRequested = true;

    /// <summary>Saves the run after this step, as at a <see cref="TrainerOptions.SaveInterval"/>. Does nothing where there is no <see cref="TrainerOptions.Folder"/>.</summary>
    /// <remarks>The save is made once all callbacks have been called; after the last step of an epoch, once the epoch is validated. Where it fails, <see cref="TrainingCallback.OnWarning"/> is called and the training continues.</remarks>
    public void Save() => SaveRequested = true;
}
