using OrthoNative.Tests.Data;
using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Training;

/// <summary>Truncated backpropagation through sequences that a reader gives window by window.</summary>
internal sealed class StreamTests
{
    private const int Steps = 23;
    private const int Window = 5;

    /// <summary>Windows of a pass, of which the last has 3 steps.</summary>
    private const int Windows = 5;

    private static readonly string[] s_ended = ["model.safetensors", "run.json"];
    private static readonly string[] s_interrupted = ["loss.csv", "model.safetensors", "optimizer.safetensors", "run.json", "states.safetensors"];

    [Test]
    public void A_window_over_whole_sequences_gives_the_bits_of_training_on_them(
        [Values(1, 3)] int sequences, [Values(Steps, Steps + 7)] int window, [FloatingPointTypes] DType dtype)
    {
        ArrayDataset data = Data(sequences, seed: 1);
        var options = new TrainerOptions { BatchSize = sequences, Epochs = 6, ClipNorm = 1, Loading = new DataLoaderOptions(), Metrics = [new Accuracy()] };
        using var expected = new Setup(options, dtype);
        using var found = new Setup(options, dtype);
        using SequenceReader reader = SequenceReader.Of(data);

        TrainingResult straight = expected.Trainer.Fit(data);
        TrainingResult result = found.Trainer.FitStream(reader, window);

        Assert.That(Numbers(result), Is.EqualTo(Numbers(straight)));
        Assert.That(found.Bits, Is.EqualTo(expected.Bits));
        Assert.That(found.Trainer.EvaluateStream(reader, window), Is.EqualTo(expected.Trainer.Evaluate(data)));
    }

    [Test]
    public void Steps_are_those_of_a_loop_that_carries_states([Values(1, 3)] int sequences, [Values(1, Window)] int window, [FloatingPointTypes] DType dtype)
    {
        const int Epochs = 2;
        using SequenceReader reader = SequenceReader.Of(Data(sequences, seed: 1));
        using var expected = new Setup(new TrainerOptions(), dtype);
        var losses = new List<double>();
        for (int epoch = 0; epoch < Epochs; epoch++)
        {
            Dictionary<string, Tensor> states = [];
            for (int start = 0; start < Steps; start += window)
            {
                (Tensor inputs, int[] classes) = Read(reader, start, int.Min(window, Steps - start), dtype);
                using (inputs)
                {
                    losses.Add(expected.Loss.Forward(expected.Model.Forward(inputs, new ForwardOptions { InitialStates = states }), Targets.Of(classes)));
                    expected.Model.Backward(expected.Loss.Gradient);
                    expected.Model.ClipGradientNorm(0.5);
                    expected.Optimizer.Step();
                    States.Dispose(states);
                    states = expected.Model.GetFinalStates();
                }
            }

            States.Dispose(states);
        }

        var seen = new List<double>();
        using var setup = new Setup(new TrainerOptions { Epochs = Epochs, ClipNorm = 0.5, Callbacks = [new Callback { Step = state => seen.Add(state.Loss) }] }, dtype);
        TrainingResult result = setup.Trainer.FitStream(reader, window);

        Assert.That(result.Steps, Is.EqualTo(Epochs * ((Steps + window - 1) / window)));
        Assert.That(seen, Is.EqualTo(losses));
        Assert.That(setup.Bits, Is.EqualTo(expected.Bits));
    }

    [Test]
    public void States_after_the_last_window_are_those_of_one_pass_over_whole_sequences([Values(1, 4, Window, 22)] int window)
    {
        using SequenceReader reader = SequenceReader.Of(Data(2, seed: 1));
        using var whole = new Setup(new TrainerOptions(), noise: 0);
        using Tensor inputs = Read(reader, 0, Steps, DType.Float32).Inputs;
        whole.Model.Forward(inputs);
        using var windows = new Setup(new TrainerOptions { Epochs = 1 }, noise: 0, learningRate: 0);
        windows.Trainer.FitStream(reader, window);

        Dictionary<string, Tensor> expected = whole.Model.GetFinalStates(), found = windows.Model.GetFinalStates();
        Assert.That(States.Bytes(found), Is.EqualTo(States.Bytes(expected)));
    }

