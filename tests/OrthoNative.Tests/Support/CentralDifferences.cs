using OrthoNative.Diagnostics;

namespace OrthoNative.Tests;

/// <summary>Gradients of a float64 model against central differences, also those that <see cref="GradientCheck"/> does not check: at initial states, and of losses.</summary>
internal static class CentralDifferences
{
    /// <summary>Step of the differences.</summary>
    private const double Epsilon = 1e-6;

    private const double RelativeTolerance = 1e-5;

    /// <summary>Checks the gradient of sum(cotangent · output) with respect to all parameters, the inputs and the initial states.</summary>
    /// <param name="model">A float64 model that computes the gradient at its inputs.</param>
    /// <param name="inputs">Its inputs.</param>
    /// <param name="operations">Rounded operations from an input to the output: their errors are independent, so their root counts.</param>
    /// <param name="options">With the initial states; null: none.</param>
    public static void Check(Sequential model, Tensor inputs, long operations, ForwardOptions? options = null)
    {
        options ??= new ForwardOptions();
        GradientCheckResult result = GradientCheck.Run(
            model, inputs, options, new GradientCheckOptions { Operations = operations, Step = Epsilon, RelativeTolerance = RelativeTolerance, MaximumElements = int.MaxValue });
        Assert.That(result.Passed, Is.True, result.ToString());
        Assert.That(result.Elements, Is.EqualTo(model.ParameterData.Count + inputs.Count));

        Tensor outputs = model.Forward(inputs, options);
        using Tensor cotangent = TestData.UniformTensor(new Random(7), 1, outputs.Shape);
        double[] weights = TestData.Values(cotangent);
        double magnitude = TestData.Values(outputs).Zip(weights, (x, c) => Math.Abs(x * c)).Sum();
        model.Backward(cotangent);
        Dictionary<string, double[]> gradients = States.Values(model.GetInitialStateGradients());
        IReadOnlyDictionary<string, Tensor> states = options.InitialStates ?? new Dictionary<string, Tensor>();
        Assert.That(gradients.Keys, Is.EquivalentTo(states.Keys));
        Compare(
            model, () => TestData.Values(model.Forward(inputs, options)).Zip(weights, (x, c) => x * c).Sum(), magnitude, operations,
            [.. states.Select(state => (state.Key, state.Value, gradients[state.Key]))]);
    }

    /// <summary>Checks gradients of a loss that a backward pass has left, with respect to all parameters and the inputs.</summary>
    /// <param name="model">A float64 model that computes the gradient at its inputs.</param>
    /// <param name="inputs">Its inputs.</param>
    /// <param name="loss">Runs the model and gives the number whose gradient it is.</param>
    /// <param name="magnitude">Magnitude of the terms that <paramref name="loss"/> sums.</param>
    /// <param name="operations">As above.</param>
    public static void CheckLoss(Sequential model, Tensor inputs, Func<double> loss, double magnitude, long operations) => Compare(
        model, loss, magnitude, operations,
        [
            .. model.Parameters.Select(parameter => (parameter.Name, parameter.Value, parameter.Gradient.ToArray<double>())),
            ("inputs", inputs, model.InputGradient.ToArray<double>()),
        ]);

    private static void Compare(
        Sequential model, Func<double> function, double magnitude, long operations, (string Name, Tensor Value, double[] Gradient)[] checks)
    {
        double roundingError = Math.Sqrt(operations) * Math.Pow(2, -53) * magnitude / Epsilon;
        model.Training = false;
        foreach ((string name, Tensor value, double[] gradient) in checks)
        {
            Span<double> numbers = value.AsSpan<double>();
            for (int i = 0; i < numbers.Length; i++)
            {
                double number = numbers[i];
                numbers[i] = number + Epsilon;
                double above = function();
                numbers[i] = number - Epsilon;
                double below = function();
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
