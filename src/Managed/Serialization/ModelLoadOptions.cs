namespace OrthoNative;

/// <summary>How a model is made of a file.</summary>
public sealed record ModelLoadOptions
{
    /// <summary>The kinds of layers. Default: the library's.</summary>
    public LayerFactories Factories { get; init; } = new();

    /// <summary>
    /// Element type of the model, <see cref="OrthoNative.DType.Float32"/> or <see cref="OrthoNative.DType.Float64"/>; the file's numbers are converted to it, rounded to the nearest. Default: null, that of the
    /// model that was saved.
    /// </summary>
    public DType? DType { get; init; }

    /// <summary>As <see cref="SequentialOptions.Gradients"/>. Default true.</summary>
    public bool Gradients { get; init; } = true;

    /// <summary>As <see cref="SequentialOptions.ComputeInputGradient"/>. Default false.</summary>
    public bool ComputeInputGradient { get; init; }
}
