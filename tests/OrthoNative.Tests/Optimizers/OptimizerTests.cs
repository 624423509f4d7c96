using OrthoNative.Tests.Data;
using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Optimizers;

/// <summary>Steps against the published formulas, computed number by number.</summary>
internal sealed class OptimizerTests(DeviceKind kind) : DeviceTests(kind)
{
    private const int Steps = 20;

    /// <summary>A few dozen float64 operations on numbers of magnitude 1, at 20 steps.</summary>
    private const double Rounding = 1e-13;

    [TestCase(0, false, 0)]
    [TestCase(0.9, false, 0)]
    [TestCase(0.9, true, 0.01)]
    [TestCase(0, false, 0.1)]
    public void Sgd_follows_its_formula(double momentum, bool nesterov, double decay)
    {
        using Sequential model = Model();
        using var optimizer = new Sgd(model, 0.1, new SgdOptions { Momentum = momentum, Nesterov = nesterov, WeightDecay = decay });

        AssertSteps(model, optimizer, (state, _, p, g, isBias) =>
        {
            g += (isBias ? 0 : decay) * p;
            state.First = (momentum * state.First) + g;
            return p - (0.1 * (nesterov ? g + (momentum * state.First) : state.First));
        });
    }

    [TestCase(0)]
    [TestCase(0.1)]
    public void Adam_follows_its_formula(double decay)
    {
        using Sequential model = Model();
        using var optimizer = new Adam(model, 0.01, new AdamOptions { WeightDecay = decay });

        AssertSteps(model, optimizer, (state, step, p, g, isBias) => p - AdamUpdate(state, step, 0.01, g + ((isBias ? 0 : decay) * p)));
    }

    [Test]
    public void AdamW_decays_weights_by_default_and_leaves_biases_alone()
    {
        using Sequential model = Model();
        using var optimizer = new AdamW(model, 0.01);

        AssertSteps(model, optimizer, (state, step, p, g, isBias) => (p * (1 - (isBias ? 0 : 0.01 * 0.01))) - AdamUpdate(state, step, 0.01, g));
    }

    [TestCase(0, false)]
    [TestCase(0.1, false)]
    [TestCase(0.1, true)]
    public void AmsGrad_follows_its_formula(double decay, bool decoupled)
    {
        using Sequential model = Model();
        var options = new AdamOptions { WeightDecay = decay, AmsGrad = true, Beta2 = 0.9 };
        using Optimizer optimizer = decoupled ? new AdamW(model, 0.01, options) : new Adam(model, 0.01, options);

        int kept = 0;
        AssertSteps(model, optimizer, (state, step, p, g, isBias) =>
        {
            double own = isBias ? 0 : decay;
            g += decoupled ? 0 : own * p;
            state.First = (0.9 * state.First) + (0.1 * g);
            state.Second = (0.9 * state.Second) + (0.1 * g * g);
            kept += state.Second < state.Third ? 1 : 0;
            state.Third = Math.Max(state.Third, state.Second);
            double root = Math.Sqrt(state.Third) / Math.Sqrt(1 - Math.Pow(0.9, step));
            return (decoupled ? p * (1 - (0.01 * own)) : p) - (0.01 * (state.First / (1 - Math.Pow(0.9, step))) / (root + 1e-8));
        });
        Assert.That(kept, Is.Positive, "else it would be Adam");
    }

    [Test]
    public void RmsProp_follows_its_formula([Values(0, 0.9)] double momentum, [Values] bool centered, [Values(0, 0.1)] double decay)
    {
        using Sequential model = Model();
        using var optimizer = new RmsProp(model, 0.01, new RmsPropOptions { SquareDecay = 0.9, Momentum = momentum, Centered = centered, Epsilon = 1e-3, WeightDecay = decay });

        AssertSteps(model, optimizer, (state, _, p, g, isBias) =>
        {
            g += (isBias ? 0 : decay) * p;
            state.Second = (0.9 * state.Second) + (0.1 * g * g);
            state.Third = (0.9 * state.Third) + (0.1 * g);
            double divisor = Math.Sqrt(state.Second - (centered ? state.Third * state.Third : 0)) + 1e-3;
            state.First = (momentum * state.First) + (g / divisor);
            return p - (0.01 * state.First);
        });
    }

