namespace OrthoNative;

/// <summary>Options that recurrent and feedforward layers of orthogonal additive filters share.</summary>
public abstract record FilterChainOptions
{
    private protected FilterChainOptions() { }

    /// <summary>α, the factor of the filtered state: one number, or one for each unit. Default 1.</summary>
    public UnitValues Alpha { get; init; } = 1;

    /// <summary>
    /// β, the factor of the nonlinearity: one number, or one for each unit. Default 0.05; without values, as <see cref="RoaFnnOptions"/>
    /// has it by default, β follows from the depth.
    /// </summary>
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

    /// <summary>
    /// Which states are kept for the backward pass. Null, the default: every √L-th in a <see cref="RoaFnn"/> of more than
    /// <see cref="RoaFnn.DeepLayers"/> layers, otherwise all.
    /// </summary>
    public Checkpointing? Checkpointing { get; init; }

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

    /// <summary>
    /// The plain recurrent network of J. Elman, to compare with: α = 0 and β = 1, x_t = φ(W x_{t-1} + V u_t + b), with
    /// W ~ N(0, 1/N) and V uniform in ± 1.
    /// </summary>
    public static RoaRnnOptions Plain { get; } = new() { Alpha = 0, Beta = 1, Filter = Filter.Identity, WeightScale = 1, BiasScale = 0 };

    /// <summary>
    /// The residual network, to compare with: O = I and α = β = 1, x_t = x_{t-1} + φ(W x_{t-1} + V u_t + b), with W ~ N(0, 1/N).
    /// </summary>
    public static RoaRnnOptions Residual { get; } = Plain with { Alpha = 1 };
}

/// <summary>Options of a <see cref="RoaFnn"/>. Unless other values are given, β = c / L and W ~ N(0, 1/N), with b = 0.</summary>
/// <remarks>
/// With β = c / L, singular values of the input-output Jacobian stay within (1 ± c ‖W‖ / L)^L, that is about e^(± c ‖W‖), at any depth L,
/// and a step of an optimizer that changes each W by the same amount changes the whole by c times it: the same c and the same
/// learning rate suit any depth.
/// </remarks>
public sealed record RoaFnnOptions : FilterChainOptions
{
    /// <summary>The defaults.</summary>
    public RoaFnnOptions()
    {
        Beta = default;
        WeightScale = 1;
        BiasScale = 0;
    }

    /// <summary>c, finite: β = c / L where <see cref="FilterChainOptions.Beta"/> has no values. Default 1.</summary>
    public double TotalBeta { get; init; } = 1;

    /// <summary>
    /// True: each layer has an orthogonal matrix of its own. A CPU draws it again whenever it is needed and never stores it; a GPU keeps all
    /// of them, L N² elements unless they are structured; matrices of <see cref="Filter.FromMatrices"/> are kept on both. Default false: one
    /// for all layers.
    /// </summary>
    public bool FilterPerLayer { get; init; }

    /// <summary>The convex form, α = 1 - β: with tanh, states stay within max(‖x₀‖, √N).</summary>
    /// <param name="beta">0 to 1: one number, or one for each unit.</param>
    /// <returns>Options with these α and β and all other defaults.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="beta"/> is outside 0 to 1.</exception>
    public static RoaFnnOptions Convex(UnitValues beta) => new() { Alpha = ConvexAlpha(beta), Beta = beta };

    /// <summary>The multilayer perceptron, to compare with: α = 0 and β = 1, x_l = φ(W_l x_{l-1} + b_l), with W ~ N(0, 1/N).</summary>
    public static RoaFnnOptions Plain { get; } = new() { Alpha = 0, Beta = 1, Filter = Filter.Identity };

    /// <summary>
    /// The residual network, to compare with: O = I and α = β = 1, x_l = x_{l-1} + φ(W_l x_{l-1} + b_l), with W ~ N(0, 1/N).
    /// </summary>
    public static RoaFnnOptions Residual { get; } = Plain with { Alpha = 1 };

    /// <summary>The options with everything filled in that follows from the depth.</summary>
    internal RoaFnnOptions For(long layers)
    {
        Check.Finite(TotalBeta);
        return this with
        {
            Beta = Beta.Count == 0 ? TotalBeta / layers : Beta,
            Checkpointing = Checkpointing
                ?? (layers > RoaFnn.DeepLayers ? OrthoNative.Checkpointing.Every((long)Math.Ceiling(Math.Sqrt(layers))) : OrthoNative.Checkpointing.None),
        };
    }
}
