namespace OrthoNative;

/// <summary>What is known of sequences beside their values, and how they are read. At most one of the four kinds of targets is given; without any, the data have no targets.</summary>
public sealed record SequenceDataOptions
{
    /// <summary>A name of each sequence, unlike those of the others. Null (the default): "0", "1", ….</summary>
    public IReadOnlyList<string>? Ids { get; init; }

    /// <summary>The group of each sequence, such as a person or a machine, for splits that keep a group together. Null (the default): there are none.</summary>
    public IReadOnlyList<string>? Groups { get; init; }

    /// <summary>Names of the D channels, unlike each other. Null (the default): "0", "1", ….</summary>
    public IReadOnlyList<string>? ChannelNames { get; init; }

    /// <summary>
    /// Time stamps of each sequence, [T]: seconds since 1970-01-01 00:00:00 UTC, or numbers in a unit of one's own; finite, none below the one before it. Null
    /// (the default): there are none. Arrays are referenced, not copied.
    /// </summary>
    public IReadOnlyList<double[]>? TimeStamps { get; init; }

    /// <summary>The class of each sequence, which is asked for at its last step. Null (the default): none.</summary>
    public IReadOnlyList<string>? Labels { get; init; }

    /// <summary>The class of each step of each sequence, [T]. Null (the default): none.</summary>
    public IReadOnlyList<string[]>? StepLabels { get; init; }

    /// <summary>Values to predict for each sequence, [C], finite, which are asked for at its last step. Null (the default): none. Arrays are referenced, not copied.</summary>
    public IReadOnlyList<float[]>? Targets { get; init; }

    /// <summary>
    /// Values to predict at each step of each sequence, [T, C], finite. C is the number of elements for each step, the same in all sequences. Null (the
    /// default): none. Arrays are referenced, not copied.
    /// </summary>
    public IReadOnlyList<float[]>? StepTargets { get; init; }

    /// <summary>
    /// Names of the classes in the order of their numbers, unlike each other: those of the training data, for other data of the same kind. A class that no
    /// sequence has may be among them. Null (the default): the labels that there are, by their number if all are whole numbers, otherwise by their characters' codes.
    /// </summary>
    public IReadOnlyList<string>? ClassNames { get; init; }

    /// <summary>Names of the C target values, unlike each other. Null (the default): "0", "1", ….</summary>
    public IReadOnlyList<string>? TargetNames { get; init; }

    /// <summary>Handling of missing values, which are NaN in the sequences. Default: <see cref="MissingValues.Refuse"/>.</summary>
    public MissingValues MissingValues { get; init; } = MissingValues.Refuse;

    /// <summary>Scaling of the inputs, that of the training data (<see cref="ChannelScaling.Of(Dataset)"/>), applied when they are read; null (the default): none.</summary>
    public ChannelScaling? Scaling { get; init; }
}
