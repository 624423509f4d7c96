using MathNet.Numerics.LinearAlgebra;
using OrthoNative.Diagnostics;
using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Diagnostics;

internal sealed class LinearizedChainTests
{
    /// <summary>
    /// Rounding of singular values: K products of N x N matrices, each off by at most N u relative to its norm, as a decimal logarithm;
    /// the bounds' norms are within 1e-6.
    /// </summary>
    private static double Rounding(long steps, long units) => steps * ((units * Math.Pow(2, -52)) + 1e-7) + 1e-9;

    [Test]
    public void Cancelling_ends_whatever_goes_through_the_steps()
    {
        var fnn = new RoaFnn(5, 40);
        var rnn = new RoaRnn(1, 5);
        using var feedforward = new Sequential(Device.Default, 1, fnn);
        using var recurrent = new Sequential(Device.Default, 1, rnn);
        double[] vector = [1, 2, 3, 4, 5];
        using var source = new CancellationTokenSource();
        LinearizedChain[] chains = [LinearizedChain.Of(fnn, vector, source.Token), LinearizedChain.Of(rnn, vector, vector, source.Token)];

        source.Cancel();

        AssertCancelled(() => LinearizedChain.Of(fnn, vector, source.Token));
        AssertCancelled(() => LinearizedChain.Of(rnn, vector, vector, source.Token));
        foreach (LinearizedChain chain in chains)
        {
            AssertCancelled(() => chain.JacobianVectorProduct(vector));
            AssertCancelled(() => chain.LogGradientNorms(vector));
            AssertCancelled(() => chain.GetLogBounds());
            AssertCancelled(() => chain.GetLogSingularValues());
            AssertCancelled(() => chain.GetLogExtremeSingularValues());
            AssertCancelled(() => chain.GetWeightNorms());
            AssertCancelled(() => chain.GetFilterDrift());
        }

        static void AssertCancelled(Func<object> compute) => Assert.That(() => compute(), Throws.InstanceOf<OperationCanceledException>());
    }

    [Test]
    public void Singular_values_and_gradients_are_always_within_the_bounds([Range(0, 239)] int seed)
    {
        var random = new Random(seed);
        int units = random.Next(1, 25);
        int steps = random.Next(1, 61);
        bool feedforward = random.Next(2) == 0;
        bool convex = random.Next(3) == 0;
        double beta = random.NextDouble() * (random.Next(2) == 0 ? 1 : 1.0 / steps);
        UnitValues alpha = random.Next(4) == 0
            ? Enumerable.Range(0, units).Select(_ => 0.5 + random.NextDouble()).ToArray()
            : convex ? 1 - beta : 2 * random.NextDouble();
        var filter = (Filter[])[Filter.Haar, Filter.Cycle, Filter.Permutation, Filter.Identity];
        var activation = (Activation)random.Next(2);
        double scale = 2 * random.NextDouble();
        DType dtype = random.Next(2) == 0 ? DType.Float32 : DType.Float64;
        var options = new SequentialOptions { Seed = (ulong)seed, DType = dtype };
        double[] state = Uniform(random, units, 2);
        ChainLayer layer = feedforward
            ? new RoaFnn(units, steps, new RoaFnnOptions
            {
                Alpha = alpha,
                Beta = beta,
                Filter = filter[seed % 4],
                Activation = activation,
                WeightScale = scale,
                BiasScale = 0.5,
                FilterPerLayer = random.Next(2) == 0,
            })
            : new RoaRnn(2, units, new RoaRnnOptions { Alpha = alpha, Beta = beta, Filter = filter[seed % 4], Activation = activation, WeightScale = scale });
        using var model = new Sequential(Device.Default, options, layer);
        LinearizedChain chain = feedforward
            ? LinearizedChain.Of((RoaFnn)layer, state)
            : LinearizedChain.Of((RoaRnn)layer, Uniform(random, 2 * steps), state);

        double[] values = chain.GetLogSingularValues();
        (double Lower, double Upper)[] bounds = chain.GetLogBounds();
        double[] norms = chain.LogGradientNorms(Uniform(random, units));

        double rounding = Rounding(steps, units);
        Assert.That(values, Has.Length.EqualTo(units));
        Assert.That(values[0], Is.LessThanOrEqualTo(bounds[0].Upper + rounding));
        Assert.That(values[^1], Is.GreaterThanOrEqualTo(bounds[0].Lower - rounding));
        for (int k = 0; k <= steps; k++)
        {
            Assert.That(norms[k] - norms[^1], Is.InRange(bounds[k].Lower - rounding, bounds[k].Upper + rounding), $"state {k}");
        }
    }

