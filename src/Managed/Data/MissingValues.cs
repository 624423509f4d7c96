namespace OrthoNative;

/// <summary>Handling of missing values of sequences. Steps by which a channel of a <see cref="TimeSeriesFile"/> is shorter than its case are missing, too.</summary>
public enum MissingValues
{
    /// <summary>Data with missing values are refused.</summary>
    Refuse,

    /// <summary>
    /// On the line between the values before and behind, of the same channel; before the first one and behind the last one, that one. 0 after
    /// scaling if the sequence has none in the channel.
    /// </summary>
    Interpolate,

    /// <summary>0 after scaling: with a <see cref="ChannelScaling"/> of the training sequences, the mean of the channel over those.</summary>
    Zero,

    /// <summary>The mean of the sequence's other values in the channel; 0 after scaling if there are none.</summary>
    Mean,

    /// <summary>
    /// 0 after scaling, and behind the D channels D further ones say which values were there: 1 if it was measured, 0 if it is missing. They are there also for
    /// sequences without missing values, so that all data have the same number of features, and they are not scaled.
    /// </summary>
    Mask,
}
