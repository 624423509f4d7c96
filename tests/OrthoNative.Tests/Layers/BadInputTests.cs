using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Layers;

/// <summary>What is refused, with which exception and in which words: the argument, what was given, what is required.</summary>
internal sealed class BadInputTests
{
    private static IEnumerable<TestCaseData> BadLayers =>
    [
        Case(() => new RoaRnn(0, 4), "inputSize is 0; it must be from 1 to 1048576"),
        Case(() => new RoaRnn(1, 0), "hiddenSize is 0; it must be from 1 to 65536"),
        Case(() => new RoaRnn(1, -3), "hiddenSize is -3; it must be from 1 to 65536"),
        Case(() => new RoaRnn(1, 65537), "hiddenSize is 65537; it must be from 1 to 65536"),
        Case(() => new RoaRnn((1 << 20) + 1, 4), "inputSize is 1048577; it must be from 1 to 1048576"),
        Case(() => new RoaFnn(4, 0), "layers is 0; it must be from 1 to 2147483647"),
        Case(() => new RoaFnn(0, 4), "hiddenSize is 0; it must be from 1 to 65536"),
        Case(() => new Dense(0, 1), "inputs is 0; it must be from 1 to 1048576"),
        Case(() => new Dense(1, 0), "outputs is 0; it must be from 1 to 1048576"),
        Case(() => new RoaRnn(1, 4, new RoaRnnOptions { WeightScale = -1 }), "options.WeightScale is -1; it must be finite and not negative"),
        Case(() => new RoaRnn(1, 4, new RoaRnnOptions { InputScale = double.NaN }), "options.InputScale is NaN"),
        Case(() => new RoaRnn(1, 4, new RoaRnnOptions { BiasScale = double.PositiveInfinity }), "options.BiasScale is Infinity"),
        Case(() => new RoaRnn(1, 4, new RoaRnnOptions { BiasOffset = double.NaN }), "options.BiasOffset is NaN"),
        Case(() => new RoaRnn(1, 4, new RoaRnnOptions { InputLearningRateScale = -1 }), "options.InputLearningRateScale is -1"),
        Case(() => new RoaRnn(1, 4, new RoaRnnOptions { Activation = (Activation)9 }), "options.Activation is 9; it must be one of Tanh, Relu"),
        Case(() => new RoaRnn(1, 4, new RoaRnnOptions { Alpha = double.NaN }), "options.Alpha is NaN"),
        Case(() => new RoaRnn(1, 4, new RoaRnnOptions { Beta = (double[])[1, 2, 3] }), "options.Beta has 3 values; it must have 1, or 4 (one for each unit)"),
        Case(() => new RoaRnn(1, 4, new RoaRnnOptions { Alpha = default }), "options.Alpha has 0 values; it must have 1, or 4"),
        Case(() => new RoaRnn(1, 4, new RoaRnnOptions { Filter = Filter.FromMatrix(new double[3, 3]) }), "options.Filter has matrices of size 3; their size must be 4, as hiddenSize is"),
        Case(() => new RoaRnn(1, 4, new RoaRnnOptions { Filter = Filter.FromMatrices(new double[2, 4, 4]) }), "options.Filter has 2 matrices; it must have 1, as many as the layer has filters"),
        Case(() => new RoaFnn(4, 3, new RoaFnnOptions { Filter = Filter.FromMatrices(new double[3, 4, 4]) }), "options.Filter has 3 matrices; it must have 1"),
        Case(() => new RoaFnn(4, 3, new RoaFnnOptions { FilterPerLayer = true, Filter = Filter.FromMatrix(new double[4, 4]) }), "options.Filter has 1 matrices; it must have 3"),
        Case(() => Filter.FromMatrix(new double[2, 3]), "matrix is 2 x 3; it must be square and not empty"),
        Case(() => Filter.FromMatrices(new double[0, 3, 3]), "matrices has shape [0, 3, 3]; it must be [count, N, N], none 0"),
        Case(() => SequenceOutput.LastSteps(0), "steps is 0; it must be at least 1"),
        Case(() => Checkpointing.Every(0), "steps is 0; it must be at least 1"),
        Case(() => Checkpointing.Auto(-1), "maximumBytes is -1; it must be at least 1"),
        Case(() => new Dense(1, 1, new DenseOptions { WeightScale = -2 }), "options.WeightScale is -2"),
        Case(() => new Dense(1, 1) { Name = "" }, "Name"),
        Case(() => new CrossEntropyLoss(new CrossEntropyOptions { LabelSmoothing = 1 }), "options.LabelSmoothing is 1; it must be at least 0 and below 1"),
    ];

