namespace OrthoNative;

/// <summary>Options of a <see cref="RoaRnn"/>.</summary>
public sealed record RoaRnnOptions : FilterChainOptions
{
    /// <summary>Which states are the output. Default <see cref="SequenceOutput.Last"/>.</summary>
    public SequenceOutput Output { get; init; }

    /// <summary>s, not negative: V starts uniform in <see cref="InputOffset"/> ± s. Default 1.</summary>
    public double InputScale { get; init; } = 1;

    /// <summary>Mean that V starts with. Default 0.</summary>
    public double InputOffset { get; init; }

    /// <summary>Factor of the learning rate of V, not negative. Default 1.</summary>
    public double InputLearningRateScale { get; init; } = 1;

    /// <summary>The convex form, α = 1 - β: with tanh, states stay within max(‖x₀‖, √N).</summary>
    /// <param name="beta">0 to 1: one number, or one for each unit.</param>
    /// <returns>Options with these α and β and all other defaults.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="beta"/> is outside 0 to 1.</exception>
    public static RoaRnnOptions Convex(UnitValues beta) => new() { Alpha = ConvexAlpha(beta), Beta = beta };

    /// <summary>
    /// What <see cref="Elman"/> computes: α = 0 and β = 1, x_t = φ(W x_{t-1} + V u_t + b), with W ~ N(0, 1/N), V uniform in ± 1 and b = 0.
    /// </summary>
    internal static RoaRnnOptions Plain { get; } = new() { Alpha = 0, Beta = 1, Filter = Filter.Identity, WeightScale = 1, BiasScale = 0 };

    /// <summary>
    /// The residual network, to compare with: O = I and α = β = 1, x_t = x_{t-1} + φ(W x_{t-1} + V u_t + b), with W ~ N(0, 1/N).
    /// </summary>
    public static RoaRnnOptions Residual { get; } = Plain with { Alpha = 1 };
}
