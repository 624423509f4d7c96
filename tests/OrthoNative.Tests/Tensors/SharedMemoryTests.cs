using System.Buffers;
using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Tensors;

/// <summary>Tensor spans over a tensor's memory, and tensors over a caller's.</summary>
internal sealed class SharedMemoryTests
{
    [Test]
    public void A_tensor_span_is_the_tensors_memory()
    {
        using Tensor tensor = Tensor.From<int>(Device.Default, [1, 2, 3, 4, 5, 6], 2, 3);
        TensorSpan<int> span = tensor.AsTensorSpan<int>();
        span[1, 0] = 40;

        Assert.That(span.Lengths.ToArray(), Is.EqualTo((nint[])[2, 3]));
        Assert.That(span.IsDense);
        Assert.That(tensor.ToArray<int>(), Is.EqualTo((int[])[1, 2, 3, 40, 5, 6]));
        tensor.Fill(7);
        Assert.That((span[0, 0], span[1, 2]), Is.EqualTo((7, 7)));
    }

    [Test]
    public void Operations_of_tensor_primitives_work_on_tensors()
    {
        using Tensor tensor = Tensor.From<double>(Device.Default, [3, -4], 2);
        System.Numerics.Tensors.Tensor.Multiply(tensor.AsTensorSpan<double>(), 2, tensor.AsTensorSpan<double>());

        Assert.That(tensor.ToArray<double>(), Is.EqualTo((double[])[6, -8]));
    }

    [Test]
    public void A_span_of_a_view_or_of_a_single_number_begins_where_that_does()
    {
        using Tensor tensor = Tensor.From<float>(Device.Default, [1, 2, 3, 4, 5, 6], 6);
        using Tensor number = Tensor.From<float>(Device.Default, [9]);
        TensorSpan<float> view = tensor.View(2, [2, 2]).AsTensorSpan<float>();
        TensorSpan<float> single = number.AsTensorSpan<float>();

        Assert.That((view[0, 0], view[1, 1], single[0]), Is.EqualTo((3f, 6f, 9f)));
        Assert.That(single.Lengths.ToArray(), Is.EqualTo((nint[])[1]));
    }

    [Test]
    public void Writes_through_a_tensor_span_are_noticed_by_a_waiting_pass()
    {
        using var tensor = new Tensor(Device.Default, DType.Float32, 2, 2);
        long first = tensor.Watch.BeginPass();
        _ = tensor.AsTensorSpan<float>()[0, 0];
        Assert.That(tensor.Watch.EndPass(first), Is.True, "read alone");

        long second = tensor.Watch.BeginPass();
        tensor.AsTensorSpan<float>()[0, 0] = 1;
        Assert.That(tensor.Watch.EndPass(second), Is.False);
    }

    [Test]
    public void A_wrapping_tensor_is_the_callers_memory()
    {
        int[] values = [1, 2, 3, 4, 5, 6, 7, 8];
        using (Tensor tensor = Tensor.Wrap(Device.Default, values.AsMemory(1, 6), 2, 3))
        {
            Assert.That((tensor.DType, tensor.ToString()), Is.EqualTo((DType.Int32, "Int32 [2, 3]")));
            values[1] = 20;
            Assert.That(tensor.ToArray<int>(), Is.EqualTo((int[])[20, 3, 4, 5, 6, 7]));
            tensor.Fill(-1);
        }

        Assert.That(values, Is.EqualTo((int[])[1, -1, -1, -1, -1, -1, -1, 8]));
    }

    [Test]
    public void A_model_gives_the_same_bits_for_wrapped_inputs_at_any_place([FloatingPointTypes] DType dtype, [Range(0, 3)] int start)
    {
        double[] numbers = Uniform(new Random(1), 5 * 4 * 3);
        using var model = new Sequential(Device.Default, new SequentialOptions { Seed = 1, DType = dtype, ComputeInputGradient = true }, new RoaRnn(3, 20), new Dense(20, 2));
        using Tensor own = ToTensor(numbers, dtype, 5, 4, 3);
        using Tensor wrapped = dtype == DType.Float32 ? Wrap(Array.ConvertAll(numbers, x => (float)x), start) : Wrap(numbers, start);
        byte[][] runs = [.. new[] { own, wrapped }.Select(inputs => Run(model, inputs))];

        Assert.That(runs[1], Is.EqualTo(runs[0]));

        static Tensor Wrap<T>(T[] values, int start) where T : unmanaged
        {
            T[] memory = new T[start + values.Length];
            values.CopyTo(memory, start);
            return Tensor.Wrap(Device.Default, memory.AsMemory(start), 5, 4, 3);
        }

        static byte[] Run(Sequential model, Tensor inputs)
        {
            using var loss = new CrossEntropyLoss();
            loss.Forward(model.Forward(inputs), [0, 1, 1, 0]);
            model.Backward(loss.Gradient);
            return [.. Bytes(model.GradientData), .. Bytes(model.InputGradient)];
        }
    }

