using OrthoNative.Interop;

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
    public void Seeds_and_places_in_a_model_share_no_noise()
    {
        const int Size = 500;
        ulong[] seeds = [3, 3 ^ 1, 3 ^ (1UL << 32), 3 ^ (2UL << 32), 3 ^ (1UL << 63), 3UL << 32];
        using Tensor inputs = Tensor.From(Device, new double[Size], 1, Size);
        var seen = new Dictionary<double, string>();
        foreach (ulong seed in seeds)
        {
            for (int place = 0; place < 4; place++)
            {
                var options = new SequentialOptions { Seed = seed, DType = DType.Float64 };
                using Sequential model = WithIdentity(
                    options, [.. Enumerable.Range(0, 4).Select(layer => new GaussianNoise(Size, layer == place ? 1 : 0))]);
                foreach (double value in model.Forward(inputs).ToArray<double>())
                {
                    // Two of 12,000 numbers of 53 random bits are the same once in about 10^8 runs.
                    Assert.That(seen.TryAdd(value, $"seed {seed}, layer {place}"), $"seed {seed}, layer {place} and {seen[value]}");
                }
            }
        }
    }

    [Test]
    public void The_first_layer_draws_the_numbers_of_its_seed([Values(0UL, 3UL, 3UL << 40)] ulong seed)
    {
        using Tensor inputs = Tensor.From(Device, new float[8], 4, 2);
        using Sequential model = Model(seed);
        for (uint pass = 0; pass < 3; pass++)
        {
            Assert.That(model.Forward(inputs).ToArray<float>(), Is.EqualTo(Drawn(seed, pass)));
        }
    }

    [Test]
    public void A_file_of_version_0_1_continues_with_its_seed_and_passes_and_is_saved_as_such()
    {
        // There, a layer's place went into the high half of its seed.
        const ulong Seed = 3 ^ (1UL << 32);
        using var folder = new Data.TemporaryFolder();
        using Tensor inputs = Tensor.From(Device, new float[8], 4, 2);
        using Sequential old = Behind(), again = Behind();
        old.Save(folder.File("new"));
        Dictionary<string, string> metadata = SafeTensors.LoadMetadata(folder.File("new")).ToDictionary();
        Assert.That(metadata.Remove("1.source"), Is.True);
        metadata["1.seed"] = Seed.ToString(System.Globalization.CultureInfo.InvariantCulture);
        metadata["1.training_passes"] = "5";
        SafeTensors.Save(folder.File("old"), old.Parameters.Select(parameter => KeyValuePair.Create(parameter.Name, parameter.Value)), metadata);

        old.Load(folder.File("old"));
        Assert.That(old.Forward(inputs).ToArray<float>(), Is.EqualTo(Drawn(Seed, 5)));
        old.Save(folder.File("saved"));
        again.Load(folder.File("saved"));
        Assert.That(again.Forward(inputs).ToArray<float>(), Is.EqualTo(Drawn(Seed, 6)));

        Sequential Behind() => WithIdentity(new SequentialOptions { Seed = 3 }, new GaussianNoise(2, 0), new GaussianNoise(2, Deviation));
    }

    [Test]
    public void Noise_begins_again_after_so_many_passes_as_32_bits_count()
    {
        using var folder = new Data.TemporaryFolder();
        using Tensor inputs = Tensor.From(Device, new float[8], 4, 2);
        using Sequential model = Model(seed: 3);
        model.Save(folder.File("new"));
        Dictionary<string, string> metadata = SafeTensors.LoadMetadata(folder.File("new")).ToDictionary();
        metadata["0.training_passes"] = $"{uint.MaxValue}";
        SafeTensors.Save(folder.File("late"), model.Parameters.Select(parameter => KeyValuePair.Create(parameter.Name, parameter.Value)), metadata);

        model.Load(folder.File("late"));
        Assert.That(model.Forward(inputs).ToArray<float>(), Is.EqualTo(Drawn(3, uint.MaxValue)));
        Assert.That(model.Forward(inputs).ToArray<float>(), Is.EqualTo(Drawn(3, 0)));
        model.Save(folder.File("later"));
        Assert.That(SafeTensors.LoadMetadata(folder.File("later"))["0.training_passes"], Is.EqualTo("1"));
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

    /// <summary>Noise of four samples of two units, as the first layer of a model adds it to zeros in a pass.</summary>
    private static unsafe float[] Drawn(ulong seed, uint pass)
    {
        float[] numbers = new float[8];
        using HandleScope<ortho_device> device = Device.Default.Handle.Borrow();
        fixed (float* values = numbers)
        {
            NativeMethods.ortho_add_normal_noise(device.Pointer, DType.Float32.ToNative(), seed, 0, pass, Deviation, 0, 1, 4, 2, values, values).ThrowOnFailure();
        }

        return numbers;
    }

    private Sequential Model(ulong seed, long size = 2) =>
        WithIdentity(new SequentialOptions { Seed = seed }, new GaussianNoise(size, Deviation));

    private Sequential WithIdentity(SequentialOptions options, params ReadOnlySpan<Layer> noise) =>
        TestData.WithIdentity(Device, options, noise);
}
