using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Layers;

/// <summary>What single layers compute, against their formulas, on the CPU and on a GPU.</summary>
internal sealed class LayerValueTests(DeviceKind kind) : DeviceTests(kind)
{
    private const int Steps = 6;
    private const int Samples = 3;
    private static readonly int[] s_lengths = [4, 6, 0];

    /// <summary>A few hundred rounded operations on numbers of the order of 1.</summary>
    private static readonly double s_tolerance = 500 * Math.ScaleB(1, -53);

    [Test]
    public void A_convolution_is_its_sum_over_windows(
        [Values(1, 2, 3)] int stride, [Values(0, 1, 2)] int padding, [Values(3, 4)] int kernel, [Values] bool lengths)
    {
        const int D = 2, C = 5;
        using Sequential model = Of(new Conv1D(D, C, kernel, new Conv1DOptions { Stride = stride, Padding = padding }));
        double[] x = Uniform(new Random(1), Steps * Samples * D), a = Values(model.Parameters[0].Value), c = Values(model.Parameters[1].Value);
        Assert.That(model.Parameters[0].Shape.ToArray(), Is.EqualTo((long[])[C, D, kernel]));
        using Tensor inputs = Tensor.From<double>(Device, x, Steps, Samples, D);
        Tensor outputs = model.Forward(inputs, lengths ? s_lengths : []);
        double[] y = Values(outputs);
        Assert.That(outputs.Shape.ToArray(), Is.EqualTo((long[])[((Steps + (2 * padding) - kernel) / stride) + 1, Samples, C]));
        for (int b = 0; b < Samples; b++)
        {
            int length = lengths ? s_lengths[b] : Steps;
            int windows = length == 0 || length + (2 * padding) < kernel ? 0 : ((length + (2 * padding) - kernel) / stride) + 1;
            for (int t = 0; t < windows; t++)
            {
                for (int o = 0; o < C; o++)
                {
                    double sum = c[o];
                    for (int k = 0; k < kernel; k++)
                    {
                        int step = (t * stride) + k - padding;
                        for (int d = 0; d < D && step >= 0 && step < length; d++)
                        {
                            sum += a[(((o * D) + d) * kernel) + k] * x[(((step * Samples) + b) * D) + d];
                        }
                    }

                    Assert.That(y[(((t * Samples) + b) * C) + o], Is.EqualTo(sum).Within(s_tolerance), $"sample {b}, step {t}, output {o}");
                }
            }
        }
    }

    [Test]
    public void A_convolution_refuses_sequences_that_have_no_window()
    {
        using Sequential model = Of(new Conv1D(2, 3, 5, new Conv1DOptions { Padding = 1 }));
        using var inputs = new Tensor(Device, DType.Float64, 2, 1, 2);
        Assert.That(
            () => model.Forward(inputs),
            Throws.ArgumentException.With.Message.Contains("inputs has 2 time steps; with a kernel of 5 and a padding of 1 at least 3 are required"));
        Assert.That(() => new Conv1D(1, 1, 3, new Conv1DOptions { Padding = 3 }), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("options.Padding is 3; it must be from 0 to 2"));
        Assert.That(() => new Conv1D(1, 1, 3, new Conv1DOptions { Stride = 0 }), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("options.Stride is 0"));
        Assert.That(() => new Conv1D(1024, 1, 1025), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("kernel is 1025; it must be from 1 to 1024"));
    }

