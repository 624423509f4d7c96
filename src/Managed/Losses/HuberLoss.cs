using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Mean of e² / 2 where |e| is at most δ, otherwise of δ·(|e| - δ / 2), with e = output - target: outliers pull no harder than δ.</summary>
/// <inheritdoc cref="ValueLoss" path="/remarks"/>
public sealed class HuberLoss : ValueLoss
{
    /// <summary>Creates a loss.</summary>
    /// <param name="delta">δ, the largest error that counts by its square, in the unit of the targets; finite and above 0.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="delta"/> is out of range.</exception>
    public HuberLoss(double delta = 1)
        : base(ortho_loss_kind.ORTHO_LOSS_HUBER, delta)
    {
        Check.Positive(delta);
        Delta = delta;
    }

    /// <summary>δ, the largest error that counts by its square.</summary>
    public double Delta { get; }
}
