using OrthoNative.Diagnostics;

namespace OrthoNative.Tests.Containers;

[TestFixture(DType.Float32)]
[TestFixture(DType.Float64)]
internal sealed class PerChannelTests(DType dtype)
{
    private const int Steps = 5, Batch = 3, Channels = 4, Horizon = 2;

    private static readonly int[] s_targets = [2, 0];

    [Test]
    public void Each_target_channel_is_computed_as_a_sequence_of_one_channel()
    {
        using Sequential model = Create(s_targets);
        using var single = new Sequential(Device.Default, new SequentialOptions { DType = dtype, Seed = 3 }, Body());
        single.ParameterData.CopyFrom(model.ParameterData);
        double[] values = Values(Steps * Batch * Channels);
        using Tensor inputs = ToTensor(values, Steps, Batch, Channels);

        double[] outputs = ToArray(model.Forward(inputs));

        Assert.That(outputs, Has.Length.EqualTo(Batch * Horizon * s_targets.Length));
        for (int channel = 0; channel < s_targets.Length; channel++)
        {
            double[] own = [.. Enumerable.Range(0, Steps * Batch).Select(row => values[(row * Channels) + s_targets[channel]])];
            using Tensor one = ToTensor(own, Steps, Batch, 1);
            double[] expected = ToArray(single.Forward(one));
            for (int sample = 0; sample < Batch; sample++)
            {
                for (int step = 0; step < Horizon; step++)
                {
                    // Products of a matrix with more rows add up the same terms in the same order.
                    Assert.That(outputs[(((sample * Horizon) + step) * s_targets.Length) + channel], Is.EqualTo(expected[(sample * Horizon) + step]).Within(dtype == DType.Float32 ? 1e-6 : 1e-14));
                }
            }
        }
    }

    [Test]
    public void Gradients_are_those_of_central_differences()
    {
        if (dtype == DType.Float32)
        {
            Assert.Ignore("differences are taken in float64");
        }

        using Sequential model = Create(s_targets);
        using Tensor inputs = ToTensor(Values(Steps * Batch * Channels), Steps, Batch, Channels);

        Assert.That(GradientCheck.Run(model, inputs).Mismatches, Is.Empty);
        Assert.That(GradientCheck.Run(model, inputs).Elements, Is.GreaterThan(Steps * Batch * Channels));
    }

    [Test]
    public void A_file_makes_the_same_model_again()
    {
        using Sequential model = Create(s_targets);
        using Tensor inputs = ToTensor(Values(Steps * Batch * Channels), Steps, Batch, Channels);
        using var stream = new MemoryStream();
        model.Save(stream);
        stream.Position = 0;

        using Model loaded = Model.Load(stream, Device.Default, new ModelLoadOptions { ComputeInputGradient = true });

        Assert.That(ToArray(loaded.Forward(inputs)), Is.EqualTo(ToArray(model.Forward(inputs))));
        Assert.That(loaded.Summary(Batch, Steps).ToString(), Is.EqualTo(model.Summary(Batch, Steps).ToString()));
    }

    [Test]
    public void Memory_counts_a_sample_for_each_channel()
    {
        using Sequential one = Create([1]), two = Create(s_targets);

        long OfDense(Sequential model) => model.Summary(Batch, Steps).Layers.Single(layer => layer.Name.EndsWith("readout", StringComparison.Ordinal)).ActivationBytes;
        Assert.That(OfDense(two), Is.EqualTo(2 * OfDense(one)));
    }

    [Test]
    public void What_does_not_fit_is_refused()
    {
        Assert.That(() => new PerChannel(3, [0, 0], Body()), Throws.TypeOf<ArgumentException>().With.Message.Contains("targetChannels[1] is 0, which is there already"));
        Assert.That(() => new PerChannel(3, [3], Body()), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("targetChannels[0] is 3"));
        Assert.That(() => new PerChannel(3, [], Body()), Throws.TypeOf<ArgumentException>().With.Message.Contains("targetChannels is empty"));
        Assert.That(() => new PerChannel(3, null, new Dense(2, 2)), Throws.TypeOf<ArgumentException>().With.Message.Contains("layers[0] takes 2 inputs; it must take 1 input"));
        Assert.That(() => new Flatten(1 << 20, 2), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("steps"));

        using Sequential model = Create(s_targets);
        using Tensor inputs = ToTensor(Values(Steps * Batch * Channels), Steps, Batch, Channels), shorter = ToTensor(Values(2 * Batch * Channels), 2, Batch, Channels);
        Assert.That(() => model.Forward(inputs, [5, 4, 5]), Throws.TypeOf<ArgumentException>().With.Message.Contains("lengths[1] is 4; it must be 5"));
        Assert.That(() => model.Forward(shorter), Throws.TypeOf<ArgumentException>().With.Message.Contains("it must have 5 steps"));
        using var every = new Sequential(Device.Default, new SequentialOptions { DType = dtype }, new PerChannel(Channels, null, new Dense(1, 1)));
        Assert.That(() => every.Forward(inputs), Throws.TypeOf<ArgumentException>().With.Message.Contains("they must give one row for each sequence"));
    }

    private static Sequential Body() => new(new Branches(new Flatten(Steps, 1), new Gru(1, 3)), new Dense(Steps + 3, Horizon) { Name = "readout" });

    private static double[] Values(int count) => [.. Enumerable.Range(0, count).Select(i => Math.Sin(1.7 * i))];

    private Sequential Create(int[] targets) => new(
        Device.Default, new SequentialOptions { DType = dtype, Seed = 3, ComputeInputGradient = true }, new PerChannel(Channels, targets, Body()));

    private Tensor ToTensor(double[] values, params long[] shape) => dtype == DType.Float64
        ? Tensor.From<double>(Device.Default, values, shape)
        : Tensor.From<float>(Device.Default, Array.ConvertAll(values, value => (float)value), shape);

    private double[] ToArray(Tensor tensor) => dtype == DType.Float64 ? tensor.ToArray<double>() : Array.ConvertAll(tensor.ToArray<float>(), value => (double)value);
}