    [TestCaseSource(nameof(BadLayers))]
    public void Arguments_out_of_range_are_refused_in_plain_words(Func<object> make, string message) =>
        Assert.That(() => make(), Throws.InstanceOf<ArgumentException>().With.Message.Contains(message));

    [Test]
    public void Models_that_do_not_fit_together_are_refused()
    {
        using var device = Device.Cpu(1);
        var used = new Dense(2, 2);
        using var model = new Sequential(device, 1, used);
        var twice = new Dense(2, 2);

        AssertRefused(() => new Sequential(device, 1), "layers is empty");
        AssertRefused(() => new Sequential(device, 1, new RoaRnn(1, 4), new Dense(5, 1)), "layers[1] takes 5 inputs, but layers[0] has 4 outputs");
        AssertRefused(() => new Sequential(device, 1, used), "layers[0] is part of a model already");
        AssertRefused(() => new Sequential(device, 1, twice, twice), "layers[1] is the same object as layers[0]");
        AssertRefused(() => new Sequential(device, 1, new Dense(1, 1) { Name = "1" }, new Dense(1, 1)), "layers[1] has the same name, '1', as a layer before it; names must be unique.");
        Assert.That(() => new Sequential(device, 1, new Dense(1, 1), null!), Throws.ArgumentNullException);
    }

    [Test]
    public void A_matrix_that_is_not_orthogonal_is_refused_and_its_layer_can_be_used_again()
    {
        long before = LiveObjects.Count();
        var first = new Dense(2, 2);
        var bad = new RoaFnn(2, 1, new RoaFnnOptions { Filter = Filter.FromMatrix(new double[,] { { 1, 0 }, { 0.1, 1 } }) });

        AssertRefused(() => new Sequential(Device.Default, 1, first, bad), "orthogonal");
        Assert.That(SystemInfo.LiveObjects, Is.EqualTo(before));

        using var model = new Sequential(Device.Default, 1, first);
        Assert.That(model.Parameters, Has.Count.EqualTo(2));
    }

    [Test]
    [Explicit("takes 4 GiB")]
    public void Matrices_may_have_more_bytes_than_an_int_counts() =>
        Assert.That(() => Filter.FromMatrix(new double[16384, 16384]), Throws.Nothing);

    [Test]
    public void A_matrix_with_a_number_that_is_not_finite_is_refused([Values(double.NaN, double.PositiveInfinity)] double bad, [Values(0, 1)] int row, [Values(0, 1)] int column)
    {
        double[,] matrix = { { 1, 0 }, { 0, 1 } };
        matrix[row, column] = bad;
        var options = new RoaRnnOptions { Filter = Filter.FromMatrix(matrix) };

        AssertRefused(() => new Sequential(Device.Default, 1, new RoaRnn(1, 2, options)), "away from orthogonal");
    }

    [Test]
    public void Parameters_beyond_memory_give_an_exception_with_the_arithmetic() =>
        Assert.That(
            () => new Sequential(Device.Default, 1, new RoaFnn(65536, 100_000)),
            Throws.TypeOf<OutOfMemoryException>().With.Message.Match("out of memory: .* needed for .* free"));

    [Test]
    public void States_beyond_memory_give_an_exception_with_the_arithmetic()
    {
        using var model = new Sequential(Device.Default, 1, new RoaRnn(1, 4096, new RoaRnnOptions { Filter = Filter.Cycle }));
        using var inputs = new Tensor(Device.Default, DType.Float32, 1_000_000, 8, 1);

        Assert.That(() => model.Forward(inputs), Throws.TypeOf<OutOfMemoryException>().With.Message.Match("out of memory: .* needed for .* free"));
    }

