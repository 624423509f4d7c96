using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Layers;

/// <summary>Same seed, same inputs: the same bits.</summary>
internal sealed class DeterminismTests
{
    private const int Steps = 20;

    [Test]
    public void Training_gives_the_same_bits_with_one_two_and_three_threads_and_twice([Values(5, 40)] int batch, [FloatingPointTypes] DType dtype)
    {
        byte[] expected = TrainRecurrent(1, batch, dtype);
        foreach (int threads in (int[])[1, 2, 3])
        {
            Assert.That(TrainRecurrent(threads, batch, dtype), Is.EqualTo(expected), $"{threads} threads");
        }
    }

    [Test]
    public void Training_a_feedforward_network_gives_the_same_bits_with_one_two_and_three_threads_and_twice([Values] bool filterPerLayer)
    {
        byte[] expected = TrainFeedforward(1, filterPerLayer);
        foreach (int threads in (int[])[1, 2, 3])
        {
            Assert.That(TrainFeedforward(threads, filterPerLayer), Is.EqualTo(expected), $"{threads} threads");
        }
    }

    [Test]
    public void Two_models_on_one_device_give_the_same_bits_from_two_threads_as_from_one()
    {
        using var device = Device.Cpu(2);
        byte[] first = Train(device, 5, DType.Float32);
        byte[] second = Train(device, 8, DType.Float32);

        var tasks = (Task<byte[]>[])[Task.Run(() => Train(device, 5, DType.Float32)), Task.Run(() => Train(device, 8, DType.Float32))];

        Assert.That(tasks[0].Result, Is.EqualTo(first));
        Assert.That(tasks[1].Result, Is.EqualTo(second));
    }

    [Test]
    public void Different_seeds_give_different_weights_and_filters()
    {
        var first = new RoaRnn(2, 8);
        var second = new RoaRnn(2, 8);
        using var firstModel = new Sequential(Device.Default, 1, first);
        using var secondModel = new Sequential(Device.Default, 2, second);

        Assert.That(Bytes(firstModel.ParameterData), Is.Not.EqualTo(Bytes(secondModel.ParameterData)));
        Assert.That(first.GetFilter(), Is.Not.EqualTo(second.GetFilter()));
    }

    [Test]
    public void Layers_of_one_model_have_different_weights_and_filters()
    {
        var first = new RoaFnn(8, 3, new RoaFnnOptions { FilterPerLayer = true });
        var second = new RoaFnn(8, 3, new RoaFnnOptions { FilterPerLayer = true });
        using var model = new Sequential(Device.Default, 1, first, second);

        double[][,] filters = [.. Enumerable.Range(0, 3).SelectMany(layer => (double[][,])[first.GetFilter(layer), second.GetFilter(layer)])];
        for (int i = 0; i < filters.Length; i++)
        {
            for (int k = 0; k < i; k++)
            {
                Assert.That(filters[i], Is.Not.EqualTo(filters[k]));
            }
        }

        Assert.That(Values(first.Parameters[0].Value), Is.Not.EqualTo(Values(second.Parameters[0].Value)));
    }

    private static byte[] TrainRecurrent(int threads, int batch, DType dtype)
    {
        using var device = Device.Cpu(threads);
        return Train(device, batch, dtype);
    }

    /// <summary>Parameters after some steps with a recurrent layer.</summary>
    internal static byte[] Train(Device device, int batch, DType dtype)
    {
        using var model = new Sequential(
            device, new SequentialOptions { Seed = 24, DType = dtype }, new RoaRnn(3, 67, new RoaRnnOptions { Checkpointing = Checkpointing.Every(6) }), new Dense(67, 5));
        using var loss = new CrossEntropyLoss();
        using var optimizer = new AdamW(model, 1e-2);
        using var inputs = new Tensor(device, dtype, 21, batch, 3);
        SetValues(inputs, Uniform(new Random(25), inputs.Count));
        int[] targets = [.. Enumerable.Range(0, batch).Select(row => row % 5)];
        for (int step = 0; step < Steps; step++)
        {
            loss.Forward(model.Forward(inputs), targets);
            model.Backward(loss.Gradient);
            model.ClipGradientNorm(0.1);
            optimizer.Step();
        }

        return Bytes(model.ParameterData);
    }

    private static byte[] TrainFeedforward(int threads, bool filterPerLayer)
    {
        using var device = Device.Cpu(threads);
        return TrainFeedforward(device, filterPerLayer);
    }

    /// <summary>Parameters after some steps with a feedforward layer.</summary>
    internal static byte[] TrainFeedforward(Device device, bool filterPerLayer)
    {
        using var model = new Sequential(device, 26, new Dense(7, 33), new RoaFnn(33, 12, new RoaFnnOptions { FilterPerLayer = filterPerLayer }), new Dense(33, 1));
        using var loss = new MeanSquaredErrorLoss();
        using var optimizer = new Sgd(model, 1e-2, new SgdOptions { Momentum = 0.9, Nesterov = true });
        using var inputs = new Tensor(device, DType.Float32, 45, 7);
        using var targets = new Tensor(device, DType.Float32, 45, 1);
        SetValues(inputs, Uniform(new Random(27), inputs.Count));
        SetValues(targets, Uniform(new Random(28), targets.Count));
        for (int step = 0; step < Steps; step++)
        {
            loss.Forward(model.Forward(inputs), targets);
            model.Backward(loss.Gradient);
            optimizer.Step();
        }

        return Bytes(model.ParameterData);
    }
}
