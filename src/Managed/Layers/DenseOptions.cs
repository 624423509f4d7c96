namespace OrthoNative;

/// <summary>Options of a <see cref="Dense"/> layer.</summary>
public sealed record DenseOptions
{
    /// <summary>Gives the layer a bias. Default true.</summary>
    public bool Bias { get; init; } = true;

    /// <summary>s, not negative: A starts uniform in ± s / √inputs. Default 1.</summary>
    public double WeightScale { get; init; } = 1;

    /// <summary>s, not negative: c starts uniform in ± s / √inputs. Default 1.</summary>
    public double BiasScale { get; init; } = 1;

    /// <summary>Factor of the learning rate of A, not negative. Default 1.</summary>
    public double WeightLearningRateScale { get; init; } = 1;

    /// <summary>Factor of the learning rate of c, not negative. Default 1.</summary>
    public double BiasLearningRateScale { get; init; } = 1;
}