    [Test]
    public void Inputs_of_another_shape_or_type_are_refused()
    {
        using var recurrent = new Sequential(Device.Default, 1, new RoaRnn(3, 4, new RoaRnnOptions { Output = SequenceOutput.LastSteps(5) }));
        using var feedforward = new Sequential(Device.Default, 1, new RoaFnn(3, 2), new Dense(3, 1));
        using var stacked = new Sequential(Device.Default, 1, new RoaRnn(3, 4), new RoaRnn(4, 4));

        Assert.That(() => recurrent.Forward(null!), Throws.ArgumentNullException);
        Refused(recurrent, DType.Float32, [7, 2], "inputs has shape [7, 2]; it must be [T, B, 3]");
        Refused(recurrent, DType.Float32, [7, 2, 4], "inputs has shape [7, 2, 4]; it must be [T, B, 3]");
        Refused(recurrent, DType.Float32, [4, 2, 3], "inputs has 4 time steps; at least 5 are required for the output LastSteps(5)");
        Refused(recurrent, DType.Float64, [7, 2, 3], "inputs has element type Float64; it must be Float32");
        Refused(feedforward, DType.Float32, [3], "inputs has shape [3]; it must be [..., 3] with at least 2 dimensions");
        Refused(feedforward, DType.Float32, [2, 4], "inputs has shape [2, 4]; it must be [..., 3]");
        Refused(stacked, DType.Float32, [7, 2, 3], "inputs of layer 1 (RoaRnn) has shape [2, 4]; it must be [T, B, 4]");

        static void Refused(Sequential model, DType dtype, long[] shape, string message)
        {
            using var inputs = new Tensor(Device.Default, dtype, shape);
            AssertRefused(() => model.Forward(inputs), message);
        }
    }

    [Test]
    public void An_initial_state_of_another_name_shape_or_type_is_refused()
    {
        using var model = new Sequential(Device.Default, 1, new RoaRnn(3, 4));
        using var none = new Sequential(Device.Default, 1, new Dense(3, 4));
        using var inputs = new Tensor(Device.Default, DType.Float32, 7, 2, 3);
        using var shape = new Tensor(Device.Default, DType.Float32, 3, 4);
        using var dtype = new Tensor(Device.Default, DType.Float64, 2, 4);
        using var right = new Tensor(Device.Default, DType.Float32, 2, 4);

        AssertRefused(() => model.Forward(inputs, States.From(shape)), "options.InitialStates['0.state'] has shape [3, 4]; it must be [2, 4]");
        AssertRefused(() => model.Forward(inputs, States.From(dtype)), "options.InitialStates['0.state'] has element type Float64; it must be Float32");
        AssertRefused(
            () => model.Forward(inputs, States.From(new Dictionary<string, Tensor> { ["0.state"] = null! })), "options.InitialStates['0.state'] is null; it must be given");
        AssertRefused(
            () => model.Forward(inputs, States.From(new Dictionary<string, Tensor> { ["1.state"] = right })),
            "options.InitialStates has '1.state'; the model's states are 0.state.");
        AssertRefused(() => none.Forward(inputs, States.From(right)), "options.InitialStates has '0.state'; the model has no states.");
        Assert.That(() => model.Forward(inputs, States.From(right)), Throws.Nothing);
    }

    [Test]
    public void Inputs_that_are_not_finite_are_refused_by_name(
        [Values(float.NaN, float.PositiveInfinity, float.NegativeInfinity)] float bad, [Values(0, 17, 29)] int index)
    {
        using var recurrent = new Sequential(Device.Default, 1, new RoaRnn(3, 4));
        using var feedforward = new Sequential(Device.Default, 1, new RoaFnn(3, 4));
        using var dense = new Sequential(Device.Default, 1, new Dense(3, 4));
        using var inputs = new Tensor(Device.Default, DType.Float32, 5, 2, 3);
        inputs.AsSpan<float>()[index] = bad;

        // .NET's NaN has its sign set, which C prints.
        string message = FormattableString.Invariant($"inputs[{index}] is {bad};");
        Assert.That(() => recurrent.Forward(inputs), Throws.TypeOf<NotFiniteNumberException>().With.Message.Contains(message));
        Assert.That(() => dense.Forward(inputs), Throws.TypeOf<NotFiniteNumberException>().With.Message.Contains(message));
        Assert.That(() => feedforward.Forward(inputs), Throws.TypeOf<NotFiniteNumberException>().With.Message.Contains(message));
    }

