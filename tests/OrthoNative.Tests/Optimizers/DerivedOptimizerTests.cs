using OrthoNative.Outside;
using OrthoNative.Tests.Data;
using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Optimizers;

/// <summary>An optimizer that a user writes, without access to internals: <see cref="AdaGrad"/>.</summary>
internal sealed class DerivedOptimizerTests
{
    [Test]
    public void It_steps_by_its_formula_with_groups_decay_schedule_and_frozen_parameters()
    {
        using Sequential model = Model();
        model.Parameters[3].IsFrozen = true;
        using var optimizer = new AdaGrad(model, 1, new AdaGradOptions { WeightDecay = 0.1, Groups = [new ParameterGroup(model.Parameters[1]) { LearningRateScale = 3 }] })
        {
            Schedule = new StepDecaySchedule(0.5, 1, 0.5),
        };
        double[] expected = Values(model.ParameterData);
        double[] sums = new double[expected.Length];
        for (int step = 1; step <= 5; step++)
        {
            double[] gradients = Uniform(new Random(step), expected.Length);
            SetValues(model.GradientData, gradients);
            optimizer.Step();

            // Parameters: 0.weight [3, 2], 0.bias [3], 1.weight [2, 3], 1.bias [2].
            for (int i = 0; i < 15; i++)
            {
                bool isBias = i is >= 6 and < 9;
                double g = gradients[i] + (isBias ? 0 : 0.1 * expected[i]);
                sums[i] += g * g;
                expected[i] -= (isBias ? 3 : 1) * Math.Pow(0.5, step) * g / (Math.Sqrt(sums[i]) + 1e-10);
            }

            Assert.That(Values(model.ParameterData), Is.EqualTo(expected).Within(1e-14), $"step {step}");
            Assert.That((optimizer.LastNumber, optimizer.StepCount), Is.EqualTo((step, step)));
            Assert.That(optimizer.LastNames, Is.EqualTo((string[])["0.weight", "0.bias", "1.weight"]));
        }
    }

    [Test]
    public void It_continues_from_its_file_with_the_same_bits()
    {
        using var folder = new TemporaryFolder();
        using Sequential model = Model();
        using var optimizer = new AdaGrad(model, 0.1, new AdaGradOptions());
        Step(model, optimizer, 1);
        model.Save(folder.File("model"));
        optimizer.Save(folder.File("state"));
        Step(model, optimizer, 2);

        using Sequential resumed = Model();
        using var other = new AdaGrad(resumed, 0.1, new AdaGradOptions());
        resumed.Load(folder.File("model"));
        other.Load(folder.File("state"));
        Step(resumed, other, 2);

        Assert.That(Bytes(resumed.ParameterData), Is.EqualTo(Bytes(model.ParameterData)));
        IReadOnlyDictionary<string, string> metadata = SafeTensors.LoadMetadata(folder.File("state"));
        Assert.That((metadata["optimizer"], metadata["kind_of_sum"], metadata["step_count"]), Is.EqualTo(("AdaGrad", "plain", "1")));
    }

    [Test]
    public void Its_file_is_refused_where_a_square_is_negative_or_the_optimizer_another_one()
    {
        using var folder = new TemporaryFolder();
        using Sequential model = Model();
        using var optimizer = new AdaGrad(model, 0.1, new AdaGradOptions());
        optimizer.Save(folder.File("state"));
        using var sgd = new Sgd(model, 0.1);
        Assert.That(() => sgd.Load(folder.File("state")), Throws.TypeOf<InvalidDataException>().With.Message.Contains("'Sgd', as of this optimizer, is expected"));

        using Tensor negative = ToTensor([.. Enumerable.Repeat(-1.0, 17)], DType.Float64, 17);
        SafeTensors.Save(folder.File("negative"), [KeyValuePair.Create("square_sum", negative)], SafeTensors.LoadMetadata(folder.File("state")));
        Assert.That(() => optimizer.Load(folder.File("negative")), Throws.TypeOf<InvalidDataException>().With.Message.Contains("square_sum"));
    }

    [Test]
    public void The_summary_counts_the_tensors_that_options_declare()
    {
        using Sequential model = Model();
        long one = model.ParameterData.Count * sizeof(double);
        Assert.That(model.Summary(1).OptimizerBytes, Is.EqualTo(2 * one));
        Assert.That(Bytes(new AdaGradOptions()), Is.EqualTo(one));
        Assert.That(Bytes(new SgdOptions()), Is.Zero);
        Assert.That(Bytes(new SgdOptions { Momentum = 0.5 }), Is.EqualTo(one));
        Assert.That(Bytes(new AdamOptions()), Is.EqualTo(2 * one));
        Assert.That(Bytes(new AdamOptions { AmsGrad = true }), Is.EqualTo(3 * one));
        Assert.That(Bytes(new RmsPropOptions()), Is.EqualTo(one));
        Assert.That(Bytes(new RmsPropOptions { Centered = true, Momentum = 0.5 }), Is.EqualTo(3 * one));
        Assert.That(Bytes(new LionOptions()), Is.EqualTo(one));

        long Bytes(OptimizerOptions options) => model.Summary(1, optimizer: options).OptimizerBytes;
    }

    [Test]
    public void States_without_names_of_their_own_are_refused()
    {
        using Sequential model = Model();
        Assert.That(() => new Idle(model, new Named("a", "b", "a")), Throws.ArgumentException.With.Message.Contains("options.State[2] has the name 'a', as one before it has; names must be unique."));
        using var idle = new Idle(model, new Named("a", "b"));
        Assert.That(idle.Step, Throws.ArgumentException.With.Message.Contains("name is 'c'; the state has a, b."));
        Assert.That(idle.StepCount, Is.Zero, "a step that throws does not count");
    }

    private static Sequential Model() =>
        new(Device.Default, new SequentialOptions { Seed = 1, DType = DType.Float64 }, new Dense(2, 3), new Dense(3, 2));

    private static void Step(Sequential model, Optimizer optimizer, int seed)
    {
        SetValues(model.GradientData, Uniform(new Random(seed), model.GradientData.Count));
        optimizer.Step();
    }

    private sealed record Named(params string[] Names) : OptimizerOptions
    {
        protected internal override IReadOnlyList<OptimizerState> State => [.. Names.Select(name => new OptimizerState(name))];
    }

    private sealed class Idle(Model model, OptimizerOptions options) : Optimizer(model, 1, options)
    {
        protected override void Update(in StepContext context) => context.State("c").Fill(1);
    }
}
