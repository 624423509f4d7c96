namespace OrthoNative;

/// <summary>Names of the arrays of an <c>.npz</c> file that are read as sequences.</summary>
public sealed record NpzDataOptions
{
    /// <summary>The sequences: [N, T], or [N, T, D]. Default "inputs".</summary>
    public string Inputs { get; init; } = "inputs";

    /// <summary>Classes: [N], one for each sequence, or [N, T], one for each step. Texts or numbers. Null (the default): none.</summary>
    public string? Labels { get; init; }

    /// <summary>
    /// Values to predict: [N] or [N, C] for each sequence, or [N, T, C] for each step. An array [N, T] has T values for a sequence, and not one for each step: that is [N, T, 1].
    /// Null (the default): none.
    /// </summary>
    public string? Targets { get; init; }

    /// <summary>Lengths of the sequences, [N], each 1 to T: what is beyond does not count. Null (the default): all are T.</summary>
    public string? Lengths { get; init; }

    /// <summary>Names, time stamps, missing values and scaling. It must not have the targets that <see cref="Labels"/> or <see cref="Targets"/> gives.</summary>
    public SequenceDataOptions Data { get; init; } = new();
}
