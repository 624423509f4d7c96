using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Mean of |output - target|, whose best constant output is the median. The gradient is 0 where they are equal.</summary>
/// <inheritdoc cref="ValueLoss" path="/remarks"/>
public sealed class MeanAbsoluteErrorLoss() : ValueLoss(ortho_loss_kind.ORTHO_LOSS_ABSOLUTE_ERROR)
{
}
