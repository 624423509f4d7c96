using System.Globalization;

namespace OrthoNative;

/// <summary>Options that all optimizers share. Derive from it for an optimizer of your own.</summary>
public abstract record OptimizerOptions
{
    /// <summary>Creates options with the defaults.</summary>
    protected OptimizerOptions() { }

    /// <summary>Weight decay, not negative. Null, the default: 0.01 for <see cref="AdamW"/>, 0 for other optimizers.</summary>
    public double? WeightDecay { get; init; }

    /// <summary>
    /// The parameters that <see cref="WeightDecay"/> applies to. A <see cref="ParameterGroup.WeightDecay"/> applies to all parameters of its group.
    /// Default <see cref="DecayScope.Weights"/>.
    /// </summary>
    public DecayScope DecayScope { get; init; }

    /// <summary>Parameters that are treated apart. Default none: all are treated alike.</summary>
    public IReadOnlyList<ParameterGroup> Groups { get; init; } = [];

    /// <summary>
    /// The tensors that an optimizer with these options keeps, in their order. The optimizer's memory, its files and <see cref="Model.Summary"/>
    /// follow from it. Must be the same whenever it is asked for.
    /// </summary>
    protected internal abstract IReadOnlyList<OptimizerState> State { get; }

    /// <summary>
    /// Options without which the state means something else, by name. An optimizer's file has them; a file with others is refused. Default: none.
    /// </summary>
    protected internal virtual IEnumerable<KeyValuePair<string, string>> Settings => [];

    /// <summary>The decay of a parameter that no group gives one of its own.</summary>
    internal double DecayOf(ParameterRole role)
    {
        bool decays = DecayScope switch
        {
            DecayScope.AllParameters => true,
            DecayScope.InputWeights => role == ParameterRole.Weight,
            _ => role is ParameterRole.Weight or ParameterRole.RecurrentWeight,
        };
        return decays ? WeightDecay ?? 0 : 0;
    }

    /// <summary>A number as a file has it: all of its digits.</summary>
    private protected static string Text(double value) => value.ToString("R", CultureInfo.InvariantCulture);
}

/// <summary>Options of <see cref="Sgd"/>.</summary>
public sealed record SgdOptions : OptimizerOptions
{
    /// <summary>Momentum, 0 to 1, 1 excluded. Default 0.</summary>
    public double Momentum { get; init; }

    /// <summary>Uses Nesterov's momentum; it must then be above 0. Default false.</summary>
    public bool Nesterov { get; init; }

    /// <inheritdoc/>
    protected internal override IReadOnlyList<OptimizerState> State => Momentum > 0 ? [new("velocity")] : [];

    /// <inheritdoc/>
    protected internal override IEnumerable<KeyValuePair<string, string>> Settings =>
        [new("momentum", Text(Momentum)), new("nesterov", Nesterov ? "true" : "false")];
}

/// <summary>Options of <see cref="Adam"/> and <see cref="AdamW"/>.</summary>
public sealed record AdamOptions : OptimizerOptions
{
    /// <summary>β₁, the decay of the mean of gradients, 0 to 1, 1 excluded. Default 0.9.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>β₂, the decay of the mean of squared gradients, 0 to 1, 1 excluded. Default 0.999.</summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>
    /// ε, added to the root of the mean of squared gradients. Default 1e-8. At least 2·√(m / (1 - β₂)), where m is the smallest normal number
    /// of the model's type: 6.9e-18 in float32 with the default β₂. With less, squares that are too small for the type would count.
    /// </summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>
    /// AMSGrad (Reddi, Kale and Kumar, arXiv 1904.09237): divides by the root of the largest mean of squared gradients so far. Default false.
    /// </summary>
    public bool AmsGrad { get; init; }

    /// <inheritdoc/>
    protected internal override IReadOnlyList<OptimizerState> State => AmsGrad
        ? [new("first_moment"), new("second_moment", IsSquare: true), new("largest_second_moment", IsSquare: true)]
        : [new("first_moment"), new("second_moment", IsSquare: true)];

    /// <inheritdoc/>
    protected internal override IEnumerable<KeyValuePair<string, string>> Settings => [new("beta1", Text(Beta1)), new("beta2", Text(Beta2))];
}

/// <summary>Options of <see cref="RmsProp"/>.</summary>
public sealed record RmsPropOptions : OptimizerOptions
{
    /// <summary>The decay of the mean of squared gradients, 0 to 1, 1 excluded. Default 0.99.</summary>
    public double SquareDecay { get; init; } = 0.99;

    /// <summary>Momentum, 0 to 1, 1 excluded. Default 0.</summary>
    public double Momentum { get; init; }

    /// <summary>Divides by the root of the variance of gradients instead of that of the mean of their squares. Default false.</summary>
    public bool Centered { get; init; }

    /// <summary>
    /// ε, added to the root. Default 1e-8. At least 2·√(m / (1 - <see cref="SquareDecay"/>)), where m is the smallest normal number of the model's type, as
    /// <see cref="AdamOptions.Epsilon"/> is.
    /// </summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <inheritdoc/>
    protected internal override IReadOnlyList<OptimizerState> State
    {
        get
        {
            var state = new List<OptimizerState> { new("square_mean", IsSquare: true) };
            if (Centered)
            {
                state.Add(new("gradient_mean"));
            }

            if (Momentum > 0)
            {
                state.Add(new("velocity"));
            }

            return state;
        }
    }

    /// <inheritdoc/>
    protected internal override IEnumerable<KeyValuePair<string, string>> Settings => [new("square_decay", Text(SquareDecay)), new("momentum", Text(Momentum))];
}

/// <summary>Options of <see cref="Lion"/>.</summary>
public sealed record LionOptions : OptimizerOptions
{
    /// <summary>β₁, the part of the mean of gradients in the direction of a step, 0 to 1, 1 excluded. Default 0.9.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>β₂, the decay of the mean of gradients, 0 to 1, 1 excluded. Default 0.99.</summary>
    public double Beta2 { get; init; } = 0.99;

    /// <inheritdoc/>
    protected internal override IReadOnlyList<OptimizerState> State => [new("first_moment")];

    /// <inheritdoc/>
    protected internal override IEnumerable<KeyValuePair<string, string>> Settings => [new("beta1", Text(Beta1)), new("beta2", Text(Beta2))];
}
