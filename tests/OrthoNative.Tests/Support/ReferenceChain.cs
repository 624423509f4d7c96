using MathNet.Numerics.LinearAlgebra;

namespace OrthoNative.Tests;

/// <summary>
/// The chain as its formulas say, in float64 and sample by sample, together with bounds for the error of a float32 computation.
/// </summary>
/// <remarks>
/// <para>
/// The bounds are a running error analysis in the Euclidean norm, to first order in u = 2⁻²⁴. A sum of n products, in any order,
/// is off by at most n u times the sum of the products' magnitudes; <see cref="Slack"/> more u stand for rounding the
/// inputs to float32 and for the activation. An error that a step is given grows by max α + max βφ' ‖W‖₂ at most, as ‖O‖₂ = 1; that
/// of the state enters the gradient through φ', where |Δφ'| = 2 |φ Δφ| for tanh and 0 for relu away from its kink.
/// </para>
/// </remarks>
internal sealed class ReferenceChain
{
    private const double U = 1.0 / (1 << 24);

    private const double Slack = 8;

    /// <summary>α of each unit.</summary>
    public required Vector<double> Alpha { get; init; }

    /// <summary>β of each unit.</summary>
    public required Vector<double> Beta { get; init; }

    public required Activation Activation { get; init; }

    /// <summary>O of a recurrent chain or for all layers, or one for each layer.</summary>
    public required Matrix<double>[] Filters { get; init; }

    /// <summary>W of a recurrent chain, or one for each layer.</summary>
    public required Matrix<double>[] Weights { get; init; }

    /// <summary>b of a recurrent chain, or one for each layer.</summary>
    public required Vector<double>[] Biases { get; init; }

    /// <summary>V of a recurrent chain.</summary>
    public Matrix<double>? InputWeights { get; init; }

    private int Units => Alpha.Count;

    private int InputSize => InputWeights?.ColumnCount ?? 0;

    /// <summary>Runs forward, and backward from the gradients at all states.</summary>
    /// <param name="steps">T, or the number of layers.</param>
    /// <param name="inputs">u_k of a sample at a step, from 0; not called without input weights.</param>
    /// <param name="initial">x_0 of each sample.</param>
    /// <param name="cotangent">Gradient of a sample at the state after a step, from 0; null: zero.</param>
    /// <param name="lengths">Steps of each sample, beyond which its state stays as it is; null: all.</param>
    public ReferenceResult Run(
        int steps, Func<int, int, Vector<double>> inputs, Vector<double>[] initial, Func<int, int, Vector<double>?> cotangent, int[]? lengths = null)
    {
        var result = new ReferenceResult(steps, initial.Length, Weights.Length, Units, InputSize);
        Layer[] layers = MakeLayers();
        for (int sample = 0; sample < initial.Length; sample++)
        {
            RunSample(layers, steps, lengths?[sample] ?? steps, sample, inputs, initial[sample], cotangent, result);
        }

        // The sums over steps and samples themselves: rounding of their terms' magnitudes.
        int terms = Weights.Length == 1 ? lengths?.Sum() ?? steps * initial.Length : initial.Length;
        result.WeightBound += U * (terms + Slack) * result.WeightMagnitudes.Max(matrix => matrix.FrobeniusNorm());
        result.InputWeightBound += U * (terms + Slack) * result.InputWeightMagnitude.FrobeniusNorm();
        result.BiasBound += U * (terms + Slack) * result.BiasMagnitudes.Max(vector => vector.L2Norm());
        return result;
    }