    [Test]
    public void An_embedding_gives_the_rows_of_its_table_and_learns_those_that_occur([Values] bool accumulate)
    {
        const int M = 5, N = 3;
        using Sequential model = Of(new Embedding(M, N));
        double[] table = Values(model.ParameterData);
        int[] index = [0, 4, 99, 2, 2, 99, 2, 0, 99, 1, 4, 99, 99, 2, -1, 99, 2, -1];
        using Tensor inputs = Tensor.From<int>(Device.Default, index, Steps, Samples, 1);
        double[] outputs = Values(model.Forward(inputs, s_lengths));
        double[] gradient = Uniform(new Random(2), Steps * Samples * N);
        var expected = new double[M * N];
        for (int t = 0; t < Steps; t++)
        {
            for (int b = 0; b < Samples; b++)
            {
                for (int i = 0; i < N; i++)
                {
                    int row = (t * Samples) + b;
                    bool counts = t < s_lengths[b];
                    Assert.That(outputs[(row * N) + i], Is.EqualTo(counts ? table[(index[row] * N) + i] : 0));
                    if (counts)
                    {
                        expected[(index[row] * N) + i] += gradient[(row * N) + i];
                    }
                }
            }
        }

        using Tensor outputGradient = Tensor.From<double>(Device, gradient, Steps, Samples, N);
        if (accumulate)
        {
            model.Backward(outputGradient);
            model.Forward(inputs, s_lengths);
        }

        model.Backward(outputGradient, accumulate);
        Assert.That(Values(model.GradientData), Is.EqualTo(expected.Select(value => value * (accumulate ? 2 : 1))).Within(s_tolerance));
    }

    [Test]
    public void An_index_outside_the_table_or_of_another_type_is_refused_by_name()
    {
        using Sequential model = Of(new Embedding(5, 3));
        using Tensor inputs = Tensor.From<int>(Device.Default, [0, 5, 1], 3, 1, 1);
        Assert.That(() => model.Forward(inputs), Throws.InstanceOf<ArgumentException>().With.Message.Contains("inputs[1] is 5; it must be from 0 to 4"));
        using var numbers = new Tensor(Device, DType.Float64, 3, 1, 1);
        Assert.That(() => model.Forward(numbers), Throws.ArgumentException.With.Message.Contains("inputs has element type Float64; it must be Int32"));
        using Sequential dense = Of(new Dense(1, 1));
        Assert.That(() => dense.Forward(inputs), Throws.ArgumentException.With.Message.Contains("inputs has element type Int32; it must be Float64"));
        Assert.That(
            () => new Sequential(Device, new SequentialOptions { ComputeInputGradient = true }, new Embedding(5, 3)),
            Throws.ArgumentException.With.Message.Contains("the first layer takes indices, which have no gradient"));
        Assert.That(() => new Sequential(Device, new SequentialOptions { DType = DType.Int32 }, new Dense(1, 1)), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("options.DType is Int32; it must be Float32 or Float64"));
    }

    [Test]
    public void Pooling_over_windows_takes_each_samples_own_steps_of_a_window([Values] PoolingKind kind, [Values] bool lengths, [Values(1, 4, 6, 100)] int window)
    {
        const int N = 4;
        using Sequential model = BeforeIdentity(N, new WindowPooling(N, window, kind));
        double[] x = Uniform(new Random(1), Steps * Samples * N);
        for (int i = 0; lengths && i < x.Length; i++)
        {
            x[i] = i / (Samples * N) < s_lengths[i / N % Samples] ? x[i] : double.NaN;
        }

        using Tensor inputs = Tensor.From<double>(Device, x, Steps, Samples, N);
        Tensor outputs = model.Forward(inputs, lengths ? s_lengths : []);
        double[] y = Values(outputs);
        int windows = (Steps + window - 1) / window;
        Assert.That(outputs.Shape.ToArray(), Is.EqualTo((long[])[windows, Samples, N]));
        for (int i = 0; i < y.Length; i++)
        {
            int t = i / (Samples * N), b = i / N % Samples, unit = i % N, length = lengths ? s_lengths[b] : Steps;
            double[] values = [.. Enumerable.Range(t * window, window).Where(step => step < length).Select(step => x[(((step * Samples) + b) * N) + unit])];
            double expected = values.Length == 0 ? 0 : kind switch { PoolingKind.Last => values[^1], PoolingKind.Mean => values.Average(), _ => values.Max() };
            Assert.That(y[i], Is.EqualTo(expected).Within(s_tolerance), $"window {t}, sample {b}, unit {unit}");
        }
    }

