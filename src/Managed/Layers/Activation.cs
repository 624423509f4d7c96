using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>The nonlinearity φ of a filter step.</summary>
public enum Activation
{
    /// <summary>Hyperbolic tangent.</summary>
    Tanh = (int)ortho_activation.ORTHO_TANH,

    /// <summary>max(0, z), with the derivative 0 at 0.</summary>
    Relu = (int)ortho_activation.ORTHO_RELU,
}