    [Test]
    public void Predictions_of_windows_are_those_of_whole_sequences([Values(1, Window, Steps, 100)] int window)
    {
        ArrayDataset data = Data(3, seed: 1);
        using SequenceReader reader = SequenceReader.Of(data);
        using var setup = new Setup(new TrainerOptions { BatchSize = 3, Metrics = [new Accuracy()] });
        using Tensor inputs = Read(reader, 0, Steps, DType.Float32).Inputs;
        setup.Model.Training = false;
        double[] expected = Values(setup.Model.Forward(inputs));
        setup.Model.Training = true;
        EvaluationResult whole = setup.Trainer.Evaluate(data);

        var found = new List<double>();
        var starts = new List<long>();
        setup.Trainer.PredictStream(reader, window, (start, outputs) =>
        {
            starts.Add(start);
            found.AddRange(Values(outputs));
        });
        EvaluationResult measured = setup.Trainer.EvaluateStream(reader, window);

        Assert.That(found, Is.EqualTo(expected));
        Assert.That(starts, Is.EqualTo(Enumerable.Range(0, (Steps + window - 1) / window).Select(i => (long)i * window)));
        Assert.That(measured["accuracy"], Is.EqualTo(whole["accuracy"]));
        Assert.That(measured.Loss, Is.EqualTo(whole.Loss).Within(1e-6));
        Assert.That(measured.Samples, Is.EqualTo(3));
        Assert.That(setup.Model.Training, Is.True);
    }

    [Test]
    public void Inputs_without_targets_are_predicted_on_alone()
    {
        using SequenceReader data = SequenceReader.Of(Data(1, seed: 1));
        using SequenceReader reader = new WithoutTargets(data);
        using var setup = new Setup(new TrainerOptions());
        var found = new List<double>();
        var expected = new List<double>();
        setup.Trainer.PredictStream(reader, Window, (_, outputs) => found.AddRange(Values(outputs)));
        setup.Trainer.PredictStream(data, Window, (_, outputs) => expected.AddRange(Values(outputs)));

        Assert.That(found, Is.EqualTo(expected));
        Assert.That(() => setup.Trainer.FitStream(reader, Window), Throws.ArgumentException.With.Message.StartsWith("training has no targets; targets are required."));
        Assert.That(() => setup.Trainer.FitStream(data, Window, reader), Throws.ArgumentException.With.Message.StartsWith("validation has no targets; targets are required."));
        Assert.That(() => setup.Trainer.EvaluateStream(reader, Window), Throws.ArgumentException.With.Message.StartsWith("reader has no targets; targets are required."));
    }

    [Test]
    public void Values_and_indices_are_learnt_from_too()
    {
        var random = new Random(4);
        int[] tokens = [.. Enumerable.Range(0, Steps).Select(_ => random.Next(6))];
        float[] values = [.. tokens.Select(token => (float)Math.Sin(token))];
        ArrayDataset data = ArrayDataset.Regression(tokens, Steps, 1, values, 1);
        using SequenceReader reader = SequenceReader.Of(data);
        using Sequential expected = Make(), found = Make();
        Fit(expected, trainer => trainer.Fit(data));
        Fit(found, trainer => trainer.FitStream(reader, Steps));
        Assert.That(Values(found.ParameterData), Is.EqualTo(Values(expected.ParameterData)));

        static Sequential Make() => new(Device.Default, 1, new Embedding(6, 3), new Gru(3, 4, new GruOptions { Output = SequenceOutput.All }), new Dense(4, 1));

        static void Fit(Sequential model, Action<Trainer> fit)
        {
            using var loss = new MeanSquaredErrorLoss();
            using var adam = new Adam(model, 0.01);
            fit(new Trainer(model, loss, adam, new TrainerOptions { Epochs = 4 }));
        }
    }