    [Test]
    public void Initial_states_and_output_gradients_that_are_not_finite_are_refused_by_name()
    {
        using var model = new Sequential(Device.Default, 1, new RoaRnn(3, 4));
        using var inputs = new Tensor(Device.Default, DType.Float32, 5, 2, 3);
        using var state = new Tensor(Device.Default, DType.Float32, 2, 4);
        using var gradient = new Tensor(Device.Default, DType.Float32, 2, 4);
        gradient.AsSpan<float>()[3] = float.NaN;
        model.Forward(inputs);

        Assert.That(() => model.Backward(gradient), Throws.TypeOf<NotFiniteNumberException>().With.Message.Contains("outputGradient["));

        using var dense = new Sequential(Device.Default, 1, new RoaRnn(3, 4), new Dense(4, 4));
        dense.Forward(inputs);
        Assert.That(() => dense.Backward(gradient), Throws.TypeOf<NotFiniteNumberException>().With.Message.Contains("outputGradient[3] is NaN"));

        state.AsSpan<float>()[7] = float.NaN;
        Assert.That(
            () => model.Forward(inputs, States.From(state)),
            Throws.TypeOf<NotFiniteNumberException>().With.Message.Contains("options.InitialStates['0.state'][7] is NaN;"));
    }

    [Test]
    public void Backward_needs_a_forward_pass_in_training_mode_for_each()
    {
        using var model = new Sequential(Device.Default, 1, new RoaRnn(3, 4));
        using var inputs = new Tensor(Device.Default, DType.Float32, 5, 2, 3);
        using var gradient = new Tensor(Device.Default, DType.Float32, 2, 4);

        AssertInvalid();
        model.Training = false;
        model.Forward(inputs);
        AssertInvalid();
        model.Training = true;
        model.Forward(inputs);
        model.Backward(gradient);
        AssertInvalid();

        void AssertInvalid() =>
            Assert.That(() => model.Backward(gradient), Throws.InvalidOperationException.With.Message.Contains("Backward needs a Forward call with Training = true"));
    }

    [Test]
    public void Output_gradients_of_another_shape_or_type_are_refused_and_the_right_one_still_works()
    {
        using var model = new Sequential(Device.Default, 1, new RoaRnn(3, 4));
        using var inputs = new Tensor(Device.Default, DType.Float32, 5, 2, 3);
        using var shape = new Tensor(Device.Default, DType.Float32, 1, 2, 4);
        using var dtype = new Tensor(Device.Default, DType.Float64, 2, 4);
        using var right = new Tensor(Device.Default, DType.Float32, 2, 4);
        model.Forward(inputs);

        AssertRefused(() => model.Backward(shape), "outputGradient has shape [1, 2, 4]; it must be [2, 4]");
        AssertRefused(() => model.Backward(dtype), "outputGradient has element type Float64; it must be Float32");
        Assert.That(() => model.Backward(right), Throws.Nothing);
    }

    [Test]
    public void The_gradient_at_the_inputs_is_there_only_where_it_was_asked_for()
    {
        using var without = new Sequential(Device.Default, 1, new RoaRnn(3, 4));
        using var with = new Sequential(Device.Default, new SequentialOptions { ComputeInputGradient = true }, new RoaRnn(3, 4));

        Assert.That(() => without.InputGradient, Throws.InvalidOperationException.With.Message.Contains("ComputeInputGradient"));
        Assert.That(() => with.InputGradient, Throws.InvalidOperationException.With.Message.Contains("no backward pass"));
    }

    [TestCase(0)]
    [TestCase(-1)]
    [TestCase(double.NaN)]
    public void A_norm_that_is_not_above_zero_is_refused(double norm)
    {
        using var model = new Sequential(Device.Default, 1, new Dense(1, 1));

        AssertRefused(() => model.ClipGradientNorm(norm), "maximumNorm is");
    }

    [Test]
    public void A_gradient_that_is_not_finite_is_not_clipped()
    {
        using var model = new Sequential(Device.Default, 1, new Dense(2, 1));
        SetValues(model.GradientData, [1, double.NaN, 1]);

        Assert.That(() => model.ClipGradientNorm(1), Throws.TypeOf<NotFiniteNumberException>().With.Message.Contains("the norm of gradients is NaN;"));
        Assert.That(Values(model.GradientData), Is.EqualTo((double[])[1, double.NaN, 1]));
    }

