using OrthoNative.Tests.Data;
using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Optimizers;

/// <summary>Parameters that no training changes.</summary>
internal sealed class FreezingTests(DeviceKind kind) : DeviceTests(kind)
{
    private static Func<Sequential, Optimizer>[] Optimizers =>
    [
        model => new Sgd(model, 0.1, new SgdOptions { Momentum = 0.9, WeightDecay = 0.1, DecayScope = DecayScope.AllParameters }),
        model => new AdamW(model, 0.1, new AdamOptions { WeightDecay = 0.1, DecayScope = DecayScope.AllParameters }),
        model => new RmsProp(model, 0.1, new RmsPropOptions { WeightDecay = 0.1, DecayScope = DecayScope.AllParameters }),
        model => new Lion(model, 0.1, new LionOptions { WeightDecay = 0.1, DecayScope = DecayScope.AllParameters }),
    ];

    [Test]
    public void A_frozen_parameter_its_state_and_its_gradient_rest_and_the_others_are_trained()
    {
        foreach (Func<Sequential, Optimizer> create in Optimizers)
        {
            using Sequential model = Model();
            using Optimizer optimizer = create(model);
            using Tensor inputs = UniformTensor(Device, new Random(1), 1, 4, 3);
            Train(model, optimizer, inputs);
            Parameter frozen = Parameter(model, "1.weight");
            byte[] before = Bytes(frozen.Value);
            byte[] state = Bytes(optimizer.StateAt(0));
            frozen.IsFrozen = true;

            Train(model, optimizer, inputs);

            Assert.That(Bytes(frozen.Value), Is.EqualTo(before));
            Assert.That(Values(frozen.Gradient), Is.All.Zero);
            int begin = (int)frozen.Offset * sizeof(double);
            int end = begin + ((int)frozen.Value.Count * sizeof(double));
            byte[] stateAfter = Bytes(optimizer.StateAt(0));
            Assert.That(stateAfter[begin..end], Is.EqualTo(state[begin..end]));
            Assert.That(stateAfter[..begin], Is.Not.EqualTo(state[..begin]));

            frozen.IsFrozen = false;
            Train(model, optimizer, inputs);
            Assert.That(Bytes(frozen.Value), Is.Not.EqualTo(before));
        }
    }

    [TestCase(false)]
    [TestCase(true)]
    public void A_parameter_that_was_frozen_at_first_takes_the_steps_of_a_new_one(bool decoupled)
    {
        // Moments of a parameter are corrected by its own steps: after 50 steps without it, those of a new optimizer, but for ε.
        var options = new AdamOptions { WeightDecay = 0.1, DecayScope = DecayScope.AllParameters, Epsilon = 1e-14 };
        Optimizer Create(Sequential model) => decoupled ? new AdamW(model, 0.01, options) : new Adam(model, 0.01, options);
        using Sequential model = Model();
        using Sequential other = Model();
        using Optimizer optimizer = Create(model);
        using Optimizer expected = Create(other);
        Parameter frozen = Parameter(model, "1.weight");
        Parameter twin = Parameter(other, "1.weight");
        frozen.IsFrozen = true;
        for (int step = 0; step < 50; step++)
        {
            optimizer.Step();
        }

        frozen.IsFrozen = false;
        using var folder = new TemporaryFolder();
        optimizer.Save(folder.File("optimizer"));
        using Optimizer resumed = Create(model);
        resumed.Load(folder.File("optimizer"));
        double[] start = Values(frozen.Value);
        SetValues(twin.Value, start);
        for (int step = 0; step < 20; step++)
        {
            double[] gradient = Uniform(new Random(step), frozen.Value.Count);
            SetValues(frozen.Gradient, gradient);
            SetValues(twin.Gradient, gradient);
            resumed.Step();
            expected.Step();
        }

        // ε of 1e-14, at most 32 times as large in one of them, beside roots of about 1e-2 at least, and roundings of the same 20 updates of 0.01.
        Assert.That(Values(frozen.Value), Is.EqualTo(Values(twin.Value)).Within(1e-9));
        Assert.That(Values(frozen.Value), Is.Not.EqualTo(start));
    }

    [Test]
    public void The_norm_of_gradients_does_not_count_what_is_frozen([Values] bool accumulate)
    {
        using Sequential model = Model();
        using Tensor inputs = UniformTensor(Device, new Random(1), 1, 4, 3);
        model.Layers[1].IsFrozen = true;
        model.GradientData.Fill(0);
        Backward(model, inputs, accumulate);

        double[] free = [.. model.Layers.Where(layer => !layer.IsFrozen).SelectMany(layer => layer.Parameters).SelectMany(parameter => Values(parameter.Gradient))];
        double expected = Math.Sqrt(free.Sum(value => value * value));
        Assert.That(expected, Is.Positive);
        Assert.That(model.ClipGradientNorm(double.PositiveInfinity), Is.EqualTo(expected).Within(1e-14 * expected));
    }

