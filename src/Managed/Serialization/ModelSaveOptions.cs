namespace OrthoNative;

/// <summary>How a model is saved.</summary>
public sealed record ModelSaveOptions
{
    /// <summary>
    /// Element type of the parameters in the file; they are rounded to the nearest, ties to even. Null, the default: that of the model, which is saved bit for bit. Matrices of
    /// filters are saved in float64 always.
    /// </summary>
    public StorageType? StorageType { get; init; }
}