    [Test]
    public void A_disposed_model_says_so()
    {
        var rnn = new RoaRnn(3, 4);
        var model = new Sequential(Device.Default, 1, rnn);
        using var inputs = new Tensor(Device.Default, DType.Float32, 5, 2, 3);
        using var gradient = new Tensor(Device.Default, DType.Float32, 2, 4);
        Tensor output = model.Forward(inputs);
        Parameter parameter = model.Parameters[0];
        var optimizer = new Sgd(model, 1);
        model.Dispose();
        model.Dispose();

        Action[] uses =
        [
            () => model.Forward(inputs),
            () => model.Backward(gradient),
            () => model.ClipGradientNorm(1),
            () => _ = model.InputGradient,
            () => model.GetFinalStates(),
            () => model.GetInitialStateGradients(),
            () => model.Save("unused"),
            () => model.Load("unused"),
            () => rnn.GetFilter(),
            () => rnn.GetStateBytes(1, 1),
            () => output.ToArray<float>(),
            () => parameter.Value.ToArray<float>(),
            () => model.ParameterData.ToArray<float>(),
            () => optimizer.Step(),
            () => new Sgd(model, 1).Dispose(),
        ];
        foreach (Action use in uses)
        {
            Assert.That(use, Throws.TypeOf<ObjectDisposedException>());
        }
    }

    [Test]
    public void Disposed_arguments_say_so()
    {
        using var model = new Sequential(Device.Default, 1, new RoaRnn(3, 4));
        var inputs = new Tensor(Device.Default, DType.Float32, 5, 2, 3);
        using var gradient = new Tensor(Device.Default, DType.Float32, 2, 4);
        var device = Device.Cpu(1);
        model.Forward(inputs);
        inputs.Dispose();
        device.Dispose();

        Assert.That(() => model.Backward(gradient), Throws.TypeOf<ObjectDisposedException>(), "inputs must outlive the backward pass");
        Assert.That(() => model.Forward(inputs), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => new Sequential(device, 1, new Dense(1, 1)), Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void A_layer_that_is_not_part_of_a_model_says_so()
    {
        Assert.That(() => new RoaRnn(1, 1).GetFilter(), Throws.InvalidOperationException.With.Message.Contains("not part of a model"));
        Assert.That(() => new RoaFnn(1, 1).GetStateBytes(1), Throws.InvalidOperationException);
    }

    [Test]
    public void A_second_thread_in_a_model_gets_an_exception()
    {
        using var model = new Sequential(Device.Default, 1, new RoaRnn(3, 4));
        using var inputs = new Tensor(Device.Default, DType.Float32, 5, 2, 3);
        using var gradient = new Tensor(Device.Default, DType.Float32, 2, 4);
        using var held = new HoldingSchedule();
        using var optimizer = new Sgd(model, 1) { Schedule = held };
        var other = Task.Run(optimizer.Step);
        held.WaitUntilInUse();

        Action[] uses =
        [
            () => model.Forward(inputs), () => model.Backward(gradient), () => model.GetFinalStates(), () => model.GetInitialStateGradients(),
            () => model.ClipGradientNorm(1), () => model.Save("unused"),
        ];
        foreach (Action use in uses)
        {
            Assert.That(use, Throws.InvalidOperationException.With.Message.Contains("Another thread is using the model"));
        }

        held.Release();
        other.Wait();
        Assert.That(() => model.Forward(inputs), Throws.Nothing);
    }

    private static TestCaseData Case(Func<object> make, string message) => new TestCaseData(make, message).SetArgDisplayNames(message);

    private static void AssertRefused(Func<object> make, string message) =>
        Assert.That(() => make(), Throws.InstanceOf<ArgumentException>().With.Message.Contains(message));

    private static void AssertRefused(Action action, string message) =>
        Assert.That(action, Throws.InstanceOf<ArgumentException>().With.Message.Contains(message));

    /// <summary>A schedule that holds the thread that asks it, and with it the model that this thread uses.</summary>
    private sealed class HoldingSchedule : LearningRateSchedule, IDisposable
    {
        private readonly ManualResetEventSlim _inUse = new();
        private readonly ManualResetEventSlim _released = new();

        public override double At(long stepsDone)
        {
            _inUse.Set();
            _released.Wait();
            return 1;
        }

        public void WaitUntilInUse() => _inUse.Wait();

        public void Release() => _released.Set();

        public void Dispose()
        {
            _inUse.Dispose();
            _released.Dispose();
        }
    }
}
