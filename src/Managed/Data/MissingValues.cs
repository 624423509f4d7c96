namespace OrthoNative;

/// <summary>Handling of missing values of time series. Steps by which a channel is shorter than its case are missing, too.</summary>
public enum MissingValues
{
    /// <summary>A file with missing values is refused.</summary>
    Refuse,

    /// <summary>
    /// On the line between the values before and behind, of the same channel; before the first one and behind the last one, that one. 0 after
    /// scaling if the case has none in the channel.
    /// </summary>
    Interpolate,

    /// <summary>0 after scaling: with a <see cref="ChannelScaling"/> of the training cases, the mean of the channel over those.</summary>
    Zero,

    /// <summary>The mean of the case's other values in the channel; 0 after scaling if there are none.</summary>
    Mean,
}