    [Test]
    public void A_dependency_within_a_window_is_learnt()
    {
        using SequenceReader data = SequenceReader.Of(Data(1, seed: 1, steps: 4000));
        using SequenceReader training = data.Slice(0, 3000), validation = data.Slice(3000, 1000), parts = training.Split(4);
        using var setup = new Setup(new TrainerOptions { Epochs = 12, Metrics = [new Accuracy()] }, noise: 0, learningRate: 0.02);
        TrainingResult result = setup.Trainer.FitStream(parts, 25, validation);

        Assert.That(result.Steps, Is.EqualTo(12 * 30));
        Assert.That(result.BestEpoch!.Validation!["accuracy"], Is.GreaterThan(0.95));
        Assert.That(setup.Trainer.EvaluateStream(validation, 77)["accuracy"], Is.EqualTo(result.BestEpoch.Validation["accuracy"]), "the best weights are left");
    }

    [Test]
    public void A_run_that_is_interrupted_after_any_step_ends_with_the_bits_of_one_that_is_not([FloatingPointTypes] DType dtype)
    {
        Outcome straight = Run(null, dtype);
        for (int step = 1; step <= 3 * Windows; step++)
        {
            using var folder = new TemporaryFolder();
            Outcome part = Run(folder.File("run"), dtype, interruptAt: step);
            string[] files = Names(folder.File("run"));
            Outcome resumed = Run(folder.File("run"), dtype);

            Assert.That((part.Result.Status, part.Result.Steps), Is.EqualTo((TrainingStatus.Interrupted, (long)step)));
            Assert.That(files.Except(["best.safetensors"]), Is.EqualTo(s_interrupted));
            AssertSame(resumed, straight, $"interrupted after step {step}");
            Assert.That(Names(folder.File("run")), Is.EqualTo(s_ended));
        }
    }

    [Test]
    public void A_run_that_is_killed_after_any_save_ends_with_the_same_bits()
    {
        Outcome straight = Run(null);
        using var folder = new TemporaryFolder();
        int count = 0;
        Run(folder.File("run"), saveInterval: TimeSpan.Zero, onStep: _ =>
        {
            string copy = Directory.CreateDirectory(folder.File($"copy{count++}")).FullName;
            foreach (string file in Directory.EnumerateFiles(folder.File("run")).Where(file => !file.EndsWith(".lock", StringComparison.Ordinal)))
            {
                File.Copy(file, Path.Combine(copy, Path.GetFileName(file)));
            }
        });

        Assert.That(count, Is.EqualTo(3 * Windows));
        for (int copy = 0; copy < count; copy++)
        {
            AssertSame(Run(folder.File($"copy{copy}")), straight, $"killed after save {copy}");
        }
    }

    [Test]
    public void What_a_reader_throws_keeps_the_state_from_which_the_run_is_resumed([Values(1, 7, 10)] int window)
    {
        Outcome straight = Run(null);
        using var folder = new TemporaryFolder();
        Assert.That(() => Run(folder.File("run"), failAt: window), Throws.TypeOf<InvalidDataException>().With.Message.EqualTo("broken"));
        Assert.That(Names(folder.File("run")).Except(["best.safetensors"]), Is.EqualTo(s_interrupted));
        AssertSame(Run(folder.File("run")), straight, "");
    }

