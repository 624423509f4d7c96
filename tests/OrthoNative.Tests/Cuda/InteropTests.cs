using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Cuda;

/// <summary>What other CUDA code gives and takes.</summary>
internal sealed class InteropTests : CudaTests
{
    [Test]
    public void A_wrapped_pointer_is_the_same_memory_and_stays_its_owner_s()
    {
        using Tensor owner = Tensor.From<float>(Device, [1, 2, 3, 4, 5, 6], 6);
        using (Tensor wrapped = CudaInterop.Wrap(Device, CudaInterop.GetPointer(owner), DType.Float32, 2, 3))
        {
            Assert.That(wrapped.ToArray<float>(), Is.EqualTo((float[])[1, 2, 3, 4, 5, 6]));
            Assert.That(CudaInterop.GetPointer(wrapped), Is.EqualTo(CudaInterop.GetPointer(owner)));
            wrapped.Fill(7);
        }

        Assert.That(owner.ToArray<float>(), Is.All.EqualTo(7));
    }

    [Test]
    public void A_parameter_s_pointer_lies_within_the_model_s_memory()
    {
        using var model = new Sequential(Device, 1, new Dense(2, 2), new Dense(2, 1));

        Assert.That(
            CudaInterop.GetPointer(model.Parameters[2].Value),
            Is.EqualTo(CudaInterop.GetPointer(model.ParameterData) + (6 * sizeof(float))));
    }

    [Test]
    public void A_model_trains_the_same_bits_in_memory_that_is_wrapped()
    {
        using Tensor inputs = ToTensor(Device, Uniform(new Random(1), 5 * 3 * 2), DType.Float32, 5, 3, 2);
        using Tensor wrapped = CudaInterop.Wrap(Device, CudaInterop.GetPointer(inputs), DType.Float32, 5, 3, 2);

        Assert.That(Gradients(Device, wrapped), Is.EqualTo(Gradients(Device, inputs)));
    }

    [Test]
    public void A_stream_and_a_handle_that_are_given_are_used()
    {
        nint stream = CudaInterop.GetStream(Device);
        nint handle = CudaInterop.GetCublasHandle(Device);
        Assert.That((stream, handle), Is.Not.EqualTo((default(nint), default(nint))));
        using Tensor inputs = ToTensor(Device, Uniform(new Random(1), 5 * 3 * 2), DType.Float32, 5, 3, 2);
        byte[] expected = Gradients(Device, inputs);

        using (var shared = Device.Cuda(0, new CudaOptions { Stream = stream, CublasHandle = handle }))
        {
            Assert.That((CudaInterop.GetStream(shared), CudaInterop.GetCublasHandle(shared)), Is.EqualTo((stream, handle)));
            using Tensor wrapped = CudaInterop.Wrap(shared, CudaInterop.GetPointer(inputs), DType.Float32, 5, 3, 2);
            Assert.That(Gradients(shared, wrapped), Is.EqualTo(expected));
        }

        // What was lent still works once its user is gone.
        Assert.That(Gradients(Device, inputs), Has.Length.EqualTo(expected.Length));
    }

    [Test]
    public void A_pointer_that_is_none_of_the_gpu_is_refused()
    {
        Assert.That(() => CudaInterop.Wrap(Device, 0, DType.Float32, 1), Throws.ArgumentException.With.Message.Contains("address is 0"));
        Assert.That(() => CudaInterop.Wrap(Device, 258, DType.Float32, 1), Throws.ArgumentException.With.Message.Contains("a multiple of 4"));
        float[] host = GC.AllocateArray<float>(4, pinned: true);
        unsafe
        {
            fixed (float* pointer = host)
            {
                nint address = (nint)pointer;
                Assert.That(
                    () => CudaInterop.Wrap(Device, address, DType.Float32, 4), Throws.ArgumentException.With.Message.Contains("not memory of GPU 0"));
            }
        }
    }

    private static byte[] Gradients(Device device, Tensor inputs)
    {
        using var model = new Sequential(device, 2, new RoaRnn(2, 7), new Dense(7, 3));
        using var loss = new CrossEntropyLoss();
        loss.Differentiate(model.Forward(inputs), [0, 1, 2]);
        model.Backward(loss.Gradient);
        return Bytes(model.GradientData);
    }
}
