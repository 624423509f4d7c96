using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Mean of the pinball loss max(q·e, (q - 1)·e) with e = target - output, whose best constant output is the quantile q of the targets.</summary>
/// <remarks>
/// Q quantiles take Q outputs for each target: for targets <c>[..., C]</c> outputs are <c>[..., C·Q]</c>, and output c·Q + i is the i-th quantile of target c.
/// The gradient is 0 where output and target are equal. Runs on the device of the outputs, where the gradient lies, too.
/// </remarks>
public sealed class QuantileLoss : ValueLoss
{
    /// <summary>Creates a loss.</summary>
    /// <param name="quantiles">Quantiles, each above 0 and below 1; at least one. Copied.</param>
    /// <exception cref="ArgumentException">There are none, or one is out of range.</exception>
    public QuantileLoss(params double[] quantiles)
        : base(ortho_loss_kind.ORTHO_LOSS_QUANTILE, CopyOf(quantiles)) => Quantiles = Array.AsReadOnly(CopyOf(quantiles));

    /// <summary>Quantiles in the order of the outputs.</summary>
    public IReadOnlyList<double> Quantiles { get; }

    private protected override void CheckTargets(Tensor outputs, in Targets targets) => targets.CheckValues(outputs, nameof(outputs), Quantiles.Count);

    /// <summary>Refuses what are no quantiles.</summary>
    internal static double[] CopyOf(double[] quantiles)
    {
        ArgumentNullException.ThrowIfNull(quantiles);
        if (quantiles.Length == 0)
        {
            throw new ArgumentException($"{nameof(quantiles)} is empty; at least one is required.", nameof(quantiles));
        }

        for (int i = 0; i < quantiles.Length; i++)
        {
            Check.That(quantiles[i] is > 0 and < 1, quantiles[i], "above 0 and below 1", $"{nameof(quantiles)}[{i}]");
        }

        return [.. quantiles];
    }
}