    [Test]
    public void A_run_is_resumed_with_the_same_windows_and_sequences_alone()
    {
        using var folder = new TemporaryFolder();
        string run = folder.File("run");
        Run(run, interruptAt: 7);
        using SequenceReader reader = SequenceReader.Of(Data(2, seed: 1));
        using var setup = new Setup(Options(run));

        Refuse(() => setup.Trainer.FitStream(reader, Window + 1, reader), "settings.window is 5; expected: 6, as now.");
        Refuse(() => setup.Trainer.FitStream(reader.Slice(0, 22), Window, reader), "settings.sequenceSteps is 23; expected: 22, as now.");
        Refuse(() => setup.Trainer.FitStream(reader, Window, reader.Slice(0, 22)), "settings.validationSteps is 23; expected: 22, as now.");
        using SequenceReader one = SequenceReader.Of(Data(1, seed: 1));
        Refuse(() => setup.Trainer.FitStream(one, Window, reader), "settings.batchSize is 2; expected: 1, as now.");
        Refuse(() => setup.Trainer.Fit(Data(2, seed: 1), Data(2, seed: 1)), "settings.shuffle is false; expected: true, as now.");

        static void Refuse(Func<TrainingResult> fit, string message) => Assert.That(fit, Throws.TypeOf<InvalidDataException>().With.Message.EndsWith(message));
    }

    [Test]
    public void States_that_no_run_can_have_left_are_refused()
    {
        using var folder = new TemporaryFolder();
        string run = folder.File("run"), file = Path.Combine(run, "states.safetensors");
        Run(run, interruptAt: 7);
        Dictionary<string, Tensor> states = SafeTensors.Load(file, Device.Default);
        Assert.That(states.Keys, Is.EquivalentTo((string[])["1.state", "2.state", "2.cell_state"]));

        states["1.state"].CopyFrom<float>(3, [float.NaN]);
        SafeTensors.Save(file, states);
        Assert.That(() => Run(run), Throws.TypeOf<InvalidDataException>().With.Message.EndsWith("1.state[3] is NaN; a finite number is expected."));

        SafeTensors.Save(file, states.Where(state => state.Key != "2.cell_state"));
        Assert.That(() => Run(run), Throws.TypeOf<InvalidDataException>().With.Message.Contains("2.cell_state"));

        using var small = new Tensor(Device.Default, DType.Float32, 1, 8);
        SafeTensors.Save(file, [.. states.Where(state => state.Key != "1.state"), new("1.state", small)]);
        Assert.That(() => Run(run), Throws.TypeOf<InvalidDataException>().With.Message.Contains("[1, 8]"));

        File.Delete(file);
        Assert.That(() => Run(run), Throws.InstanceOf<IOException>().With.Message.Contains("states.safetensors"));
        States.Dispose(states);
    }

    [Test]
    public void Layers_that_look_beyond_their_step_are_refused()
    {
        RoaRnnOptions all = new() { Output = SequenceOutput.All };
        Refuse("layer 0 (Bidirectional) reads sequences from their end, too.", new Bidirectional(new RoaRnn(2, 3, all), new RoaRnn(2, 3, all)));
        Refuse("layer 0.recurrence (Bidirectional) reads sequences from their end, too.", new RoaBlock(2, new RoaBlockOptions { Bidirectional = true }));
        Refuse("layer 0 (RoaRnn) has the output Last; it must have All.", new RoaRnn(2, 3));
        Refuse("layer 0 (Lstm) has the output LastSteps(2); it must have All.", new Lstm(2, 3, new LstmOptions { Output = SequenceOutput.LastSteps(2) }));
        Refuse("layer 1 (Pooling) makes one output of a whole sequence.", new RoaRnn(2, 3, all), new Pooling(3, PoolingKind.Mean));
        Refuse("layer 0 (Conv1D) reads several steps for an output.", new Conv1D(2, 3, 3, new Conv1DOptions { Padding = 1 }));
        Refuse("layer 1 (WindowPooling) reads several steps for an output.", new RoaRnn(2, 3, all), new WindowPooling(3, 2, PoolingKind.Mean));
        Refuse("layer 0 (Identity) does not say that it computes each step by itself (IsStepwise).", new Identity(false));
        Refuse("layer 0.0 (Identity) does not say that it computes each step by itself (IsStepwise).", new Residual(new Identity(false)));

        static void Refuse(string message, params Layer[] layers)
        {
            using var model = new Sequential(Device.Default, 1, [.. layers, new Dense(layers[^1].OutputSize, 3)]);
            using var loss = new CrossEntropyLoss();
            using var adam = new Adam(model);
            var trainer = new Trainer(model, loss, adam);
            using SequenceReader reader = SequenceReader.Of(Data(1, seed: 1));
            const string Rule = " Sequences can be cut in windows only where every output depends on the inputs of its own step and on states of recurrent layers.";
            Assert.That(() => trainer.FitStream(reader, Window), Throws.InvalidOperationException.With.Message.EqualTo(message + Rule));
            Assert.That(() => trainer.EvaluateStream(reader, Window), Throws.InvalidOperationException.With.Message.EqualTo(message + Rule));
            Assert.That(() => trainer.PredictStream(reader, Window, (_, _) => { }), Throws.InvalidOperationException.With.Message.EqualTo(message + Rule));
        }
    }

