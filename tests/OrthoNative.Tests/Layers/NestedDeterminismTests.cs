using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Layers;

/// <summary>Every layer and container gives the same bits for any number of threads and wherever a batch is cut, and on a GPU what it gives on a CPU.</summary>
internal sealed class NestedDeterminismTests
{
    private const int Steps = 9;
    private const int Samples = 70;
    private static readonly int[] s_lengths = [.. Enumerable.Range(0, Samples).Select(i => (i * 7) % (Steps + 1))];

    [TestCaseSource(typeof(LayerCatalog), nameof(LayerCatalog.Few))]
    public void The_number_of_threads_changes_no_bit(Func<Layer> make)
    {
        using Tensor inputs = UniformTensor32(1, Steps, Samples);
        using Tensor gradient = UniformTensor32(2, Steps, Samples, 2);
        byte[][]? expected = null;
        foreach (int threads in (int[])[1, 2, 3, 5])
        {
            using Device device = Device.Cpu(threads);
            using Sequential model = LayerCatalog.Model(device, DType.Float32, make);
            byte[] outputs = Bytes(model.Forward(inputs, s_lengths));
            model.Backward(gradient);
            byte[][] all = [outputs, Bytes(model.GradientData), Bytes(model.InputGradient)];
            expected ??= all;
            Assert.That(all, Is.EqualTo(expected), $"{threads} threads");
        }
    }

    [TestCaseSource(typeof(LayerCatalog), nameof(LayerCatalog.Few))]
    public void A_sample_in_a_batch_has_the_bits_of_the_sample_in_any_part_of_it(Func<Layer> make)
    {
        using Tensor inputs = UniformTensor32(1, Steps, Samples);
        using Tensor gradient = UniformTensor32(2, Steps, Samples, 2);
        using Sequential model = LayerCatalog.Model(Device.Default, DType.Float32, make);
        using Sequential parts = LayerCatalog.Model(Device.Default, DType.Float32, make);
        float[] outputs = model.Forward(inputs, s_lengths).ToArray<float>();
        model.Backward(gradient);
        float[] inputGradient = model.InputGradient.ToArray<float>();

        // Each part is the first training pass of its own model, as the whole batch is.
        foreach ((int first, int end) in ((int, int)[])[(0, 1), (1, 2), (2, 35), (35, 69), (69, 70)])
        {
            using Sequential part = LayerCatalog.Model(Device.Default, DType.Float32, make);
            using Tensor partInputs = Part(inputs, first, end);
            using Tensor partGradient = Part(gradient, first, end);
            float[] partOutputs = part.Forward(partInputs, new ForwardOptions { Lengths = s_lengths.AsMemory(first..end), FirstSample = first }).ToArray<float>();
            part.Backward(partGradient);
            AssertSame(outputs, partOutputs, first, end, 2, "outputs");
            AssertSame(inputGradient, part.InputGradient.ToArray<float>(), first, end, LayerCatalog.Size, "gradients at the inputs");
        }
    }

    [TestCaseSource(typeof(LayerCatalog), nameof(LayerCatalog.Few))]
    [Category(TestDevices.CudaCategory)]
    public void A_gpu_gives_what_a_cpu_gives(Func<Layer> make)
    {
        Device gpu = TestDevices.Cuda();
        using Sequential there = LayerCatalog.Model(gpu, DType.Float64, make);
        using Sequential here = LayerCatalog.Model(Device.Default, DType.Float64, make);
        double[] values = Uniform(new Random(1), Steps * Samples * LayerCatalog.Size);
        double[] gradients = Uniform(new Random(2), Steps * Samples * 2);
        double[][] expected = Pass(here, Device.Default);
        double[][] actual = Pass(there, gpu);

        // Sums of 9 steps and 70 samples through at most six layers of some 10 products each, in another order: fewer than 2^16 rounded operations on
        // terms of the order of the largest value.
        double tolerance = Math.ScaleB(1, 16 - 53);
        for (int i = 0; i < expected.Length; i++)
        {
            double largest = expected[i].Max(Math.Abs);
            Assert.That(actual[i], Is.EqualTo(expected[i]).Within(tolerance * largest), $"number {i}");
        }

        double[][] Pass(Sequential model, Device device)
        {
            using Tensor inputs = Tensor.From<double>(device, values, Steps, Samples, LayerCatalog.Size);
            using Tensor gradient = Tensor.From<double>(device, gradients, Steps, Samples, 2);
            double[] outputs = model.Forward(inputs, s_lengths).ToArray<double>();
            model.Backward(gradient);
            ClearPadding(outputs, 2);
            return [outputs, model.GradientData.ToArray<double>(), model.InputGradient.ToArray<double>()];
        }
    }

    private static Tensor UniformTensor32(int seed, int steps, int samples, int size = LayerCatalog.Size)
    {
        double[] values = Uniform(new Random(seed), steps * samples * size);
        return Tensor.From<float>(Device.Default, Array.ConvertAll(values, value => (float)value), steps, samples, size);
    }

    /// <summary>Some samples of a batch.</summary>
    private static Tensor Part(Tensor whole, int first, int end)
    {
        int size = (int)whole.Shape[2];
        float[] values = whole.ToArray<float>();
        var part = new float[Steps * (end - first) * size];
        for (int t = 0; t < Steps; t++)
        {
            values.AsSpan(((t * Samples) + first) * size, (end - first) * size).CopyTo(part.AsSpan(t * (end - first) * size));
        }

        return Tensor.From<float>(Device.Default, part, Steps, end - first, size);
    }

    /// <summary>Compares up to the samples' lengths.</summary>
    private static void AssertSame(float[] whole, float[] part, int first, int end, int size, string what)
    {
        for (int t = 0; t < Steps; t++)
        {
            for (int b = first; b < end; b++)
            {
                if (t < s_lengths[b])
                {
                    Assert.That(
                        part.AsSpan(((t * (end - first)) + b - first) * size, size).SequenceEqual(whole.AsSpan(((t * Samples) + b) * size, size)), Is.True,
                        $"{what} of sample {b}, step {t}, in the part from {first} to {end}");
                }
            }
        }
    }

    private static void ClearPadding(double[] values, int size)
    {
        for (int t = 0; t < Steps; t++)
        {
            for (int b = 0; b < Samples; b++)
            {
                if (t >= s_lengths[b])
                {
                    values.AsSpan(((t * Samples) + b) * size, size).Clear();
                }
            }
        }
    }
}
