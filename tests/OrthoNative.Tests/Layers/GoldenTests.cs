using MathNet.Numerics.LinearAlgebra;
using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Layers;

/// <summary>Results against those of an independent implementation.</summary>
internal sealed class GoldenTests(DeviceKind kind) : DeviceTests(kind)
{
    /// <summary>Error of float64 results, relative to the largest number of an array, where nothing cancels.</summary>
    private const double DoubleTolerance = 1e-12;

    /// <summary>
    /// Bounds for float64 by those for float32. The analysis of <see cref="ReferenceChain"/> is of first order in u, so the same sums with
    /// u = 2⁻⁵³ in the place of 2⁻²⁴ are 2⁻²⁹ of them; and as the golden values are float64 results too, each may be off by as much, in
    /// opposite directions.
    /// </summary>
    /// <remarks>
    /// A saturated tanh needs it: φ' = 1 - a² is off by about 2 u whatever is left of it, so gradients have errors that are small beside
    /// those of the state but not beside themselves.
    /// </remarks>
    private static readonly double s_doubleFactor = 2 * Math.Pow(2, 24 - 53);

    [Test]
    public void Recurrent_layer_gives_the_golden_values(
        [ValueSource(nameof(RecurrentCases))] string name, [FloatingPointTypes] DType dtype)
    {
        var golden = Golden.Load(name);
        (long t, long b, long d, long n) = (golden.Size("T"), golden.Size("B"), golden.Size("D"), golden.Size("N"));
        var rnn = new RoaRnn(d, n, new RoaRnnOptions
        {
            Alpha = golden.Alpha,
            Beta = golden.Beta,
            Activation = golden.Activation,
            Output = SequenceOutput.All,
            Filter = golden.Text("filter") switch
            {
                "cycle" => Filter.Cycle,
                "identity" => Filter.Identity,
                _ => Filter.FromMatrix(Matrix(golden.Numbers("O"), n)),
            },
        });
        using var model = new Sequential(Device, new SequentialOptions { DType = dtype, ComputeInputGradient = true }, rnn);
        SetValues(Parameter(model, "0.weight").Value, golden.Numbers("W"));
        SetValues(Parameter(model, "0.input_weight").Value, golden.Numbers("V"));
        SetValues(Parameter(model, "0.bias").Value, golden.Numbers("b"));
        using Tensor inputs = ToTensor(Device, golden.Numbers("u"), dtype, t, b, d);
        using Tensor initial = ToTensor(Device, golden.Numbers("x0"), dtype, b, n);
        using Tensor cotangent = ToTensor(Device, golden.Numbers("cotangent"), dtype, t, b, n);

        Tensor states = model.Forward(inputs, States.From(initial));
        model.Backward(cotangent);
        using Tensor initialGradient = model.GetInitialStateGradients()["0.state"];

        double[] u = golden.Numbers("u");
        double[] c = golden.Numbers("cotangent");
        ReferenceResult reference = Reference(golden, n, InputWeights(golden, n, d)).Run(
            (int)t, (k, sample) => Row(u, (k * b) + sample, d), Rows(golden.Numbers("x0"), n), (k, sample) => Row(c, (k * b) + sample, n));
        using (Assert.EnterMultipleScope())
        {
            AssertClose(states, golden, "states", n, reference.StateBound, s_doubleFactor);
            AssertClose(Parameter(model, "0.weight").Gradient, golden, "dW", n * n, reference.WeightBound, s_doubleFactor);
            AssertClose(Parameter(model, "0.input_weight").Gradient, golden, "dV", n * d, reference.InputWeightBound, s_doubleFactor);
            AssertClose(Parameter(model, "0.bias").Gradient, golden, "db", n, reference.BiasBound, s_doubleFactor);
            AssertClose(model.InputGradient, golden, "du", d, reference.InputBound, s_doubleFactor);
            AssertClose(initialGradient, golden, "dx0", n, reference.InitialBound, s_doubleFactor);
        }
    }

