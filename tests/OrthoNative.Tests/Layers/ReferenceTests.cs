using MathNet.Numerics.LinearAlgebra;
using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Layers;

/// <summary>Sizes that fill vectors, tiles and threads, against the formulas computed sample by sample.</summary>
internal sealed class ReferenceTests
{
    [Test, Pairwise]
    public void Recurrent_layer_agrees_with_the_formulas(
        [Values(1, 17, 40)] int steps,
        [Values(1, 19, 64)] int batch,
        [Values(1, 33)] int inputSize,
        [Values(31, 64, 97)] int units,
        [Values(nameof(Filter.Haar), nameof(Filter.Cycle), nameof(Filter.Permutation), nameof(Filter.Identity))] string filter,
        [Values] Activation activation,
        [Values] DType dtype)
    {
        var random = new Random(13);
        var options = new RoaRnnOptions
        {
            Filter = (Filter)typeof(Filter).GetProperty(filter)!.GetValue(null)!,
            Activation = activation,
            Alpha = Uniform(random, units, 0.1).Select(value => 0.9 + value).ToArray(),
            Beta = 0.1,
            WeightScale = 0.5,
            Output = SequenceOutput.All,
        };
        var rnn = new RoaRnn(inputSize, units, options);
        using var model = new Sequential(
            Device.Default, new SequentialOptions { Seed = 13, DType = dtype, ComputeInputGradient = true }, rnn);

        // Rounded to float32, so that both element types start from the same numbers.
        double[] u = Round(Uniform(random, (long)steps * batch * inputSize));
        double[] x0 = Round(Uniform(random, (long)batch * units));
        double[] c = Round(Uniform(random, (long)steps * batch * units));
        using Tensor inputs = ToTensor(u, dtype, steps, batch, inputSize);
        using Tensor initial = ToTensor(x0, dtype, batch, units);
        using Tensor cotangent = ToTensor(c, dtype, steps, batch, units);
        rnn.InitialState = initial;

        Tensor states = model.Forward(inputs);
        model.Backward(cotangent);
        ReferenceResult expected = GradientTests.Reference(model, rnn, options).Run(
            steps,
            (k, sample) => Row(u, (k * batch) + sample, inputSize),
            [.. Enumerable.Range(0, batch).Select(sample => Row(x0, sample, units))],
            (k, sample) => Row(c, (k * batch) + sample, units));

        // The bounds are multiples of float32's unit roundoff; float64's is 2⁻²⁹ of it.
        double scale = dtype == DType.Float32 ? 1 : Math.Pow(2, -29);
        using (Assert.EnterMultipleScope())
        {
            AssertRows(states, expected.States.SelectMany(row => row), scale * expected.StateBound, "states");
            AssertRows(model.InputGradient, expected.Inputs.SelectMany(row => row), scale * expected.InputBound, "inputs");
            AssertRows(rnn.InitialStateGradient!, expected.Initial, scale * expected.InitialBound, "initial");
            AssertWhole(Parameter(model, "0.weight").Gradient, expected.Weights[0].EnumerateRows(), scale * expected.WeightBound, "weight");
            AssertWhole(Parameter(model, "0.input_weight").Gradient, expected.InputWeights.EnumerateRows(), scale * expected.InputWeightBound, "input_weight");
            AssertWhole(Parameter(model, "0.bias").Gradient, expected.Biases, scale * expected.BiasBound, "bias");
        }
    }

    private static double[] Round(double[] values) => Array.ConvertAll(values, value => (double)(float)value);

    private static Vector<double> Row(double[] values, int index, int size) => Vector<double>.Build.Dense(values[(index * size)..((index + 1) * size)]);

    /// <summary>Each row's error stays within the bound.</summary>
    private static void AssertRows(Tensor actual, IEnumerable<Vector<double>> expected, double bound, string name)
    {
        double[] values = Values(actual);
        double error = expected.Select((row, index) => (Row(values, index, row.Count) - row).L2Norm()).Max();
        Assert.That(error, Is.LessThanOrEqualTo(bound), name);
    }

    /// <summary>The error of all rows together stays within the bound.</summary>
    private static void AssertWhole(Tensor actual, IEnumerable<Vector<double>> expected, double bound, string name)
    {
        double[] values = Values(actual);
        double error = Math.Sqrt(expected.Select((row, index) => Math.Pow((Row(values, index, row.Count) - row).L2Norm(), 2)).Sum());
        Assert.That(error, Is.LessThanOrEqualTo(bound), name);
    }
}