    [Test]
    public void A_layer_can_be_frozen_before_and_after_it_is_part_of_a_model()
    {
        var inner = new Sequential(new Dense(3, 3), new LayerNorm(3)) { IsFrozen = true };
        var second = new Dense(3, 2) { IsFrozen = true };
        var third = new Dense(2, 2);
        Assert.That((inner.IsFrozen, inner.Layers[0].IsFrozen, second.IsFrozen, third.IsFrozen), Is.EqualTo((true, true, true, false)));

        using var model = new Sequential(Device, 1, inner, second, third);
        Assert.That(model.Parameters.Where(parameter => parameter.IsFrozen), Is.EqualTo(inner.Parameters.Concat(second.Parameters)));
        Assert.That((model.IsFrozen, inner.IsFrozen, second.IsFrozen, third.IsFrozen), Is.EqualTo((false, true, true, false)));

        inner.Layers[1].IsFrozen = false;
        Assert.That((inner.IsFrozen, inner.Layers[0].IsFrozen, inner.Layers[1].IsFrozen), Is.EqualTo((false, true, false)));
        model.IsFrozen = true;
        Assert.That(model.Parameters.Select(parameter => parameter.IsFrozen), Is.All.True);
        Assert.That((model.IsFrozen, third.IsFrozen), Is.EqualTo((true, true)));
        model.IsFrozen = false;
        Assert.That(model.Parameters.Select(parameter => parameter.IsFrozen), Is.All.False);
    }

    [Test]
    public void A_step_where_all_is_frozen_changes_nothing_and_counts()
    {
        using Sequential model = Model();
        using var optimizer = new Adam(model, 0.1);
        model.IsFrozen = true;
        model.GradientData.Fill(1);
        byte[] before = Bytes(model.ParameterData);

        optimizer.Step();

        Assert.That(Bytes(model.ParameterData), Is.EqualTo(before));
        Assert.That(Values(optimizer.StateAt(0)), Is.All.Zero);
        Assert.That(optimizer.StepCount, Is.EqualTo(1));
    }

    [Test]
    public void Steps_with_all_that_training_can_take_allocate_nothing()
    {
        using Sequential model = Model();
        model.Layers[1].IsFrozen = true;
        Optimizer[] optimizers = [.. Optimizers.Select(create => create(model)), new Adam(model, 0.1, new AdamOptions { AmsGrad = true })];
        optimizers[0].Schedule = new OneCycleSchedule(0.1, 100);
        optimizers[1].Schedule = new WarmRestartsSchedule(0.1, 10, 2);
        optimizers[2].Schedule = new WarmupSchedule(3, new ReduceOnPlateauSchedule(0.1));
        using var average = new WeightAverage(model);
        using var accumulator = new GradientAccumulator(model);
        using Tensor inputs = UniformTensor(Device, new Random(1), 1, 4, 3);
        using Tensor gradient = UniformTensor(Device, new Random(2), 1, 4, 2);
        Step();
        long before = GC.GetAllocatedBytesForCurrentThread();
        Step();
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;

        Assert.That(allocated, Is.Zero);
        Array.ForEach(optimizers, optimizer => optimizer.Dispose());

        void Step()
        {
            for (int batch = 0; batch < 2; batch++)
            {
                model.Forward(inputs);
                accumulator.Backward(gradient, 4);
            }

            accumulator.Complete();
            foreach (Optimizer optimizer in optimizers)
            {
                optimizer.Step();
            }

            average.Update();
        }
    }

    [Test]
    public void The_gradient_check_leaves_frozen_parameters_out()
    {
        using Sequential model = Model();
        using Tensor inputs = UniformTensor(Device, new Random(1), 1, 4, 3);
        model.Layers[0].IsFrozen = true;
        string report = OrthoNative.Diagnostics.GradientCheck.Run(model, inputs).ToString()!;
        Assert.That(report, Does.StartWith("20 gradients agree"), "3 x 3 + 3 and 3 x 2 + 2");
    }

    private Sequential Model() => new(Device, new SequentialOptions { Seed = 1, DType = DType.Float64 }, new Dense(3, 3), new Dense(3, 3), new Dense(3, 2));

    private static void Train(Sequential model, Optimizer optimizer, Tensor inputs)
    {
        Backward(model, inputs, false);
        optimizer.Step();
    }

    private static void Backward(Sequential model, Tensor inputs, bool accumulate)
    {
        Tensor outputs = model.Forward(inputs);
        using Tensor gradient = UniformTensor(inputs.Device, new Random(2), 1, outputs.Shape);
        model.Backward(gradient, accumulate);
    }
}
