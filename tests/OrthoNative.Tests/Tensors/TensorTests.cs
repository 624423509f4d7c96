using OrthoNative.Interop;

namespace OrthoNative.Tests.Tensors;

internal sealed class TensorTests
{
    [Test]
    public void New_tensors_are_zero([Values] DType dtype)
    {
        using var tensor = new Tensor(Device.Default, dtype, 3, 5);

        Assert.That(TestData.Values(tensor), Is.EqualTo(new double[15]));
        Assert.That(tensor.Shape.ToArray(), Is.EqualTo((long[])[3, 5]));
        Assert.That(tensor.ToString(), Is.EqualTo($"{dtype} [3, 5]"));
    }

    [Test]
    public void A_tensor_without_sizes_is_a_single_number()
    {
        using var tensor = new Tensor(Device.Default, DType.Float32);

        Assert.That((tensor.Rank, tensor.Count), Is.EqualTo((0, 1L)));
    }

    [Test]
    public void Elements_are_those_that_were_given()
    {
        using Tensor tensor = Tensor.From<float>(Device.Default, [1, 2, 3, 4, 5, 6], 2, 3);

        Assert.That(tensor.ToArray<float>(), Is.EqualTo((float[])[1, 2, 3, 4, 5, 6]));
        Assert.That(tensor.AsSpan<float>(2, 2).ToArray(), Is.EqualTo((float[])[3, 4]));
    }

    [Test]
    public void Copies_and_fills_change_all_elements()
    {
        using Tensor source = Tensor.From<double>(Device.Default, [1, 2, 3], 3);
        using var tensor = new Tensor(Device.Default, DType.Float64, 3);

        tensor.CopyFrom(source);
        double[] copied = tensor.ToArray<double>();
        tensor.Fill(0.5);
        var filled = new double[3];
        tensor.CopyTo<double>(filled);

        Assert.That(copied, Is.EqualTo((double[])[1, 2, 3]));
        Assert.That(filled, Is.All.EqualTo(0.5));
    }

    [Test]
    public void Ranges_are_copied_from_and_to_a_tensor()
    {
        using Tensor tensor = Tensor.From<double>(Device.Default, [1, 2, 3, 4], 2, 2);
        tensor.CopyFrom<double>(1, [20, 30]);
        tensor.CopyFrom<double>(4, []);
        double[] part = new double[2];
        tensor.CopyTo<double>(2, part);

        Assert.That(tensor.ToArray<double>(), Is.EqualTo((double[])[1, 20, 30, 4]));
        Assert.That(part, Is.EqualTo((double[])[30, 4]));
        Assert.That(() => tensor.CopyTo<double>(3, part), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("destination.Length is 2; it must be from 0 to 1"));
        Assert.That(() => tensor.CopyFrom<double>(-1, part), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("start is -1; it must be from 0 to 4"));
        Assert.That(() => tensor.CopyFrom<float>(0, [1]), Throws.ArgumentException.With.Message.Contains("T is Single; the element type is Float64"));
    }

    [Test]
    public void Memory_is_aligned_to_cache_lines()
    {
        using var tensor = new Tensor(Device.Default, DType.Float32, 3);
        using BufferScope memory = tensor.Borrow();

        unsafe
        {
            Assert.That((long)memory.Address % 64, Is.Zero);
        }
    }

    [Test]
    public void Resizing_keeps_the_memory_where_it_suffices()
    {
        using var tensor = new Tensor(Device.Default, DType.Float32, 4, 5);
        nint before = AddressOf(tensor);
        tensor.Resize([2, 5]);
        nint smaller = AddressOf(tensor);
        tensor.Resize([4, 5]);
        nint again = AddressOf(tensor);
        tensor.Resize([400, 50]);

        Assert.That((smaller, again), Is.EqualTo((before, before)));
        Assert.That(tensor.AsSpan<float>().Length, Is.EqualTo(20000));
    }

    [TestCase(0)]
    [TestCase(-1)]
    [TestCase(long.MinValue)]
    public void Sizes_below_one_are_refused(long size) =>
        Assert.That(
            () => new Tensor(Device.Default, DType.Float32, 3, size),
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains($"shape is [3, {size}]; every size must be at least 1"));

    [Test]
    public void More_elements_than_can_be_addressed_are_refused() =>
        Assert.That(
            () => new Tensor(Device.Default, DType.Float32, long.MaxValue, 2),
            Throws.ArgumentException.With.Message.Contains("; it must have at most "));

    [Test]
    public void More_sizes_than_eight_are_refused() =>
        Assert.That(
            () => new Tensor(Device.Default, DType.Float32, 1, 1, 1, 1, 1, 1, 1, 1, 1),
            Throws.ArgumentException.With.Message.Contains("shape has 9 sizes; it must have at most 8"));

    [Test]
    public void More_memory_than_there_is_gives_an_exception_with_the_arithmetic() =>
        Assert.That(
            () => new Tensor(Device.Default, DType.Float64, 1L << 20, 1L << 25),
            Throws.TypeOf<OutOfMemoryException>().With.Message.Match(@"out of memory: 2[\d.]* TiB needed for .* free"));

    [Test]
    public void An_unknown_element_type_is_refused() =>
        Assert.That(
            () => new Tensor(Device.Default, (DType)7, 1),
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("dtype is 7; it must be one of Float32, Float64, Int32"));

    [Test]
    public void A_span_of_another_element_type_is_refused()
    {
        using var tensor = new Tensor(Device.Default, DType.Float32, 2);

        Assert.That(() => tensor.ToArray<double>(), Throws.ArgumentException.With.Message.Contains("T is Double; the element type is Float32"));
        Assert.That(() => tensor.ToArray<int>(), Throws.ArgumentException.With.Message.Contains("T is Int32; the element type is Float32"));
        Assert.That(() => tensor.ToArray<long>(), Throws.ArgumentException.With.Message.Contains("T is Int64; it must be float, double or int"));
    }

