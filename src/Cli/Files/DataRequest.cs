namespace OrthoNative.Cli.Files;

/// <summary>What the command line says of a file of data. What is null is found from the content.</summary>
internal sealed record DataRequest
{
    /// <summary>Column, array or part of the file name with the class.</summary>
    public string? Label { get; init; }

    /// <summary>Column that tells sequences apart.</summary>
    public string? Sequence { get; init; }

    /// <summary>Column with the time of a step.</summary>
    public string? Time { get; init; }

    /// <summary>Column, or part of the file name, with the person or machine that a sequence is of.</summary>
    public string? Group { get; init; }

    /// <summary>Columns that are inputs.</summary>
    public IReadOnlyList<string>? Features { get; init; }

    /// <summary>Columns with values to predict; with a horizon, the columns to forecast.</summary>
    public IReadOnlyList<string>? Targets { get; init; }

    /// <summary>Steps to forecast. Given: the goal is a forecast.</summary>
    public long? Horizon { get; init; }

    /// <summary>Steps that a forecast is made from.</summary>
    public long? LookBack { get; init; }

    /// <summary>The form of a table.</summary>
    public TableForm? Form { get; init; }

    /// <summary>Pattern of the paths of WAV files, as <see cref="WavFolderOptions.Pattern"/>; with tables that of the columns of the wide form, as <see cref="TableOptions.ChannelPattern"/>.</summary>
    public string? Pattern { get; init; }

    /// <summary>Samples of a frame of sound.</summary>
    public int? Frame { get; init; }

    /// <summary>Samples from one frame to the next.</summary>
    public int? Hop { get; init; }

    /// <summary>Mel bands of a frame; 0: the samples themselves.</summary>
    public int? Mel { get; init; }

    /// <summary>Handling of missing values.</summary>
    public MissingValues? Missing { get; init; }
}
