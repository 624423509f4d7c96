using System.Runtime.CompilerServices;
using OrthoNative.Tests.Data;

namespace OrthoNative.Tests.Interop;

/// <summary>Native objects are freed: when they are disposed, and where that was forgotten, once they are garbage.</summary>
internal sealed class LeakTests(DeviceKind kind) : DeviceTests(kind)
{
    private long _before;

    [SetUp]
    public void CountObjects()
    {
        _ = Device.Default;
        Collect();
        _before = SystemInfo.LiveObjects;
    }

    [Test]
    public void Disposed_objects_are_freed()
    {
        Use(dispose: true);

        Assert.That(SystemInfo.LiveObjects, Is.EqualTo(_before));
    }

    [Test]
    public void Forgotten_objects_are_freed()
    {
        Use(dispose: false);
        Assert.That(SystemInfo.LiveObjects, Is.GreaterThan(_before));

        Collect();

        Assert.That(SystemInfo.LiveObjects, Is.EqualTo(_before));
    }

    [Test]
    public void Dropped_tensors_prompt_a_collection() =>
        Assert.That(CollectionComes(2048, 1, () => _ = new Tensor(Device, DType.Float32, 1 << 16)), Is.True);

    [Test]
    public void Dropped_models_prompt_a_collection_by_their_states()
    {
        using var inputs = new Tensor(Device, DType.Float32, 16, 512, 1);

        // A model has three native objects at least: parameters, gradients and a chain.
        Assert.That(CollectionComes(512, 3, () => new Sequential(Device, 1, new RoaRnn(1, 16)).Forward(inputs)), Is.True);
    }

    /// <summary>
    /// Creates objects and drops them, half a gigabyte of native memory at most: after how much of it the collector comes depends on what it
    /// has seen before. Returns false if it never came.
    /// </summary>
    private bool CollectionComes(int most, int nativeObjects, Action create)
    {
        for (int made = 1; made <= most; made++)
        {
            create();

            // Frees what collections have found, and collects nothing itself.
            GC.WaitForPendingFinalizers();
            if (SystemInfo.LiveObjects - _before < (long)nativeObjects * made)
            {
                return true;
            }
        }

        return false;
    }

    [Test]
    public void Objects_that_cannot_be_made_leave_nothing_behind()
    {
        Assert.That(() => new Tensor(Device, DType.Float64, 1L << 45), Throws.TypeOf<OutOfMemoryException>());
        Assert.That(() => new Sequential(Device, 1, new RoaFnn(65536, 100_000)), Throws.TypeOf<OutOfMemoryException>());
        Assert.That(() => Device.Cuda(1000), Throws.TypeOf<NotSupportedException>());

        Assert.That(SystemInfo.LiveObjects, Is.EqualTo(_before));
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void Use(bool dispose)
    {
        using var folder = new TemporaryFolder();
        Device device = Device.Kind == DeviceKind.Cpu ? Device.Cpu(2) : Device.Cuda();
        var inputs = new Tensor(device, DType.Float32, 4, 3, 2);
        var state = new Tensor(device, DType.Float32, 3, 5);
        var targets = new Tensor(device, DType.Float32, 3, 1);
        var model = new Sequential(
            device, new SequentialOptions { ComputeInputGradient = true }, new RoaRnn(2, 5), new RoaFnn(5, 2), new Dense(5, 1));
        var entropy = new CrossEntropyLoss();
        var error = new MeanSquaredErrorLoss();
        var optimizer = new Adam(model);
        var loader = new DataLoader(new CopyingMemory(3, 10, seed: 1), 4, new DataLoaderOptions { Device = device });
        error.Forward(model.Forward(inputs, States.From(state)), targets);
        entropy.Forward(model.Forward(inputs, States.From(state)), new int[3]);
        model.Backward(error.Gradient);
        Tensor final = model.GetFinalStates()["0.state"];
        Tensor gradient = model.GetInitialStateGradients()["0.state"];
        optimizer.Step();
        loader.Epoch(0).GetEnumerator().MoveNext();
        model.Save(folder.File("model"));
        model.Load(folder.File("model"));
        if (dispose)
        {
            // In an order in which what is used is disposed before its users.
            foreach (var item in (IDisposable[])[device, inputs, state, targets, model, entropy, error, optimizer, loader, final, gradient])
            {
                item.Dispose();
            }
        }
    }

    private static void Collect()
    {
        for (int i = 0; i < 3; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
    }
}
