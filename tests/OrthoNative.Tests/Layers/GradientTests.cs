using MathNet.Numerics.LinearAlgebra;
using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Layers;

internal sealed class GradientTests
{
    /// <summary>Relu's derivative jumps at 0; differences of 1e-6 must not reach it through up to 17 steps.</summary>
    private const double DistanceFromKink = 1e-5;

    /// <summary>A recurrent layer and the batch it is run on.</summary>
    public sealed record RecurrentCase(long T, long B, long D, long N, Filter Filter, Activation Activation, SequenceOutput Output)
    {
        public bool AlphaPerUnit { get; init; }

        public bool BetaPerUnit { get; init; }

        public bool InitialState { get; init; }

        public Checkpointing Checkpointing { get; init; }

        /// <summary>Seed of weights and inputs.</summary>
        public int Seed { get; init; } = 1;

        public RoaRnnOptions Options => new()
        {
            Filter = Filter,
            Activation = Activation,
            Output = Output,
            Alpha = AlphaPerUnit ? Uniform(new Random(1), N, 0.3).Select(value => 0.7 + value).ToArray() : 0.9,
            Beta = BetaPerUnit ? Uniform(new Random(2), N, 0.2).Select(value => 0.3 + value).ToArray() : 0.4,
            WeightScale = 1,
            Checkpointing = Checkpointing,
        };

        public override string ToString() =>
            $"T={T} B={B} D={D} N={N} {Filter} {Activation} {Output} alpha={(AlphaPerUnit ? "N" : "1")} beta={(BetaPerUnit ? "N" : "1")} x0={InitialState} {Checkpointing}";
    }

    private static IEnumerable<RecurrentCase> RecurrentCases =>
    [
        new(1, 1, 1, 1, Filter.Identity, Activation.Tanh, SequenceOutput.Last) { InitialState = true },
        new(2, 3, 1, 5, Filter.Haar, Activation.Relu, SequenceOutput.All) { AlphaPerUnit = true },
        new(3, 1, 5, 2, Filter.Cycle, Activation.Tanh, SequenceOutput.LastSteps(2)) { BetaPerUnit = true, InitialState = true },
        new(5, 2, 3, 17, Filter.Permutation, Activation.Relu, SequenceOutput.Last) { AlphaPerUnit = true, BetaPerUnit = true, InitialState = true },
        new(17, 5, 2, 3, Filter.Haar, Activation.Tanh, SequenceOutput.All) { AlphaPerUnit = true, BetaPerUnit = true },
        new(33, 1, 1, 5, Filter.Cycle, Activation.Relu, SequenceOutput.LastSteps(5)) { InitialState = true, Checkpointing = Checkpointing.Every(4) },
        new(2, 33, 3, 5, Filter.Identity, Activation.Tanh, SequenceOutput.LastSteps(1)),
        new(3, 2, 17, 33, Filter.Permutation, Activation.Tanh, SequenceOutput.Last) { BetaPerUnit = true, InitialState = true },
        new(5, 3, 33, 2, Filter.Haar, Activation.Tanh, SequenceOutput.All) { AlphaPerUnit = true },
        new(2, 17, 1, 33, Filter.Haar, Activation.Relu, SequenceOutput.Last) { InitialState = true },
        new(17, 2, 5, 17, Filter.FromMatrix(Orthogonal(17)), Activation.Tanh, SequenceOutput.All) { Checkpointing = Checkpointing.Every(5) },
        new(5, 17, 2, 2, Filter.Cycle, Activation.Relu, SequenceOutput.All) { BetaPerUnit = true, Checkpointing = Checkpointing.Auto(12_000) },
    ];

