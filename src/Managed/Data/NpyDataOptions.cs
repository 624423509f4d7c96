namespace OrthoNative;

/// <summary>What belongs to sequences of an <c>.npy</c> file, in arrays of their own.</summary>
public sealed record NpyDataOptions
{
    /// <summary>Classes: [N], one for each sequence, or [N, T], one for each step. Texts or numbers. Null (the default): none.</summary>
    public NpyFile? Labels { get; init; }

    /// <summary>
    /// Values to predict: [N] or [N, C] for each sequence, or [N, T, C] for each step. An array [N, T] has T values for a sequence, and not one for each step: that is [N, T, 1].
    /// Null (the default): none.
    /// </summary>
    public NpyFile? Targets { get; init; }

    /// <summary>Lengths of the sequences, [N], each 1 to T: what is beyond does not count. Null (the default): all are T.</summary>
    public NpyFile? Lengths { get; init; }

    /// <summary>Names, time stamps, missing values and scaling. It must not have the targets that <see cref="Labels"/> or <see cref="Targets"/> gives.</summary>
    public SequenceDataOptions Data { get; init; } = new();
}
