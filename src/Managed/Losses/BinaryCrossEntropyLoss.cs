using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>
/// Mean of -w·t·log s(x) - (1 - t)·log(1 - s(x)) with s the logistic function, x an output and t its target, 0 to 1: for labels of which several may hold. A CPU refuses targets
/// outside 0 to 1; a GPU does not look for them.
/// </summary>
/// <inheritdoc cref="ValueLoss" path="/remarks"/>
public sealed class BinaryCrossEntropyLoss : ValueLoss
{
    private readonly int _weights;

    /// <summary>Creates a loss with w = 1.</summary>
    public BinaryCrossEntropyLoss()
        : this(new BinaryCrossEntropyOptions())
    {
    }

    /// <summary>Creates a loss.</summary>
    /// <param name="options">The weights w.</param>
    /// <exception cref="ArgumentException">There is a weight that is out of range, or a list without any.</exception>
    public BinaryCrossEntropyLoss(BinaryCrossEntropyOptions options)
        : base(ortho_loss_kind.ORTHO_LOSS_BINARY_CROSS_ENTROPY, WeightsOf(options)) => _weights = options.PositiveWeights?.Count ?? 0;

    private protected override void CheckTargets(Tensor outputs, in Targets targets)
    {
        base.CheckTargets(outputs, targets);
        if (_weights > 0 && (outputs.Rank < 2 || outputs.Shape[^1] != _weights))
        {
            throw new ArgumentException(
                $"{nameof(outputs)} has shape {Check.FormatShape(outputs.Shape)}; it must be [..., {_weights}], the number of positive weights.", nameof(outputs));
        }
    }

    private static double[] WeightsOf(BinaryCrossEntropyOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.PositiveWeights is not { } weights)
        {
            return [];
        }

        if (weights.Count == 0)
        {
            throw new ArgumentException("options.PositiveWeights has no elements; it must have one for each output.", nameof(options));
        }

        for (int i = 0; i < weights.Count; i++)
        {
            Check.NotNegative(weights[i], $"options.PositiveWeights[{i}]");
        }

        return [.. weights];
    }
}