    private void RunSample(
        Layer[] layers, int steps, int length, int sample, Func<int, int, Vector<double>> inputs, Vector<double> initial, Func<int, int, Vector<double>?> cotangent,
        ReferenceResult result)
    {
        double rounding = U * (Units + InputSize + Slack);
        var zero = Vector<double>.Build.Dense(Units);
        var states = new Vector<double>[length + 1];
        var stateErrors = new double[length + 1];
        var activations = new Vector<double>[length];
        var activationErrors = new double[length];
        var derivatives = new Vector<double>[length];
        var growth = new double[length];
        states[0] = initial;
        stateErrors[0] = U * initial.L2Norm();
        for (int k = 0; k < length; k++)
        {
            Layer layer = At(layers, k);
            Vector<double> x = states[k];
            Vector<double> z = (layer.Weights * x) + layer.Bias;
            Vector<double> magnitude = (layer.WeightMagnitudes * x.PointwiseAbs()) + layer.Bias.PointwiseAbs();
            if (InputWeights is not null)
            {
                Vector<double> u = inputs(k, sample);
                z += InputWeights * u;
                magnitude += InputWeights.PointwiseAbs() * u.PointwiseAbs();
            }

            result.SmallestPreActivation = Math.Min(result.SmallestPreActivation, z.AbsoluteMinimum());
            bool tanh = Activation == Activation.Tanh;
            Vector<double> a = z.Map(value => tanh ? Math.Tanh(value) : Math.Max(0, value));
            Vector<double> derivative = tanh ? a.Map(value => 1 - (value * value)) : z.Map(value => value > 0 ? 1.0 : 0.0);
            activations[k] = a;
            derivatives[k] = derivative;
            states[k + 1] = Alpha.PointwiseMultiply(layer.Filter * x) + Beta.PointwiseMultiply(a);
            result.States[k][sample] = states[k + 1];

            growth[k] = Alpha.AbsoluteMaximum() + (Beta.PointwiseMultiply(derivative).AbsoluteMaximum() * layer.WeightNorm);
            activationErrors[k] =
                (derivative.Maximum() * layer.WeightNorm * stateErrors[k]) + (rounding * derivative.PointwiseMultiply(magnitude).L2Norm()) + (Slack * U * a.L2Norm());
            stateErrors[k + 1] = (growth[k] * stateErrors[k])
                + (rounding * Alpha.PointwiseMultiply(layer.FilterMagnitudes * x.PointwiseAbs()).L2Norm())
                + (rounding * Beta.PointwiseMultiply(derivative).PointwiseMultiply(magnitude).L2Norm())
                + (Slack * U * Beta.PointwiseMultiply(a).L2Norm());
            result.StateBound = Math.Max(result.StateBound, stateErrors[k + 1]);
        }

        Vector<double> g = zero;
        double gradientError = 0;
        for (int k = steps - 1; k >= length; k--)
        {
            result.States[k][sample] = states[length];
            result.StateBound = Math.Max(result.StateBound, stateErrors[length]);
            result.Inputs[k][sample] = Vector<double>.Build.Dense(Math.Max(1, InputSize));
            if (cotangent(k, sample) is { } arriving)
            {
                g += arriving;
                gradientError += U * g.L2Norm();
            }
        }

        for (int k = length - 1; k >= 0; k--)
        {
            Layer layer = At(layers, k);
            g += cotangent(k, sample) ?? zero;
            gradientError += U * g.L2Norm();
            Vector<double> delta = Beta.PointwiseMultiply(derivatives[k]).PointwiseMultiply(g);
            double derivativeError = Activation == Activation.Tanh
                ? 2 * Beta.PointwiseMultiply(activations[k]).PointwiseMultiply(g).AbsoluteMaximum() * activationErrors[k]
                : 0;
            double deltaError = (Beta.PointwiseMultiply(derivatives[k]).AbsoluteMaximum() * gradientError) + derivativeError + (Slack * U * delta.L2Norm());

            int index = layers.Length == 1 ? 0 : k;
            Vector<double> x = states[k];
            result.Weights[index] += delta.OuterProduct(x);
            result.WeightMagnitudes[index] += delta.PointwiseAbs().OuterProduct(x.PointwiseAbs());
            result.Biases[index] += delta;
            result.BiasMagnitudes[index] += delta.PointwiseAbs();
            result.WeightBound += (deltaError * x.L2Norm()) + (delta.L2Norm() * stateErrors[k]);
            result.BiasBound += deltaError;
            if (InputWeights is not null)
            {
                Vector<double> u = inputs(k, sample);
                result.InputWeights += delta.OuterProduct(u);
                result.InputWeightMagnitude += delta.PointwiseAbs().OuterProduct(u.PointwiseAbs());
                result.InputWeightBound += deltaError * u.L2Norm();
                result.Inputs[k][sample] = InputWeights.TransposeThisAndMultiply(delta);
                result.InputBound = Math.Max(
                    result.InputBound,
                    (InputWeights.L2Norm() * deltaError) + (rounding * (InputWeights.PointwiseAbs().TransposeThisAndMultiply(delta.PointwiseAbs())).L2Norm()));
            }

            gradientError = (growth[k] * gradientError) + (layer.WeightNorm * derivativeError)
                + (rounding * (layer.FilterMagnitudes.TransposeThisAndMultiply(Alpha.PointwiseMultiply(g).PointwiseAbs())).L2Norm())
                + (rounding * (layer.WeightMagnitudes.TransposeThisAndMultiply(delta.PointwiseAbs())).L2Norm());
            g = layer.Filter.TransposeThisAndMultiply(Alpha.PointwiseMultiply(g)) + layer.Weights.TransposeThisAndMultiply(delta);
        }

        result.Initial[sample] = g;
        result.InitialBound = Math.Max(result.InitialBound, gradientError);
    }

