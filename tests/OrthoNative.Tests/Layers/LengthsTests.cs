using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Layers;

/// <summary>Sequences of different lengths in one batch.</summary>
internal sealed class LengthsTests(DeviceKind kind) : DeviceTests(kind)
{
    private const int Steps = 7;
    private static readonly int[] s_lengths = [3, 7, 0, 1, 5];

    [Test]
    public void The_last_state_is_each_samples_own([Values] bool nanInPadding)
    {
        using Sequential model = new(Device, new SequentialOptions { DType = DType.Float64 }, new Lstm(2, 4));
        double[] x = Sequences(nanInPadding);
        using Tensor inputs = Tensor.From<double>(Device, x, Steps, s_lengths.Length, 2);
        double[] last = Values(model.Forward(inputs, s_lengths));
        Dictionary<string, Tensor> states = model.GetFinalStates();
        Assert.That(Values(states["0.state"]), Is.EqualTo(last));
        for (int b = 0; b < s_lengths.Length; b++)
        {
            if (s_lengths[b] == 0)
            {
                Assert.That(last[(b * 4)..((b * 4) + 4)], Is.All.Zero);
                continue;
            }

            using Tensor alone = Alone(x, b);
            AssertSame(last[(b * 4)..((b * 4) + 4)], Values(model.Forward(alone)));
        }
    }

    [Test]
    public void Some_last_states_are_each_samples_own([Values(1, 2, 5)] int count)
    {
        using Sequential model = new(Device, new SequentialOptions { DType = DType.Float64 }, new RoaRnn(2, 4, new RoaRnnOptions { Output = SequenceOutput.LastSteps(count) }));
        double[] x = Sequences(nanInPadding: true);
        using Tensor inputs = Tensor.From<double>(Device, x, Steps, s_lengths.Length, 2);
        Tensor outputs = model.Forward(inputs, s_lengths);
        Assert.That(outputs.Shape.ToArray(), Is.EqualTo((long[])[count, s_lengths.Length, 4]));
        double[] y = Values(outputs);
        for (int b = 0; b < s_lengths.Length; b++)
        {
            if (s_lengths[b] >= count)
            {
                using Tensor alone = Alone(x, b);
                double[] own = Values(model.Forward(alone));
                AssertSame([.. Enumerable.Range(0, count).SelectMany(t => y.Skip(((t * s_lengths.Length) + b) * 4).Take(4))], own);
            }
        }
    }

    [Test]
    public void Padding_is_never_read_whatever_comes_first([Values(0, 1, 2, 3, 4, 5, 6, 7)] int first)
    {
        Func<Layer>[] firsts =
        [
            () => new Dense(2, 4), () => new RoaRnn(2, 4, new RoaRnnOptions { Output = SequenceOutput.All }), () => new Conv1D(2, 4, 3, new Conv1DOptions { Padding = 1 }),
            () => new Bidirectional(new Elman(2, 2, new ElmanOptions { Output = SequenceOutput.All }), new Elman(2, 2, new ElmanOptions { Output = SequenceOutput.All })),
            () => new Residual(new Dense(2, 4)), () => new Sequential(new LayerNorm(2), new Dense(2, 4)), () => new Branches(new Dense(2, 2), new GatedLinear(2, 2)),
            () => new Sequential(new WindowPooling(2, 3, PoolingKind.Max), new Dense(2, 4)),
        ];
        byte[][]? expected = null;
        foreach (bool nan in (bool[])[false, true])
        {
            using Sequential model = new(
                Device, new SequentialOptions { DType = DType.Float64, ComputeInputGradient = true }, firsts[first](), new LayerNorm(4), new Pooling(4, PoolingKind.Mean), new Dense(4, 2));
            using Tensor inputs = Tensor.From<double>(Device, Sequences(nan), Steps, s_lengths.Length, 2);
            using Tensor gradient = UniformTensor(Device, new Random(3), 1, s_lengths.Length, 2);
            byte[] outputs = Bytes(model.Forward(inputs, s_lengths));
            model.Backward(gradient);
            byte[][] all = [outputs, Bytes(model.GradientData), Bytes(model.InputGradient)];
            expected ??= all;
            Assert.That(all, Is.EqualTo(expected));
        }
    }

