using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Layers;

internal sealed class SequentialTests
{
    [Test]
    public void Parameters_are_named_by_layer_and_lie_one_after_another_in_the_flat_buffers()
    {
        using var model = new Sequential(Device.Default, 1, new RoaRnn(2, 3) { Name = "rnn" }, new RoaFnn(3, 4), new Dense(3, 5));

        Assert.That(
            model.Parameters.Select(parameter => parameter.ToString()),
            Is.EqualTo((string[])
            [
                "rnn.weight [3, 3]", "rnn.bias [3]", "rnn.input_weight [3, 2]",
                "1.weight [4, 3, 3]", "1.bias [4, 3]",
                "2.weight [5, 3]", "2.bias [5]",
            ]));
        Assert.That(model.Parameters.SelectMany(parameter => Values(parameter.Value)), Is.EqualTo(Values(model.ParameterData)));
        model.Parameters[3].Value.Fill(7);
        model.Parameters[3].Gradient.Fill(8);
        Assert.That(Values(model.ParameterData).Count(value => value == 7), Is.EqualTo(36));
        Assert.That(Values(model.GradientData).Count(value => value == 8), Is.EqualTo(36));
    }

    [Test]
    public void Inputs_that_another_model_resized_are_refused_by_the_backward_pass()
    {
        using var first = new Sequential(Device.Default, 1, new Dense(2, 3));
        using var second = new Sequential(Device.Default, new SequentialOptions { ComputeInputGradient = true }, new Dense(3, 1));
        using var many = new Tensor(Device.Default, DType.Float32, 50, 2);
        using var few = new Tensor(Device.Default, DType.Float32, 4, 2);
        using var gradient = new Tensor(Device.Default, DType.Float32, 50, 1);

        second.Forward(first.Forward(many));
        first.Forward(few);

        Assert.That(() => second.Backward(gradient), Throws.ArgumentException.With.Message.Contains("inputs have shape [4, 3] by now; it must still be [50, 3]"));
    }

    [Test]
    public void Initial_weights_have_the_distribution_that_the_options_say()
    {
        const int Units = 300;
        using var model = new Sequential(
            Device.Default,
            new SequentialOptions { Seed = 2, DType = DType.Float64 },
            new RoaRnn(40, Units, new RoaRnnOptions { WeightScale = 0.5, InputScale = 0.25, BiasScale = 0.1, BiasOffset = 2 }),
            new Dense(Units, 100));

        double[] weights = Values(model.Parameters[0].Value);
        double deviation = Math.Sqrt(weights.Average(value => value * value));

        // The standard error of a deviation from n numbers is σ / √(2n); 5 of them.
        Assert.That(deviation, Is.EqualTo(0.5 / Math.Sqrt(Units)).Within(5 * 0.5 / Math.Sqrt(Units) / Math.Sqrt(2.0 * weights.Length)));
        AssertUniform(model.Parameters[1], 1.9, 2.1);
        AssertUniform(model.Parameters[2], -0.25, 0.25);
        AssertUniform(model.Parameters[3], -1 / Math.Sqrt(Units), 1 / Math.Sqrt(Units));
        AssertUniform(model.Parameters[4], -1 / Math.Sqrt(Units), 1 / Math.Sqrt(Units));
    }

    [Test]
    public void Scales_of_zero_start_at_the_mean()
    {
        using var model = new Sequential(
            Device.Default, 3, new RoaRnn(2, 3, new RoaRnnOptions { WeightScale = 0, InputScale = 0, BiasScale = 0, BiasOffset = 1.5 }));

        Assert.That(Values(model.Parameters[0].Value), Is.All.Zero);
        Assert.That(Values(model.Parameters[1].Value), Is.All.EqualTo(1.5));
        Assert.That(Values(model.Parameters[2].Value), Is.All.Zero);
    }

    [Test]
    public void Outputs_have_the_shapes_that_the_option_says()
    {
        using Tensor inputs = UniformTensor(new Random(4), 1, 7, 3, 2);

        Assert.That(Shape(SequenceOutput.Last), Is.EqualTo((long[])[3, 5]));
        Assert.That(Shape(SequenceOutput.All), Is.EqualTo((long[])[7, 3, 5]));
        Assert.That(Shape(SequenceOutput.LastSteps(1)), Is.EqualTo((long[])[1, 3, 5]));
        Assert.That(Shape(SequenceOutput.LastSteps(7)), Is.EqualTo((long[])[7, 3, 5]));

        long[] Shape(SequenceOutput output)
        {
            using var model = new Sequential(
                Device.Default, new SequentialOptions { DType = DType.Float64 }, new RoaRnn(2, 5, new RoaRnnOptions { Output = output }));
            return model.Forward(inputs).Shape.ToArray();
        }
    }

