using MathNet.Numerics.LinearAlgebra;
using OrthoNative.Diagnostics;
using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Diagnostics;

/// <summary>Jacobians, singular values and gradient norms of Elman, GRU and LSTM layers.</summary>
internal sealed class CellJacobianTests
{
    private const int Inputs = 3;
    private const int Units = 7;

    private static readonly string[] s_cells = [nameof(Elman), nameof(Gru), nameof(Lstm), "Gru with one bias", "Lstm with one bias"];

    [Test]
    public void A_steps_jacobian_is_that_of_central_differences([ValueSource(nameof(s_cells))] string cell)
    {
        // Differences of 1e-5: sums of 20 terms of numbers up to 2 round by 20 x 1.1e-16 x 2, so by 4.4e-10 of the difference; the third
        // derivatives, at most 10, add 10 x 1e-10 / 6.
        const double Epsilon = 1e-5;
        const double Tolerance = 1e-9;
        RecurrentLayer layer = Cells.Create(cell, Inputs, Units);
        using Sequential model = Model(layer);
        double[] u = Uniform(new Random(1), Inputs);
        double[] state = Uniform(new Random(2), LinearizedChain.Of(layer, u).StateSize);
        var chain = LinearizedChain.Of(layer, u, state);

        for (int j = 0; j < state.Length; j++)
        {
            double[] column = chain.JacobianVectorProduct([.. Enumerable.Range(0, state.Length).Select(i => i == j ? 1.0 : 0.0)]);
            double[] above = Moved(j, Epsilon);
            double[] below = Moved(j, -Epsilon);
            Assert.That(column, Is.EqualTo(above.Zip(below, (x, y) => (x - y) / (2 * Epsilon))).Within(Tolerance), $"column {j}");
        }

        double[] Moved(int element, double by)
        {
            double[] moved = [.. state];
            moved[element] += by;
            return LinearizedChain.Of(layer, u, moved).State.ToArray();
        }
    }

    [Test]
    public void States_gradients_and_singular_values_are_those_of_the_layers_own_passes([ValueSource(nameof(s_cells))] string cell)
    {
        const int Steps = 13;

        // 13 steps there and back of sums of up to 4 N + D + 2 terms, 900 roundings of 1.1e-16 of numbers up to ten times as large as the largest result.
        const double Tolerance = 1e-12;
        RecurrentLayer layer = Cells.Create(cell, Inputs, Units);
        using Sequential model = Model(layer);
        double[] u = Uniform(new Random(3), Steps * Inputs);
        int vectors = layer is Lstm ? 2 : 1;
        double[] start = Uniform(new Random(4), vectors * Units);
        var chain = LinearizedChain.Of(layer, u, start);

        // One sample for each row of the Jacobian of h.
        using Tensor inputs = ToTensor(
            [.. Enumerable.Range(0, Steps).SelectMany(k => Enumerable.Repeat(u[(k * Inputs)..((k + 1) * Inputs)], Units).SelectMany(row => row))],
            DType.Float64, Steps, Units, Inputs);
        using Tensor h = Repeated(start[..Units]);
        using Tensor c = Repeated(start[^Units..]);
        using Tensor identity = ToTensor(Matrix<double>.Build.DenseIdentity(Units).ToRowMajorArray(), DType.Float64, Units, Units);

        model.Forward(inputs, States.From(h, layer is Lstm ? c : null));
        model.Backward(identity);
        Dictionary<string, double[]> final = States.Values(model.GetFinalStates());
        Dictionary<string, double[]> gradients = States.Values(model.GetInitialStateGradients());

        Assert.That(chain.StateSize, Is.EqualTo(start.Length));
        Assert.That(chain.HiddenSize, Is.EqualTo(Units));
        Assert.That(chain.State[..Units].ToArray(), Is.EqualTo(final["0.state"][..Units]).Within(Tolerance));
        Matrix<double> rows = Matrix<double>.Build.DenseOfRowMajor(Units, Units, gradients["0.state"]);
        if (layer is Lstm)
        {
            Assert.That(chain.State[Units..].ToArray(), Is.EqualTo(final["0.cell_state"][..Units]).Within(Tolerance));
            rows = rows.Append(Matrix<double>.Build.DenseOfRowMajor(Units, Units, gradients["0.cell_state"]));
        }

        for (int i = 0; i < Units; i++)
        {
            double[] gradient = [.. Enumerable.Range(0, start.Length).Select(j => i == j ? 1.0 : 0.0)];
            Assert.That(chain.VectorJacobianProduct(gradient), Is.EqualTo(rows.Row(i).ToArray()).Within(Tolerance), $"row {i}");
            Assert.That(chain.LogGradientNorms(gradient.AsSpan(0, Units))[0], Is.EqualTo(Math.Log10(rows.Row(i).L2Norm())).Within(1e-9), $"norm {i}");
        }

        Matrix<double> jacobian = Matrix<double>.Build.DenseOfColumns(
            Enumerable.Range(0, start.Length).Select(j => chain.JacobianVectorProduct([.. Enumerable.Range(0, start.Length).Select(i => i == j ? 1.0 : 0.0)])));
        Assert.That((jacobian.SubMatrix(0, Units, 0, start.Length) - rows).L2Norm(), Is.LessThan(Tolerance));
        double[] values = chain.GetSingularValues();
        Assert.That(values, Is.EqualTo(jacobian.Svd(computeVectors: false).S.ToArray()).Within(Tolerance));
        (_, double largest) = chain.GetLogExtremeSingularValues();
        Assert.That(largest, Is.EqualTo(Math.Log10(values[0])).Within(1e-6 / 2.303));

        (double Lower, double Upper)[] bounds = chain.GetLogBounds();
        double rounding = Steps * 1e-6;
        Assert.That(Math.Log10(values[0]), Is.LessThanOrEqualTo(bounds[0].Upper + rounding));
        Assert.That(Math.Log10(values[^1]), Is.GreaterThanOrEqualTo(bounds[0].Lower - rounding));

        static Tensor Repeated(double[] row) => ToTensor([.. Enumerable.Repeat(row, Units).SelectMany(x => x)], DType.Float64, Units, Units);
    }