    [Test]
    public void Lion_follows_its_formula([Values(0, 0.1)] double decay)
    {
        using Sequential model = Model();
        using var optimizer = new Lion(model, 0.01, new LionOptions { Beta1 = 0.8, Beta2 = 0.95, WeightDecay = decay });

        AssertSteps(model, optimizer, (state, _, p, g, isBias) =>
        {
            int sign = Math.Sign((0.8 * state.First) + (0.2 * g));
            state.First = (0.95 * state.First) + (0.05 * g);
            return (p * (1 - (0.01 * (isBias ? 0 : decay)))) - (0.01 * sign);
        });
    }

    [Test]
    public void Decay_applies_to_the_parameters_of_its_scope()
    {
        string[] weights = ["0.weight", "0.input_weight", "1.weight", "3.weight"];
        Assert.That(Decaying(DecayScope.Weights), Is.EqualTo(weights));
        Assert.That(Decaying(new SgdOptions().DecayScope), Is.EqualTo(weights));
        Assert.That(Decaying(DecayScope.InputWeights), Is.EqualTo((string[])["0.input_weight", "3.weight"]));
        Assert.That(Decaying(DecayScope.AllParameters), Has.Length.EqualTo(9));

        string[] Decaying(DecayScope scope)
        {
            using var model = new Sequential(Device, 1, new RoaRnn(1, 2), new RoaFnn(2, 2), new LayerNorm(2), new Dense(2, 1));
            model.ParameterData.Fill(1);
            model.GradientData.Fill(0);
            using var optimizer = new Sgd(model, 0.5, new SgdOptions { WeightDecay = 0.5, DecayScope = scope });
            optimizer.Step();
            return [.. model.Parameters.Where(parameter => Values(parameter.Value)[0] == 0.75).Select(parameter => parameter.Name)];
        }
    }

    [Test]
    public void Biases_decay_where_it_is_asked_for()
    {
        using Sequential model = Model();
        using var optimizer = new AdamW(model, 0.01, new AdamOptions { WeightDecay = 0.1, DecayScope = DecayScope.AllParameters });

        AssertSteps(model, optimizer, (state, step, p, g, _) => (p * (1 - (0.01 * 0.1))) - AdamUpdate(state, step, 0.01, g));
    }

    [Test]
    public void AdamW_decays_weights_by_a_hundredth_unless_told_otherwise([Values] bool hasOptions)
    {
        using var model = new Sequential(Device.Default, 1, new Dense(2, 2));
        Tensor weight = model.Parameters[0].Value;
        weight.Fill(2);
        model.GradientData.Fill(0);
        using var optimizer = new AdamW(model, 0.5, hasOptions ? new AdamOptions { Beta2 = 0.95 } : null);

        optimizer.Step();

        // p - rate · 0.01 · p; gradients of 0 do nothing else.
        Assert.That(weight.ToArray<float>(), Is.All.EqualTo(1.99f).Within(1).Ulps);
    }

