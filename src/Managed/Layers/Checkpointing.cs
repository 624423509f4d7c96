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

    /// <summary>The choice in a word.</summary>
    public override string ToString() =>
        Interval > 0 ? $"{nameof(Every)}({Interval})" : MaximumBytes > 0 ? $"{nameof(Auto)}({MaximumBytes})" : nameof(None);
}
