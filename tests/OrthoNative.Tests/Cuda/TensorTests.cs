using System.Runtime.CompilerServices;
using OrthoNative.Tests.Data;

namespace OrthoNative.Tests.Cuda;

internal sealed class TensorTests : CudaTests
{
    [Test]
    public void The_device_tells_what_it_is()
    {
        Assert.That(Device.Kind, Is.EqualTo(DeviceKind.Cuda));
        Assert.That(Device.Name, Is.Not.Empty);
        Assert.That(Device.ToString(), Is.EqualTo($"cuda:0, {Device.Name}"));
        Assert.That(Device.Threads, Is.Zero);
        Assert.That(Device.FreeMemory, Is.InRange(1, Device.TotalMemory));
    }

    [Test]
    public void New_tensors_are_zero_even_where_others_were([FloatingPointTypes] DType dtype)
    {
        using (var before = new Tensor(Device, dtype, 1000))
        {
            before.Fill(7);
        }

        using var tensor = new Tensor(Device, dtype, 10, 100);

        Assert.That(TestData.Values(tensor), Is.All.Zero);
    }

    [Test]
    public void Integers_lie_on_cpu_devices_only()
    {
        string message = $"dtype is Int32; it must be Float32 or Float64 on the device '{Device}', since integers lie on CPU devices only";
        using var folder = new TemporaryFolder();
        string path = Path.Join(folder.Path, "integers.safetensors");
        using Tensor integers = Tensor.From<int>(Device.Default, [1], 1);
        SafeTensors.Save(path, new Dictionary<string, Tensor> { ["i"] = integers });

        Assert.That(() => new Tensor(Device, DType.Int32, 1), Throws.ArgumentException.With.Message.Contains(message));
        Assert.That(() => Tensor.From<int>(Device, [1], 1), Throws.ArgumentException.With.Message.Contains(message));
        Assert.That(() => CudaInterop.Wrap(Device, 256, DType.Int32, 1), Throws.ArgumentException.With.Message.Contains(message));
        Assert.That(() => SafeTensors.Load(path, Device), Throws.ArgumentException.With.Message.Contains($"device is '{Device}'; it must be a CPU device for tensor 'i', whose element type is Int32."));
    }

    [Test]
    public void Elements_are_copied_and_filled()
    {
        using Tensor tensor = Tensor.From<float>(Device, [1, 2, 3, 4, 5, 6], 2, 3);
        using var copy = new Tensor(Device, DType.Float32, 2, 3);
        copy.CopyFrom(tensor);
        tensor.CopyFrom<float>(2, [30, 40]);
        float[] part = new float[3];
        tensor.CopyTo<float>(1, part);
        float[] whole = new float[6];
        copy.CopyTo<float>(whole);
        copy.Fill(0.1);

        Assert.That(tensor.ToArray<float>(), Is.EqualTo((float[])[1, 2, 30, 40, 5, 6]));
        Assert.That(part, Is.EqualTo((float[])[2, 30, 40]));
        Assert.That(whole, Is.EqualTo((float[])[1, 2, 3, 4, 5, 6]));
        Assert.That(copy.ToArray<float>(), Is.All.EqualTo(0.1f));
    }

    [Test]
    public void Copies_make_no_managed_allocation()
    {
        using var tensor = new Tensor(Device, DType.Float32, 64);
        float[] values = new float[64];
        Copy();

        long before = GC.GetAllocatedBytesForCurrentThread();
        Copy();

        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);

        void Copy()
        {
            tensor.CopyFrom<float>(values);
            tensor.CopyTo<float>(values);
        }
    }

    [Test]
    public void A_parameter_is_a_view_of_the_model_s_memory()
    {
        using var model = new Sequential(Device, 1, new Dense(2, 2), new Dense(2, 1));
        model.Parameters[2].Value.CopyFrom<float>([8, 9]);

        Assert.That(model.ParameterData.ToArray<float>()[6..8], Is.EqualTo((float[])[8, 9]));
    }

    [Test]
    public void A_span_is_refused_with_what_to_use_instead()
    {
        using var tensor = new Tensor(Device, DType.Float32, 2);

        Assert.That(
            () => tensor.AsSpan<float>().Length,
            Throws.InvalidOperationException.With.Message.Contains($"'{Device}'").And.Message.Contains("use ToArray, CopyTo, CopyFrom or Fill"));
    }

    [Test]
    public void Copies_between_the_devices_are_refused()
    {
        using var here = new Tensor(Device, DType.Float32, 2);
        using var there = new Tensor(Device.Default, DType.Float32, 2);

        Assert.That(() => here.CopyFrom(there), Throws.ArgumentException.With.Message.Contains($"source lies on the device '{Device.Default}'; it must lie on the same Device object as the others, '{Device}'"));
        Assert.That(() => there.CopyFrom(here), Throws.ArgumentException.With.Message.Contains($"source lies on the device '{Device}'; it must lie on a CPU device"));
    }

    [Test]
    public void More_memory_than_there_is_gives_an_exception_with_the_arithmetic() =>
        Assert.That(() => new Tensor(Device, DType.Float64, 1L << 20, 1L << 25), Throws.TypeOf<OutOfMemoryException>().With.Message.Contains("need"));

    [Test]
    public void Tensors_that_were_dropped_make_room_when_the_memory_is_full()
    {
        long elements = Device.FreeMemory / 5 * 2 / sizeof(float);
        for (int i = 0; i < 3; i++)
        {
            Assert.That(() => MakeAndDrop(Device, elements), Throws.Nothing);
        }
    }

    [Test]
    public void A_disposed_device_makes_no_tensors_but_keeps_those_it_made()
    {
        var device = Device.Cuda();
        using var tensor = new Tensor(device, DType.Float32, 2);
        device.Dispose();
        tensor.Fill(3);

        Assert.That(tensor.ToArray<float>(), Is.All.EqualTo(3));
        Assert.That(() => new Tensor(device, DType.Float32, 2), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(device.Synchronize, Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void Weights_are_those_of_the_cpu()
    {
        using var here = new Sequential(Device, 3, new RoaRnn(2, 9), new RoaFnn(9, 3), new Dense(9, 4));
        using var there = new Sequential(Device.Default, 3, new RoaRnn(2, 9), new RoaFnn(9, 3), new Dense(9, 4));

        Assert.That(TestData.Bytes(here.ParameterData), Is.EqualTo(TestData.Bytes(there.ParameterData)));
        Assert.That(((RoaRnn)here.Layers[0]).GetFilter(), Is.EqualTo(((RoaRnn)there.Layers[0]).GetFilter()));
    }

    // A method of its own, so that nothing refers to the tensor any more.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void MakeAndDrop(Device device, long elements) => _ = new Tensor(device, DType.Float32, elements);
}
