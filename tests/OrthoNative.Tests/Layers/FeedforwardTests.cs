using OrthoNative.Diagnostics;
using OrthoNative.Interop;
using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Layers;

/// <summary>What deep feedforward networks do by default, what they take, and what they are compared with.</summary>
internal sealed class FeedforwardTests
{
    [Test]
    public void Beta_is_c_over_layers_unless_it_is_given()
    {
        Assert.That(new RoaFnn(3, 50).Beta, Is.EqualTo((double[])[1.0 / 50]));
        Assert.That(new RoaFnn(3, 50, new RoaFnnOptions { TotalBeta = 4 }).Beta, Is.EqualTo((double[])[4.0 / 50]));
        Assert.That(new RoaFnn(3, 50, new RoaFnnOptions { TotalBeta = 4, Beta = 0.5 }).Beta, Is.EqualTo((double[])[0.5]));
        Assert.That(() => new RoaFnn(3, 50, new RoaFnnOptions { TotalBeta = double.NaN }), Throws.TypeOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void Deep_networks_keep_every_root_of_L_states_by_default()
    {
        const long Deep = 10_000;
        var shallow = new RoaFnn(8, RoaFnn.DeepLayers);
        var deep = new RoaFnn(8, Deep);
        var root = new RoaFnn(8, Deep, new RoaFnnOptions { Checkpointing = Checkpointing.Every(100) });
        var all = new RoaFnn(8, Deep, new RoaFnnOptions { Checkpointing = Checkpointing.None });
        using var model = new Sequential(Device.Default, 1, shallow, deep, root, all);

        Assert.That(deep.GetStateBytes(4), Is.EqualTo(root.GetStateBytes(4)));
        Assert.That(all.GetStateBytes(4), Is.GreaterThan(20 * deep.GetStateBytes(4)));

        // A state and an activation for each layer.
        Assert.That(shallow.GetStateBytes(4), Is.GreaterThanOrEqualTo(2 * RoaFnn.DeepLayers * 4 * 8 * sizeof(float)));
    }

    [Test]
    public void States_that_are_recomputed_by_default_change_no_bit()
    {
        byte[] kept = Gradients(Checkpointing.None);

        Assert.That(Gradients(null), Is.EqualTo(kept));
        Assert.That(kept, Has.Some.Not.EqualTo(0));

        static byte[] Gradients(Checkpointing? checkpointing)
        {
            using var model = new Sequential(
                Device.Default, 2, new RoaFnn(19, RoaFnn.DeepLayers + 45, new RoaFnnOptions { TotalBeta = 3, Checkpointing = checkpointing }));
            using Tensor inputs = ToTensor(Uniform(new Random(2), 5 * 19), DType.Float32, 5, 19);
            using Tensor cotangent = ToTensor(Uniform(new Random(3), 5 * 19), DType.Float32, 5, 19);
            model.Forward(inputs);
            model.Backward(cotangent);
            return Bytes(model.GradientData);
        }
    }

    [Test]
    public void The_plain_network_is_a_multilayer_perceptron()
    {
        using var model = new Sequential(Device.Default, new SequentialOptions { Seed = 3, DType = DType.Float64 }, new RoaFnn(5, 2, RoaFnnOptions.Plain));
        double[] x = Uniform(new Random(4), 5);
        using Tensor inputs = ToTensor(x, DType.Float64, 1, 5);
        double[] weights = Values(Parameter(model, "0.weight").Value);

        double[] expected = x;
        for (int layer = 0; layer < 2; layer++)
        {
            double[] before = expected;
            expected = [.. Enumerable.Range(0, 5).Select(i => Math.Tanh(Enumerable.Range(0, 5).Sum(j => weights[(((layer * 5) + i) * 5) + j] * before[j])))];
        }

        // Sums of 5 products and a tanh, twice: a few roundings of numbers below 10.
        Assert.That(Values(model.Forward(inputs)), Is.EqualTo(expected).Within(1e-14));
    }

    [Test]
    public void Networks_to_compare_with_differ_from_the_plain_one_by_alpha_alone()
    {
        Assert.That(RoaFnnOptions.Residual with { Alpha = 0 }, Is.EqualTo(RoaFnnOptions.Plain));
        Assert.That(RoaRnnOptions.Residual with { Alpha = 0 }, Is.EqualTo(RoaRnnOptions.Plain));
        Assert.That((RoaRnnOptions.Plain.Alpha[0], RoaRnnOptions.Plain.Beta[0], RoaRnnOptions.Plain.Filter), Is.EqualTo((0.0, 1.0, Filter.Identity)));
    }

    [Test]
    public void A_summary_tells_parameters_and_memory()
    {
        using var model = new Sequential(
            Device.Default, 4, new Dense(784, 64) { Name = "input" }, new RoaFnn(64, 50) { Name = "fnn" }, new Dense(64, 10) { Name = "readout" });

        ModelSummary summary = model.Summary(batch: 100);

        const long Parameters = (785 * 64) + (50 * 65 * 64) + (65 * 10);
        Assert.That(summary.Parameters, Is.EqualTo(Parameters).And.EqualTo(model.ParameterData.Count));
        Assert.That((summary.WeightBytes, summary.GradientBytes, summary.OptimizerBytes), Is.EqualTo((4 * Parameters, 4 * Parameters, 8 * Parameters)));
        Assert.That(model.Summary(100, optimizer: new SgdOptions()).OptimizerBytes, Is.Zero);
        Assert.That(summary.Layers.Select(layer => layer.Parameters), Is.EqualTo((long[])[785 * 64, 50 * 65 * 64, 65 * 10]));

        // States of the chain, its outputs and the gradient at its inputs.
        Assert.That(summary.Layers[1].ActivationBytes, Is.EqualTo(((RoaFnn)model.Layers[1]).GetStateBytes(100) + (2 * 100 * 64 * 4)));
        AssertSums(summary, 1, (RoaFnn)model.Layers[1], steps: 0, samples: 100);
        Assert.That(summary.TotalBytes, Is.EqualTo((16 * Parameters) + summary.ActivationBytes + summary.SumBytes));
        Assert.That(summary.ToString(), Does.Contain("fnn      RoaFnn 50 layers of 64 units").And.Contains("258,890 parameters of 4 bytes, batch 100: weights "));
        Assert.That(summary.Arithmetic, Does.Contain($" + sums {ModelSummary.Bytes(summary.SumBytes)} = "));
    }

    [Test]
    public void A_summary_of_a_recurrent_model_counts_its_time_steps()
    {
        using var model = new Sequential(Device.Default, 5, new RoaRnn(2, 16), new Dense(16, 3));

        ModelSummary summary = model.Summary(batch: 7, steps: 90);

        Assert.That(summary.Layers[0].ActivationBytes, Is.EqualTo(((RoaRnn)model.Layers[0]).GetStateBytes(90, 7) + (7 * 16 * 4)));
        Assert.That(summary.Layers[1].ActivationBytes, Is.EqualTo((7 * 3 * 4) + (7 * 16 * 4)));
        AssertSums(summary, 0, (RoaRnn)model.Layers[0], steps: 90, samples: 7);
        Assert.That(() => model.Summary(0), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => model.Summary(1L << 60), Throws.TypeOf<OutOfMemoryException>().With.Message.Contains("batch is 1152921504606846976"));
        Assert.That(() => model.Summary(long.MaxValue, long.MaxValue), Throws.TypeOf<OutOfMemoryException>());
    }

    /// <summary>A chain keeps sums of gradients apart, as many as the native library says; other layers report none.</summary>
    private static unsafe void AssertSums(ModelSummary summary, int layer, ChainLayer chainLayer, long steps, long samples)
    {
        using ChainHandle handle = chainLayer.MakeChain(Device.Default, DType.Float32, seed: 1, filterIndex: 0, checkFinite: true);
        using HandleScope<ortho_chain> chain = handle.Borrow();
        long states;
        long sums;
        NativeMethods.ortho_chain_memory(chain.Pointer, steps, samples, 1, &states, &sums).ThrowOnFailure();
        long[] expected = new long[summary.Layers.Count];
        expected[layer] = sums;
        Assert.That(summary.Layers.Select(other => other.SumBytes), Is.EqualTo(expected));
        Assert.That(summary.SumBytes, Is.EqualTo(sums));
    }

    [Test]
    [Explicit("takes 2.6 GiB and minutes")]
    public void A_million_layers_run_forward_and_backward_within_4_GiB_and_the_bounds()
    {
        const int Units = 16;
        var layer = new RoaFnn(Units, 1_000_000);
        using var model = new Sequential(Device.Default, new SequentialOptions { Seed = 6, ComputeInputGradient = true }, layer);
        double[] x = Uniform(new Random(6), Units);
        double[] g = Uniform(new Random(7), Units);
        using Tensor inputs = ToTensor(x, DType.Float32, 1, Units);
        using Tensor cotangent = ToTensor(g, DType.Float32, 1, Units);

        double[] last = Values(model.Forward(inputs));
        model.Backward(cotangent);

        (double lower, double upper) = LinearizedChain.Of(layer, x).GetLogBounds()[0];
        double ratio = Norm(Values(model.InputGradient)) / Norm(g);
        Assert.That(model.Summary(1, optimizer: new SgdOptions()).TotalBytes, Is.LessThan(4L << 30));
        Assert.That(last, Has.All.Matches<double>(double.IsFinite));
        Assert.That(double.IsFinite(model.ClipGradientNorm(double.PositiveInfinity)), Is.True);
        Assert.That(Math.Log10(ratio), Is.InRange(lower, upper));

        static double Norm(double[] values) => Math.Sqrt(values.Sum(value => value * value));
    }

    [TestCase(65536, int.MaxValue)]
    [TestCase(4096, 100_000)]
    public void A_network_beyond_memory_is_refused_with_the_arithmetic(long units, long layers)
    {
        long before = LiveObjects.Count();

        Assert.That(
            () => new Sequential(Device.Default, 1, new RoaFnn(units, layers)),
            Throws.TypeOf<OutOfMemoryException>().With.Message.Match($@"^out of memory: .*iB needed for .* parameters \(the largest is weight, {layers} x {units} x {units}\) .* 4 bytes each, .*iB free"));
        Assert.That(SystemInfo.LiveObjects, Is.EqualTo(before));
    }
}
