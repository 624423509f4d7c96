using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Layers;

/// <summary>What is computed again has the same bits.</summary>
internal sealed class RepetitionTests(DeviceKind kind) : DeviceTests(kind)
{
    [Test]
    public void Training_twice_gives_the_same_bits([FloatingPointTypes] DType dtype)
    {
        byte[] expected = DeterminismTests.Train(Device, 5, dtype);

        Assert.That(DeterminismTests.Train(Device, 5, dtype), Is.EqualTo(expected));
    }

    [Test]
    public void Training_a_feedforward_network_twice_gives_the_same_bits([Values] bool filterPerLayer)
    {
        byte[] expected = DeterminismTests.TrainFeedforward(Device, filterPerLayer);

        Assert.That(DeterminismTests.TrainFeedforward(Device, filterPerLayer), Is.EqualTo(expected));
    }

    [Test]
    public void Evaluation_gives_the_same_bits_as_training()
    {
        using var model = new Sequential(Device, 23, new RoaRnn(3, 33), new RoaFnn(33, 4), new Dense(33, 2));
        using Tensor inputs = ToTensor(Device, Uniform(new Random(1), 9 * 5 * 3), DType.Float32, 9, 5, 3);

        byte[] trained = Bytes(model.Forward(inputs));
        model.Training = false;

        Assert.That(Bytes(model.Forward(inputs)), Is.EqualTo(trained));
    }
}