    /// <summary>All kinds of layers that say that they can be cut give, cut, the outputs of the whole.</summary>
    [Test]
    public void Layers_that_say_so_give_the_same_outputs_in_windows()
    {
        RoaRnnOptions all = new() { Output = SequenceOutput.All };
        using var model = new Sequential(
            Device.Default, 1, new Identity(true), new Dense(2, 4), new LayerNorm(4), new ActivationLayer(4, Activation.Tanh), new Conv1D(4, 4, 1),
            new Residual(new GatedLinear(4, 4), new Dropout(4, 0.5)), new RoaBlock(4), new Branches(new RoaRnn(4, 3, all), new Elman(4, 2, new ElmanOptions { Output = SequenceOutput.All })),
            new RoaFnn(5, 3), new Sequential(new Gru(5, 3, new GruOptions { Output = SequenceOutput.All })), new Dense(3, 3));
        Assert.That(model.AllLayers, Has.All.Matches<Layer>(layer => layer.IsStepwise));
        using var loss = new CrossEntropyLoss();
        using var adam = new Adam(model);
        var trainer = new Trainer(model, loss, adam);
        using SequenceReader reader = SequenceReader.Of(Data(2, seed: 1));
        var whole = new List<double>();
        var windows = new List<double>();
        trainer.PredictStream(reader, Steps, (_, outputs) => whole.AddRange(Values(outputs)));
        trainer.PredictStream(reader, 4, (_, outputs) => windows.AddRange(Values(outputs)));

        Assert.That(windows, Is.EqualTo(whole));
    }

    [Test]
    public void Arguments_that_do_not_fit_are_refused()
    {
        using SequenceReader reader = SequenceReader.Of(Data(2, seed: 1));
        using var setup = new Setup(new TrainerOptions { AccumulateBatches = 2 });
        using var stopping = new Setup(new TrainerOptions { EarlyStopping = new EarlyStopping() });

        Assert.That(() => setup.Trainer.FitStream(reader, 0), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("window is 0; it must be at least 1."));
        Assert.That(() => setup.Trainer.EvaluateStream(reader, -1), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("window is -1; it must be at least 1."));
        Assert.That(() => setup.Trainer.PredictStream(reader, 0, (_, _) => { }), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("window is 0; it must be at least 1."));
        Assert.That(
            () => setup.Trainer.FitStream(reader, 5),
            Throws.InvalidOperationException.With.Message.EqualTo("options.AccumulateBatches is 2; it must be 1 for windows, of which each is a step. A larger window, or more sequences, make larger steps."));
        Assert.That(() => stopping.Trainer.FitStream(reader, 5), Throws.ArgumentException.With.Message.StartsWith("validation is null, but options.EarlyStopping is given, which needs validation data."));
        Assert.That(() => stopping.Trainer.FitStream(null!, 5), Throws.ArgumentNullException);
        Assert.That(() => stopping.Trainer.PredictStream(reader, 5, null!), Throws.ArgumentNullException);
        using SequenceReader wide = new Sizes(sequences: 1, steps: 1L << 40, features: 2);
        Assert.That(
            () => stopping.Trainer.EvaluateStream(wide, int.MaxValue),
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith($"window is 2147483647; with 1 sequences of 2 numbers at a step it must be at most {Array.MaxLength / 2}."));
        using SequenceReader none = new Sizes(sequences: 0, steps: 5, features: 2);
        Assert.That(() => stopping.Trainer.EvaluateStream(none, 5), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("reader.Sequences is 0; it must be from 1 to "));
        using SequenceReader empty = new Sizes(sequences: 1, steps: 0, features: 2);
        Assert.That(() => stopping.Trainer.EvaluateStream(empty, 5), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("reader.Steps is 0; it must be "));
    }