    [Test]
    public void Radii_are_the_norms_of_the_nonlinear_part([Values(1, 5, 24, 64)] int units)
    {
        var layer = new RoaFnn(units, 3, new RoaFnnOptions { Alpha = 0, Beta = 0.7 });
        using var model = new Sequential(Device.Default, new SequentialOptions { Seed = 11, DType = DType.Float64 }, layer);
        var chain = LinearizedChain.Of(layer, Uniform(new Random(11), units));

        // With α = 0 the state is β tanh z, so φ' = 1 - (x / β)².
        double[] weights = Values(Parameter(model, "0.weight").Value);
        Vector<double> x = Vector<double>.Build.Dense(Uniform(new Random(11), units));
        for (int k = 0; k < 3; k++)
        {
            Matrix<double> w = Matrix<double>.Build.Dense(units, units, (i, j) => weights[(((k * units) + i) * units) + j]);
            Vector<double> a = (w * x).PointwiseTanh();
            double expected = (Matrix<double>.Build.DiagonalOfDiagonalVector(0.7 * (1 - a.PointwisePower(2))) * w).L2Norm();
            Assert.That(chain.Radii[k], Is.EqualTo(expected).Within(1e-6 * expected));
            x = 0.7 * a;
        }
    }

    [Test]
    public void Lanczos_finds_the_exact_extreme_singular_values(
        [Values(1, 2, 3, 8, 17, 33, 64)] int units, [Values(1, 30, 400)] int layers, [Values(1, 3)] double totalBeta)
    {
        var layer = new RoaFnn(units, layers, new RoaFnnOptions { TotalBeta = totalBeta });
        using var model = new Sequential(Device.Default, 12, layer);
        var chain = LinearizedChain.Of(layer, Uniform(new Random(12), units));

        double[] exact = chain.GetLogSingularValues();
        (double smallest, double largest) = chain.GetLogExtremeSingularValues();

        // 1e-6 relative, as a decimal logarithm.
        const double Tolerance = 1e-6 / 2.303;
        Assert.That(largest, Is.EqualTo(exact[0]).Within(Tolerance));
        Assert.That(smallest, Is.EqualTo(exact[^1]).Within(Tolerance));
    }

    [TestCase(1)]
    [TestCase(2)]
    [TestCase(7)]
    [TestCase(16)]
    [TestCase(33)]
    public void Exact_singular_values_are_those_of_the_jacobian(int units)
    {
        var layer = new RoaFnn(units, 40, new RoaFnnOptions { TotalBeta = 3 });
        using var model = new Sequential(Device.Default, new SequentialOptions { Seed = 13, DType = DType.Float64, ComputeInputGradient = true }, layer);
        double[] x = Uniform(new Random(13), units);
        using Tensor inputs = ToTensor([.. Enumerable.Repeat(x, units).SelectMany(row => row)], DType.Float64, units, units);
        using Tensor cotangents = ToTensor(Matrix<double>.Build.DenseIdentity(units).ToRowMajorArray(), DType.Float64, units, units);
        double[] last = Values(model.Forward(inputs))[..units];
        model.Backward(cotangents);
        double[] rows = Values(model.InputGradient);
        Matrix<double> jacobian = Matrix<double>.Build.Dense(units, units, (i, j) => rows[(i * units) + j]);

        var chain = LinearizedChain.Of(layer, x);

        // 40 products of N terms each, of numbers near 1.
        Assert.That(chain.GetSingularValues(), Is.EqualTo(jacobian.Svd(computeVectors: false).S.ToArray()).Within(1e-10));
        Assert.That(chain.State.ToArray(), Is.EqualTo(last).Within(1e-10));
        double[] direction = Uniform(new Random(14), units);
        Assert.That(chain.JacobianVectorProduct(direction), Is.EqualTo((jacobian * Vector<double>.Build.Dense(direction)).ToArray()).Within(1e-10));
        Assert.That(chain.VectorJacobianProduct(direction), Is.EqualTo(jacobian.TransposeThisAndMultiply(Vector<double>.Build.Dense(direction)).ToArray()).Within(1e-10));
    }

