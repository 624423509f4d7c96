namespace OrthoNative.Tests;

/// <summary>Gradients of a float64 model against central differences.</summary>
internal static class GradientCheck
{
    /// <summary>Step of the differences.</summary>
    private const double Epsilon = 1e-6;

    private const double RelativeTolerance = 1e-5;

    /// <summary>Checks the gradient of sum(cotangent · output) with respect to all parameters and the given tensors.</summary>
    /// <param name="model">A float64 model.</param>
    /// <param name="inputs">Its inputs.</param>
    /// <param name="operations">Rounded operations from an input to the output: their errors are independent, so their root counts.</param>
    /// <param name="others">Tensors beside the parameters, and their gradients after a backward pass.</param>
    public static void OfWeightedSum(Sequential model, Tensor inputs, long operations, params (string Name, Tensor Value, Func<Tensor> Gradient)[] others)
    {
        using Tensor cotangent = TestData.UniformTensor(new Random(7), 1, model.Forward(inputs).Shape);
        model.Backward(cotangent);
        double[] weights = TestData.Values(cotangent);
        double magnitude = TestData.Values(model.Forward(inputs)).Zip(weights, (x, c) => Math.Abs(x * c)).Sum();
        Of(model, () => TestData.Values(model.Forward(inputs)).Zip(weights, (x, c) => x * c).Sum(), magnitude, operations, others);
    }

    /// <summary>Checks gradients that a backward pass has left, with respect to all parameters and the given tensors.</summary>
    /// <param name="model">A float64 model.</param>
    /// <param name="loss">Runs the model and gives the number whose gradient it is.</param>
    /// <param name="magnitude">Magnitude of the terms that <paramref name="loss"/> sums.</param>
    /// <param name="operations">As above.</param>
    /// <param name="others">As above.</param>
    public static void Of(
        Sequential model, Func<double> loss, double magnitude, long operations, params (string Name, Tensor Value, Func<Tensor> Gradient)[] others)
    {
        double roundingError = Math.Sqrt(operations) * Math.Pow(2, -53) * magnitude / Epsilon;
        IEnumerable<(string Name, Tensor Value, Tensor Gradient)> all =
        [
            .. model.Parameters.Select(parameter => (parameter.Name, parameter.Value, parameter.Gradient)),
            .. others.Select(other => (other.Name, other.Value, other.Gradient())),
        ];

        // Copied first, and without training: running the model must not change what is checked.
        (string Name, Tensor Value, double[] Gradient)[] checks = [.. all.Select(item => (item.Name, item.Value, item.Gradient.ToArray<double>()))];
        model.Training = false;
        foreach ((string name, Tensor value, double[] gradient) in checks)
        {
            Span<double> numbers = value.AsSpan<double>();
            for (int i = 0; i < numbers.Length; i++)
            {
                double number = numbers[i];
                numbers[i] = number + Epsilon;
                double above = loss();
                numbers[i] = number - Epsilon;
                double below = loss();
                numbers[i] = number;

                double expected = (above - below) / (2 * Epsilon);
                double tolerance = (RelativeTolerance * Math.Max(Math.Abs(expected), Math.Abs(gradient[i]))) + roundingError;
                if (!(Math.Abs(gradient[i] - expected) <= tolerance))
                {
                    Assert.Fail($"gradient of {name}[{i}] is {gradient[i]:R}, central difference {expected:R}, tolerance {tolerance:E1}");
                }
            }
        }

        model.Training = true;
    }
}