    [TestCaseSource(nameof(RecurrentCases))]
    public void Recurrent_gradients_match_central_differences(RecurrentCase c)
    {
        ArgumentNullException.ThrowIfNull(c);
        var random = new Random(c.Seed);
        var rnn = new RoaRnn(c.D, c.N, c.Options);
        using var model = new Sequential(
            Device.Default, new SequentialOptions { Seed = (ulong)c.Seed, DType = DType.Float64, ComputeInputGradient = true }, rnn);
        using Tensor inputs = UniformTensor(random, 1, c.T, c.B, c.D);
        using Tensor initial = UniformTensor(random, 1, c.B, c.N);
        if (c.Activation == Activation.Relu)
        {
            double smallest = Reference(model, rnn, c.Options).Run(
                (int)c.T,
                (k, sample) => Vector<double>.Build.Dense((int)c.D, i => inputs.AsSpan<double>()[(int)((((k * c.B) + sample) * c.D) + i)]),
                [.. Enumerable.Range(0, (int)c.B).Select(sample => c.InitialState
                    ? Vector<double>.Build.Dense(initial.AsSpan<double>(sample * c.N, (int)c.N).ToArray())
                    : Vector<double>.Build.Dense((int)c.N))],
                (_, _) => null).SmallestPreActivation;
            Assert.That(smallest, Is.GreaterThan(DistanceFromKink), "another seed is needed");
        }

        CentralDifferences.Check(model, inputs, c.T * (c.N + c.D), States.From(c.InitialState ? initial : null));
    }

    [TestCase(1, 1, 1, nameof(Filter.Haar), false, Activation.Tanh)]
    [TestCase(2, 5, 3, nameof(Filter.Haar), true, Activation.Tanh)]
    [TestCase(3, 17, 2, nameof(Filter.Permutation), true, Activation.Relu)]
    [TestCase(5, 2, 33, nameof(Filter.Cycle), false, Activation.Relu)]
    [TestCase(17, 3, 5, nameof(Filter.Identity), false, Activation.Tanh)]
    [TestCase(33, 5, 1, nameof(Filter.Haar), true, Activation.Tanh)]
    [TestCase(2, 33, 2, nameof(Filter.Permutation), false, Activation.Tanh)]
    public void Feedforward_gradients_match_central_differences(
        long layers, long units, long batch, string filter, bool filterPerLayer, Activation activation)
    {
        var random = new Random(3);
        using var model = new Sequential(
            Device.Default,
            new SequentialOptions { Seed = 3, DType = DType.Float64, ComputeInputGradient = true },
            new RoaFnn(units, layers, new RoaFnnOptions
            {
                Alpha = Uniform(random, units, 0.2).Select(value => 0.8 + value).ToArray(),
                Beta = 0.3,
                WeightScale = 1,
                Activation = activation,
                FilterPerLayer = filterPerLayer,
                Filter = (Filter)typeof(Filter).GetProperty(filter)!.GetValue(null)!,
                Checkpointing = layers > 4 ? Checkpointing.Every(4) : Checkpointing.None,
            }));
        using Tensor inputs = UniformTensor(random, 1, batch, units);

        CentralDifferences.Check(model, inputs, layers * units);
    }

    [TestCase(1, 1, 1, true)]
    [TestCase(17, 5, 33, true)]
    [TestCase(33, 3, 2, false)]
    [TestCase(2, 33, 5, true)]
    public void Dense_gradients_match_central_differences(long rows, long inputSize, long outputSize, bool bias)
    {
        using var model = new Sequential(
            Device.Default,
            new SequentialOptions { Seed = 4, DType = DType.Float64, ComputeInputGradient = true },
            new Dense(inputSize, outputSize, new DenseOptions { Bias = bias }));
        using Tensor inputs = UniformTensor(new Random(4), 1, rows, inputSize);

        CentralDifferences.Check(model, inputs, inputSize);
    }

    [Test]
    public void Gradients_of_stacked_layers_match_central_differences_through_cross_entropy()
    {
        using Sequential model = StackedModel(outputs: 4);
        using Tensor inputs = UniformTensor(new Random(5), 1, 5, 3, 2);
        using var loss = new CrossEntropyLoss(new CrossEntropyOptions { LabelSmoothing = 0.1 });
        int[] targets = [3, 0, 2];

        loss.Forward(model.Forward(inputs), targets);
        model.Backward(loss.Gradient);

        CentralDifferences.CheckLoss(model, inputs, () => loss.Evaluate(model.Forward(inputs), targets), 10, 200);
    }

