namespace OrthoNative.Cli.Files;

/// <summary>
/// How a file becomes sequences: found from the content or told by the command line when the model was trained, and stored in the model's file, so that other files are read in the same way.
/// </summary>
internal sealed record DataSettings
{
    /// <summary>What the model learns.</summary>
    public required Goal Goal { get; init; }

    /// <summary>The format of the file that it was trained on. Other files may have another one with the same columns.</summary>
    public required DataFormat Format { get; init; }

    /// <summary>The form of a table; null: there is no table.</summary>
    public TableForm? Form { get; init; }

    /// <summary>Column, or array of an .npz file, with the class; part of the file name with sound. Null: none.</summary>
    public string? Label { get; init; }

    /// <summary>Column that tells sequences apart; null: the table is one sequence, or in the wide form sequences have no identifiers.</summary>
    public string? Sequence { get; init; }

    /// <summary>Column with the time of a step.</summary>
    public string? Time { get; init; }

    /// <summary>Column with the group of a sequence.</summary>
    public string? Group { get; init; }

    /// <summary>Names of the channels of the inputs, in their order; with tables their columns (long form) or those of the steps (wide form).</summary>
    public IReadOnlyList<string> Features { get; init; } = [];

    /// <summary>Array of an .npz file with the inputs.</summary>
    public string? Inputs { get; init; }

    /// <summary>Array of an .npz file with the lengths of the sequences.</summary>
    public string? Lengths { get; init; }

    /// <summary>False: the table has no names of columns, and "column 3" is the third one.</summary>
    public bool HasHeader { get; init; } = true;

    /// <summary>Values of the longest row of a wide table without names, the class among them; null: another table.</summary>
    public int? RowValues { get; init; }

    /// <summary>Pattern of the names of columns in the wide form with several channels.</summary>
    public string? ChannelPattern { get; init; }

    /// <summary>Columns or names of the values to predict or forecast.</summary>
    public IReadOnlyList<string> Targets { get; init; } = [];

    /// <summary>Steps to forecast; null: no forecast.</summary>
    public long? Horizon { get; init; }

    /// <summary>Steps that a forecast is made from.</summary>
    public long? LookBack { get; init; }

    /// <summary>Pattern of the paths of WAV files.</summary>
    public string? Pattern { get; init; }

    /// <summary>Samples a second of sound.</summary>
    public int? SampleRate { get; init; }

    /// <summary>Samples of a frame of sound.</summary>
    public int? Frame { get; init; }

    /// <summary>Samples from one frame to the next.</summary>
    public int? Hop { get; init; }

    /// <summary>Mel bands of a frame; 0: the samples themselves.</summary>
    public int? Mel { get; init; }

    /// <summary>Handling of missing values. Other than <see cref="MissingValues.Refuse"/> where the training data had some.</summary>
    public MissingValues Missing { get; init; } = MissingValues.Refuse;
}