    [Test]
    public void Cancellation_takes_effect_within_a_window()
    {
        using SequenceReader reader = SequenceReader.Of(Data(2, seed: 1));
        using var cancellation = new CancellationTokenSource();
        using var setup = new Setup(new TrainerOptions { Epochs = 3 });
        TrainingResult result = setup.Trainer.FitStream(reader, Window, null, new DirectProgress(report => Cancel(report.Step)), cancellation.Token);
        Assert.That((result.Status, result.Steps), Is.EqualTo((TrainingStatus.Interrupted, 7L)));

        Assert.That(() => setup.Trainer.EvaluateStream(reader, Window, cancellation.Token), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(() => setup.Trainer.PredictStream(reader, Window, (_, _) => { }, cancellation.Token), Throws.InstanceOf<OperationCanceledException>());

        void Cancel(long step)
        {
            if (step == 7)
            {
                cancellation.Cancel();
            }
        }
    }

    [Test]
    public async Task A_training_in_a_thread_of_its_own_gives_the_same_bits()
    {
        using SequenceReader reader = SequenceReader.Of(Data(2, seed: 1));
        using var expected = new Setup(new TrainerOptions { Epochs = 2 });
        using var found = new Setup(new TrainerOptions { Epochs = 2 });
        expected.Trainer.FitStream(reader, Window);
        await found.Trainer.FitStreamAsync(reader, Window);
        Assert.That(found.Bits, Is.EqualTo(expected.Bits));
    }

    [Test]
    public void Bits_do_not_depend_on_the_number_of_threads()
    {
        using SequenceReader reader = SequenceReader.Of(Data(9, seed: 1));
        var all = new List<byte[]>();
        foreach (int threads in (int[])[1, 2, 3])
        {
            using Device device = Device.Cpu(threads);
            using var setup = new Setup(new TrainerOptions { Epochs = 3 }, device: device);
            setup.Trainer.FitStream(reader, Window);
            all.Add(setup.Bits);
        }

        Assert.That(all[1], Is.EqualTo(all[0]));
        Assert.That(all[2], Is.EqualTo(all[0]));
    }

    [Test]
    public void A_divergence_is_told_with_its_step()
    {
        using SequenceReader reader = SequenceReader.Of(Data(2, seed: 1));
        using var setup = new Setup(new TrainerOptions { Epochs = 3, Callbacks = [new Callback { Step = Break }] });
        TrainingDivergedException exception = Assert.Throws<TrainingDivergedException>(() => setup.Trainer.FitStream(reader, Window))!;
        Assert.That((exception.Step, exception.SavedStep, setup.Optimizer.StepCount), Is.EqualTo((8L, 0L, 7L)));

        static void Break(TrainingState state)
        {
            if (state.Step == 7)
            {
                state.Model.Parameters[^1].Value.Fill(double.PositiveInfinity);
            }
        }
    }

    [Test]
    public void Steps_allocate_nothing()
    {
        using SequenceReader data = SequenceReader.Of(Data(1, seed: 1, steps: 2300));
        using SequenceReader reader = data.Slice(0, 2222).Split(2);

        long At(int steps)
        {
            long start = 0, end = 0;
            using var setup = new Setup(new TrainerOptions
            {
                Epochs = 1000,
                Steps = steps,
                ClipNorm = 1,
                Metrics = [new Accuracy()],
                StepsPerEpoch = 1000,
                Callbacks =
                [
                    new Callback
                    {
                        Step = state =>
                        {
                            start = state.Step == 20 ? GC.GetAllocatedBytesForCurrentThread() : start;
                            end = GC.GetAllocatedBytesForCurrentThread();
                        },
                    },
                ],
            });
            setup.Trainer.FitStream(reader, 100, null, new DirectProgress(_ => { }));
            return end - start;
        }

        At(30);
        Assert.That(At(100), Is.Zero);
    }

    /// <summary>A class at each step: the sum, modulo 3, of whether the first input is positive at the step and at the two steps before.</summary>
    private static ArrayDataset Data(int sequences, int seed, int steps = Steps)
    {
        var random = new Random(seed);
        float[] inputs = new float[sequences * steps * 2];
        int[] classes = new int[sequences * steps];
        for (int i = 0; i < classes.Length; i++)
        {
            inputs[2 * i] = (float)((2 * random.NextDouble()) - 1);
            inputs[(2 * i) + 1] = (float)random.NextDouble();
            for (int back = 0; back < 3 && back <= i % steps; back++)
            {
                classes[i] += inputs[2 * (i - back)] > 0 ? 1 : 0;
            }

            classes[i] %= 3;
        }

        return ArrayDataset.Classification(inputs, steps, 2, classes, 3);
    }

    private static (Tensor Inputs, int[] Classes) Read(SequenceReader reader, int start, int steps, DType dtype)
    {
        float[] inputs = new float[steps * reader.Sequences * 2];
        int[] classes = new int[steps * reader.Sequences];
        reader.Read(start, steps, inputs, classes, []);
        return (ToTensor([.. inputs.Select(x => (double)x)], dtype, steps, reader.Sequences, 2), classes);
    }

    private static TrainerOptions Options(string path) => new()
    {
        Epochs = 3,
        ClipNorm = 1,
        Metrics = [new Accuracy()],
        Folder = path,
        ExistingRun = ExistingRun.Resume,
        SaveInterval = Timeout.InfiniteTimeSpan,
    };

    /// <summary>A run in a folder, or the rest of one.</summary>
    private static Outcome Run(
        string? path, DType dtype = DType.Float32, int? interruptAt = null, int? failAt = null, TimeSpan? saveInterval = null, Action<TrainingState>? onStep = null)
    {
        using TemporaryFolder? own = path is null ? new TemporaryFolder() : null;
        using var cancellation = new CancellationTokenSource();
        TrainerOptions options = Options(path ?? own!.File("run"));
        using var setup = new Setup(
            options with
            {
                SaveInterval = saveInterval ?? options.SaveInterval,
                Callbacks = [new Callback { Step = OnStep }],
            },
            dtype,
            schedule: new ReduceOnPlateauSchedule(0.05, new ReduceOnPlateauOptions { Patience = 0, Factor = 0.5 }));
        using SequenceReader data = SequenceReader.Of(Data(2, seed: 1)), validation = SequenceReader.Of(Data(2, seed: 2)), training = new Failing(data, failAt);
        TrainingResult result = setup.Trainer.FitStream(training, Window, validation, null, cancellation.Token);
        return new Outcome(result, setup.Bits);

        void OnStep(TrainingState state)
        {
            if (state.Step == interruptAt)
            {
                cancellation.Cancel();
            }

            onStep?.Invoke(state);
        }
    }

    private static void AssertSame(Outcome found, Outcome expected, string message)
    {
        Assert.That(found.Bits, Is.EqualTo(expected.Bits), message);
        Assert.That((found.Result.Status, found.Result.Steps, found.Result.BestEpoch!.Epoch), Is.EqualTo((expected.Result.Status, expected.Result.Steps, expected.Result.BestEpoch!.Epoch)), message);
        Assert.That(Numbers(found.Result), Is.EqualTo(Numbers(expected.Result)), message);
    }

    private static (int Epoch, long Step, double Loss, double Metric, EvaluationResult? Validation, double Rate)[] Numbers(TrainingResult result) =>
        [.. result.Epochs.Select(epoch => (epoch.Epoch, epoch.Step, epoch.Loss, epoch.Metric, epoch.Validation, epoch.LearningRate))];

    private static string[] Names(string folder) => [.. Directory.EnumerateFiles(folder).Select(file => Path.GetFileName(file)).Order(StringComparer.Ordinal)];

    private sealed record Outcome(TrainingResult Result, byte[] Bits);

    /// <summary>A model that carries three states, and draws noise.</summary>
    private sealed class Setup : IDisposable
    {
        public Setup(
            TrainerOptions options, DType dtype = DType.Float32, double noise = 0.05, double learningRate = 0.02, LearningRateSchedule? schedule = null, Device? device = null)
        {
            Model = new Sequential(
                device ?? Device.Default,
                new SequentialOptions { Seed = 3, DType = dtype },
                new GaussianNoise(2, noise),
                new RoaRnn(2, 8, new RoaRnnOptions { Alpha = 0.5, Beta = 0.5, Output = SequenceOutput.All }),
                new Lstm(8, 7, new LstmOptions { Output = SequenceOutput.All }),
                new Dense(7, 3));
            Loss = new CrossEntropyLoss();
            Optimizer = new Adam(Model, learningRate) { Schedule = schedule };
            Trainer = new Trainer(Model, Loss, Optimizer, options);
        }

        public Sequential Model { get; }

        public CrossEntropyLoss Loss { get; }

        public Adam Optimizer { get; }

        public Trainer Trainer { get; }

        public byte[] Bits => Bytes(Model.ParameterData);

        public void Dispose()
        {
            Optimizer.Dispose();
            Loss.Dispose();
            Model.Dispose();
        }
    }

    /// <summary>Gives its inputs on.</summary>
    private sealed class Identity(bool isStepwise) : Layer
    {
        public override long InputSize => 2;

        public override long OutputSize => 2;

        protected internal override bool IsStepwise => isStepwise;

        protected internal override Tensor Forward(in ForwardContext context, Tensor inputs) => inputs;

        protected internal override void Backward(in BackwardContext context, Tensor outputGradient, Tensor? inputGradient) => inputGradient?.CopyFrom(outputGradient);
    }

    /// <summary>Another reader's sequences, of which a window cannot be read.</summary>
    private sealed class Failing(SequenceReader source, int? failAt) : SequenceReader
    {
        private int _reads;

        public override int Sequences => source.Sequences;

        public override long Steps => source.Steps;

        public override long Features => source.Features;

        public override long Outputs => source.Outputs;

        public override bool IsClassification => source.IsClassification;

        public override void Read(long start, int steps, Span<float> inputs, Span<int> classes, Span<float> values)
        {
            if (_reads++ == failAt)
            {
                throw new InvalidDataException("broken");
            }

            source.Read(start, steps, inputs, classes, values);
        }
    }

    /// <summary>The inputs of another reader.</summary>
    private sealed class WithoutTargets(SequenceReader source) : SequenceReader
    {
        public override long Steps => source.Steps;

        public override long Features => source.Features;

        public override long Outputs => throw new NotSupportedException();

        public override bool IsClassification => throw new NotSupportedException();

        public override bool HasTargets => false;

        public override void Read(long start, int steps, Span<float> inputs, Span<int> classes, Span<float> values)
        {
            Assert.That(classes.Length + values.Length, Is.Zero);
            source.Read(start, steps, inputs, new int[steps], values);
        }
    }

    /// <summary>Sizes alone.</summary>
    private sealed class Sizes(int sequences, long steps, long features) : SequenceReader
    {
        public override int Sequences => sequences;

        public override long Steps => steps;

        public override long Features => features;

        public override long Outputs => 3;

        public override bool IsClassification => true;
    }
}
