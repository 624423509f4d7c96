using MathNet.Numerics.LinearAlgebra;
using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Layers;

/// <summary>What the theory says of states and Jacobians, of which the library's own gradients are made.</summary>
internal sealed class TheoryTests
{
    /// <summary>Bounds hold exactly; this is for float64 rounding in N = 24 and up to 1000 steps.</summary>
    private const double Rounding = 1e-9;

    [Test]
    public void Singular_values_of_a_step_lie_within_alpha_plus_minus_beta_times_the_norm_of_DW(
        [Values(Activation.Tanh, Activation.Relu)] Activation activation, [Values(nameof(Filter.Haar), nameof(Filter.Cycle), nameof(Filter.Permutation))] string filter)
    {
        const int Units = 24;
        const double Alpha = 0.9;
        const double Beta = 0.2;
        var rnn = new RoaRnn(1, Units, new RoaRnnOptions
        {
            Alpha = Alpha,
            Beta = Beta,
            WeightScale = 1,
            Activation = activation,
            Filter = (Filter)typeof(Filter).GetProperty(filter)!.GetValue(null)!,
        });
        using var model = new Sequential(Device.Default, new SequentialOptions { Seed = 31, DType = DType.Float64 }, rnn);
        double[] state = Uniform(new Random(31), Units);

        (Matrix<double> jacobian, double[] next) = JacobianOf(model, rnn, state, steps: 1, input: 0.5);
        Vector<double> before = Vector<double>.Build.Dense(state);
        Vector<double> a = (Vector<double>.Build.Dense(next) - (Alpha * (Matrix<double>.Build.DenseOfArray(rnn.GetFilter()) * before))) / Beta;
        Vector<double> derivative = a.Map(value => activation == Activation.Tanh ? 1 - (value * value) : value > 1e-12 ? 1.0 : 0.0);
        double radius = Beta * (Matrix<double>.Build.DiagonalOfDiagonalVector(derivative) * WeightsOf(model, Units)).L2Norm();
        Vector<double> singular = jacobian.Svd(computeVectors: false).S;

        Assert.That(singular.Maximum(), Is.LessThanOrEqualTo(Alpha + radius + Rounding));
        Assert.That(singular.Minimum(), Is.GreaterThanOrEqualTo(Alpha - radius - Rounding));

        // The bound says something: it is not met by a matrix of any kind.
        Assert.That(radius, Is.LessThan(Alpha));
    }

    [TestCase(10)]
    [TestCase(100)]
    [TestCase(1000)]
    public void Input_output_jacobian_stays_bounded_at_any_depth_where_beta_is_c_over_K(int steps)
    {
        const int Units = 24;
        const double C = 0.5;
        double beta = C / steps;
        var rnn = new RoaRnn(1, Units, RoaRnnOptions.Convex(beta) with { WeightScale = 1 });
        using var model = new Sequential(Device.Default, new SequentialOptions { Seed = 32, DType = DType.Float64 }, rnn);

        (Matrix<double> jacobian, _) = JacobianOf(model, rnn, Uniform(new Random(32), Units), steps, input: 0.5);
        double norm = WeightsOf(model, Units).L2Norm();
        Vector<double> singular = jacobian.Svd(computeVectors: false).S;

        // ‖D W‖ is at most ‖W‖, so each step's singular values lie within (1 - β) ± β‖W‖, and the product's within the products.
        double high = Math.Pow(1 - beta + (beta * norm), steps);
        double low = Math.Pow(1 - beta - (beta * norm), steps);
        Assert.That(singular.Maximum(), Is.LessThanOrEqualTo(high * (1 + Rounding)));
        Assert.That(singular.Minimum(), Is.GreaterThanOrEqualTo(low * (1 - Rounding)));

        // In the limit of K the bounds are e^{c (±‖W‖ - 1)}, whatever the depth. Both are approached from below: (1 - a / 10)^10, the lower one of
        // 10 steps, is above 0.8 e^-a for a = c (‖W‖ + 1) up to 1.9.
        Assert.That(singular.Maximum(), Is.LessThanOrEqualTo(Math.Exp(C * (norm - 1)) * (1 + Rounding)));
        Assert.That(singular.Minimum(), Is.GreaterThan(Math.Exp(-C * (norm + 1)) * 0.8));
    }

