using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Layers;

/// <summary>Options by purpose: <see cref="RoaRnnOptions.Memory"/> and the others.</summary>
internal sealed class PresetTests
{
    [TestCase(1, 0.5)]
    [TestCase(36, 0.5)]
    [TestCase(900, 0.1)]
    [TestCase(1_000_000, 0.003)]
    public void Memory_has_a_smaller_beta_for_more_steps(long steps, double beta)
    {
        RoaRnnOptions options = RoaRnnOptions.Memory(steps);

        Assert.That((options.Alpha, options.WeightScale), Is.EqualTo(((UnitValues)1, 0.2)));
        Assert.That(options.Beta[0], Is.EqualTo(beta).Within(1e-15));
    }

    [Test]
    public void Computation_and_streaming_are_convex()
    {
        RoaRnnOptions computation = RoaRnnOptions.Computation();
        RoaRnnOptions streaming = RoaRnnOptions.Streaming(50);

        Assert.That((computation.Alpha, computation.Beta, computation.WeightScale), Is.EqualTo(((UnitValues)0.5, (UnitValues)0.5, 1.0)));
        Assert.That((streaming.Alpha, streaming.Beta), Is.EqualTo(((UnitValues)0.98, (UnitValues)0.02)));
        Assert.That(RoaRnnOptions.Streaming().Beta, Is.EqualTo((UnitValues)0.05));
    }

    [Test]
    public void Memory_and_computation_have_a_block_each()
    {
        const int Units = 7;
        var layer = new RoaRnn(1, Units, RoaRnnOptions.MemoryAndComputation(Units, 4900));
        using var model = new Sequential(Device.Default, 1, layer);

        Assert.That(layer.Alpha, Is.EqualTo((UnitValues)(double[])[1, 1, 1, 1, 0.5, 0.5, 0.5]));
        Assert.That(layer.Beta, Is.EqualTo((UnitValues)(double[])[0.1, 0.1, 0.1, 0.1, 0.5, 0.5, 0.5]).Using<UnitValues>((x, y) => x.Zip(y).All(pair => Math.Abs(pair.First - pair.Second) < 1e-15)));
        Assert.That(layer.GetFilter()[0, 4], Is.Zero);
    }

    [Test]
    public void States_of_a_stream_stay_bounded_and_those_of_memory_do_not()
    {
        Assert.That(LargestNorm(RoaRnnOptions.Streaming(20)), Is.LessThanOrEqualTo(Math.Sqrt(16)));
        Assert.That(LargestNorm(RoaRnnOptions.Memory(100)), Is.GreaterThan(Math.Sqrt(16)));

        // The largest norm of the state over 3,000 steps of noise.
        static double LargestNorm(RoaRnnOptions options)
        {
            using var model = new Sequential(Device.Default, 1, new RoaRnn(2, 16, options with { Output = SequenceOutput.All }));
            using Tensor inputs = ToTensor(Uniform(new Random(1), 3000 * 2), DType.Float32, 3000, 1, 2);
            return Values(model.Forward(inputs)).Chunk(16).Max(state => Math.Sqrt(state.Sum(value => value * value)));
        }
    }

    [TestCase(100)]
    [TestCase(440)]
    [TestCase(3000)]
    public void A_tone_moves_the_resonator_of_its_frequency_most(double frequency)
    {
        const int Pairs = 16, Rate = 8000, Steps = 4000;
        RoaRnnOptions options = RoaRnnOptions.Resonators(2 * Pairs, Rate, 100, 3500) with { WeightScale = 0, Output = SequenceOutput.All };
        using var model = new Sequential(Device.Default, 1, new RoaRnn(1, 2 * Pairs, options) { Name = "bank" });
        model.Parameters.Single(parameter => parameter.Name == "bank.input_weight").Value.Fill(1);
        using Tensor inputs = ToTensor([.. Enumerable.Range(0, Steps).Select(t => 0.1 * Math.Sin(2 * Math.PI * frequency * t / Rate))], DType.Float32, Steps, 1, 1);

        double[] states = Values(model.Forward(inputs));

        double[] energies = [.. Enumerable.Range(0, Pairs).Select(pair => Enumerable.Range(Steps / 2, Steps / 2).Sum(t => Square(t, 2 * pair) + Square(t, (2 * pair) + 1)))];
        double[] mel = [.. Enumerable.Range(0, Pairs).Select(pair => Math.Abs(Mel(100) + (pair * (Mel(3500) - Mel(100)) / (Pairs - 1)) - Mel(frequency)))];
        Assert.That(Array.IndexOf(energies, energies.Max()), Is.EqualTo(Array.IndexOf(mel, mel.Min())), string.Join(", ", energies));

        double Square(int step, int unit) => states[(step * 2 * Pairs) + unit] * states[(step * 2 * Pairs) + unit];
        static double Mel(double hertz) => 2595 * Math.Log10(1 + (hertz / 700));
    }

    [TestCase(4)]
    [TestCase(9)]
    [TestCase(64)]
    public void Resonators_are_convex_and_orthogonal(int units)
    {
        var layer = new RoaRnn(1, units, RoaRnnOptions.Resonators(units, 8000));
        using var model = new Sequential(Device.Default, 1, layer);
        double[,] filter = layer.GetFilter();

        Assert.That(layer.Alpha.Zip(layer.Beta).Select(pair => pair.First + pair.Second), Is.All.EqualTo(1).Within(1e-15));
        Assert.That(layer.Alpha, Is.All.InRange(0.001, 0.999));
        Assert.That(filter[0, 0], Is.EqualTo(Math.Cos(2 * Math.PI * 80 / 8000)).Within(1e-12));
        Assert.That(filter[1, 0], Is.EqualTo(Math.Sin(2 * Math.PI * 80 / 8000)).Within(1e-12));
        Assert.That(filter[0, 2], Is.Zero);
        Assert.That(filter[units - 1, units - 1], Is.EqualTo(units % 2 == 1 ? 1 : Math.Cos(2 * Math.PI * 0.46)).Within(1e-12));
    }

    [Test]
    public void Numbers_out_of_range_are_refused()
    {
        Assert.That(() => RoaRnnOptions.Resonators(3, 8000), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("hiddenSize is 3; it must be from 4 to 2048."));
        Assert.That(() => RoaRnnOptions.Resonators(4, 0), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("sampleRate is 0; it must be finite and above 0."));
        Assert.That(() => RoaRnnOptions.Resonators(4, 100), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("lowest is 80; it must be above 0 and below 50, half of sampleRate."));
        Assert.That(() => RoaRnnOptions.Resonators(4, 8000, double.NaN), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => RoaRnnOptions.Resonators(4, 8000, 100, 4001), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("highest is 4001; it must be above lowest, 100, and at most 4000, half of sampleRate."));

        Assert.That(() => RoaRnnOptions.Memory(0), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("steps is 0; it must be at least 1."));
        Assert.That(() => RoaRnnOptions.Streaming(1), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("steps is 1; it must be finite and above 1."));
        Assert.That(() => RoaRnnOptions.Streaming(double.NaN), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => RoaRnnOptions.MemoryAndComputation(1, 5), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("hiddenSize is 1; it must be at least 2."));
        Assert.That(() => RoaRnnOptions.MemoryAndComputation(4, -1), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("steps is -1; it must be at least 1."));
    }
}