    [Test]
    public void Gradient_norms_end_at_that_of_the_first_state_when_gradients_arrive_at_all_steps()
    {
        const int Units = 9;
        const int Steps = 12;
        var rnn = new RoaRnn(2, Units, new RoaRnnOptions { Output = SequenceOutput.LastSteps(5), Beta = 0.3 });
        using var model = new Sequential(Device.Default, new SequentialOptions { Seed = 15, DType = DType.Float64 }, rnn);
        double[] u = Uniform(new Random(15), Steps * 2);
        double[] g = Uniform(new Random(16), 5 * Units);
        using Tensor inputs = ToTensor(u, DType.Float64, Steps, 1, 2);
        using Tensor state = new(Device.Default, DType.Float64, 1, Units);
        using Tensor cotangent = ToTensor(g, DType.Float64, 5, 1, Units);
        using var recorder = new GradientRecorder(model, rnn, interval: 2);
        for (int pass = 0; pass < 3; pass++)
        {
            model.Forward(inputs, States.From(state));
            model.Backward(cotangent);
        }

        double[] norms = LinearizedChain.Of(rnn, u).LogGradientNorms(g);
        double[] gradient = States.Values(model.GetInitialStateGradients())["0.state"];

        Assert.That(norms, Has.Length.EqualTo(Steps + 1));
        // Relative errors of 12 steps there and back of sums of 2 N + 2 terms, 500 roundings of 1.1e-16 of numbers up to ten times as large.
        Assert.That(norms[0], Is.EqualTo(Math.Log10(Vector<double>.Build.Dense(gradient).L2Norm())).Within(1e-12));
        Assert.That(recorder.Records.Select(record => record.Pass), Is.EqualTo((long[])[1, 3]));
        Assert.That(recorder.Records[1].LogNorms, Is.EqualTo(norms));
    }

    /// <summary>Gradients far below 2^-1074, and far above 2^1024, between rows that arrive.</summary>
    [TestCase(0.5, 1.0, new[] { 2999 })]
    [TestCase(0.5, 1.0, new[] { 10, 1800, 2999 })]
    [TestCase(0.5, 1e-300, new[] { 700, 2000, 2999 })]
    [TestCase(2.0, 1.0, new[] { 10, 2999 })]
    [TestCase(2.0, 1e300, new[] { 10, 2990, 2999 })]
    [TestCase(0.0, 1.0, new[] { 10, 2999 })]
    [TestCase(0.5, 1.0, new[] { 10 })]
    public void Gradient_norms_beyond_a_double_stay_right_when_rows_arrive(double alpha, double size, int[] rows)
    {
        const int Steps = 3000;
        var rnn = new RoaRnn(1, 3, new RoaRnnOptions { Alpha = alpha, Beta = 0, Filter = Filter.Identity });
        using var model = new Sequential(Device.Default, new SequentialOptions { Seed = 21, DType = DType.Float64 }, rnn);
        double[] gradients = new double[Steps * 3];
        Array.Fill(gradients, -0.0);
        double[] expected = new double[Steps + 1];
        double log = double.NegativeInfinity;
        for (int k = Steps; k >= 0; k--)
        {
            // The Jacobians are α I and the rows parallel, so norms add up.
            log += k < Steps ? Math.Log10(alpha) : 0;
            if (rows.Contains(k - 1))
            {
                ((double[])[size, 2 * size, -2 * size]).CopyTo(gradients, (k - 1) * 3);
                double arriving = Math.Log10(3) + Math.Log10(size);
                double larger = Math.Max(log, arriving);
                log = larger + Math.Log10(1 + Math.Pow(10, Math.Min(log, arriving) - larger));
            }

            expected[k] = log;
        }

        // What is expected is 3000 sums of logarithms below 1024, each rounded by 2⁻⁴⁴ at most: 1.7e-10.
        Assert.That(LinearizedChain.Of(rnn, new double[Steps]).LogGradientNorms(gradients), Is.EqualTo(expected).Within(2e-10));
    }