    [Test]
    public void States_of_the_convex_form_with_tanh_stay_within_the_larger_of_the_first_one_and_the_root_of_N(
        [Values(0.05, 0.5, 1)] double beta, [Values(0.1, 30)] double initialScale)
    {
        const int Units = 33;
        var rnn = new RoaRnn(2, Units, RoaRnnOptions.Convex(beta) with { WeightScale = 20, InputScale = 20, Output = SequenceOutput.All });
        using var model = new Sequential(Device.Default, new SequentialOptions { Seed = 33, DType = DType.Float64 }, rnn);
        using Tensor inputs = UniformTensor(new Random(33), 10, 200, 3, 2);
        using Tensor initial = UniformTensor(new Random(34), initialScale, 3, Units);

        double[][] states = [.. Values(model.Forward(inputs, States.From(initial))).Chunk(Units)];
        double[][] first = [.. Values(initial).Chunk(Units)];
        for (int i = 0; i < states.Length; i++)
        {
            double bound = Math.Max(Norm(first[i % 3]), Math.Sqrt(Units));
            Assert.That(Norm(states[i]), Is.LessThanOrEqualTo(bound * (1 + Rounding)));
        }
    }

    [Test]
    public void Filters_are_orthogonal([Values(nameof(Filter.Haar), nameof(Filter.Cycle), nameof(Filter.Permutation), nameof(Filter.Identity))] string filter, [Values(1, 2, 65)] int units)
    {
        var rnn = new RoaRnn(1, units, new RoaRnnOptions { Filter = (Filter)typeof(Filter).GetProperty(filter)!.GetValue(null)! });
        using var model = new Sequential(Device.Default, 35, rnn);

        Matrix<double> o = Matrix<double>.Build.DenseOfArray(rnn.GetFilter());

        // A product of N rounded reflections: N u on each of N² entries.
        double bound = units * Math.Sqrt(units) * Math.Pow(2, -52);
        Assert.That((o.TransposeThisAndMultiply(o) - Matrix<double>.Build.DenseIdentity(units)).FrobeniusNorm(), Is.LessThanOrEqualTo(bound));
    }

    /// <summary>The Jacobian of the last state by the first one: a batch of copies, each with a unit vector as cotangent.</summary>
    private static (Matrix<double> Jacobian, double[] Last) JacobianOf(Sequential model, RoaRnn rnn, double[] state, int steps, double input)
    {
        int units = state.Length;
        using var inputs = new Tensor(Device.Default, DType.Float64, steps, units, 1);
        inputs.Fill(input);
        using Tensor initial = Tensor.From<double>(Device.Default, [.. Enumerable.Repeat(state, units).SelectMany(row => row)], units, units);
        using Tensor cotangent = Tensor.From<double>(Device.Default, [.. Matrix<double>.Build.DenseIdentity(units).ToRowMajorArray()], units, units);
        double[] last = Values(model.Forward(inputs, States.From(initial)))[..units];
        model.Backward(cotangent);
        double[] rows = States.Values(model.GetInitialStateGradients())["0.state"];
        return (Matrix<double>.Build.Dense(units, units, (i, j) => rows[(i * units) + j]), last);
    }

    private static Matrix<double> WeightsOf(Sequential model, int units)
    {
        double[] values = Values(Parameter(model, "0.weight").Value);
        return Matrix<double>.Build.Dense(units, units, (i, j) => values[(i * units) + j]);
    }

    private static double Norm(double[] values) => Math.Sqrt(values.Sum(value => value * value));
}
