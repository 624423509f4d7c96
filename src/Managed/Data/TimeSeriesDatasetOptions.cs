namespace OrthoNative;

/// <summary>Options of a data set of time series.</summary>
public sealed record TimeSeriesDatasetOptions
{
    /// <summary>Handling of missing values. Default: <see cref="MissingValues.Refuse"/>.</summary>
    public MissingValues MissingValues { get; init; } = MissingValues.Refuse;

    /// <summary>Scaling of the inputs, that of the training cases (<see cref="ChannelScaling.Of(TimeSeriesFile)"/>); null (the default): none.</summary>
    public ChannelScaling? Scaling { get; init; }

    /// <summary>
    /// Names of the classes in the order of their numbers: those of the training file, for a test file that has another order. Null (the default): those
    /// of the file.
    /// </summary>
    public IReadOnlyList<string>? ClassNames { get; init; }
}