    [TestCase(1e-310)]
    [TestCase(1e-200)]
    [TestCase(1e200)]
    [TestCase(1e308)]
    public void Vectors_at_the_ends_of_a_double_do_not_leave_it_on_the_way(double size)
    {
        var layer = new RoaFnn(5, 3);
        using var model = new Sequential(Device.Default, new SequentialOptions { Seed = 22, DType = DType.Float64 }, layer);
        var chain = LinearizedChain.Of(layer, Uniform(new Random(22), 5));
        double[] ones = [1, 1, 1, 1, 1];
        double[] vector = [size, size, size, size, size];

        // Logarithms up to 310 are rounded by 2.8e-14; near 1e-310 the numbers of a double are 5e-324, so 5e-14 of them, apart.
        Assert.That(chain.LogGradientNorms(vector), Is.EqualTo(chain.LogGradientNorms(ones).Select(norm => norm + Math.Log10(size))).Within(2e-13));
        Assert.That(
            chain.JacobianVectorProduct(vector).Select(value => value / size),
            Is.EqualTo(chain.JacobianVectorProduct(ones)).Within(2e-13));
    }

    [TestCase(1e-300)]
    [TestCase(1e-200)]
    [TestCase(1e200)]
    [TestCase(1e300)]
    public void Radii_and_weight_norms_scale_over_the_whole_range_of_a_double(double factor)
    {
        // One layer: φ' depends on neither β nor the scale of what follows.
        LinearizedChain Chain(double beta, out RoaFnn layer, out Sequential model)
        {
            layer = new RoaFnn(12, 1, new RoaFnnOptions { Beta = beta });
            model = new Sequential(Device.Default, new SequentialOptions { Seed = 23, DType = DType.Float64 }, layer);
            return LinearizedChain.Of(layer, Uniform(new Random(23), 12));
        }

        double radius = Chain(1, out RoaFnn unscaled, out Sequential first).Radii[0];
        double scaledRadius = Chain(factor, out _, out Sequential second).Radii[0];
        double norm = LinearizedChain.Of(unscaled, new double[12]).GetWeightNorms()[0];
        Tensor weights = Parameter(first, "0.weight").Value;
        SetValues(weights, [.. Values(weights).Select(value => value * factor)]);
        double scaledNorm = LinearizedChain.Of(unscaled, new double[12]).GetWeightNorms()[0];
        first.Dispose();
        second.Dispose();

        Assert.That(radius, Is.Positive);
        Assert.That(scaledRadius / factor, Is.EqualTo(radius).Within(1e-6 * radius));
        Assert.That(scaledNorm / factor, Is.EqualTo(norm).Within(1e-6 * norm));
    }

    [Test]
    public void Depth_kills_the_plain_network_blows_up_the_residual_one_and_leaves_this_one_alone()
    {
        const int Layers = 10_000;
        double Measure(RoaFnnOptions options)
        {
            var layer = new RoaFnn(16, Layers, options);
            using var model = new Sequential(Device.Default, 17, layer);
            return LinearizedChain.Of(layer, Uniform(new Random(17), 16)).LogGradientNorms(Uniform(new Random(18), 16)) is [double first, .., double last] ? first - last : 0;
        }

        // Below the smallest float32, 1.4e-45.
        Assert.That(Measure(RoaFnnOptions.Plain), Is.LessThan(-45).And.GreaterThan(double.NegativeInfinity));
        Assert.That(Measure(RoaFnnOptions.Residual), Is.GreaterThan(10).And.LessThan(double.PositiveInfinity));
        Assert.That(Measure(new RoaFnnOptions()), Is.InRange(-1, 1));
    }