    [Test]
    public void Feedforward_layer_gives_the_golden_values(
        [ValueSource(nameof(FeedforwardCases))] string name, [FloatingPointTypes] DType dtype)
    {
        var golden = Golden.Load(name);
        (long l, long b, long n) = (golden.Size("L"), golden.Size("B"), golden.Size("N"));
        double[] drawn = golden.Numbers("O");
        var filters = new double[drawn.Length / (n * n), n, n];
        Buffer.BlockCopy(drawn, 0, filters, 0, filters.Length * sizeof(double));
        using var model = new Sequential(
            Device,
            new SequentialOptions { DType = dtype, ComputeInputGradient = true },
            new RoaFnn(n, l, new RoaFnnOptions
            {
                Alpha = golden.Alpha,
                Beta = golden.Beta,
                Activation = golden.Activation,
                FilterPerLayer = filters.GetLength(0) > 1,
                Filter = Filter.FromMatrices(filters),
            }));
        SetValues(Parameter(model, "0.weight").Value, golden.Numbers("W"));
        SetValues(Parameter(model, "0.bias").Value, golden.Numbers("b"));
        using Tensor inputs = ToTensor(Device, golden.Numbers("x0"), dtype, b, n);
        using Tensor cotangent = ToTensor(Device, golden.Numbers("cotangent"), dtype, b, n);

        Tensor output = model.Forward(inputs);
        model.Backward(cotangent);

        double[] c = golden.Numbers("cotangent");
        ReferenceResult reference = Reference(golden, n, null).Run(
            (int)l, (_, _) => throw new InvalidOperationException(), Rows(golden.Numbers("x0"), n), (k, sample) => k == l - 1 ? Row(c, sample, n) : null);
        using (Assert.EnterMultipleScope())
        {
            AssertClose(output, golden, "output", n, reference.StateBound, s_doubleFactor);
            AssertClose(Parameter(model, "0.weight").Gradient, golden, "dW", n * n, reference.WeightBound, s_doubleFactor);
            AssertClose(Parameter(model, "0.bias").Gradient, golden, "db", n, reference.BiasBound, s_doubleFactor);
            AssertClose(model.InputGradient, golden, "dx0", n, reference.InitialBound, s_doubleFactor);
        }
    }

    [Test]
    public void A_chain_gives_the_golden_values_of_sequences_whose_padding_is_not_a_number(
        [ValueSource(nameof(SequenceCases))] string name, [FloatingPointTypes] DType dtype, [Values(0, 3)] int checkpointEvery)
    {
        var golden = Golden.LoadSequences(name);
        (long t, long b, long d, long n) = (golden.Size("T"), golden.Size("B"), golden.Size("D"), golden.Size("N"));
        int[] lengths = Lengths(golden);
        double[] u = WithPadding(golden, double.NaN);

        using var result = new GoldenSequences(Device, golden, dtype, u, lengths, checkpointEvery);

        double[] c = GoldenSequences.Cotangent(golden);
        ReferenceResult reference = Reference(golden, n, InputWeights(golden, n, d)).Run(
            (int)t,
            (k, sample) => Row(u, (k * b) + sample, d),
            Rows(golden.Numbers("x0"), n),
            (k, sample) => k < lengths[sample] || k == t - 1 ? Row(c, (k * b) + sample, n) : null,
            lengths);
        using (Assert.EnterMultipleScope())
        {
            AssertClose(result.States, golden, "states", n, reference.StateBound, factor: 0);
            AssertClose(result.WeightGradient, golden, "dW", n * n, reference.WeightBound, factor: 0);
            AssertClose(result.InputWeightGradient, golden, "dV", n * d, reference.InputWeightBound, factor: 0);
            AssertClose(result.BiasGradient, golden, "db", n, reference.BiasBound, factor: 0);
            AssertClose(result.InputGradient, golden, "du", d, reference.InputBound, factor: 0);
            AssertClose(result.InitialGradient, golden, "dx0", n, reference.InitialBound, factor: 0);
            Assert.That(Values(result.InputGradient).Where((_, i) => double.IsNaN(u[i])), Is.All.Zero);
        }
    }

