namespace OrthoNative;

/// <summary>What a parameter is for: which ones weight decay applies to follows from it (<see cref="DecayScope"/>).</summary>
public enum ParameterRole
{
    /// <summary>A matrix of weights, of a convolution or of an embedding, too.</summary>
    Weight,

    /// <summary>Weights from a state to the next one: W of recurrent layers, and of each layer of a <see cref="RoaFnn"/>.</summary>
    RecurrentWeight,

    /// <summary>Numbers that are added.</summary>
    Bias,

    /// <summary>Scale and offset of a normalization.</summary>
    Norm,
}
