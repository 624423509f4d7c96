namespace OrthoNative;

/// <summary>
/// Adam with decoupled weight decay (Loshchilov and Hutter, arXiv 1711.05101): p ← p - rate·decay·p before each update.
/// </summary>
public sealed class AdamW : AdamOptimizer
{
    private const double DefaultWeightDecay = 0.01;

    /// <summary>Creates an optimizer.</summary>
    /// <param name="model">The model whose parameters are changed.</param>
    /// <param name="learningRate">Learning rate, not negative. Default 0.001.</param>
    /// <param name="options">Null: the defaults.</param>
    /// <exception cref="ArgumentException">A number is out of range, or a group has a parameter that is not the model's.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public AdamW(Model model, double learningRate = 1e-3, AdamOptions? options = null)
        : base(model, learningRate, WithDecay(options ?? new AdamOptions()), decoupled: true)
    {
    }

    private static AdamOptions WithDecay(AdamOptions options) => options with { WeightDecay = options.WeightDecay ?? DefaultWeightDecay };
}
