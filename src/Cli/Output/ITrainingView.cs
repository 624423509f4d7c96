namespace OrthoNative.Cli.Output;

/// <summary>Shows a training run as it proceeds.</summary>
internal interface ITrainingView
{
    /// <summary>Runs the training inside the display.</summary>
    TrainingResult Run(Func<TrainingResult> train);

    /// <summary>A training step is done.</summary>
    void Step(in TrainingProgress progress);

    /// <summary>An epoch is over.</summary>
    void Epoch(EpochResult epoch);

    /// <summary>Says what is being done now.</summary>
    void Note(string text);
}
