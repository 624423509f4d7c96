using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Layers;

/// <summary>What is computed again has the same bits.</summary>
internal sealed class RepetitionTests(DeviceKind kind) : DeviceTests(kind)
{
    [Test]
    public void Training_twice_gives_the_same_bits([Values] DType dtype)
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
    public void Recurrent_checkpointing_changes_no_bit([Values] DType dtype, [Values] Activation activation)
    {
        (byte[] states, byte[] gradients) = Run(Checkpointing.None);
        foreach (var checkpointing in (Checkpointing[])
            [Checkpointing.Every(1), Checkpointing.Every(3), Checkpointing.Every(7), Checkpointing.Every(29), Checkpointing.Every(100), Checkpointing.Auto(60_000)])
        {
            (byte[] actualStates, byte[] actualGradients) = Run(checkpointing);
            Assert.That(actualStates, Is.EqualTo(states), checkpointing.ToString());

            // A GPU adds up the weights' gradients stretch by stretch, which rounds them in another way; ChainTests has the bound.
            if (Device.Kind == DeviceKind.Cpu)
            {
                Assert.That(actualGradients, Is.EqualTo(gradients), checkpointing.ToString());
            }
        }

        (byte[] States, byte[] Gradients) Run(Checkpointing checkpointing)
        {
            using var model = new Sequential(
                Device,
                new SequentialOptions { Seed = 21, DType = dtype },
                new RoaRnn(3, 19, new RoaRnnOptions { Output = SequenceOutput.All, Activation = activation, Checkpointing = checkpointing }));
            using Tensor inputs = ToTensor(Device, Uniform(new Random(1), 29 * 5 * 3), dtype, 29, 5, 3);
            using Tensor cotangent = ToTensor(Device, Uniform(new Random(2), 29 * 5 * 19), dtype, 29, 5, 19);
            byte[] states = Bytes(model.Forward(inputs));
            model.Backward(cotangent);
            return (states, Bytes(model.GradientData));
        }
    }

    [Test]
    public void Feedforward_checkpointing_changes_no_bit([Values] bool filterPerLayer)
    {
        (byte[] output, byte[] gradients) = Run(Checkpointing.None);
        foreach (var checkpointing in (Checkpointing[])[Checkpointing.Every(1), Checkpointing.Every(4), Checkpointing.Every(23), Checkpointing.Auto(60_000)])
        {
            (byte[] actualOutput, byte[] actualGradients) = Run(checkpointing);
            Assert.That(actualOutput, Is.EqualTo(output), checkpointing.ToString());
            Assert.That(actualGradients, Is.EqualTo(gradients), checkpointing.ToString());
        }

        (byte[] Output, byte[] Gradients) Run(Checkpointing checkpointing)
        {
            using var model = new Sequential(
                Device, 22, new RoaFnn(19, 23, new RoaFnnOptions { FilterPerLayer = filterPerLayer, Checkpointing = checkpointing }));
            using Tensor inputs = ToTensor(Device, Uniform(new Random(1), 5 * 19), DType.Float32, 5, 19);
            using Tensor cotangent = ToTensor(Device, Uniform(new Random(2), 5 * 19), DType.Float32, 5, 19);
            byte[] output = Bytes(model.Forward(inputs));
            model.Backward(cotangent);
            return (output, Bytes(model.GradientData));
        }
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
