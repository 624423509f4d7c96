namespace OrthoNative;

/// <summary>
/// Which states a layer keeps for the backward pass. States between kept ones are recomputed with the same bits, so the choice
/// changes memory and time but no result. (A GPU multiplies the steps between kept states at once, so there results differ in the last
/// bits.)
/// </summary>
public readonly record struct Checkpointing
{
    private Checkpointing(long interval, long maximumBytes)
    {
        Interval = interval;
        MaximumBytes = maximumBytes;
    }

    /// <summary>Keep every state. The default.</summary>
    public static Checkpointing None => default;

    internal long Interval { get; }

    internal long MaximumBytes { get; }

    /// <summary>Keep every n-th state, counted from the last one. The square root of half the number of steps needs the least memory.</summary>
    /// <param name="steps">Steps between kept states, at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="steps"/> is less than 1.</exception>
    public static Checkpointing Every(long steps)
    {
        Check.AtLeast(steps, 1);
        return new Checkpointing(steps, 0);
    }

    /// <summary>Keep as many states as fit, so that the fewest are recomputed.</summary>
    /// <param name="maximumBytes">Memory for states in bytes, at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="maximumBytes"/> is less than 1.</exception>
    public static Checkpointing Auto(long maximumBytes)
    {
        Check.AtLeast(maximumBytes, 1);
        return new Checkpointing(0, maximumBytes);
    }

    /// <summary>Adds the choice to a layer's description.</summary>
    internal void Describe(LayerDescription description) => description.Add("checkpoint_every", Interval).Add("checkpoint_bytes", MaximumBytes);

    /// <summary>The choice that a file has.</summary>
    internal static Checkpointing Read(LayerReader reader)
    {
        long interval = reader.GetInt64("checkpoint_every");
        long bytes = reader.GetInt64("checkpoint_bytes");
        return interval == 0 ? bytes == 0 ? None : Auto(bytes) :
            bytes == 0 ? Every(interval) :
            throw reader.Invalid("checkpoint_every and checkpoint_bytes are both given; one of them must be 0");
    }

    /// <summary>The choice in a word.</summary>
    public override string ToString() =>
        Interval > 0 ? $"{nameof(Every)}({Interval})" : MaximumBytes > 0 ? $"{nameof(Auto)}({MaximumBytes})" : nameof(None);
}
