namespace OrthoNative;

/// <summary>A linear map y = A x + c that <see cref="RidgeRegression"/> has fitted.</summary>
public sealed class RidgeSolution
{
    private readonly double[] _weight, _bias;

    internal RidgeSolution(double lambda, double[] weight, double[] bias) => (Lambda, _weight, _bias) = (lambda, weight, bias);

    /// <summary>Ridge factor λ.</summary>
    public double Lambda { get; }

    /// <summary>A, [outputs, inputs], row by row: the order of <see cref="Dense"/>.</summary>
    public ReadOnlySpan<double> Weight => _weight;

    /// <summary>c, [outputs]; zeros where there is no intercept.</summary>
    public ReadOnlySpan<double> Bias => _bias;
}