    [Test]
    public void Layers_behind_windows_have_the_lengths_of_windows()
    {
        using Sequential model = BeforeIdentity(2, new WindowPooling(2, 4, PoolingKind.Mean), new Pooling(2, PoolingKind.Mean));
        double[] x = Uniform(new Random(1), Steps * Samples * 2);
        using Tensor inputs = Tensor.From<double>(Device, x, Steps, Samples, 2);
        double[] y = Values(model.Forward(inputs, s_lengths));
        double[] Steps0(int sample, int from, int to) => [.. Enumerable.Range(from, to - from).Select(step => x[((step * Samples) + sample) * 2])];

        // Four steps are one window, six are two, of which the second one has two steps, and none are none.
        Assert.That(y[0], Is.EqualTo(Steps0(0, 0, 4).Average()).Within(s_tolerance));
        Assert.That(y[2], Is.EqualTo((Steps0(1, 0, 4).Average() + Steps0(1, 4, 6).Average()) / 2).Within(s_tolerance));
        Assert.That(y[4], Is.Zero);
    }

    [Test]
    public void Windows_of_a_pooling_are_checked()
    {
        Assert.That(() => new WindowPooling(0, 2, PoolingKind.Mean), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("size is 0; it must be from 1 to 1048576"));
        Assert.That(() => new WindowPooling(2, 0, PoolingKind.Mean), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("window is 0; it must be from 1 to 1048576"));
        Assert.That(() => new WindowPooling(2, 2, (PoolingKind)7), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("kind is 7"));
        Assert.That(new WindowPooling(2, 64, PoolingKind.Mean).ToString(), Is.EqualTo("WindowPooling Mean, 64 steps"));
    }

    [Test]
    public void Pooling_takes_the_last_the_mean_and_the_largest_of_each_samples_own_steps([Values] PoolingKind kind, [Values] bool lengths)
    {
        const int N = 4;
        using Sequential model = new(Device, new SequentialOptions { DType = DType.Float64 }, new Pooling(N, kind), new Dense(N, N));
        model.Parameters[0].Value.CopyFrom<double>([1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]);
        model.Parameters[1].Value.Fill(0);
        double[] x = Uniform(new Random(1), Steps * Samples * N);
        for (int i = 0; lengths && i < x.Length; i++)
        {
            x[i] = i / (Samples * N) < s_lengths[i / N % Samples] ? x[i] : double.NaN;
        }

        using Tensor inputs = Tensor.From<double>(Device, x, Steps, Samples, N);
        double[] y = Values(model.Forward(inputs, lengths ? s_lengths : []));
        for (int b = 0; b < Samples; b++)
        {
            for (int i = 0; i < N; i++)
            {
                int length = lengths ? s_lengths[b] : Steps;
                double[] values = [.. Enumerable.Range(0, length).Select(t => x[(((t * Samples) + b) * N) + i])];
                double expected = length == 0 ? 0 : kind switch { PoolingKind.Last => values[^1], PoolingKind.Mean => values.Average(), _ => values.Max() };
                Assert.That(y[(b * N) + i], Is.EqualTo(expected).Within(s_tolerance), $"sample {b}, unit {i}");
            }
        }
    }

    [Test]
    public void Functions_of_elements_are_their_formulas([Values] Activation function)
    {
        using Sequential model = new(Device, new SequentialOptions { DType = DType.Float64 }, new ActivationLayer(1, function), new Dense(1, 1));
        model.Parameters[0].Value.Fill(1);
        model.Parameters[1].Value.Fill(0);
        double[] x = [-800, -30, -3, -1, -1e-3, 0, 1e-3, 0.5, 1, 3, 30, 800];
        using Tensor inputs = Tensor.From<double>(Device, x, x.Length, 1);
        double[] expected = Array.ConvertAll(x, z => function switch
        {
            Activation.Tanh => Math.Tanh(z),
            Activation.Relu => Math.Max(z, 0),
            Activation.Sigmoid => 1 / (1 + Math.Exp(-z)),
            Activation.Silu => z / (1 + Math.Exp(-z)),
            _ => z * MathNet.Numerics.SpecialFunctions.Erfc(-z / Math.Sqrt(2)) / 2,
        });
        double[] actual = Values(model.Forward(inputs));
        for (int i = 0; i < x.Length; i++)
        {
            Assert.That(actual[i], Is.EqualTo(expected[i]).Within(s_tolerance * Math.Max(1, Math.Abs(x[i]))), $"at {x[i]}");
        }
    }

