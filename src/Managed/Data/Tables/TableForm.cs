namespace OrthoNative;

#pragma warning disable CA1720 // Long and wide are what these forms are called.

/// <summary>The form of a table of sequences.</summary>
public enum TableForm
{
    /// <summary>A row is a step of a sequence, a column is a channel.</summary>
    Long,

    /// <summary>A row is a sequence; its columns are the steps of one channel, or of several ones by <see cref="TableOptions.ChannelPattern"/>.</summary>
    Wide,
}