    [Test]
    public void Gradients_of_stacked_layers_match_central_differences_through_mean_squared_error()
    {
        using Sequential model = StackedModel(outputs: 2);
        using Tensor inputs = UniformTensor(new Random(6), 1, 5, 3, 2);
        using Tensor targets = UniformTensor(new Random(7), 1, 3, 2);
        using var loss = new MeanSquaredErrorLoss();

        loss.Forward(model.Forward(inputs), targets);
        model.Backward(loss.Gradient);

        CentralDifferences.CheckLoss(model, inputs, () => loss.Evaluate(model.Forward(inputs), targets), 10, 200);
    }

    [Test]
    public void Accumulated_gradients_are_the_sum_of_those_of_two_batches()
    {
        using Sequential model = StackedModel(outputs: 2);
        using Tensor first = UniformTensor(new Random(8), 1, 5, 3, 2);
        using Tensor second = UniformTensor(new Random(9), 1, 7, 4, 2);
        using Tensor firstCotangent = UniformTensor(new Random(10), 1, 3, 2);
        using Tensor secondCotangent = UniformTensor(new Random(11), 1, 4, 2);

        model.Forward(first);
        model.Backward(firstCotangent);
        double[] firstGradients = Values(model.GradientData);
        model.Forward(second);
        model.Backward(secondCotangent);
        double[] secondGradients = Values(model.GradientData);
        model.Forward(first);
        model.Backward(firstCotangent);
        model.Forward(second);
        model.Backward(secondCotangent, accumulate: true);

        // A sum of at most 28 terms, begun at another number: 28 roundings of what is at most the sum of magnitudes.
        double[] expected = [.. firstGradients.Zip(secondGradients, (x, y) => x + y)];
        double scale = firstGradients.Concat(secondGradients).Max(Math.Abs);
        Assert.That(Values(model.GradientData), Is.EqualTo(expected).Within(28 * Math.Pow(2, -53) * 28 * scale));
    }

    private static Sequential StackedModel(long outputs) => new(
        Device.Default,
        new SequentialOptions { Seed = 5, DType = DType.Float64, ComputeInputGradient = true },
        new RoaRnn(2, 7, new RoaRnnOptions { Output = SequenceOutput.All, Beta = 0.5, WeightScale = 1 }),
        new Dense(7, 5),
        new RoaRnn(5, 3, new RoaRnnOptions { Filter = Filter.Cycle, Beta = 0.5 }),
        new RoaFnn(3, 4, new RoaFnnOptions { Beta = 0.5 }),
        new Dense(3, outputs));

    /// <summary>The layer in terms of the formulas.</summary>
    internal static ReferenceChain Reference(Sequential model, RoaRnn rnn, RoaRnnOptions options) => new()
    {
        Alpha = Vector<double>.Build.Dense((int)rnn.HiddenSize, i => options.Alpha[options.Alpha.Count == 1 ? 0 : i]),
        Beta = Vector<double>.Build.Dense((int)rnn.HiddenSize, i => options.Beta[options.Beta.Count == 1 ? 0 : i]),
        Activation = options.Activation,
        Filters = [Matrix<double>.Build.DenseOfArray(rnn.GetFilter())],
        Weights = [ToMatrix(Parameter(model, "0.weight"))],
        InputWeights = ToMatrix(Parameter(model, "0.input_weight")),
        Biases = [Vector<double>.Build.Dense(Values(Parameter(model, "0.bias").Value))],
    };

    private static Matrix<double> ToMatrix(Parameter parameter)
    {
        double[] values = Values(parameter.Value);
        int columns = (int)parameter.Shape[1];
        return Matrix<double>.Build.Dense((int)parameter.Shape[0], columns, (i, j) => values[(i * columns) + j]);
    }
}
