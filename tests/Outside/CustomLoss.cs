using System.Numerics;

namespace OrthoNative.Outside;

/// <summary>log(cosh(e)), e = output - target: like e² / 2 for small errors and |e| for large ones, and smooth everywhere.</summary>
public sealed class LogCoshLoss : Loss
{
    protected override double Compute(Tensor outputs, in Targets targets, Tensor? gradient, bool wantsValue) => outputs.DType == DType.Float32
        ? Compute<float>(outputs, targets, gradient)
        : Compute<double>(outputs, targets, gradient);

    private double Compute<T>(Tensor outputs, in Targets targets, Tensor? gradient) where T : unmanaged, IFloatingPointIeee754<T>
    {
        if (targets.Values is null || !targets.Values.Shape.SequenceEqual(outputs.Shape))
        {
            throw new ArgumentException("The targets must be values, shaped as the outputs.", nameof(targets));
        }

        ReadOnlySpan<T> output = outputs.AsSpan<T>();
        ReadOnlySpan<T> target = targets.Values.AsSpan<T>();
        Span<T> slope = gradient is null ? [] : gradient.AsSpan<T>();
        int units = (int)outputs.Shape[^1];
        double sum = 0;
        for (int i = 0; i < output.Length; i++)
        {
            double weight = targets.WeightOf(i / units);
            double error = weight > 0 ? double.CreateChecked(output[i] - target[i]) : 0;
            sum += weight * (Math.Abs(error) + Math.Log((1 + Math.Exp(-2 * Math.Abs(error))) / 2));
            if (!slope.IsEmpty)
            {
                slope[i] = T.CreateChecked(weight / (WeightSum * units) * Math.Tanh(error));
            }
        }

        return sum / (WeightSum * units);
    }
}