    [Test]
    public void A_chain_of_gates_gives_the_golden_values_of_sequences_whose_padding_is_not_a_number(
        [ValueSource(nameof(GatedCases))] string name, [FloatingPointTypes] DType dtype, [Values(0, 3)] int checkpointEvery)
    {
        var golden = Golden.LoadSequences(name);
        (int b, int n) = ((int)golden.Size("B"), (int)golden.Size("N"));
        double[] u = WithPadding(golden, double.NaN);

        using var result = new GoldenSequences(Device, golden, dtype, u, Lengths(golden), checkpointEvery);

        var reference = new GatedReference(golden, GoldenSequences.Cotangent(golden));
        double[] initial = Values(result.InitialGradient);
        double[] bias = Values(result.BiasGradient);
        double[] last = Values(result.FinalStates);
        using (Assert.EnterMultipleScope())
        {
            AssertWithin(Values(result.States), golden, reference, "states", dtype);
            AssertWithin(Values(result.WeightGradient), golden, reference, "dw_hh", dtype);
            AssertWithin(Values(result.InputWeightGradient), golden, reference, "dw_ih", dtype);
            AssertWithin(bias[..(bias.Length / 2)], golden, reference, "db_ih", dtype);
            AssertWithin(bias[(bias.Length / 2)..], golden, reference, "db_hh", dtype);
            AssertWithin(Values(result.InputGradient), golden, reference, "du", dtype);
            AssertWithin(initial[..(b * n)], golden, reference, "dh0", dtype);
            AssertWithin(last[..(b * n)], golden, reference, "states", dtype);
            if (golden.Text("model") == "lstm")
            {
                AssertWithin(initial[(b * n)..], golden, reference, "dc0", dtype);
                AssertWithin(last[(b * n)..], golden, reference, "cells", dtype);
            }

            Assert.That(Values(result.InputGradient).Where((_, i) => double.IsNaN(u[i])), Is.All.Zero);
        }
    }

    [Test]
    public void Layers_of_gates_give_the_golden_values_of_sequences_of_equal_length([ValueSource(nameof(EqualGatedCases))] string name, [FloatingPointTypes] DType dtype)
    {
        var golden = Golden.LoadSequences(name);
        (long t, long b, long d, long n) = (golden.Size("T"), golden.Size("B"), golden.Size("D"), golden.Size("N"));
        string cell = golden.Text("model") == "lstm" ? nameof(Lstm) : nameof(Gru);
        RecurrentLayer layer = Cells.Create(cell, d, n, SequenceOutput.All);
        using var model = new Sequential(Device, new SequentialOptions { DType = dtype, ComputeInputGradient = true }, layer);
        GoldenCell given = GoldenCell.Of(golden);
        SetValues(Parameter(model, "0.weight").Value, given.Weights);
        SetValues(Parameter(model, "0.input_weight").Value, given.InputWeights);
        SetValues(Parameter(model, "0.bias").Value, given.Bias);
        using Tensor inputs = ToTensor(Device, golden.Numbers("u"), dtype, t, b, d);
        using Tensor h = ToTensor(Device, golden.Numbers("h0"), dtype, b, n);
        using Tensor cotangent = ToTensor(Device, GoldenSequences.Cotangent(golden), dtype, t, b, n);
        using Tensor? c = layer is Lstm ? ToTensor(Device, golden.Numbers("c0"), dtype, b, n) : null;

        Tensor states = model.Forward(inputs, States.From(h, c));
        model.Backward(cotangent);
        Dictionary<string, double[]> initialGradients = States.Values(model.GetInitialStateGradients());
        Dictionary<string, double[]> finalStates = States.Values(model.GetFinalStates());

        var reference = new GatedReference(golden, GoldenSequences.Cotangent(golden));
        double[] bias = Values(Parameter(model, "0.bias").Gradient);
        using (Assert.EnterMultipleScope())
        {
            AssertWithin(Values(states), golden, reference, "states", dtype);
            AssertWithin(Values(Parameter(model, "0.weight").Gradient), golden, reference, "dw_hh", dtype);
            AssertWithin(Values(Parameter(model, "0.input_weight").Gradient), golden, reference, "dw_ih", dtype);
            AssertWithin(bias[..(bias.Length / 2)], golden, reference, "db_ih", dtype);
            AssertWithin(bias[(bias.Length / 2)..], golden, reference, "db_hh", dtype);
            AssertWithin(Values(model.InputGradient), golden, reference, "du", dtype);
            AssertWithin(initialGradients["0.state"], golden, reference, "dh0", dtype);
            AssertWithin(finalStates["0.state"], golden, reference, "states", dtype);
            if (layer is Lstm)
            {
                AssertWithin(initialGradients["0.cell_state"], golden, reference, "dc0", dtype);
                AssertWithin(finalStates["0.cell_state"], golden, reference, "cells", dtype);
            }
        }
    }