    [Test]
    public void Weight_norms_saturation_and_drift_are_those_of_the_layer()
    {
        var still = new RoaFnn(12, 2, new RoaFnnOptions { WeightScale = 0, Filter = Filter.Permutation });
        var saturated = new RoaFnn(12, 2, new RoaFnnOptions { BiasOffset = 10 });
        using var model = new Sequential(Device.Default, new SequentialOptions { Seed = 19 }, still, saturated);
        double[] weights = Values(Parameter(model, "1.weight").Value);
        Matrix<double> first = Matrix<double>.Build.Dense(12, 12, (i, j) => weights[(i * 12) + j]);
        double[] x = new double[12];

        Assert.That(LinearizedChain.Of(still, x).Saturation.ToArray(), Is.EqualTo((double[])[0, 0]));
        Assert.That(LinearizedChain.Of(saturated, x).Saturation.ToArray(), Is.EqualTo((double[])[1, 1]));
        Assert.That(LinearizedChain.Of(still, x).GetWeightNorms(), Is.EqualTo((double[])[0, 0]));
        Assert.That(LinearizedChain.Of(saturated, x).GetWeightNorms()[0], Is.EqualTo(first.L2Norm()).Within(1e-8));

        // A signed permutation is exact; rounding O to float32 moves each of N² entries by 2⁻²⁵ at most, and OᵀO by twice that.
        Assert.That(LinearizedChain.Of(still, x).GetFilterDrift(), Is.Zero);
        Assert.That(LinearizedChain.Of(saturated, x).GetFilterDrift(), Is.Positive.And.LessThan(2 * 12 * Math.Pow(2, -25)));
    }

    [Test]
    public void Wrong_arguments_are_refused_with_what_is_required()
    {
        var layer = new RoaFnn(3, 4);
        var rnn = new RoaRnn(3, 3, new RoaRnnOptions { Output = SequenceOutput.All });
        var other = new RoaFnn(3, 4);
        Assert.That(() => LinearizedChain.Of(layer, new double[3]), Throws.InvalidOperationException);
        using var model = new Sequential(Device.Default, 20, rnn, layer);
        var chain = LinearizedChain.Of(layer, new double[3]);

        Assert.That(() => LinearizedChain.Of(layer, new double[2]), Throws.ArgumentException.With.Message.Contains("input has 2 elements; it must have 3"));
        Assert.That(() => LinearizedChain.Of(layer, [0, double.NaN, 0]), Throws.TypeOf<NotFiniteNumberException>().With.Message.Contains("input[1] is NaN"));
        Assert.That(() => LinearizedChain.Of(rnn, new double[4]), Throws.ArgumentException.With.Message.Contains("inputs has 4 elements; it must have a multiple of 3"));
        Assert.That(() => LinearizedChain.Of(rnn, new double[3], new double[1]), Throws.ArgumentException.With.Message.Contains("initialState has 1 elements"));
        Assert.That(() => chain.JacobianVectorProduct(new double[4]), Throws.ArgumentException.With.Message.Contains("direction has 4"));
        Assert.That(() => chain.VectorJacobianProduct(new double[4]), Throws.ArgumentException.With.Message.Contains("gradient has 4"));
        Assert.That(() => chain.LogGradientNorms(new double[15]), Throws.ArgumentException.With.Message.Contains("outputGradients has 15 elements; it must have k times 3, k from 1 to 4"));
        Assert.That(() => new GradientRecorder(model, layer, 0), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => new GradientRecorder(model, other, 1), Throws.ArgumentException.With.Message.Contains("layer is not part of the model"));
    }
}
