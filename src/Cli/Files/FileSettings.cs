using OrthoNative.Cli.Training;

namespace OrthoNative.Cli.Files;

/// <summary>What the command line of <c>train FILE</c> says. What is null is chosen from the data.</summary>
internal sealed record FileSettings
{
    /// <summary>The file or folder to learn from.</summary>
    public string Path { get; init; } = "";

    /// <summary>How it is read.</summary>
    public DataRequest Data { get; init; } = new();

    /// <summary>A file or folder of test data.</summary>
    public string? Test { get; init; }

    /// <summary>Patterns of the identifiers of test sequences, with * and ?.</summary>
    public IReadOnlyList<string>? TestIds { get; init; }

    /// <summary>Parts for training, validation and test: fractions, or numbers of sequences or steps.</summary>
    public IReadOnlyList<double>? Split { get; init; }

    /// <summary>How sequences are divided.</summary>
    public SplitBy? SplitBy { get; init; }

    /// <summary>Kind of the recurrent layers.</summary>
    public ModelChoice Model { get; init; }

    /// <summary>Recurrent layers.</summary>
    public int? Layers { get; init; }

    /// <summary>Units of a layer.</summary>
    public int? Hidden { get; init; }

    /// <summary>What comes first on samples of sound; null: convolutions.</summary>
    public Front? Front { get; init; }

    /// <summary>Preset of roa.</summary>
    public Regime? Regime { get; init; }

    /// <summary>True: sequences are read from both ends.</summary>
    public bool? Bidirectional { get; init; }

    /// <summary>Whether training sequences are varied.</summary>
    public bool? Augment { get; init; }

    /// <summary>Probability with which a unit is dropped in training.</summary>
    public double? Dropout { get; init; }

    /// <summary>Most epochs.</summary>
    public int? Epochs { get; init; }

    /// <summary>Epochs without an improvement after which training ends.</summary>
    public int? Patience { get; init; }

    /// <summary>Samples in a training step.</summary>
    public int? Batch { get; init; }

    /// <summary>Learning rate.</summary>
    public double? LearningRate { get; init; }

    /// <summary>Seed of weights, filter, order and parts.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>Where it is trained.</summary>
    public DeviceChoice Device { get; init; } = DeviceChoice.Cpu;

    /// <summary>Threads of the CPU; 0: the default.</summary>
    public int Threads { get; init; }

    /// <summary>Folder of the run; null: a new one below runs.</summary>
    public string? Out { get; init; }

    /// <summary>Minutes between saves; 0: only at the end.</summary>
    public double SaveEvery { get; init; } = 10;

    /// <summary>Continues an interrupted run.</summary>
    public bool Resume { get; init; }

    /// <summary>Replaces a run that is there.</summary>
    public bool Overwrite { get; init; }

    /// <summary>Writes TensorBoard event files.</summary>
    public bool TensorBoard { get; init; }
}

/// <summary>What makes samples of sound fewer before the recurrent layers.</summary>
internal enum Front
{
    /// <summary>Convolutions over time, with strides.</summary>
    Convolution,

    /// <summary>A recurrent layer at one sample a step, and means of its states.</summary>
    Recurrence,
}

/// <summary>How data are divided into parts.</summary>
internal enum SplitBy
{
    /// <summary>By seed, with the share of every class.</summary>
    Class,

    /// <summary>By seed.</summary>
    Random,

    /// <summary>By seed, each group in one part.</summary>
    Group,

    /// <summary>By time.</summary>
    Time,
}
