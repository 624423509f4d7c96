namespace OrthoNative.Cli.Training;

/// <summary>A task to learn: samples, and the metric of a model that has learnt nothing.</summary>
internal abstract class TrainingTask
{
    /// <summary>Name on the command line.</summary>
    public abstract string Name { get; }

    /// <summary>Its summary in the help.</summary>
    public abstract string Summary { get; }

    /// <summary>The meaning of --length, in the help; not asked for where the settings have no length.</summary>
    public virtual string LengthHelp => "";

    /// <summary>Lowest --length.</summary>
    public virtual int ShortestLength => 1;

    /// <summary>Length of the chain: time steps of a sequence, or layers. Where images tell it, their file is read.</summary>
    public abstract int StepsOf(TrainSettings settings);

    /// <summary>Name for people, with its length.</summary>
    public abstract string Describe(TrainSettings settings);

    /// <summary>Default settings, of the model roa.</summary>
    public abstract TrainSettings Defaults { get; }

    /// <summary>Default settings of a model.</summary>
    public TrainSettings DefaultsOf(ModelChoice model) => TaskDefaults.Of(Name, Defaults, model);

    /// <summary>"accuracy", a fraction; or "mse", the mean squared error.</summary>
    public abstract string Metric { get; }

    /// <summary>Loss in training of a model that ignores its inputs; drawn into the picture of the loss.</summary>
    /// <param name="outputs">Outputs of the model.</param>
    public abstract double ChanceLoss(long outputs);

    /// <summary>True if training samples are generated without end unless their number is limited.</summary>
    public abstract bool Generated { get; }

    /// <summary>The meaning of --epochs, in the help.</summary>
    public string EpochsHelp => Generated
        ? Output.Texts.Format($"Epochs of {Defaults.StepsPerEpoch} steps each, or with --limit passes over the training samples")
        : "Passes over the training samples";

    /// <summary>
    /// True if every step has a target. Samples may then have lengths of their own in training, and the length in the test may be another one. False: the
    /// last steps have targets, and all samples have one length.
    /// </summary>
    public virtual bool TargetsEveryStep => false;

    /// <summary>Training samples.</summary>
    /// <param name="settings">The settings that they depend on.</param>
    /// <param name="count">Their number, where they are generated.</param>
    public abstract Dataset OpenTraining(TrainSettings settings, long count);

    /// <summary>Test samples, and the metric on them of a model that has learnt nothing.</summary>
    public abstract (Dataset Samples, double Baseline) OpenTest(TrainSettings settings);
}
