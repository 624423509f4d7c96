using OrthoNative.Tests.Data;
using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Serialization;

/// <summary>Models and optimizers that are saved and loaded.</summary>
internal sealed class CheckpointTests(DeviceKind kind) : DeviceTests(kind)
{
    [Test]
    public void A_model_comes_back_as_it_was([Values] DType dtype)
    {
        using var folder = new TemporaryFolder();
        using Sequential saved = Model(1, dtype);
        using Sequential loaded = Model(2, dtype);
        string path = folder.File("model.safetensors");

        saved.Save(path);
        loaded.Load(path);

        Assert.That(Bytes(loaded.ParameterData), Is.EqualTo(Bytes(saved.ParameterData)));
    }

    [TestCase(nameof(Sgd))]
    [TestCase(nameof(Adam))]
    public void Training_goes_on_from_a_checkpoint_bit_for_bit(string optimizerName)
    {
        using var folder = new TemporaryFolder();
        using Sequential straight = Model(3);
        using Optimizer straightOptimizer = Make(straight);
        Train(straight, straightOptimizer, 20);

        using Sequential first = Model(3);
        using Optimizer firstOptimizer = Make(first);
        Train(first, firstOptimizer, 10);
        first.Save(folder.File("model.safetensors"));
        firstOptimizer.Save(folder.File("optimizer.safetensors"));
        using Sequential second = Model(3);
        using Optimizer secondOptimizer = Make(second);
        second.Load(folder.File("model.safetensors"));
        secondOptimizer.Load(folder.File("optimizer.safetensors"));
        Train(second, secondOptimizer, 10);

        Assert.That(secondOptimizer.StepCount, Is.EqualTo(20));
        Assert.That(Bytes(second.ParameterData), Is.EqualTo(Bytes(straight.ParameterData)));

        Optimizer Make(Sequential model) => optimizerName == nameof(Sgd)
            ? new Sgd(model, 1e-2, new SgdOptions { Momentum = 0.9 }) { Schedule = new CosineSchedule(1e-2, 20) }
            : new Adam(model) { Schedule = new CosineSchedule(1e-2, 20) };
    }

    [Test]
    public void A_file_of_another_model_is_refused_and_changes_nothing()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("model.safetensors");
        using Sequential model = Model(1);
        byte[] before = Bytes(model.ParameterData);

        AssertRefused([new RoaRnn(2, 8) { Name = "rnn" }, new Dense(8, 3)], "tensor '1.weight' is Float32 [3, 8]; Float32 [4, 8] is expected");
        AssertRefused([new RoaRnn(2, 8), new Dense(8, 4)], "has no tensor 'rnn.weight'; it has '0.weight'");
        AssertRefused([new RoaRnn(2, 8) { Name = "rnn" }, new Dense(8, 4), new Dense(4, 4)], "there is a tensor '2.weight'; none of this name is expected");
        AssertRefused([new RoaRnn(2, 8) { Name = "rnn" }, new Dense(8, 4)], "tensor 'rnn.weight' is Float64 [8, 8]; Float32 [8, 8] is expected", DType.Float64);

        void AssertRefused(Layer[] layers, string message, DType dtype = DType.Float32)
        {
            using var other = new Sequential(Device, new SequentialOptions { DType = dtype }, layers);
            other.Save(path);
            Assert.That(() => model.Load(path), Throws.TypeOf<InvalidDataException>().With.Message.Contains(message));
            Assert.That(Bytes(model.ParameterData), Is.EqualTo(before));
        }
    }

    [Test]
    public void A_file_of_another_optimizer_is_refused()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("optimizer.safetensors");
        using Sequential model = Model(1);
        using var adam = new Adam(model);
        using var sgd = new Sgd(model, 1, new SgdOptions { Momentum = 0.5 });

        sgd.Save(path);
        Assert.That(() => adam.Load(path), Throws.TypeOf<InvalidDataException>().With.Message.Contains("has no tensor 'first_moment'"));
        model.Save(path);
        Assert.That(() => adam.Load(path), Throws.TypeOf<InvalidDataException>().With.Message.Contains("step_count is missing; a whole number is expected"));
    }

    private Sequential Model(ulong seed, DType dtype = DType.Float32) => new(
        Device, new SequentialOptions { Seed = seed, DType = dtype }, new RoaRnn(2, 8) { Name = "rnn" }, new Dense(8, 4));

    private void Train(Sequential model, Optimizer optimizer, int steps)
    {
        using var loss = new CrossEntropyLoss();
        using var inputs = new Tensor(Device, DType.Float32, 5, 6, 2);
        for (int step = 0; step < steps; step++)
        {
            SetValues(inputs, Uniform(new Random((int)optimizer.StepCount), inputs.Count));
            loss.Forward(model.Forward(inputs), [0, 1, 2, 3, 0, 1]);
            model.Backward(loss.Gradient);
            optimizer.Step();
        }
    }
}
