namespace OrthoNative;

/// <summary>Windows of sequences, with the steps behind them to forecast: see <see cref="SequenceData.Windows"/>. Steps are counted from 0 in each sequence.</summary>
public sealed record WindowOptions
{
    /// <summary>Steps T of the inputs, at least 1.</summary>
    public required long Length { get; init; }

    /// <summary>Steps H to forecast, at least 1; the first one follows the last of the inputs.</summary>
    public required long Horizon { get; init; }

    /// <summary>Steps from a window to the next one, at least 1. Default 1.</summary>
    public long Stride { get; init; } = 1;

    /// <summary>Names of the channels to forecast, in their order, each once. Null (the default): all channels.</summary>
    public IReadOnlyList<string>? Targets { get; init; }

    /// <summary>
    /// First step that may be forecast, 0 or above. Inputs may come from before: windows of a test then begin with its first step, as is customary with ETT and its like. Default 0.
    /// </summary>
    public long From { get; init; }

    /// <summary>Step behind the last one that may be forecast, above <see cref="From"/>; null (the default): the end of each sequence.</summary>
    public long? To { get; init; }

    /// <summary>Time stamp from which steps may be forecast; null (the default): any. Only for data with time stamps.</summary>
    public double? FromTime { get; init; }

    /// <summary>Time stamp from which steps may be forecast no more; null (the default): none. Only for data with time stamps.</summary>
    public double? ToTime { get; init; }

    /// <summary>
    /// True: windows with a missing value, among inputs or targets, are left out. False (the default): missing inputs are filled as <see cref="SequenceData.MissingValues"/> says, from values
    /// within the window alone; missing targets are refused.
    /// </summary>
    public bool SkipMissing { get; init; }

    /// <summary>True: windows with a missing target are left out, and missing inputs are filled. False (the default): as <see cref="SkipMissing"/> says.</summary>
    public bool SkipMissingTargets { get; init; }
}
