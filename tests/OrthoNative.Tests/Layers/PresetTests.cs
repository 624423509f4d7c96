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

    [Test]
    public void Numbers_out_of_range_are_refused()
    {
        Assert.That(() => RoaRnnOptions.Memory(0), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("steps is 0; it must be at least 1."));
        Assert.That(() => RoaRnnOptions.Streaming(1), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("steps is 1; it must be finite and above 1."));
        Assert.That(() => RoaRnnOptions.Streaming(double.NaN), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => RoaRnnOptions.MemoryAndComputation(1, 5), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("hiddenSize is 1; it must be at least 2."));
        Assert.That(() => RoaRnnOptions.MemoryAndComputation(4, -1), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("steps is -1; it must be at least 1."));
    }
}