    [Test]
    public void Recorded_norms_begin_with_that_of_the_gradient_at_the_first_state([ValueSource(nameof(s_cells))] string cell, [Values] bool withInitial)
    {
        const int Steps = 9;
        RecurrentLayer layer = Cells.Create(cell, Inputs, Units, SequenceOutput.LastSteps(4));
        using Sequential model = Model(layer);
        using Tensor inputs = UniformTensor(new Random(5), 1, Steps, 1, Inputs);
        using Tensor cotangent = UniformTensor(new Random(6), 1, 4, 1, Units);
        using Tensor h = UniformTensor(new Random(7), withInitial ? 1 : 0, 1, Units);
        using Tensor c = UniformTensor(new Random(8), withInitial ? 1 : 0, 1, Units);

        using var recorder = new GradientRecorder(model, layer, interval: 1);
        model.Forward(inputs, States.From(h, layer is Lstm ? c : null));
        model.Backward(cotangent);

        double[] gradient = [.. States.Values(model.GetInitialStateGradients()).Values.SelectMany(values => values)];
        IReadOnlyList<double> norms = recorder.Records.Single().LogNorms;
        Assert.That(norms, Has.Count.EqualTo(Steps + 1));
        Assert.That(norms[0], Is.EqualTo(Math.Log10(Vector<double>.Build.Dense(gradient).L2Norm())).Within(1e-12));
    }

    [Test]
    public void Weight_norms_are_those_of_the_gates_and_only_filters_have_a_drift()
    {
        var layer = new Lstm(Inputs, Units);
        using Sequential model = Model(layer);
        var chain = LinearizedChain.Of(layer, Uniform(new Random(1), 2 * Inputs));

        double[] expected = [.. Values(Parameter(model, "0.weight").Value).Chunk(Units * Units)
            .Select(values => Matrix<double>.Build.DenseOfRowMajor(Units, Units, values).L2Norm())];
        double[] norms = chain.GetWeightNorms();
        Assert.That(norms, Has.Length.EqualTo(4));
        Assert.That(norms, Is.EqualTo(expected).Within(1e-6 * expected.Max()));
        Assert.That(() => chain.GetFilterDrift(), Throws.InvalidOperationException.With.Message.Contains("Lstm has no filter"));
        var elman = new Elman(Inputs, Units);
        using Sequential other = Model(elman);
        Assert.That(
            () => LinearizedChain.Of(elman, new double[Inputs]).GetFilterDrift(), Throws.InvalidOperationException.With.Message.Contains("Elman has no filter"));
        Assert.That(
            () => LinearizedChain.Of(layer, new double[Inputs], new double[Units]),
            Throws.ArgumentException.With.Message.Contains("initialState has 7 elements; it must have 14"));
        Assert.That(chain.Saturation.ToArray(), Is.All.InRange(0, 1));
    }

    private static Sequential Model(RecurrentLayer layer) =>
        new(Device.Default, new SequentialOptions { DType = DType.Float64, Seed = 11 }, layer);
}
