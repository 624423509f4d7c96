using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Layers;

/// <summary>
/// Which states are kept changes no bit on a CPU. A GPU multiplies the steps between kept states at once, and how it rounds depends on
/// their number; <see cref="Cuda.ChainTests"/> has the bound.
/// </summary>
internal sealed class CheckpointingTests
{
    private readonly Device _device = Device.Cpu(2);

    [OneTimeTearDown]
    public void Dispose() => _device.Dispose();

    [Test]
    public void Recurrent_checkpointing_changes_no_bit([FloatingPointTypes] DType dtype, [Values(Activation.Tanh, Activation.Relu)] Activation activation)
    {
        (byte[] states, byte[] gradients) = Run(Checkpointing.None);
        foreach (var checkpointing in (Checkpointing[])
            [Checkpointing.Every(1), Checkpointing.Every(3), Checkpointing.Every(7), Checkpointing.Every(29), Checkpointing.Every(100), Checkpointing.Auto(60_000)])
        {
            (byte[] actualStates, byte[] actualGradients) = Run(checkpointing);
            Assert.That(actualStates, Is.EqualTo(states), checkpointing.ToString());
            Assert.That(actualGradients, Is.EqualTo(gradients), checkpointing.ToString());
        }

        (byte[] States, byte[] Gradients) Run(Checkpointing checkpointing)
        {
            using var model = new Sequential(
                _device,
                new SequentialOptions { Seed = 21, DType = dtype },
                new RoaRnn(3, 19, new RoaRnnOptions { Output = SequenceOutput.All, Activation = activation, Checkpointing = checkpointing }));
            using Tensor inputs = ToTensor(_device, Uniform(new Random(1), 29 * 5 * 3), dtype, 29, 5, 3);
            using Tensor cotangent = ToTensor(_device, Uniform(new Random(2), 29 * 5 * 19), dtype, 29, 5, 19);
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
                _device, 22, new RoaFnn(19, 23, new RoaFnnOptions { FilterPerLayer = filterPerLayer, Checkpointing = checkpointing }));
            using Tensor inputs = ToTensor(_device, Uniform(new Random(1), 5 * 19), DType.Float32, 5, 19);
            using Tensor cotangent = ToTensor(_device, Uniform(new Random(2), 5 * 19), DType.Float32, 5, 19);
            byte[] output = Bytes(model.Forward(inputs));
            model.Backward(cotangent);
            return (output, Bytes(model.GradientData));
        }
    }
}
