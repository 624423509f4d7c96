namespace OrthoNative;

/// <summary>Parameters that an optimizer treats apart from the others.</summary>
public sealed record ParameterGroup
{
    /// <summary>Names the parameters of the group.</summary>
    /// <param name="parameters">Parameters of the optimizer's model, each in one group at most. Copied.</param>
    /// <exception cref="ArgumentNullException"><paramref name="parameters"/> or one of them is null.</exception>
    public ParameterGroup(params IEnumerable<Parameter> parameters)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        Parameters = [.. parameters];
        for (int i = 0; i < Parameters.Count; i++)
        {
            Check.NotNull(Parameters[i], $"{nameof(parameters)}[{i}]");
        }
    }

    /// <summary>The parameters.</summary>
    public IReadOnlyList<Parameter> Parameters { get; }

    /// <summary>
    /// Factor of the optimizer's learning rate, not negative, beside each parameter's own
    /// <see cref="Parameter.LearningRateScale"/>. Default 1.
    /// </summary>
    public double LearningRateScale { get; init; } = 1;

    /// <summary>Weight decay of all parameters of the group, whatever they are for; null, the default: the optimizer's, for those of its <see cref="OptimizerOptions.DecayScope"/>.</summary>
    public double? WeightDecay { get; init; }
}
