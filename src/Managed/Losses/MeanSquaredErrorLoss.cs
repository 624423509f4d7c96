using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Mean of (output - target)².</summary>
/// <inheritdoc cref="ValueLoss" path="/remarks"/>
public sealed class MeanSquaredErrorLoss() : ValueLoss(ortho_loss_kind.ORTHO_LOSS_SQUARED_ERROR)
{
}