    private Layer[] MakeLayers() =>
    [
        .. Enumerable.Range(0, Weights.Length).Select(k => new Layer(
            Filters[Filters.Length == 1 ? 0 : k], Filters[Filters.Length == 1 ? 0 : k].PointwiseAbs(),
            Weights[k], Weights[k].PointwiseAbs(), Weights[k].L2Norm(), Biases[k])),
    ];

    private static Layer At(Layer[] layers, int step) => layers[layers.Length == 1 ? 0 : step];

    private sealed record Layer(
        Matrix<double> Filter, Matrix<double> FilterMagnitudes, Matrix<double> Weights, Matrix<double> WeightMagnitudes, double WeightNorm, Vector<double> Bias);
}

/// <summary>States and gradients, and for each the largest norm of a float32 computation's error.</summary>
internal sealed class ReferenceResult(int steps, int batch, int layers, int units, int inputs)
{
    /// <summary>[step][sample].</summary>
    public Vector<double>[][] States { get; } = [.. Enumerable.Range(0, steps).Select(_ => new Vector<double>[batch])];

    public Matrix<double>[] Weights { get; } = Zeros(layers, units);

    public Vector<double>[] Biases { get; } = [.. Enumerable.Range(0, layers).Select(_ => Vector<double>.Build.Dense(units))];

    public Matrix<double> InputWeights { get; set; } = Matrix<double>.Build.Dense(units, Math.Max(1, inputs));

    /// <summary>[step][sample].</summary>
    public Vector<double>[][] Inputs { get; } = [.. Enumerable.Range(0, steps).Select(_ => new Vector<double>[batch])];

    public Vector<double>[] Initial { get; } = new Vector<double>[batch];

    /// <summary>Sums of the magnitudes of the terms.</summary>
    public Matrix<double>[] WeightMagnitudes { get; } = Zeros(layers, units);

    public Vector<double>[] BiasMagnitudes { get; } = [.. Enumerable.Range(0, layers).Select(_ => Vector<double>.Build.Dense(units))];

    public Matrix<double> InputWeightMagnitude { get; set; } = Matrix<double>.Build.Dense(units, Math.Max(1, inputs));

    public double StateBound { get; set; }

    public double WeightBound { get; set; }

    public double BiasBound { get; set; }

    public double InputWeightBound { get; set; }

    public double InputBound { get; set; }

    public double InitialBound { get; set; }

    /// <summary>The smallest |z| of all; how far relu was from its kink.</summary>
    public double SmallestPreActivation { get; set; } = double.PositiveInfinity;

    private static Matrix<double>[] Zeros(int count, int units) =>
        [.. Enumerable.Range(0, count).Select(_ => Matrix<double>.Build.Dense(units, units))];
}