    [Test]
    public void The_last_steps_are_the_end_of_all_steps()
    {
        using Tensor inputs = UniformTensor(new Random(4), 1, 7, 3, 2);

        double[] all = Run(SequenceOutput.All);

        Assert.That(Run(SequenceOutput.LastSteps(2)), Is.EqualTo(all[^30..]));
        Assert.That(Run(SequenceOutput.Last), Is.EqualTo(all[^15..]));

        double[] Run(SequenceOutput output)
        {
            using var model = new Sequential(
                Device.Default, new SequentialOptions { DType = DType.Float64 }, new RoaRnn(2, 5, new RoaRnnOptions { Output = output }));
            return Values(model.Forward(inputs));
        }
    }

    [Test]
    public void A_sequence_in_two_parts_gives_the_states_of_the_whole()
    {
        using var model = new Sequential(Device.Default, new SequentialOptions { DType = DType.Float64 }, new RoaRnn(2, 5));
        using Tensor whole = UniformTensor(new Random(4), 1, 7, 3, 2);
        using Tensor first = Tensor.From<double>(Device.Default, whole.AsSpan<double>()[..24], 4, 3, 2);
        using Tensor second = Tensor.From<double>(Device.Default, whole.AsSpan<double>()[24..], 3, 3, 2);
        using var state = new Tensor(Device.Default, DType.Float64, 3, 5);

        double[] expected = Values(model.Forward(whole));
        state.CopyFrom(model.Forward(first));

        Assert.That(Values(model.Forward(second, States.From(state))), Is.EqualTo(expected));
    }

    [Test]
    public void The_gradient_at_the_initial_state_is_there_where_there_was_one()
    {
        using var model = new Sequential(Device.Default, 4, new RoaRnn(2, 5));
        using var inputs = new Tensor(Device.Default, DType.Float32, 3, 2, 2);
        using var state = new Tensor(Device.Default, DType.Float32, 2, 5);
        using var cotangent = new Tensor(Device.Default, DType.Float32, 2, 5);

        model.Forward(inputs);
        model.Backward(cotangent);
        Assert.That(model.GetInitialStateGradients(), Is.Empty);

        model.Forward(inputs, States.From(state));
        model.Backward(cotangent);
        Dictionary<string, Tensor> gradients = model.GetInitialStateGradients();
        Assert.That(gradients.Keys, Is.EqualTo((string[])["0.state"]));
        Assert.That(gradients["0.state"].Shape.ToArray(), Is.EqualTo((long[])[2, 5]));
        States.Dispose(gradients);
    }

    [Test]
    public void A_backward_pass_that_is_refused_or_fails_leaves_no_gradient_of_an_earlier_one()
    {
        using var model = new Sequential(Device.Default, new SequentialOptions { ComputeInputGradient = true }, new Lstm(2, 5), new RoaFnn(5, 2));
        using var inputs = new Tensor(Device.Default, DType.Float32, 3, 2, 2);
        using var state = new Tensor(Device.Default, DType.Float32, 2, 5);
        using var cotangent = new Tensor(Device.Default, DType.Float32, 2, 5);
        using var other = new Tensor(Device.Default, DType.Float32, 2, 4);
        using var bad = new Tensor(Device.Default, DType.Float32, 2, 5);
        bad.Fill(double.NaN);
        ForwardOptions options = States.From(state, state);

        foreach ((Tensor gradient, Type exception) in ((Tensor, Type)[])
            [(other, typeof(ArgumentException)), (bad, typeof(NotFiniteNumberException)), (null!, typeof(ArgumentNullException))])
        {
            model.Forward(inputs, options);
            model.Backward(cotangent);
            Assert.That(States.Bytes(model.GetInitialStateGradients()).Keys, Is.EqualTo((string[])["0.state", "0.cell_state"]));
            Assert.That(() => model.InputGradient, Throws.Nothing);

            model.Forward(inputs, options);
            Assert.That(() => model.Backward(gradient), Throws.TypeOf(exception));

            Assert.That(model.GetInitialStateGradients, Throws.InvalidOperationException, exception.Name);
            Assert.That(() => model.InputGradient, Throws.InvalidOperationException, exception.Name);
        }
    }