    [Test]
    public void Normalized_rows_have_mean_0_and_deviation_1()
    {
        const int N = 17;
        using Sequential model = new(Device, new SequentialOptions { DType = DType.Float64 }, new LayerNorm(N, 1e-9));
        double[] x = [.. Uniform(new Random(1), 5 * N).Select(value => 1000 + value)];
        using Tensor inputs = Tensor.From<double>(Device, x, 5, N);
        double[] y = Values(model.Forward(inputs));
        for (int row = 0; row < 5; row++)
        {
            // x is known to 2^-43 of its deviation of some 0.6, so is y. ε moves the deviation by 1e-9 / 0.3 / 2.
            double[] values = y[(row * N)..((row + 1) * N)];
            Assert.That(values.Average(), Is.Zero.Within(Math.ScaleB(1, -40)));
            Assert.That(values.Average(value => value * value), Is.EqualTo(1).Within(1e-8));
        }

        Assert.That(model.Parameters.Select(parameter => parameter.Role), Is.All.EqualTo(ParameterRole.Norm), "no weight decay");
        Assert.That(() => new LayerNorm(3, 0), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("epsilon is 0"));
        Assert.That(() => new Sequential(Device, 1, new LayerNorm(3, 1e-60)), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("layers[0].Epsilon is 1E-60"));
    }

    [Test]
    public void A_gated_linear_unit_multiplies_one_half_with_the_logistic_function_of_the_other()
    {
        using Sequential model = Of(new GatedLinear(2, 3));
        double[] x = Uniform(new Random(1), 8), a = Values(model.Parameters[0].Value), c = Values(model.Parameters[1].Value);
        using Tensor inputs = Tensor.From<double>(Device, x, 4, 2);
        double[] expected = [.. Enumerable.Range(0, 12).Select(i => Half(i / 3, i % 3) / (1 + Math.Exp(-Half(i / 3, 3 + (i % 3)))))];
        Assert.That(Values(model.Forward(inputs)), Is.EqualTo(expected).Within(s_tolerance));

        double Half(int row, int unit) => c[unit] + (a[2 * unit] * x[2 * row]) + (a[(2 * unit) + 1] * x[(2 * row) + 1]);
    }

    [Test]
    public void Dropped_units_are_the_same_at_all_steps_of_a_sample_where_asked([Values] bool same)
    {
        const int N = 64;
        using Sequential model = new(
            Device, new SequentialOptions { DType = DType.Float64, Seed = 4 }, new Dropout(N, 0.5, same), new ActivationLayer(N, Activation.Relu), new LayerNorm(N));
        using Sequential dropout = new(Device, new SequentialOptions { DType = DType.Float64, Seed = 4, ComputeInputGradient = true }, new Dropout(N, 0.5, same), new Dense(N, N));
        dropout.Parameters[0].Value.CopyFrom<double>([.. Enumerable.Range(0, N * N).Select(i => i / N == i % N ? 1.0 : 0)]);
        dropout.Parameters[1].Value.Fill(0);
        using var inputs = new Tensor(Device, DType.Float64, 3, 2, N);
        inputs.Fill(1);
        double[] outputs = Values(dropout.Forward(inputs));
        double[] Row(int t, int b) => outputs[(((t * 2) + b) * N)..((((t * 2) + b) * N) + N)];
        Assert.That(Row(1, 0).SequenceEqual(Row(0, 0)), Is.EqualTo(same));
        Assert.That(Row(2, 1).SequenceEqual(Row(0, 1)), Is.EqualTo(same));
        Assert.That(Row(0, 1), Is.Not.EqualTo(Row(0, 0)), "samples drop other units");
        double[] second = Values(dropout.Forward(inputs));
        Assert.That(second, Is.Not.EqualTo(outputs), "so do passes");
    }

    private Sequential Of(params Layer[] layers) => new(Device, new SequentialOptions { DType = DType.Float64, Seed = 2 }, layers);

    /// <summary>A model of layers without parameters, which it must have.</summary>
    private Sequential BeforeIdentity(int size, params Layer[] layers)
    {
        Sequential model = Of([.. layers, new Dense(size, size)]);
        model.Parameters[0].Value.CopyFrom<double>([.. Enumerable.Range(0, size * size).Select(i => i / size == i % size ? 1.0 : 0.0)]);
        model.Parameters[1].Value.Fill(0);
        return model;
    }
}
