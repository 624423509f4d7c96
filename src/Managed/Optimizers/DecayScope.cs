namespace OrthoNative;

/// <summary>The parameters that <see cref="OptimizerOptions.WeightDecay"/> applies to.</summary>
public enum DecayScope
{
    /// <summary>All weights: biases and normalizations do not decay.</summary>
    Weights,

    /// <summary>Weights from inputs, but not those from a state to the next one: recurrent weights, biases and normalizations do not decay.</summary>
    InputWeights,

    /// <summary>All parameters.</summary>
    AllParameters,
}
