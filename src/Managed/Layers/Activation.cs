using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>A function of one number, the nonlinearity of a layer.</summary>
public enum Activation
{
    /// <summary>Hyperbolic tangent.</summary>
    Tanh = (int)ortho_activation.ORTHO_TANH,

    /// <summary>max(0, z), with the derivative 0 at 0.</summary>
    Relu = (int)ortho_activation.ORTHO_RELU,

    /// <summary>The logistic function, 1 / (1 + e⁻ᶻ). Not for the steps of filter layers.</summary>
    Sigmoid = (int)ortho_activation.ORTHO_SIGMOID,

    /// <summary>z times the logistic function of z, also called swish. Not for the steps of filter layers.</summary>
    Silu = (int)ortho_activation.ORTHO_SILU,

    /// <summary>z Φ(z), Φ the distribution function of the normal distribution, exactly and not by tanh (arXiv 1606.08415). Not for the steps of filter layers.</summary>
    Gelu = (int)ortho_activation.ORTHO_GELU,
}
