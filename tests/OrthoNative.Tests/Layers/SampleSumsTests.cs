using OrthoNative.Interop;
using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Layers;

/// <summary>Sums over samples are those of the native calls for T steps of B samples, which cut a batch by its samples alone.</summary>
internal sealed unsafe class SampleSumsTests(DeviceKind kind) : DeviceTests(kind)
{
    private const int T = 5, B = 40, D = 3, N = 4;

    [TestCase(new long[] { 6 }, 1, 6)]
    [TestCase(new long[] { 6, 4 }, 1, 6)]
    [TestCase(new long[] { 5, 6, 4 }, 5, 6)]
    [TestCase(new long[] { 5, 6, 3, 4 }, 5, 18)]
    public void Rows_of_a_tensor_are_steps_of_samples(long[] shape, long steps, long batch)
    {
        using var tensor = new Tensor(Device, DType.Float32, shape);

        Assert.That(tensor.StepsAndBatch, Is.EqualTo((steps, batch)));
    }

    [Test]
    public void Gradients_of_a_dense_layer_are_sums_over_the_samples_of_sequences([FloatingPointTypes] DType dtype)
    {
        using var model = new Sequential(Device, new SequentialOptions { Seed = 1, DType = dtype }, new Dense(D, N));
        using Tensor inputs = ToTensor(Device, Uniform(new Random(1), T * B * D), dtype, T, B, D);
        using Tensor gradients = ToTensor(Device, Uniform(new Random(2), T * B * N), dtype, T, B, N);
        using var weightGradient = new Tensor(Device, dtype, N, D);
        using var biasGradient = new Tensor(Device, dtype, N);

        model.Forward(inputs);
        model.Backward(gradients);

        using (BufferScope x = inputs.Borrow(), y = gradients.Borrow(), weight = weightGradient.BorrowToWrite(), bias = biasGradient.BorrowToWrite())
        using (HandleScope<ortho_device> device = Device.Handle.Borrow())
        {
            NativeMethods.ortho_dense_backward(
                device.Pointer, dtype.ToNative(), null, 0, T, B, D, N, null, x.Address, y.Address, weight.Address, bias.Address, null).ThrowOnFailure();
        }

        Assert.That(Bytes(Parameter(model, "0.weight").Gradient), Is.EqualTo(Bytes(weightGradient)));
        Assert.That(Bytes(Parameter(model, "0.bias").Gradient), Is.EqualTo(Bytes(biasGradient)));
    }

    [Test]
    public void Losses_are_sums_over_the_samples_of_sequences([FloatingPointTypes] DType dtype)
    {
        using Tensor outputs = ToTensor(Device, Uniform(new Random(1), T * B * N), dtype, T, B, N);
        using Tensor targets = ToTensor(Device, Uniform(new Random(2), T * B * N), dtype, T, B, N);
        int[] classes = [.. Enumerable.Range(0, T * B).Select(row => row % N)];
        using var entropy = new CrossEntropyLoss();
        using var error = new MeanSquaredErrorLoss();
        double expectedEntropy;
        double expectedError;

        using (BufferScope x = outputs.Borrow(), y = targets.Borrow())
        using (HandleScope<ortho_device> device = Device.Handle.Borrow())
        {
            fixed (int* classOfRow = classes)
            {
                NativeMethods.ortho_softmax_cross_entropy(
                    device.Pointer, dtype.ToNative(), T, B, null, null, null, N, null, 0, x.Address, classOfRow, &expectedEntropy, null, null).ThrowOnFailure();
            }

            NativeMethods.ortho_elementwise_loss(
                device.Pointer, dtype.ToNative(), (int)ortho_loss_kind.ORTHO_LOSS_SQUARED_ERROR, T, B, null, null, null, N, null, 0, x.Address, y.Address, &expectedError, null).ThrowOnFailure();
        }

        Assert.That(entropy.Evaluate(outputs, classes), Is.EqualTo(expectedEntropy));
        Assert.That(error.Evaluate(outputs, targets), Is.EqualTo(expectedError));
    }
}