    [Test]
    public void Padding_changes_no_bit([ValueSource(nameof(AllSequenceCases))] string name, [FloatingPointTypes] DType dtype)
    {
        var golden = Golden.LoadSequences(name);
        using var numbers = new GoldenSequences(Device, golden, dtype, golden.Numbers("u"), Lengths(golden));
        using var others = new GoldenSequences(Device, golden, dtype, WithPadding(golden, 1e30), Lengths(golden));
        using var none = new GoldenSequences(Device, golden, dtype, WithPadding(golden, double.NaN), Lengths(golden));

        byte[] expected = numbers.AllBytes;
        Assert.That(others.AllBytes, Is.EqualTo(expected));
        Assert.That(none.AllBytes, Is.EqualTo(expected));
    }

    [Test]
    public void Lengths_of_all_steps_give_the_bits_of_no_lengths([ValueSource(nameof(AllSequenceCases))] string name, [FloatingPointTypes] DType dtype)
    {
        var golden = Golden.LoadSequences(name);
        double[] u = golden.Numbers("u");
        int[] all = [.. Enumerable.Repeat((int)golden.Size("T"), (int)golden.Size("B"))];
        using var given = new GoldenSequences(Device, golden, dtype, u, all);
        using var none = new GoldenSequences(Device, golden, dtype, u, null);

        Assert.That(given.AllBytes, Is.EqualTo(none.AllBytes));
    }

    private static IEnumerable<string> SequenceCases() => Golden.SequenceNames("filter");

    private static IEnumerable<string> GatedCases() => [.. Golden.SequenceNames("gru"), .. Golden.SequenceNames("lstm")];

    private static IEnumerable<string> AllSequenceCases() => [.. SequenceCases(), .. GatedCases()];

    private static IEnumerable<string> EqualGatedCases() => GatedCases().Where(name =>
        name == Golden.NoCase || (Golden.LoadSequences(name) is var golden && Lengths(golden).All(length => length == golden.Size("T"))));

    private static IEnumerable<string> RecurrentCases() => Golden.Names("recurrent");

    private static IEnumerable<string> FeedforwardCases() => Golden.Names("feedforward");

    /// <summary>The case in terms of the formulas, for the bounds of either element type.</summary>
    private static ReferenceChain Reference(Golden golden, long n, Matrix<double>? inputWeights) => new()
    {
        Alpha = Vector<double>.Build.Dense((int)n, i => golden.Alpha[golden.Alpha.Count == 1 ? 0 : i]),
        Beta = Vector<double>.Build.Dense((int)n, i => golden.Beta[golden.Beta.Count == 1 ? 0 : i]),
        Activation = golden.Activation,
        Filters = Matrices(golden.Numbers("O"), n),
        Weights = Matrices(golden.Numbers("W"), n),
        Biases = Rows(golden.Numbers("b"), n),
        InputWeights = inputWeights,
    };

    private static int[] Lengths(Golden golden) => [.. golden.Numbers("lengths").Select(length => (int)length)];

