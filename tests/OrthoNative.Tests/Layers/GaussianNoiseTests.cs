namespace OrthoNative.Tests.Layers;

internal sealed class GaussianNoiseTests(DeviceKind kind) : DeviceTests(kind)
{
    private const double Deviation = 0.5;

    [Test]
    public void Training_adds_noise_of_the_given_deviation()
    {
        const int Count = 40_000;
        using Sequential model = Model(seed: 3, size: 1);
        using Tensor inputs = Tensor.From(Device, new float[Count], Count, 1);
        float[] noise = model.Forward(inputs).ToArray<float>();
        double mean = noise.Average(), variance = noise.Average(value => (double)value * value);

        // Six standard deviations of the mean, and of the mean square, of so many normal numbers.
        Assert.That(mean, Is.EqualTo(0).Within(6 * Deviation / Math.Sqrt(Count)));
        Assert.That(variance, Is.EqualTo(Deviation * Deviation).Within(6 * Deviation * Deviation * Math.Sqrt(2.0 / Count)));
    }

    [Test]
    public void Every_pass_draws_other_noise_and_a_seed_the_same_again()
    {
        using Tensor inputs = Tensor.From(Device, new float[8], 4, 2);
        using Sequential one = Model(seed: 3), same = Model(seed: 3), other = Model(seed: 4);
        float[] first = one.Forward(inputs).ToArray<float>();
        float[] second = one.Forward(inputs).ToArray<float>();
        Assert.That(second, Is.Not.EqualTo(first));
        Assert.That(same.Forward(inputs).ToArray<float>(), Is.EqualTo(first));
        Assert.That(same.Forward(inputs).ToArray<float>(), Is.EqualTo(second));
        Assert.That(other.Forward(inputs).ToArray<float>(), Is.Not.EqualTo(first));
    }

    [Test]
    public void Two_layers_of_a_model_draw_different_noise()
    {
        using Tensor inputs = Tensor.From(Device, new float[8], 4, 2);
        using Sequential one = Model(seed: 3);
        using Sequential two = WithIdentity(new SequentialOptions { Seed = 3 }, new GaussianNoise(2, Deviation), new GaussianNoise(2, Deviation));
        float[] first = one.Forward(inputs).ToArray<float>();
        float[] sum = two.Forward(inputs).ToArray<float>();
        Assert.That(sum, Is.Not.EqualTo(first.Select(value => 2 * value)));
    }

    [Test]
    public void Otherwise_inputs_pass_unchanged()
    {
        using Tensor inputs = Tensor.From(Device, new float[] { 1, -2, 3, 4 }, 2, 2);
        using Sequential model = Model(seed: 3);
        model.Training = false;
        Assert.That(model.Forward(inputs).ToArray<float>(), Is.EqualTo(new float[] { 1, -2, 3, 4 }));
    }

    [Test]
    public void The_gradient_passes_unchanged()
    {
        using Tensor inputs = Tensor.From(Device, new float[4], 2, 2);
        using Tensor gradient = Tensor.From(Device, new float[] { 1, -2, 3, 4 }, 2, 2);
        var options = new SequentialOptions { ComputeInputGradient = true };
        using Sequential model = WithIdentity(options, new GaussianNoise(2, Deviation));
        model.Forward(inputs);
        model.Backward(gradient);
        Assert.That(model.InputGradient.ToArray<float>(), Is.EqualTo(gradient.ToArray<float>()));
    }

    [Test]
    public void Bad_arguments_are_refused()
    {
        Assert.That(() => new GaussianNoise(0, 1), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("size is 0"));
        Assert.That(() => new GaussianNoise(1, -1), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("standardDeviation is -1"));
        Assert.That(() => new GaussianNoise(1, double.NaN), Throws.TypeOf<ArgumentOutOfRangeException>());
        using Tensor inputs = Tensor.From(Device, new float[6], 2, 3);
        using Sequential model = Model(seed: 3);
        Assert.That(() => model.Forward(inputs), Throws.ArgumentException.With.Message.Contains("[..., 2]"));
    }

    [Test]
    public void A_model_needs_a_parameter() => Assert.That(
        () => new Sequential(Device, 1, new GaussianNoise(1, 1)),
        Throws.ArgumentException.With.Message.Contains("no parameters"));

    private Sequential Model(ulong seed, long size = 2) =>
        WithIdentity(new SequentialOptions { Seed = seed }, new GaussianNoise(size, Deviation));

    /// <summary>A model needs parameters: a dense layer follows that multiplies by the identity.</summary>
    private Sequential WithIdentity(SequentialOptions options, params ReadOnlySpan<Layer> noise)
    {
        long size = noise[^1].OutputSize;
        var model = new Sequential(Device, options, [.. noise, new Dense(size, size, new DenseOptions { Bias = false })]);
        float[] identity = new float[size * size];
        for (long i = 0; i < size; i++)
        {
            identity[(i * size) + i] = 1;
        }

        model.ParameterData.CopyFrom<float>(identity);
        return model;
    }
}