    [Test]
    public void What_is_given_as_gradient_beyond_lengths_does_not_count()
    {
        byte[][]? expected = null;
        foreach (double padding in (double[])[0, 5, double.NaN])
        {
            using Sequential model = new(Device, new SequentialOptions { DType = DType.Float64 }, new RoaRnn(2, 4, new RoaRnnOptions { Output = SequenceOutput.All }), new Dense(4, 2));
            using Tensor inputs = Tensor.From<double>(Device, Sequences(false), Steps, s_lengths.Length, 2);
            double[] values = Uniform(new Random(3), Steps * s_lengths.Length * 2);
            for (int i = 0; i < values.Length; i++)
            {
                values[i] = i / (s_lengths.Length * 2) < s_lengths[i / 2 % s_lengths.Length] ? values[i] : padding;
            }

            using Tensor gradient = Tensor.From<double>(Device, values, Steps, s_lengths.Length, 2);
            model.Forward(inputs, s_lengths);
            model.Backward(gradient);
            byte[][] all = [Bytes(model.GradientData)];
            expected ??= all;
            Assert.That(all, Is.EqualTo(expected), $"{padding}");
        }
    }

    [Test]
    public void Lengths_that_all_are_the_steps_are_none()
    {
        using Sequential model = new(Device, new SequentialOptions { DType = DType.Float64 }, new Dense(2, 3), new RoaFnn(3, 2), new Gru(3, 4));
        using Tensor inputs = Tensor.From<double>(Device, Sequences(false), Steps, s_lengths.Length, 2);
        byte[] whole = Bytes(model.Forward(inputs));
        Assert.That(Bytes(model.Forward(inputs, [.. Enumerable.Repeat(Steps, s_lengths.Length)])), Is.EqualTo(whole));
        Assert.That(Bytes(model.Forward(inputs, [])), Is.EqualTo(whole));
    }

    [Test]
    public void Wrong_lengths_are_refused_by_name()
    {
        using Sequential model = new(Device, new SequentialOptions { DType = DType.Float64 }, new Dense(2, 3));
        using Tensor inputs = Tensor.From<double>(Device, Sequences(false), Steps, s_lengths.Length, 2);
        using var rows = new Tensor(Device, DType.Float64, 5, 2);
        Assert.That(() => model.Forward(inputs, [1, 2]), Throws.ArgumentException.With.Message.Contains("lengths has 2 elements; it must have 5, one for each sample"));
        Assert.That(() => model.Forward(inputs, [1, 2, 3, 8, 0]), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("lengths[3] is 8; it must be from 0 to 7"));
        Assert.That(
            () => model.Forward(inputs, new ForwardOptions { Lengths = (int[])[1, 2, -3, 4, 0] }),
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("options.Lengths[2] is -3").And.Property("ParamName").EqualTo("options"));
        Assert.That(() => model.Forward(rows, [1, 2, 3, 4, 5]), Throws.ArgumentException.With.Message.Contains("lengths are given, but inputs has shape [5, 2]; with lengths it must be [T, B, ...]"));
        Assert.That(
            () => model.Forward(inputs, new ForwardOptions { FirstSample = 1 << 24 }),
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("options.FirstSample is 16777216; it must be from 0 to 16777215"));
    }

    private static double[] Sequences(bool nanInPadding)
    {
        double[] x = Uniform(new Random(1), Steps * s_lengths.Length * 2);
        for (int i = 0; nanInPadding && i < x.Length; i++)
        {
            x[i] = i / (s_lengths.Length * 2) < s_lengths[i / 2 % s_lengths.Length] ? x[i] : double.NaN;
        }

        return x;
    }

    private Tensor Alone(double[] x, int sample)
    {
        double[] values = [.. Enumerable.Range(0, s_lengths[sample]).SelectMany(t => x.Skip(((t * s_lengths.Length) + sample) * 2).Take(2))];
        return Tensor.From<double>(Device, values, s_lengths[sample], 1, 2);
    }

    /// <summary>The bits on a CPU; on a GPU products are summed by their shape: a few hundred rounded operations on numbers of the order of 1.</summary>
    private void AssertSame(double[] actual, double[] expected) =>
        Assert.That(actual, Device.Kind == DeviceKind.Cpu ? Is.EqualTo(expected) : Is.EqualTo(expected).Within(500 * Math.ScaleB(1, -53)));
}