    /// <summary>The inputs of a case of sequences, with another number beyond their lengths.</summary>
    private static double[] WithPadding(Golden golden, double padding)
    {
        (long b, long d) = (golden.Size("B"), golden.Size("D"));
        int[] lengths = Lengths(golden);
        return [.. golden.Numbers("u").Select((value, i) => i / d / b < lengths[i / d % b] ? value : padding)];
    }

    private static Matrix<double> InputWeights(Golden golden, long n, long d)
    {
        double[] values = golden.Numbers("V");
        return Matrix<double>.Build.Dense((int)n, (int)d, (i, j) => values[(i * d) + j]);
    }

    /// <summary>Float64 within the tolerance; float32 within the bound of each number.</summary>
    /// <param name="actual">Result; those of the last step may be a part of the expected ones.</param>
    /// <param name="golden">The case.</param>
    /// <param name="reference">Has the bounds.</param>
    /// <param name="key">Which of its arrays is expected.</param>
    /// <param name="dtype">Element type of the result.</param>
    private static void AssertWithin(double[] actual, Golden golden, GatedReference reference, string key, DType dtype)
    {
        double[] expected = golden.Numbers(key);
        Rounded[] bounds = reference[key];
        double largest = expected.Max(Math.Abs);
        int start = expected.Length - actual.Length;
        Assert.That(start, Is.Not.Negative, key);
        double worst = 0;
        for (int i = 0; i < actual.Length; i++)
        {
            double bound = dtype == DType.Float64 ? DoubleTolerance * largest : bounds[start + i].Error;
            double error = Math.Abs(actual[i] - expected[start + i]);
            worst = Math.Max(worst, error / bound);
            Assert.That(error, Is.LessThanOrEqualTo(bound), $"{key}[{start + i}]");
            Assert.That(Math.Abs(bounds[start + i].Value - expected[start + i]), Is.LessThanOrEqualTo(DoubleTolerance * largest), $"reference of {key}[{start + i}]");
        }

        TestContext.Out.WriteLine($"{key}: largest error {worst:P1} of its bound");
    }

    /// <param name="actual">Result.</param>
    /// <param name="golden">The case.</param>
    /// <param name="key">Which of its arrays is expected.</param>
    /// <param name="row">Numbers that make one state or one gradient, for which the bound holds.</param>
    /// <param name="floatBound">Largest norm of a row's error in float32, so of any of its numbers' too.</param>
    /// <param name="factor">Float64: an error of this factor times <paramref name="floatBound"/> is allowed too. 0 allows the tolerance alone.</param>
    private static void AssertClose(Tensor actual, Golden golden, string key, long row, double floatBound, double factor)
    {
        double[] values = Values(actual);
        double[] expected = golden.Numbers(key);
        Assert.That(values, Has.Length.EqualTo(expected.Length), key);
        double[] difference = [.. values.Zip(expected, (x, y) => x - y)];
        if (actual.DType == DType.Float64)
        {
            double bound = Math.Max(DoubleTolerance * expected.Max(Math.Abs), factor * floatBound);
            Assert.That(difference.Max(Math.Abs), Is.LessThanOrEqualTo(bound), key);
        }
        else
        {
            TestContext.Out.WriteLine($"{key}: error {LargestRow(difference, row):E2}, bound {floatBound:E2}, largest {LargestRow(expected, row):E2}");
            Assert.That(LargestRow(difference, row), Is.LessThanOrEqualTo(floatBound), key);
        }
    }

    private static Matrix<double>[] Matrices(double[] values, long n) =>
        [.. values.Chunk((int)(n * n)).Select(chunk => Matrix<double>.Build.Dense((int)n, (int)n, (i, j) => chunk[(i * n) + j]))];

    private static Vector<double>[] Rows(double[] values, long n) => [.. values.Chunk((int)n).Select(Vector<double>.Build.Dense)];

    private static Vector<double> Row(double[] values, long index, long n) => Vector<double>.Build.Dense((int)n, i => values[(index * n) + i]);

    private static double LargestRow(double[] values, long row) => Rows(values, row).Max(vector => vector.L2Norm());
}
