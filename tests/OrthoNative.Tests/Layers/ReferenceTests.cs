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
        [Values(Activation.Tanh, Activation.Relu)] Activation activation,
        [FloatingPointTypes] DType dtype) =>
        AssertAgrees(
            Device.Default,
            new RecurrentShape(steps, batch, inputSize, units, (Filter)typeof(Filter).GetProperty(filter)!.GetValue(null)!, activation, dtype));

    [Test, Pairwise]
    public void Feedforward_layer_agrees_with_the_formulas(
        [Values(1, 7, 20)] int layers,
        [Values(1, 19, 40)] int batch,
        [Values(31, 64)] int units,
        [Values(nameof(Filter.Haar), nameof(Filter.Cycle), nameof(Filter.Permutation), nameof(Filter.Identity))] string filter,
        [Values] bool filterPerLayer,
        [Values(Activation.Tanh, Activation.Relu)] Activation activation,
        [FloatingPointTypes] DType dtype) =>
        AssertAgrees(
            Device.Default,
            new FeedforwardShape(layers, batch, units, (Filter)typeof(Filter).GetProperty(filter)!.GetValue(null)!, filterPerLayer, activation, dtype));

    /// <summary>A recurrent layer and the batch that it is run on.</summary>
    internal sealed record RecurrentShape(int Steps, int Batch, int InputSize, int Units, Filter Filter, Activation Activation, DType DType)
    {
        /// <summary>Last states that are put out; null: all.</summary>
        public int? OutputSteps { get; init; }

        public Checkpointing Checkpointing { get; init; }
    }

    /// <summary>A feedforward layer and the batch that it is run on.</summary>
    internal sealed record FeedforwardShape(int Layers, int Batch, int Units, Filter Filter, bool FilterPerLayer, Activation Activation, DType DType)
    {
        public Checkpointing Checkpointing { get; init; }
    }

    /// <summary>Fails unless states and all gradients are those of the formulas, within the bounds.</summary>
    internal static void AssertAgrees(Device device, RecurrentShape shape)
    {
        (int steps, int batch, int inputSize, int units, Filter filter, Activation activation, DType dtype) = shape;
        int outputSteps = shape.OutputSteps ?? steps;
        var random = new Random(13);
        var options = new RoaRnnOptions
        {
            Filter = filter,
            Activation = activation,
            Alpha = Uniform(random, units, 0.1).Select(value => 0.9 + value).ToArray(),
            Beta = 0.1,
            WeightScale = 0.5,
            Output = SequenceOutput.LastSteps(outputSteps),
            Checkpointing = shape.Checkpointing,
        };
        var rnn = new RoaRnn(inputSize, units, options);
        using var model = new Sequential(
            device, new SequentialOptions { Seed = 13, DType = dtype, ComputeInputGradient = true }, rnn);

        // Rounded to float32, so that both element types start from the same numbers.
        double[] u = Round(Uniform(random, (long)steps * batch * inputSize));
        double[] x0 = Round(Uniform(random, (long)batch * units));
        double[] c = Round(Uniform(random, (long)outputSteps * batch * units));
        using Tensor inputs = ToTensor(device, u, dtype, steps, batch, inputSize);
        using Tensor initial = ToTensor(device, x0, dtype, batch, units);
        using Tensor cotangent = ToTensor(device, c, dtype, outputSteps, batch, units);

        Tensor states = model.Forward(inputs, States.From(initial));
        model.Backward(cotangent);
        using Tensor initialGradient = model.GetInitialStateGradients()["0.state"];
        int silent = steps - outputSteps;
        ReferenceResult expected = GradientTests.Reference(model, rnn, options).Run(
            steps,
            (k, sample) => Row(u, (k * batch) + sample, inputSize),
            [.. Enumerable.Range(0, batch).Select(sample => Row(x0, sample, units))],
            (k, sample) => k < silent ? null : Row(c, ((k - silent) * batch) + sample, units));

        double scale = ScaleOf(dtype);
        using (Assert.EnterMultipleScope())
        {
            AssertRows(states, expected.States.Skip(silent).SelectMany(row => row), scale * expected.StateBound, "states");
            AssertRows(model.InputGradient, expected.Inputs.SelectMany(row => row), scale * expected.InputBound, "inputs");
            AssertRows(initialGradient, expected.Initial, scale * expected.InitialBound, "initial");
            AssertWhole(Parameter(model, "0.weight").Gradient, expected.Weights[0].EnumerateRows(), scale * expected.WeightBound, "weight");
            AssertWhole(Parameter(model, "0.input_weight").Gradient, expected.InputWeights.EnumerateRows(), scale * expected.InputWeightBound, "input_weight");
            AssertWhole(Parameter(model, "0.bias").Gradient, expected.Biases, scale * expected.BiasBound, "bias");
        }
    }

    /// <summary>The same for a feedforward layer.</summary>
    internal static void AssertAgrees(Device device, FeedforwardShape shape)
    {
        (int layers, int batch, int units, Filter filter, bool filterPerLayer, Activation activation, DType dtype) = shape;
        var random = new Random(14);
        var fnn = new RoaFnn(units, layers, new RoaFnnOptions
        {
            Filter = filter,
            FilterPerLayer = filterPerLayer,
            Activation = activation,
            Alpha = Uniform(random, units, 0.1).Select(value => 0.9 + value).ToArray(),
            Beta = 0.1,
            WeightScale = 0.5,
            BiasScale = 0.5,
            Checkpointing = shape.Checkpointing,
        });
        using var model = new Sequential(device, new SequentialOptions { Seed = 14, DType = dtype, ComputeInputGradient = true }, fnn);
        double[] x0 = Round(Uniform(random, (long)batch * units));
        double[] c = Round(Uniform(random, (long)batch * units));
        using Tensor inputs = ToTensor(device, x0, dtype, batch, units);
        using Tensor cotangent = ToTensor(device, c, dtype, batch, units);

        Tensor output = model.Forward(inputs);
        model.Backward(cotangent);
        double[] weights = Values(Parameter(model, "0.weight").Value);
        double[] biases = Values(Parameter(model, "0.bias").Value);
        var reference = new ReferenceChain
        {
            Alpha = Vector<double>.Build.Dense([.. fnn.Alpha]),
            Beta = Vector<double>.Build.Dense(units, fnn.Beta[0]),
            Activation = activation,
            Filters = [.. Enumerable.Range(0, filterPerLayer ? layers : 1).Select(layer => Matrix<double>.Build.DenseOfArray(fnn.GetFilter(layer)))],
            Weights = [.. weights.Chunk(units * units).Select(w => Matrix<double>.Build.Dense(units, units, (i, j) => w[(i * units) + j]))],
            Biases = [.. Enumerable.Range(0, layers).Select(layer => Row(biases, layer, units))],
        };
        ReferenceResult expected = reference.Run(
            layers,
            (_, _) => throw new InvalidOperationException("There are no inputs."),
            [.. Enumerable.Range(0, batch).Select(sample => Row(x0, sample, units))],
            (k, sample) => k == layers - 1 ? Row(c, sample, units) : null);

        double scale = ScaleOf(dtype);
        using (Assert.EnterMultipleScope())
        {
            AssertRows(output, expected.States[^1], scale * expected.StateBound, "output");
            AssertRows(model.InputGradient, expected.Initial, scale * expected.InitialBound, "inputs");
            // The bounds hold for the gradients of each layer.
            for (int layer = 0; layer < layers; layer++)
            {
                AssertWhole(Parameter(model, "0.weight").Gradient, expected.Weights[layer].EnumerateRows(), scale * expected.WeightBound, $"weight {layer}", layer * units);
                AssertWhole(Parameter(model, "0.bias").Gradient, [expected.Biases[layer]], scale * expected.BiasBound, $"bias {layer}", layer);
            }
        }
    }

    /// <summary>The bounds are multiples of float32's unit roundoff; float64's is 2⁻²⁹ of it.</summary>
    private static double ScaleOf(DType dtype) => dtype == DType.Float32 ? 1 : Math.Pow(2, -29);

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
    private static void AssertWhole(Tensor actual, IEnumerable<Vector<double>> expected, double bound, string name, int firstRow = 0)
    {
        double[] values = Values(actual);
        double error = Math.Sqrt(expected.Select((row, index) => Math.Pow((Row(values, firstRow + index, row.Count) - row).L2Norm(), 2)).Sum());
        Assert.That(error, Is.LessThanOrEqualTo(bound), name);
    }
}
