namespace OrthoNative;

/// <summary>Options of an <see cref="Elman"/> layer.</summary>
public sealed record ElmanOptions : RecurrentCellOptions
{
    /// <summary>The nonlinearity φ. Default <see cref="Activation.Tanh"/>.</summary>
    public Activation Activation { get; init; } = Activation.Tanh;
}
