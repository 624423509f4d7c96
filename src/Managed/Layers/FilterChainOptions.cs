namespace OrthoNative;

/// <summary>Options that recurrent and feedforward layers of orthogonal additive filters share.</summary>
public abstract record FilterChainOptions
{
    private protected FilterChainOptions() { }

    /// <summary>α, the factor of the filtered state: one number, or one for each unit. Default 1.</summary>
    public UnitValues Alpha { get; init; } = 1;

    /// <summary>β, the factor of the nonlinearity: one number, or one for each unit. Default 0.05.</summary>
    public UnitValues Beta { get; init; } = 0.05;

    /// <summary>The orthogonal matrix O. Default <see cref="Filter.Haar"/>.</summary>
    public Filter Filter { get; init; } = Filter.Haar;

    /// <summary>The nonlinearity φ. Default <see cref="Activation.Tanh"/>.</summary>
    public Activation Activation { get; init; } = Activation.Tanh;

    /// <summary>g, not negative: W starts normal with mean 0 and standard deviation g / √N. Default 0.2.</summary>
    public double WeightScale { get; init; } = 0.2;

    /// <summary>s, not negative: b starts uniform in <see cref="BiasOffset"/> ± s. Default 1.</summary>
    public double BiasScale { get; init; } = 1;

    /// <summary>Mean that b starts with. Default 0.</summary>
    public double BiasOffset { get; init; }

    /// <summary>Factor of the learning rate of W, not negative. Default 1.</summary>
    public double WeightLearningRateScale { get; init; } = 1;

    /// <summary>Factor of the learning rate of b, not negative. Default 1.</summary>
    public double BiasLearningRateScale { get; init; } = 1;

    /// <summary>Which states are kept for the backward pass. Default <see cref="Checkpointing.None"/>: all.</summary>
    public Checkpointing Checkpointing { get; init; }

    private protected static UnitValues ConvexAlpha(UnitValues beta)
    {
        foreach (double value in beta.Span)
        {
            if (!(value is >= 0 and <= 1))
            {
                throw new ArgumentOutOfRangeException(nameof(beta), FormattableString.Invariant($"{nameof(beta)} is {value}; 0 to 1 is allowed."));
            }
        }

        return beta.Complement();
    }
}

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
}

/// <summary>Options of a <see cref="RoaFnn"/>.</summary>
public sealed record RoaFnnOptions : FilterChainOptions
{
    /// <summary>
    /// True: each layer has an orthogonal matrix of its own, drawn anew when needed and never stored. Default false: one for all.
    /// </summary>
    public bool FilterPerLayer { get; init; }

    /// <summary>The convex form, α = 1 - β: with tanh, states stay within max(‖x₀‖, √N).</summary>
    /// <param name="beta">0 to 1: one number, or one for each unit.</param>
    /// <returns>Options with these α and β and all other defaults.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="beta"/> is outside 0 to 1.</exception>
    public static RoaFnnOptions Convex(UnitValues beta) => new() { Alpha = ConvexAlpha(beta), Beta = beta };
}