    [TestCase(-1, 1)]
    [TestCase(0, 4)]
    [TestCase(3, 1)]
    [TestCase(1, -1)]
    [TestCase(long.MaxValue, 1)]
    public void A_range_outside_the_tensor_is_refused(long start, int length)
    {
        using var tensor = new Tensor(Device.Default, DType.Float32, 3);

        Assert.That(() => tensor.AsSpan<float>(start, length).Length, Throws.TypeOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void Values_of_another_number_are_refused()
    {
        using var tensor = new Tensor(Device.Default, DType.Float32, 2, 2);

        Assert.That(() => tensor.CopyFrom<float>([1, 2, 3]), Throws.ArgumentException.With.Message.Contains("values has 3 elements; it must have 4"));
        Assert.That(() => tensor.CopyTo<float>(new float[5]), Throws.ArgumentException.With.Message.Contains("destination has 5 elements; it must have 4"));
        Assert.That(
            () => Tensor.From<float>(Device.Default, [1, 2, 3], 2, 2),
            Throws.ArgumentException.With.Message.Contains("values has 3 elements; it must have 4 for shape [2, 2]"));
    }

    [Test]
    public void Copies_between_shapes_and_types_are_refused()
    {
        using var tensor = new Tensor(Device.Default, DType.Float32, 2, 3);
        using var shape = new Tensor(Device.Default, DType.Float32, 3, 2);
        using var dtype = new Tensor(Device.Default, DType.Float64, 2, 3);

        Assert.That(() => tensor.CopyFrom(shape), Throws.ArgumentException.With.Message.Contains("source has shape [3, 2]; it must be [2, 3]"));
        Assert.That(() => tensor.CopyFrom(dtype), Throws.ArgumentException.With.Message.Contains("source has element type Float64; it must be Float32"));
    }

    [Test]
    public void A_disposed_tensor_says_so()
    {
        var tensor = new Tensor(Device.Default, DType.Float32, 2);
        using var other = new Tensor(Device.Default, DType.Float32, 2);
        tensor.Dispose();
        tensor.Dispose();

        Assert.That(() => tensor.AsSpan<float>().Length, Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => tensor.ToArray<float>(), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => tensor.Fill(1), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => tensor.CopyFrom(other), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => other.CopyFrom(tensor), Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void A_disposed_device_makes_no_tensors_but_keeps_those_it_made()
    {
        var device = Device.Cpu(1);
        using var tensor = new Tensor(device, DType.Float32, 2);
        device.Dispose();
        tensor.Fill(3);

        Assert.That(tensor.ToArray<float>(), Is.All.EqualTo(3));
        Assert.That(() => new Tensor(device, DType.Float32, 2), Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void Disposing_the_default_device_has_no_effect()
    {
        Device.Default.Dispose();
        using var tensor = new Tensor(Device.Default, DType.Float32, 2);

        Assert.That(tensor.Count, Is.EqualTo(2));
    }

    [TestCase(-1)]
    [TestCase(1025)]
    public void A_number_of_threads_out_of_range_is_refused(int threads) =>
        Assert.That(
            () => Device.Cpu(threads),
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains($"threads is {threads}; it must be from 0 to 1024"));

    [Test]
    public void A_device_has_the_threads_that_were_asked_for()
    {
        using var three = Device.Cpu(3);

        Assert.That(three.Threads, Is.EqualTo(3));
        Assert.That(Device.Default.Threads, Is.EqualTo(SystemInfo.Cores));
    }

    [Test]
    public void The_cpu_tells_what_it_is()
    {
        using var two = Device.Cpu(2);

        Assert.That((two.Kind, two.Name, two.ToString()), Is.EqualTo((DeviceKind.Cpu, "cpu", "cpu, 2 threads")));
        Assert.That(two.TotalMemory, Is.EqualTo(SystemInfo.TotalMemory));
        Assert.That(two.FreeMemory, Is.InRange(1, two.TotalMemory));
        Assert.That(two.Synchronize, Throws.Nothing);
        two.Dispose();
        Assert.That(two.Synchronize, Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => two.FreeMemory, Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void Options_of_a_gpu_that_are_unknown_are_refused()
    {
        Assert.That(() => Device.Cuda(-1), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("index is -1"));
        Assert.That(
            () => Device.Cuda(0, new CudaOptions { MatrixPrecision = (MatrixPrecision)7 }),
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("options.MatrixPrecision is 7; it must be one of Float32, Tf32, Bfloat16"));
    }

    [Test]
    public void What_only_a_gpu_has_is_refused_for_the_cpu()
    {
        using var tensor = new Tensor(Device.Default, DType.Float32, 2);

        Assert.That(() => CudaInterop.GetStream(Device.Default), Throws.ArgumentException.With.Message.Contains($"device is '{Device.Default}'; it must be a device of Device.Cuda"));
        Assert.That(() => CudaInterop.GetCublasHandle(Device.Default), Throws.ArgumentException.With.Message.Contains("a device of Device.Cuda"));
        Assert.That(() => CudaInterop.Wrap(Device.Default, 256, DType.Float32, 1), Throws.ArgumentException.With.Message.Contains("a device of Device.Cuda"));
        Assert.That(() => CudaInterop.GetPointer(tensor), Throws.ArgumentException.With.Message.Contains($"tensor lies on the device '{Device.Default}'"));
    }

    private static unsafe nint AddressOf(Tensor tensor)
    {
        using BufferScope memory = tensor.Borrow();
        return (nint)memory.Address;
    }
}
