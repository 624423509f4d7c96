namespace OrthoNative;

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
        Check.Finite(TotalBeta, $"options.{nameof(TotalBeta)}");
        return this with
        {
            Beta = Beta.Count == 0 ? TotalBeta / layers : Beta,
            Checkpointing = Checkpointing
                ?? (layers > RoaFnn.DeepLayers ? OrthoNative.Checkpointing.Every((long)Math.Ceiling(Math.Sqrt(layers))) : OrthoNative.Checkpointing.None),
        };
    }
}