    [Test]
    public void Groups_and_parameters_have_learning_rates_and_decays_of_their_own()
    {
        using Sequential model = Model();
        Parameter weight = Parameter(model, "0.weight");
        Parameter bias = Parameter(model, "0.bias");
        Parameter frozen = Parameter(model, "1.weight");
        weight.LearningRateScale = 3;
        frozen.LearningRateScale = 0;
        double[] before = Values(frozen.Value);
        double[] weightBefore = Values(weight.Value);
        double[] biasBefore = Values(bias.Value);
        double[] restBefore = Values(Parameter(model, "1.bias").Value);
        using var optimizer = new Sgd(model, 0.1, new SgdOptions
        {
            WeightDecay = 0.5,
            Groups = [new ParameterGroup(weight, bias) { LearningRateScale = 2, WeightDecay = 0.25 }],
        });
        model.GradientData.Fill(1);

        optimizer.Step();

        Assert.That(Values(frozen.Value), Is.EqualTo(before));
        Assert.That(Values(weight.Value), Is.EqualTo(weightBefore.Select(p => p - (0.1 * 2 * 3 * (1 + (0.25 * p))))).Within(Rounding));
        Assert.That(Values(bias.Value), Is.EqualTo(biasBefore.Select(p => p - (0.1 * 2 * (1 + (0.25 * p))))).Within(Rounding));
        Assert.That(Values(Parameter(model, "1.bias").Value), Is.EqualTo(restBefore.Select(p => p - 0.1)).Within(Rounding));
    }