    [Test]
    public void A_given_filter_is_the_one_that_is_used()
    {
        double[,] matrix = { { 0, -1 }, { 1, 0 } };
        var rnn = new RoaRnn(1, 2, new RoaRnnOptions { Filter = Filter.FromMatrix(matrix) });
        using var model = new Sequential(Device.Default, 5, rnn);

        Assert.That(rnn.GetFilter(), Is.EqualTo(matrix));
    }

    [Test]
    public void A_cycle_moves_each_unit_on()
    {
        var rnn = new RoaRnn(1, 3, new RoaRnnOptions { Filter = Filter.Cycle });
        using var model = new Sequential(Device.Default, 5, rnn);

        Assert.That(rnn.GetFilter(), Is.EqualTo(new double[,] { { 0, 0, 1 }, { 1, 0, 0 }, { 0, 1, 0 } }));
    }

    [Test]
    public void Checkpoints_take_less_memory_and_auto_keeps_to_its_limit()
    {
        var all = new RoaRnn(1, 64);
        var some = new RoaRnn(64, 64, new RoaRnnOptions { Checkpointing = Checkpointing.Every(32) });
        var limited = new RoaRnn(64, 64, new RoaRnnOptions { Checkpointing = Checkpointing.Auto(4_000_000) });
        using var model = new Sequential(Device.Default, 6, all, some, limited);

        long unlimited = all.GetStateBytes(1000, 32);

        // Every state: T B N float32 numbers.
        Assert.That(unlimited, Is.GreaterThanOrEqualTo(1000L * 32 * 64 * 4));
        Assert.That(some.GetStateBytes(1000, 32), Is.LessThan(unlimited / 4));
        Assert.That(limited.GetStateBytes(1000, 32), Is.LessThanOrEqualTo(4_000_000));
        Assert.That(all.GetStateBytes(1000, 32, training: false), Is.LessThan(unlimited / 4));
    }

    [Test]
    public void A_limit_too_low_for_the_states_is_refused_by_its_name()
    {
        var rnn = new RoaRnn(1, 64, new RoaRnnOptions { Checkpointing = Checkpointing.Auto(1000) });
        var fnn = new RoaFnn(64, 100, new RoaFnnOptions { Checkpointing = Checkpointing.Auto(1000) });
        using var model = new Sequential(Device.Default, 6, rnn, fnn);
        using var feedforward = new Sequential(Device.Default, 6, new RoaFnn(64, 100, new RoaFnnOptions { Checkpointing = Checkpointing.Auto(1000) }));
        using var sequences = new Tensor(Device.Default, DType.Float32, 100, 2, 1);
        using var states = new Tensor(Device.Default, DType.Float32, 2, 64);

        AssertRefused(() => rnn.GetStateBytes(100, 2), "layer 0 \\(RoaRnn\\)");
        AssertRefused(() => fnn.GetStateBytes(2), "layer 1 \\(RoaFnn\\)");
        AssertRefused(() => model.Forward(sequences), "layer 0 \\(RoaRnn\\)");
        AssertRefused(() => feedforward.Forward(states), "layer 0 \\(RoaFnn\\)");

        static void AssertRefused(Func<object> call, string layer) => Assert.That(
            () => call(),
            Throws.TypeOf<OutOfMemoryException>().With.Message.Match($"^{layer}: maximumBytes of Checkpointing.Auto is 1000; 100 steps of 2 x 64 states need at least [^_]*$"));
    }

    [Test]
    public void Convex_options_have_alpha_and_beta_that_sum_to_one()
    {
        Assert.That((RoaRnnOptions.Convex(0.25).Alpha, RoaRnnOptions.Convex(0.25).Beta), Is.EqualTo(((UnitValues)0.75, (UnitValues)0.25)));
        Assert.That(RoaFnnOptions.Convex((double[])[0, 0.25, 1]).Alpha, Is.EqualTo((double[])[1, 0.75, 0]));
    }

