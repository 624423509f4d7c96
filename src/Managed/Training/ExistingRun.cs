namespace OrthoNative;

/// <summary>What is done where <see cref="TrainerOptions.Folder"/> already has a run.</summary>
public enum ExistingRun
{
    /// <summary>The call is refused, and nothing is changed.</summary>
    Refuse,

    /// <summary>
    /// An interrupted run is resumed: every further step is the one that it would have made, bit for bit. Of a run that has ended, the model is loaded and
    /// its result returned. Where there is no run, a new one begins.
    /// </summary>
    Resume,

    /// <summary>A new run begins, and its files replace those of the earlier one.</summary>
    Replace,
}