    [Test]
    public void Layers_set_the_learning_rate_scales_and_roles_of_their_parameters()
    {
        using var model = new Sequential(
            Device,
            1,
            new RoaRnn(1, 2, new RoaRnnOptions { WeightLearningRateScale = 2, BiasLearningRateScale = 3, InputLearningRateScale = 4 }),
            new RoaFnn(2, 2, new RoaFnnOptions { WeightLearningRateScale = 5, BiasLearningRateScale = 6 }),
            new Dense(2, 1, new DenseOptions { WeightLearningRateScale = 7, BiasLearningRateScale = 8 }));

        Assert.That(model.Parameters.Select(parameter => parameter.LearningRateScale), Is.EqualTo((double[])[2, 3, 4, 5, 6, 7, 8]));
        Assert.That(model.Parameters.Select(parameter => parameter.Role), Is.EqualTo((ParameterRole[])
        [
            ParameterRole.RecurrentWeight, ParameterRole.Bias, ParameterRole.Weight, ParameterRole.RecurrentWeight, ParameterRole.Bias, ParameterRole.Weight, ParameterRole.Bias,
        ]));
        Assert.That(() => model.Parameters[0].LearningRateScale = -1, Throws.TypeOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void Clipping_scales_to_the_norm_and_leaves_smaller_ones_alone()
    {
        using Sequential model = Model();
        double[] gradients = Uniform(new Random(1), model.GradientData.Count);
        double norm = Math.Sqrt(gradients.Sum(value => value * value));
        SetValues(model.GradientData, gradients);

        Assert.That(model.ClipGradientNorm(double.PositiveInfinity), Is.EqualTo(norm).Within(Rounding * norm));
        Assert.That(model.ClipGradientNorm(2 * norm), Is.EqualTo(norm).Within(Rounding * norm));
        Assert.That(Values(model.GradientData), Is.EqualTo(gradients));
        Assert.That(model.ClipGradientNorm(norm / 4), Is.EqualTo(norm).Within(Rounding * norm));
        Assert.That(Values(model.GradientData), Is.EqualTo(gradients.Select(value => value / 4)).Within(Rounding));

        SetValues(model.GradientData, gradients);
        model.ClipGradients(double.PositiveInfinity);
        Assert.That(Values(model.GradientData), Is.EqualTo(gradients));
        model.ClipGradients(norm / 4);
        Assert.That(Values(model.GradientData), Is.EqualTo(gradients.Select(value => value / 4)).Within(Rounding));
        Assert.That(() => model.ClipGradients(0), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("maximumNorm is 0"));
    }

    [TestCase(-0.5, "-0.5")]
    [TestCase(double.NaN, "NaN")]
    public void A_schedule_that_gives_no_learning_rate_is_refused_at_the_step(double rate, string text)
    {
        using Sequential model = Model();
        using var optimizer = new Sgd(model, 1) { Schedule = new FixedRate(rate) };
        Assert.That(optimizer.Step, Throws.InvalidOperationException.With.Message.EqualTo(
            $"The learning rate that Schedule gives is {text}; it must be finite and not negative."));
        Assert.That((optimizer.StepCount, optimizer.LearningRate), Is.EqualTo((0, 1.0)));
    }

    [Test]
    public void A_schedule_gives_each_step_its_learning_rate()
    {
        using Sequential model = Model();
        using var optimizer = new Sgd(model, 1) { Schedule = new StepDecaySchedule(0.5, 2) };
        var rates = new List<double>();
        for (int step = 0; step < 4; step++)
        {
            optimizer.Step();
            rates.Add(optimizer.LearningRate);
        }

        Assert.That(rates, Is.EqualTo((double[])[0.5, 0.5, 0.05, 0.05]).Within(Rounding));
        Assert.That(optimizer.StepCount, Is.EqualTo(4));
    }

    [Test]
    public void Bad_arguments_are_refused_in_plain_words()
    {
        using Sequential model = Model();
        using Sequential other = Model();
        Parameter parameter = model.Parameters[0];

        Refused(() => new Sgd(model, -1), "learningRate is -1; it must be finite and not negative");
        Refused(() => new Sgd(model, double.NaN), "learningRate is NaN");
        Refused(() => new Sgd(model, 1, new SgdOptions { Momentum = 1 }), "options.Momentum is 1; it must be at least 0 and below 1");
        Refused(() => new Sgd(model, 1, new SgdOptions { WeightDecay = -1 }), "options.WeightDecay is -1");
        Refused(() => new Sgd(model, 1, new SgdOptions { Nesterov = true }), "options.Nesterov is true and options.Momentum 0");
        Refused(() => new Adam(model, 1, new AdamOptions { Beta1 = 1 }), "options.Beta1 is 1");
        Refused(() => new Adam(model, 1, new AdamOptions { Beta2 = -0.1 }), "options.Beta2 is -0.1");
        Refused(() => new AdamW(model, 1, new AdamOptions { Epsilon = 0 }), "options.Epsilon is 0; it must be finite and above 0");
        Refused(() => new Adam(model, 1, new AdamOptions { Epsilon = 1e-310 }), "options.Epsilon is 1E-310; it must be finite and at least 9.434");
        Refused(() => new Sgd(model, 1, new SgdOptions { Groups = [new ParameterGroup(other.Parameters)] }), "which is not one of the model");
        Refused(() => new Sgd(model, 1, new SgdOptions { Groups = [new ParameterGroup(parameter), new ParameterGroup(parameter)] }), "options.Groups[1] has the parameter 0.weight [1, 3, 3] again");
        Refused(() => new Sgd(model, 1, new SgdOptions { Groups = [new ParameterGroup(parameter) { LearningRateScale = -1 }] }), "options.Groups[0].LearningRateScale is -1");
        Refused(() => new Sgd(model, 1, new SgdOptions { Groups = [new ParameterGroup(parameter) { WeightDecay = double.NaN }] }), "options.Groups[0].WeightDecay is NaN");
        Refused(() => new Adam(model, 1, new AdamOptions { DecayScope = (DecayScope)7 }), "options.DecayScope is 7; it must be one of Weights, InputWeights, AllParameters");
        Refused(() => new RmsProp(model, -1), "learningRate is -1");
        Refused(() => new RmsProp(model, 1, new RmsPropOptions { SquareDecay = 1 }), "options.SquareDecay is 1; it must be at least 0 and below 1");
        Refused(() => new RmsProp(model, 1, new RmsPropOptions { Momentum = double.NaN }), "options.Momentum is NaN");
        Refused(() => new RmsProp(model, 1, new RmsPropOptions { Epsilon = 1e-310 }), "options.Epsilon is 1E-310; it must be finite and at least 2.983");
        Refused(() => new Lion(model, 1, new LionOptions { Beta1 = 1 }), "options.Beta1 is 1");
        Refused(() => new Lion(model, 1, new LionOptions { Beta2 = -1 }), "options.Beta2 is -1");
        Refused(() => ParameterDefinition.Constant("x", [1], 0) with { Role = (ParameterRole)9 }, "Role is 9; it must be one of Weight, RecurrentWeight, Bias, Norm");
        Refused(() => new CosineSchedule(1, 0), "steps is 0; it must be at least 1");
        Refused(() => new StepDecaySchedule(1, 0), "interval is 0");
        Refused(() => new ExponentialDecaySchedule(1, 0), "factor is 0");
        Refused(() => new ConstantSchedule(-1), "learningRate is -1");
        Refused(() => new WarmupSchedule(0, new ConstantSchedule(1)), "steps is 0");

        static void Refused(Func<object> make, string message) =>
            Assert.That(() => make(), Throws.InstanceOf<ArgumentException>().With.Message.Contains(message));
    }

    [TestCase(double.NaN, "NaN")]
    [TestCase(double.PositiveInfinity, "Infinity")]
    [TestCase(double.NegativeInfinity, "-Infinity")]
    public void A_gradient_that_is_not_finite_is_named_and_changes_nothing(double bad, string text)
    {
        foreach (Func<Sequential, Optimizer> create in AllOptimizers)
        {
            using Sequential model = Model();
            using Optimizer optimizer = create(model);
            using var folder = new TemporaryFolder();
            model.GradientData.Fill(0.5);
            optimizer.Step();
            optimizer.Schedule = new StepDecaySchedule(7, 1);
            model.Parameters[2].Gradient.CopyFrom<double>(7, [bad]);

            AssertRefused(model, optimizer, folder, $"the gradient of {model.Parameters[2].Name}[2, 1] is {text}; it must be finite");

            // With good gradients training continues.
            optimizer.Schedule = null;
            model.GradientData.Fill(0.5);
            optimizer.Step();
            Device.Synchronize();
            Assert.That(optimizer.StepCount, Is.EqualTo(Device.Kind == DeviceKind.Cpu ? 2 : 3));
            Assert.That(Values(model.ParameterData).All(double.IsFinite));
        }
    }

    [Test]
    public void A_step_that_overflows_is_refused_and_changes_nothing([Values] bool decoupled)
    {
        using Sequential model = Model();
        using Optimizer optimizer = decoupled ? new AdamW(model) : new Adam(model);
        using var folder = new TemporaryFolder();
        model.GradientData.Fill(0.5);
        optimizer.Step();
        model.Parameters[1].Gradient.CopyFrom<double>(2, [-1e160]);

        AssertRefused(
            model,
            optimizer,
            folder,
            $"the gradient of {model.Parameters[1].Name}[0, 2] is -1e+160; with it the second moment would not stay finite");
    }

    [Test]
    public void A_learning_rate_that_overflows_parameters_is_refused_and_changes_nothing()
    {
        using Sequential model = Model();
        using var optimizer = new Sgd(model, 1e308);
        using var folder = new TemporaryFolder();
        model.Parameters[0].Gradient.Fill(0.5);
        model.Parameters[3].Gradient.CopyFrom<double>(4, [30]);

        AssertRefused(model, optimizer, folder, $"the gradient of {model.Parameters[3].Name}[4] is 30; with it the parameter would not stay finite");
    }

    [Test]
    public void A_disposed_optimizer_says_so()
    {
        using Sequential model = Model();
        var optimizer = new Adam(model);
        optimizer.Dispose();

        Assert.That(optimizer.Step, Throws.TypeOf<ObjectDisposedException>());
    }

    private Sequential Model() => new(
        Device,
        new SequentialOptions { Seed = 1, DType = DType.Float64 },
        new RoaFnn(3, 1, new RoaFnnOptions { WeightScale = 1 }),
        new Dense(3, 11));

    private static Func<Sequential, Optimizer>[] AllOptimizers =>
    [
        model => new Sgd(model, 0.1),
        model => new Sgd(model, 0.1, new SgdOptions { Momentum = 0.9 }),
        model => new Sgd(model, 0.1, new SgdOptions { Momentum = 0.9, Nesterov = true, WeightDecay = 0.1 }),
        model => new Adam(model, 0.1, new AdamOptions { WeightDecay = 0.1 }),
        model => new Adam(model, 0.1, new AdamOptions { AmsGrad = true }),
        model => new RmsProp(model, 0.1),
        model => new RmsProp(model, 0.1, new RmsPropOptions { Momentum = 0.9, Centered = true, WeightDecay = 0.1 }),
        model => new Lion(model, 0.1, new LionOptions { WeightDecay = 0.1 }),
        model => new AdamW(model, 0.1, new AdamOptions { Groups = [new ParameterGroup(model.Parameters[1]) { LearningRateScale = 0 }] }),
    ];

    /// <summary>The next step is refused with that message and leaves parameters, state and learning rate as they are.</summary>
    private void AssertRefused(Sequential model, Optimizer optimizer, TemporaryFolder folder, string message)
    {
        byte[] parameters = Bytes(model.ParameterData);
        double learningRate = optimizer.LearningRate;
        long stepCount = optimizer.StepCount;
        optimizer.Save(folder.File("before"));

        if (Device.Kind == DeviceKind.Cpu)
        {
            Assert.That(optimizer.Step, Throws.TypeOf<NotFiniteNumberException>().With.Message.EqualTo(message));
            Assert.That(optimizer.StepCount, Is.EqualTo(stepCount));
            Assert.That(optimizer.LearningRate, Is.EqualTo(learningRate));
            optimizer.Save(folder.File("after"));
            Assert.That(File.ReadAllBytes(folder.File("after")), Is.EqualTo(File.ReadAllBytes(folder.File("before"))));
        }
        else
        {
            optimizer.Step();
            Assert.That(Device.Synchronize, Throws.TypeOf<NotFiniteNumberException>());
        }

        Assert.That(Bytes(model.ParameterData), Is.EqualTo(parameters));
    }

    private static double AdamUpdate(State state, int step, double rate, double g)
    {
        state.First = (0.9 * state.First) + (0.1 * g);
        state.Second = (0.999 * state.Second) + (0.001 * g * g);
        return rate * (state.First / (1 - Math.Pow(0.9, step))) / (Math.Sqrt(state.Second / (1 - Math.Pow(0.999, step))) + 1e-8);
    }

    /// <summary>Several steps with gradients that change, number by number.</summary>
    private static void AssertSteps(Sequential model, Optimizer optimizer, Func<State, int, double, double, bool, double> update)
    {
        bool[] isBias = [.. model.Parameters.SelectMany(parameter => Enumerable.Repeat(parameter.Role == ParameterRole.Bias, (int)parameter.Value.Count))];
        double[] expected = Values(model.ParameterData);
        State[] states = [.. expected.Select(_ => new State())];
        for (int step = 1; step <= Steps; step++)
        {
            double[] gradients = Uniform(new Random(step), expected.Length);
            SetValues(model.GradientData, gradients);
            optimizer.Step();
            for (int i = 0; i < expected.Length; i++)
            {
                expected[i] = update(states[i], step, expected[i], gradients[i], isBias[i]);
            }

            Assert.That(Values(model.ParameterData), Is.EqualTo(expected).Within(Rounding), $"step {step}");
        }
    }

    private sealed class State
    {
        public double First { get; set; }

        public double Second { get; set; }

        public double Third { get; set; }
    }

    private sealed class FixedRate(double rate) : LearningRateSchedule
    {
        public override double At(long stepsDone) => rate;
    }
}
