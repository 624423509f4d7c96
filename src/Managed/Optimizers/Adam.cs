namespace OrthoNative;

/// <summary>
/// Adam (Kingma and Ba, arXiv 1412.6980) with bias correction. Weight decay is added to the gradient, as an L2 penalty is.
/// </summary>
public sealed class Adam : AdamOptimizer
{
    /// <summary>Creates an optimizer.</summary>
    /// <param name="model">The model whose parameters are changed.</param>
    /// <param name="learningRate">Learning rate, not negative. Default 0.001.</param>
    /// <param name="options">Null: the defaults.</param>
    /// <exception cref="ArgumentException">A number is out of range, or a group has a parameter that is not the model's.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public Adam(Model model, double learningRate = 1e-3, AdamOptions? options = null)
        : base(model, learningRate, options ?? new AdamOptions(), decoupled: false)
    {
    }
}