    [Test]
    public void Memory_stays_pinned_for_as_long_as_the_tensor_lives()
    {
        using var memory = new CountingMemory(6);
        Tensor tensor = Tensor.Wrap(Device.Default, memory.Memory, 6);
        Assert.That(memory.Pins, Is.EqualTo(1));
        tensor.Fill(3);
        tensor.Dispose();
        tensor.Dispose();

        Assert.That(memory.Pins, Is.Zero);
        Assert.That(memory.Memory.ToArray(), Is.All.EqualTo(3));
        Assert.That(() => tensor.Fill(1), Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void A_dropped_tensor_ends_the_pin_of_its_array()
    {
        var array = MakeAndDrop();
        for (int i = 0; i < 20 && array.IsAlive; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        Assert.That(array.IsAlive, Is.False);

        [MethodImpl(MethodImplOptions.NoInlining)]
        static WeakReference MakeAndDrop()
        {
            float[] values = new float[6];
            Tensor.Wrap(Device.Default, values.AsMemory(), 6).Fill(1);
            return new WeakReference(values);
        }
    }

    [Test]
    public void An_array_lives_and_stays_in_place_while_a_tensor_wraps_it()
    {
        using Tensor tensor = Make();
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Forced, blocking: true, compacting: true);
        GC.WaitForPendingFinalizers();
        using Tensor copy = Tensor.From<double>(Device.Default, tensor.AsSpan<double>(), 100);

        Assert.That(copy.ToArray<double>(), Is.EqualTo(Enumerable.Range(0, 100).Select(i => (double)i)));

        [MethodImpl(MethodImplOptions.NoInlining)]
        static Tensor Make()
        {
            double[] values = [.. Enumerable.Range(0, 100).Select(i => (double)i)];
            return Tensor.Wrap(Device.Default, values.AsMemory(), 100);
        }
    }

    [Test]
    public void What_cannot_be_wrapped_is_refused_and_not_pinned()
    {
        using var memory = new CountingMemory(6);
        using var misaligned = new CountingMemory(6, offset: 2);
        var gone = Device.Cpu(1);
        gone.Dispose();

        Assert.That(() => Tensor.Wrap(Device.Default, memory.Memory, 2, 4), Throws.ArgumentException.With.Message.Contains("memory has 6 elements; it must have 8 for shape [2, 4]"));
        Assert.That(() => Tensor.Wrap(Device.Default, memory.Memory, 6, 0), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("shape is [6, 0]; every size must be at least 1"));
        Assert.That(() => Tensor.Wrap(Device.Default, memory.Memory, 1, 1, 1, 1, 1, 1, 1, 1, 6), Throws.ArgumentException.With.Message.Contains("shape has 9 sizes"));
        Assert.That(() => Tensor.Wrap<float>(Device.Default, default, 1), Throws.ArgumentException.With.Message.Contains("memory has 0 elements; it must have 1"));
        Assert.That(() => Tensor.Wrap<byte>(Device.Default, new byte[4], 4), Throws.ArgumentException.With.Message.Contains("T is Byte; it must be float, double or int"));
        Assert.That(() => Tensor.Wrap(Device.Default, misaligned.Memory, 6), Throws.ArgumentException.With.Message.Match("memory begins at 0x[0-9a-f]+; its address must be a multiple of 4"));
        Assert.That(() => Tensor.Wrap(gone, memory.Memory, 6), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => Tensor.Wrap(null!, memory.Memory, 6), Throws.ArgumentNullException);
        Assert.That((memory.Pins, misaligned.Pins), Is.EqualTo((0, 0)));
    }

    /// <summary>Native memory that counts how often it is pinned.</summary>
    private sealed unsafe class CountingMemory(int length, int offset = 0) : MemoryManager<float>
    {
        private readonly byte* _memory = (byte*)NativeMemory.AllocZeroed((nuint)((length * sizeof(float)) + offset));

        public int Pins { get; private set; }

        public override Span<float> GetSpan() => new(_memory + offset, length);

        public override MemoryHandle Pin(int elementIndex = 0)
        {
            Pins++;
            return new MemoryHandle((float*)(_memory + offset) + elementIndex, pinnable: this);
        }

        public override void Unpin() => Pins--;

        protected override void Dispose(bool disposing) => NativeMemory.Free(_memory);
    }
}