    [TestCase(-0.01)]
    [TestCase(1.01)]
    [TestCase(double.NaN)]
    [TestCase(double.PositiveInfinity)]
    public void A_convex_beta_outside_zero_to_one_is_refused(double beta)
    {
        Assert.That(() => RoaRnnOptions.Convex(beta), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("beta is").And.Message.Contains("it must be from 0 to 1"));
        Assert.That(() => RoaFnnOptions.Convex(beta), Throws.TypeOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void Training_steps_allocate_nothing_also_with_a_smaller_batch()
    {
        using var model = new Sequential(
            Device.Default, 7, new RoaRnn(2, 16, new RoaRnnOptions { Output = SequenceOutput.All }), new Lstm(16, 8, new LstmOptions { Output = SequenceOutput.All }),
            new RoaFnn(8, 3), new Dense(8, 4));
        using var largeState = new Tensor(Device.Default, DType.Float32, 6, 8);
        using var smallState = new Tensor(Device.Default, DType.Float32, 3, 8);
        using var loss = new CrossEntropyLoss();
        using var error = new MeanSquaredErrorLoss();
        using var adam = new AdamW(model) { Schedule = new WarmupSchedule(3, new CosineSchedule(1e-3, 10)) };
        using var sgd = new Sgd(model, 1e-3, new SgdOptions { Momentum = 0.9 });
        using var large = new Tensor(Device.Default, DType.Float32, 5, 6, 2);
        using var small = new Tensor(Device.Default, DType.Float32, 4, 3, 2);
        using var largeTargets = new Tensor(Device.Default, DType.Float32, 5, 6, 4);
        using var smallTargets = new Tensor(Device.Default, DType.Float32, 4, 3, 4);
        int[] classes = new int[30];
        ForwardOptions stateAlone = States.From(new Dictionary<string, Tensor> { ["1.state"] = largeState });
        ForwardOptions both = States.From(new Dictionary<string, Tensor> { ["1.state"] = smallState, ["1.cell_state"] = smallState });
        ForwardOptions cellStateAlone = States.From(new Dictionary<string, Tensor> { ["1.cell_state"] = largeState });

        Steps();
        long before = GC.GetAllocatedBytesForCurrentThread();
        Steps();
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;

        Assert.That(allocated, Is.Zero);

        void Steps()
        {
            for (int i = 0; i < 3; i++)
            {
                loss.Forward(model.Forward(large, stateAlone), classes);
                model.Backward(loss.Gradient);
                model.ClipGradientNorm(1);
                adam.Step();
                loss.Forward(model.Forward(small, both), classes.AsSpan(0, 12));
                model.Backward(loss.Gradient);
                adam.Step();
                error.Forward(model.Forward(large, cellStateAlone), largeTargets);
                model.Backward(error.Gradient);
                sgd.Step();
                error.Forward(model.Forward(small), smallTargets);
                model.Backward(error.Gradient, accumulate: true);
                sgd.Step();
            }
        }
    }

    [Test]
    public void A_smaller_batch_takes_no_more_native_objects()
    {
        using var model = new Sequential(Device.Default, 8, new RoaRnn(2, 4), new Dense(4, 2));
        using var large = new Tensor(Device.Default, DType.Float32, 5, 6, 2);
        using var small = new Tensor(Device.Default, DType.Float32, 5, 3, 2);

        Tensor output = model.Forward(large);
        long before = LiveObjects.Count();
        Tensor again = model.Forward(small);

        Assert.That(again, Is.SameAs(output));
        Assert.That(again.Shape.ToArray(), Is.EqualTo((long[])[3, 2]));
        Assert.That(SystemInfo.LiveObjects, Is.EqualTo(before));
    }

    [Test]
    public void A_small_network_learns_the_sign_of_a_sum()
    {
        using var model = new Sequential(Device.Default, seed: 9, new RoaRnn(1, 32), new Dense(32, 2));
        using var loss = new CrossEntropyLoss();
        using var adam = new Adam(model, learningRate: 1e-2);
        using var inputs = new Tensor(Device.Default, DType.Float32, 10, 64, 1);
        var random = new Random(9);
        var targets = new int[64];
        for (int step = 0; step < 200; step++)
        {
            SetValues(inputs, Uniform(random, inputs.Count));
            float[] values = inputs.ToArray<float>();
            for (int row = 0; row < targets.Length; row++)
            {
                targets[row] = Enumerable.Range(0, 10).Sum(time => values[(time * 64) + row]) > 0 ? 1 : 0;
            }

            loss.Forward(model.Forward(inputs), targets);
            model.Backward(loss.Gradient);
            adam.Step();
        }

        Assert.That(loss.Correct, Is.GreaterThan(55), "of 64");
    }

    private static void AssertUniform(Parameter parameter, double low, double high)
    {
        double[] values = Values(parameter.Value);
        double width = high - low;

        // The standard error of the mean of n uniform numbers is their width / √(12 n); 5 of them.
        Assert.That(values, Is.All.InRange(low, high), parameter.Name);
        Assert.That(values.Average(), Is.EqualTo((low + high) / 2).Within(5 * width / Math.Sqrt(12.0 * values.Length)), parameter.Name);
        Assert.That(values.Max() - values.Min(), Is.GreaterThan(0.9 * width), parameter.Name);
    }
}
