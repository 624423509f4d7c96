namespace OrthoNative;

/// <summary>Options of a <see cref="Gru"/> layer.</summary>
public sealed record GruOptions : GatedCellOptions;
