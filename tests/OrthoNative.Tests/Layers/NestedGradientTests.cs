using OrthoNative.Diagnostics;
using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Layers;

/// <summary>Every layer and container, in every nesting two deep, on sequences of equal and of different lengths.</summary>
internal sealed class NestedGradientTests
{
    private const int Steps = 7;
    private static readonly int[] s_lengths = [3, 7, 0, 1, 5];

    [TestCaseSource(typeof(LayerCatalog), nameof(LayerCatalog.Nestings))]
    public void Gradients_are_those_of_central_differences(Func<Layer> make)
    {
        using Sequential model = LayerCatalog.Model(Device.Default, DType.Float64, make);
        using Tensor inputs = UniformTensor(new Random(1), 1, Steps, s_lengths.Length, LayerCatalog.Size);

        // Seven steps of at most six layers, each with sums of about 10 products, are fewer than the 10,000 rounded operations of the default.
        var options = new GradientCheckOptions { MaximumElements = 25 };
        GradientCheckResult whole = GradientCheck.Run(model, inputs, options: options);
        Assert.That(whole.Passed, Is.True, whole.ToString());

        GradientCheckResult cut = GradientCheck.Run(model, inputs, new ForwardOptions { Lengths = s_lengths }, options);
        Assert.That(cut.Passed, Is.True, cut.ToString());
    }

    [Test]
    public void What_ends_a_sequence_has_gradients_too([Values] bool lengths, [Values(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)] int kind)
    {
        const int N = LayerCatalog.Size;
        Layer[] ends =
        [
            new Pooling(N, PoolingKind.Last), new Pooling(N, PoolingKind.Mean), new Pooling(N, PoolingKind.Max),
            new RoaRnn(N, 3), new Gru(N, 3, new GruOptions { Output = SequenceOutput.LastSteps(3) }),
            new RoaRnn(N, 3, new RoaRnnOptions { Output = SequenceOutput.LastSteps(Steps) }),
            new Bidirectional(new RoaRnn(N, 3), new Lstm(N, 2)), new Conv1D(N, 3, 3, new Conv1DOptions { Stride = 2, Padding = 2 }),
            new Sequential(new Conv1D(N, N, 4, new Conv1DOptions { Stride = 3 }), new Elman(N, 3)),
            new WindowPooling(N, 3, PoolingKind.Last), new WindowPooling(N, 3, PoolingKind.Mean), new WindowPooling(N, 3, PoolingKind.Max),
            new Sequential(new WindowPooling(N, 2, PoolingKind.Mean), new Elman(N, 3)),
        ];
        using var model = new Sequential(
            Device.Default, new SequentialOptions { DType = DType.Float64, ComputeInputGradient = true }, new RoaBlock(N), ends[kind], new Dense(ends[kind].OutputSize, 2));
        using Tensor inputs = UniformTensor(new Random(1), 1, Steps, s_lengths.Length, N);
        GradientCheckResult result = GradientCheck.Run(model, inputs, new ForwardOptions { Lengths = lengths ? s_lengths : default });
        Assert.That(result.Passed, Is.True, result.ToString());
    }

    [Test]
    public void An_embedding_has_gradients_in_every_container([Values] bool lengths, [Values(0, 1, 2)] int kind)
    {
        const int N = LayerCatalog.Size;
        Layer[] firsts =
        [
            new Embedding(6, N), new Sequential(new Sequential(new Embedding(6, N)), new RoaBlock(N)),
            new Sequential(new Branches(new Embedding(6, 3), new Embedding(6, 2)), new Dense(5, N)),
        ];
        using var model = new Sequential(Device.Default, new SequentialOptions { DType = DType.Float64 }, firsts[kind], new Gru(N, 3), new Dense(3, 2));
        int[] indices = [.. Enumerable.Range(0, Steps * s_lengths.Length).Select(i => i * 7 % 6)];
        using Tensor inputs = Tensor.From<int>(Device.Default, indices, Steps, s_lengths.Length, 1);
        GradientCheckResult result = GradientCheck.Run(model, inputs, new ForwardOptions { Lengths = lengths ? s_lengths : default });
        Assert.That(result.Passed, Is.True, result.ToString());
    }

    [Test]
    public void Wrong_gradients_are_found_and_named()
    {
        using var model = new Sequential(Device.Default, new SequentialOptions { DType = DType.Float64 }, new Dense(2, 2) { Name = "first" }, new WrongScale(2) { Name = "wrong" });
        using Tensor inputs = UniformTensor(new Random(1), 1, 3, 2);
        byte[] before = Bytes(model.ParameterData);
        GradientCheckResult result = GradientCheck.Run(model, inputs);

        Assert.That(result.Passed, Is.False);
        Assert.That(result.Elements, Is.EqualTo(4 + 2 + 2));
        Assert.That(result.Mismatches.Select(mismatch => mismatch.Name).Distinct(), Is.EqualTo((string[])["wrong.scale"]));
        Assert.That(result.ToString(), Does.StartWith("2 of 8 gradients differ from central differences:\n  wrong.scale[0] is "));
        Assert.That(Bytes(model.ParameterData), Is.EqualTo(before));
    }

    [Test]
    public void A_check_takes_double_precision_and_options_in_range()
    {
        using var single = new Sequential(Device.Default, 1, new Dense(2, 2));
        using var model = new Sequential(Device.Default, new SequentialOptions { DType = DType.Float64 }, new Dense(2, 2));
        using Tensor inputs = UniformTensor(new Random(1), 1, 3, 2);
        Assert.That(() => GradientCheck.Run(single, inputs), Throws.ArgumentException.With.Message.Contains("model has element type Float32; it must be Float64"));
        Assert.That(() => GradientCheck.Run(model, inputs, options: new GradientCheckOptions { Step = 0 }), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("options.Step is 0"));
        Assert.That(
            () => GradientCheck.Run(model, inputs, options: new GradientCheckOptions { MaximumElements = 0 }),
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("options.MaximumElements is 0"));
    }

    /// <summary>y = s x, whose gradient at s is twice what it should be.</summary>
    private sealed class WrongScale(long size) : Layer
    {
        public override long InputSize => size;

        public override long OutputSize => size;

        protected internal override IReadOnlyList<ParameterDefinition> Definitions => [ParameterDefinition.Constant("scale", [size], 1.5)];

        protected internal override Tensor Forward(in ForwardContext context, Tensor inputs)
        {
            Tensor outputs = context.Outputs(inputs.Shape);
            Span<double> x = inputs.AsSpan<double>(), y = outputs.AsSpan<double>(), s = Parameters[0].Value.AsSpan<double>();
            for (int i = 0; i < x.Length; i++)
            {
                y[i] = s[i % s.Length] * x[i];
            }

            return outputs;
        }

        protected internal override void Backward(in BackwardContext context, Tensor outputGradient, Tensor? inputGradient)
        {
            Span<double> x = context.Inputs.AsSpan<double>(), g = outputGradient.AsSpan<double>();
            Span<double> s = Parameters[0].Value.AsSpan<double>(), ds = Parameters[0].Gradient.AsSpan<double>(), dx = inputGradient!.AsSpan<double>();
            ds.Clear();
            for (int i = 0; i < x.Length; i++)
            {
                ds[i % s.Length] += 2 * g[i] * x[i];
                dx[i] = g[i] * s[i % s.Length];
            }
        }
    }
}
