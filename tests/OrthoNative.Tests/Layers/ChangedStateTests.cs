using OrthoNative.Diagnostics;
using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Layers;

/// <summary>State that the caller can change, or see changed, between the halves of a pass: kept as it was, or refused; never wrong numbers.</summary>
internal sealed class ChangedStateTests(DeviceKind kind) : DeviceTests(kind)
{
    private const long Inputs = 3;
    private const long Units = 8;

    private static IEnumerable<TestCaseData> Writes =>
    [
        Write("a copy of an array", x => SetValues(x, new double[x.Count])),
        Write("a copy of a range", x => x.CopyFrom<float>(x.Count - 1, [7])),
        Write("a copy of a tensor", x =>
        {
            using var other = new Tensor(x.Device, x.DType, x.Shape);
            x.CopyFrom(other);
        }),
        Write("a fill", x => x.Fill(3)),
        Write("a span", x => x.AsSpan<float>()[0] += 1),
        Write("a span of a range", x => x.AsSpan<float>(x.Count - 1, 1)[0] = 9),
    ];

    [TestCaseSource(nameof(Writes))]
    public void Inputs_that_were_written_since_the_forward_pass_are_refused_by_name(Action<Tensor> write)
    {
        foreach (Sequential model in (Sequential[])[Recurrent(), new(Device, 1, new Dense(Inputs, 2)), new(Device, 1, new GaussianNoise(Inputs, 0), new Dense(Inputs, 2))])
        {
            using (model)
            {
                using Tensor inputs = Random(5, 4, Inputs);
                using Tensor gradient = GradientFor(model.Forward(inputs));
                SkipSpans(() => write(inputs));

                Assert.That(
                    () => model.Backward(gradient),
                    Throws.InvalidOperationException.With.Message.Contains("inputs, Float32 [5, 4, 3], changed since Forward"));
                model.Forward(inputs);
                Assert.That(() => model.Backward(gradient), Throws.Nothing);
            }
        }
    }

    [TestCaseSource(nameof(Writes))]
    public void Parameters_that_were_written_since_the_forward_pass_are_refused_by_name(Action<Tensor> write)
    {
        foreach (int index in (int[])[-1, 0, 4])
        {
            using Sequential model = Recurrent();
            using Tensor inputs = Random(5, 4, Inputs);
            using Tensor gradient = GradientFor(model.Forward(inputs));
            SkipSpans(() => write(index < 0 ? model.ParameterData : model.Parameters[index].Value));

            AssertParametersRefused(model, gradient);
        }
    }

    [Test]
    public void A_step_of_an_optimizer_and_a_loaded_file_since_the_forward_pass_are_refused()
    {
        using var folder = new Data.TemporaryFolder();
        using Sequential model = Recurrent();
        using Tensor inputs = Random(5, 4, Inputs);
        using Tensor gradient = GradientFor(model.Forward(inputs));
        using var sgd = new Sgd(model, 0.1);
        using var momentum = new Sgd(model, 0.1, new SgdOptions { Momentum = 0.9 });
        using var adam = new AdamW(model);
        foreach (Optimizer optimizer in (Optimizer[])[sgd, momentum, adam])
        {
            model.Forward(inputs);
            optimizer.Step();
            AssertParametersRefused(model, gradient);
        }

        model.Save(folder.File("model"));
        model.Forward(inputs);
        model.Load(folder.File("model"));
        Assert.That(() => model.Backward(gradient), Throws.InvalidOperationException.With.Message.Contains("Backward needs a Forward call"));
    }

    [Test]
    public void The_next_batch_of_a_loader_is_a_write_and_the_end_of_an_epoch_is_not()
    {
        using var loader = new DataLoader(new AddingProblem(5, 6, seed: 1), 2, new DataLoaderOptions { Device = Device });
        using var model = new Sequential(Device, 1, new RoaRnn(2, Units), new Dense(Units, 1));
        using var loss = new MeanSquaredErrorLoss();
        DataLoader.Enumerator batches = loader.Epoch(0).GetEnumerator();
        for (int batch = 0; batch < 3; batch++)
        {
            Assert.That(batches.MoveNext(), Is.True);
            loss.Forward(model.Forward(batches.Current.Inputs), batches.Current.Values!);
            if (batches.MoveNext())
            {
                Assert.That(() => model.Backward(loss.Gradient), Throws.InvalidOperationException.With.Message.Contains("inputs, Float32 [5, 2, 2], changed"));
                loss.Forward(model.Forward(batches.Current.Inputs), batches.Current.Values!);
                batch++;
            }

            Assert.That(() => model.Backward(loss.Gradient), Throws.Nothing);
        }
    }

    [Test]
    public void A_model_may_be_given_its_own_outputs()
    {
        // As where a model generates. The outputs stay as they are until the layer that reads them has gone back.
        using Sequential model = Create(), same = Create();
        using Tensor start = Random(5, 4, Inputs);
        Tensor outputs = model.Forward(start);
        using Tensor gradient = GradientFor(outputs);
        using Tensor copy = Copy(same.Forward(start));

        Assert.That(Bytes(model.Forward(outputs)), Is.EqualTo(Bytes(same.Forward(copy))));
        model.Backward(gradient);
        same.Backward(gradient);
        Assert.That(Bytes(model.GradientData), Is.EqualTo(Bytes(same.GradientData)));
        Assert.That(Bytes(outputs), Is.EqualTo(Bytes(copy)));

        Sequential Create() => new(Device, 1, new RoaRnn(Inputs, Units, new RoaRnnOptions { Output = SequenceOutput.All }), new Dense(Units, Inputs));
    }

    [Test]
    public void Outputs_that_are_given_to_the_same_layer_again_are_read_whole_before_they_are_written()
    {
        foreach (Func<Layer> layer in (Func<Layer>[])[() => new Dense(7, 7), () => new RoaFnn(7, 3)])
        {
            using Sequential model = new(Device, new SequentialOptions { Seed = 2, ComputeInputGradient = true }, layer());
            using Sequential same = new(Device, new SequentialOptions { Seed = 2, ComputeInputGradient = true }, layer());
            using Tensor start = Random(5, 7);
            using Tensor first = Copy(same.Forward(start));
            byte[] expected = Bytes(same.Forward(first));
            same.Backward(start);
            using Tensor gradient = Copy(same.InputGradient);
            same.Forward(first);
            same.Backward(gradient);

            Assert.That(Bytes(model.Forward(model.Forward(start))), Is.EqualTo(expected));
            model.Backward(start);
            model.Forward(first);
            model.Backward(model.InputGradient);
            Assert.That(Bytes(model.InputGradient), Is.EqualTo(Bytes(same.InputGradient)));
        }
    }

    [Test]
    public void Reading_between_the_halves_of_a_pass_changes_nothing()
    {
        using Sequential model = Recurrent(), same = Recurrent();
        using Tensor inputs = Random(5, 4, Inputs);
        using Tensor gradient = GradientFor(model.Forward(inputs));
        same.Forward(inputs);
        same.Backward(gradient);

        foreach (Tensor read in (Tensor[])[inputs, model.ParameterData, model.Parameters[1].Value])
        {
            _ = read.ToArray<float>();
            SkipSpans(() => _ = read.AsSpan<float>()[0] + read.AsSpan<float>(1, 2)[1]);
        }

        using (var other = new Sequential(Device, 2, new RoaRnn(Inputs, 2)))
        {
            other.Training = false;
            other.Forward(inputs);
        }

        model.Backward(gradient);
        Assert.That(Bytes(model.GradientData), Is.EqualTo(Bytes(same.GradientData)));
    }

    [Test]
    public void What_no_layer_reads_again_may_be_written()
    {
        using var model = new Sequential(Device, 1, new RoaFnn(Units, 3), new Dense(Units, 2));
        using var same = new Sequential(Device, 1, new RoaFnn(Units, 3), new Dense(Units, 2));
        using Tensor inputs = Random(4, Units);
        Tensor outputs = model.Forward(inputs);
        using Tensor gradient = GradientFor(outputs);
        same.Forward(inputs);
        same.Backward(gradient);

        inputs.Fill(0);
        outputs.Fill(0);
        model.Backward(gradient);

        Assert.That(Bytes(model.GradientData), Is.EqualTo(Bytes(same.GradientData)));
    }

    [Test]
    public void Two_models_on_one_input_are_told_apart_from_a_write()
    {
        using Sequential first = Recurrent(), second = Recurrent();
        using Tensor inputs = Random(5, 4, Inputs);
        using Tensor gradient = GradientFor(first.Forward(inputs));
        second.Forward(inputs);

        Assert.That(() => first.Backward(gradient), Throws.Nothing);
        SkipSpans(() => inputs.AsSpan<float>()[2] += 1);
        if (Device.Kind == DeviceKind.Cpu)
        {
            Assert.That(() => second.Backward(gradient), Throws.InvalidOperationException);
        }
        else
        {
            Assert.That(() => second.Backward(gradient), Throws.Nothing);
        }
    }

    [Test]
    public void The_initial_state_of_a_pass_is_that_of_its_forward_half_whatever_happens_to_the_tensor()
    {
        (string, Action<Sequential, Dictionary<string, Tensor>>)[] changes =
        [
            ("nothing", (_, _) => { }),
            ("written", (_, states) => states["0.state"].Fill(9)),
            ("replaced", (_, states) => states["0.state"] = new Tensor(Device, DType.Float32, 4, Units)),
            ("removed", (_, states) => states.Clear()),
            ("disposed", (_, states) => states["0.state"].Dispose()),
            ("carried on", (model, states) => states["0.state"] = model.GetFinalStates()["0.state"]),
        ];
        byte[]? gradients = null;
        byte[]? stateGradients = null;
        IReadOnlyList<double>? norms = null;
        foreach ((string name, Action<Sequential, Dictionary<string, Tensor>> change) in changes)
        {
            var rnn = new RoaRnn(Inputs, Units, new RoaRnnOptions { Beta = 0.5, WeightScale = 1 });
            using var model = new Sequential(Device, 1, rnn, new Dense(Units, 2));
            using var recorder = new GradientRecorder(model, rnn, 1);
            using Tensor inputs = Random(5, 4, Inputs);
            using Tensor state = Random(4, Units);
            var states = new Dictionary<string, Tensor> { ["0.state"] = state };
            using Tensor gradient = GradientFor(model.Forward(inputs, States.From(states)));
            Assert.That(model.GetInitialStateGradients, Throws.InvalidOperationException, "before the backward pass");

            change(model, states);
            model.Backward(gradient);
            States.Dispose(states);

            byte[] stateGradient = States.Bytes(model.GetInitialStateGradients())["0.state"];
            gradients ??= Bytes(model.GradientData);
            stateGradients ??= stateGradient;
            norms ??= recorder.Records[0].LogNorms;
            Assert.That(Bytes(model.GradientData), Is.EqualTo(gradients), name);
            Assert.That(stateGradient, Is.EqualTo(stateGradients), name);
            Assert.That(recorder.Records[0].LogNorms, Is.EqualTo(norms), name);
        }
    }

    [Test]
    public void A_recorder_that_is_made_between_the_halves_of_a_pass_records_the_next_one()
    {
        var rnn = new RoaRnn(Inputs, Units);
        using var model = new Sequential(Device, 1, rnn);
        using Tensor inputs = Random(5, 4, Inputs);
        using Tensor gradient = GradientFor(model.Forward(inputs));
        using var recorder = new GradientRecorder(model, rnn, 1);

        model.Backward(gradient);
        Assert.That(recorder.Records, Is.Empty);
        model.Forward(inputs);
        model.Backward(gradient);
        Assert.That(recorder.Records.Select(record => record.Pass), Is.EqualTo((long[])[1]));
    }

    [Test]
    public void A_recorder_keeps_the_inputs_of_the_forward_half()
    {
        var layer = new RoaFnn(Units, 5);
        using var model = new Sequential(Device, 1, layer);
        using Tensor inputs = Random(4, Units);
        using Tensor gradient = GradientFor(model.Forward(inputs));
        using var recorder = new GradientRecorder(model, layer, 1);
        model.Forward(inputs);
        model.Backward(gradient);
        model.Forward(inputs);
        // No layer reads these again.
        inputs.Fill(3);
        model.Backward(gradient);

        Assert.That(recorder.Records, Has.Count.EqualTo(2));
        Assert.That(recorder.Records[1].LogNorms, Is.EqualTo(recorder.Records[0].LogNorms));
    }

    [Test]
    public void An_initial_state_of_another_rank_is_refused_by_the_layer_under_a_recorder_too()
    {
        var rnn = new RoaRnn(Inputs, Units);
        using var model = new Sequential(Device, 1, rnn);
        using var recorder = new GradientRecorder(model, rnn, 1);
        using Tensor inputs = Random(5, 4, Inputs);
        using var scalar = new Tensor(Device, DType.Float32);

        Assert.That(
            () => model.Forward(inputs, States.From(scalar)),
            Throws.ArgumentException.With.Message.StartsWith("options.InitialStates['0.state'] has shape []; it must be [4, 8]."));
    }

    [Test]
    public void A_step_that_is_refused_is_no_write()
    {
        if (Device.Kind != DeviceKind.Cpu)
        {
            Assert.Ignore("A GPU refuses a step behind the call, which counts as a write.");
        }

        using Sequential model = Recurrent();
        using Tensor inputs = Random(5, 4, Inputs);
        using Tensor gradient = GradientFor(model.Forward(inputs));
        using var adam = new Adam(model);
        model.GradientData.Fill(double.NaN);
        Assert.That(adam.Step, Throws.TypeOf<NotFiniteNumberException>());

        Assert.That(() => model.Backward(gradient), Throws.Nothing);
    }

    [Test]
    public void A_span_of_a_tensor_on_a_gpu_is_refused_while_a_pass_waits_too()
    {
        if (Device.Kind == DeviceKind.Cpu)
        {
            Assert.Ignore("Tensors of the CPU have spans.");
        }

        using Sequential model = Recurrent();
        using Tensor inputs = Random(5, 4, Inputs);
        model.Forward(inputs);

        Assert.That(() => _ = inputs.AsSpan<float>().Length, Throws.InvalidOperationException);
    }

    [Test]
    public void A_final_state_that_was_read_is_the_readers_and_no_later_read_or_disposal_changes_it()
    {
        var model = new Sequential(Device, 1, new RoaRnn(Inputs, Units));
        using Tensor inputs = Random(5, 4, Inputs), others = Random(6, 2, Inputs);
        byte[] expected = Bytes(model.Forward(inputs));
        using Tensor first = model.GetFinalStates()["0.state"];
        using (Tensor same = model.GetFinalStates()["0.state"])
        {
            Assert.That(same, Is.Not.SameAs(first), "each call gives tensors of its own");
            same.Fill(7);
        }

        Assert.That(States.Bytes(model.GetFinalStates())["0.state"], Is.EqualTo(expected));
        byte[] next = Bytes(model.Forward(others));
        using Tensor second = model.GetFinalStates()["0.state"];
        Assert.That(Bytes(first), Is.EqualTo(expected));
        Assert.That(Bytes(second), Is.EqualTo(next));

        model.Dispose();
        Assert.That(Bytes(first), Is.EqualTo(expected));
        Assert.That(model.GetFinalStates, Throws.TypeOf<ObjectDisposedException>());
        Assert.That(model.GetInitialStateGradients, Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void After_a_forward_pass_that_failed_there_is_no_final_state_and_no_backward_pass()
    {
        using var model = new Sequential(Device, 1, new RoaRnn(Inputs, Units), new Dense(Units, 2));
        using var stacked = new Sequential(Device, 1, new RoaRnn(Inputs, Units), new RoaRnn(Units, Units));
        using Tensor inputs = Random(5, 4, Inputs), wide = Random(5, 2, Inputs + 1);
        using Tensor gradient = GradientFor(model.Forward(inputs));
        using Tensor before = model.GetFinalStates()["0.state"];
        byte[] expected = Bytes(before);
        Assert.That(() => model.Forward(wide), Throws.ArgumentException);
        AssertNoPass();

        model.Forward(inputs);
        Assert.That(() => model.Forward(inputs, States.From(wide)), Throws.ArgumentException);
        AssertNoPass();

        if (Device.Kind == DeviceKind.Cpu)
        {
            model.Forward(inputs);
            using Tensor bad = Random(5, 2, Inputs);
            bad.AsSpan<float>()[3] = float.NaN;
            Assert.That(() => model.Forward(bad), Throws.Exception);
            AssertNoPass();

            // Here the model looks, before its first layer runs.
            using var dense = new Sequential(Device, 1, new Dense(Inputs, Units), new RoaRnn(Units, Units));
            using Tensor outputGradient = GradientFor(dense.Forward(inputs));
            Assert.That(() => dense.Forward(bad), Throws.TypeOf<NotFiniteNumberException>());
            Assert.That(dense.GetFinalStates, Throws.InvalidOperationException.With.Message.Contains("failed"));
            Assert.That(() => dense.Backward(outputGradient), Throws.InvalidOperationException.With.Message.Contains("Backward needs a Forward call"));
        }

        Assert.That(Bytes(before), Is.EqualTo(expected));
        model.Forward(inputs);
        Assert.That(States.Bytes(model.GetFinalStates())["0.state"], Is.EqualTo(expected));

        // The first layer has run, the second one refuses.
        Assert.That(() => stacked.Forward(inputs), Throws.ArgumentException);
        Assert.That(stacked.GetFinalStates, Throws.InvalidOperationException);

        void AssertNoPass()
        {
            Assert.That(model.GetFinalStates, Throws.InvalidOperationException.With.Message.Contains("failed"));
            Assert.That(() => model.Backward(gradient), Throws.InvalidOperationException.With.Message.Contains("Backward needs a Forward call"));
        }
    }

    [Test]
    public void A_forward_pass_that_is_refused_before_it_begins_changes_nothing()
    {
        int[] lengths = [5, 3, 0, 2], others = [1, 1, 5, 1];
        using Sequential model = Create(), same = Create();
        using Tensor inputs = Random(5, 4, Inputs);
        using var wide = new Tensor(Device, DType.Float64, 5, 4, Inputs);
        using Tensor gradient = GradientFor(model.Forward(inputs, lengths));
        same.Forward(inputs, lengths);

        Func<Tensor>[] refused =
        [
            () => model.Forward(inputs, new ForwardOptions { Lengths = others, InitialStates = new Dictionary<string, Tensor> { ["1.state"] = inputs } }),
            () => model.Forward(inputs, new ForwardOptions { Lengths = others, FirstSample = -1 }),
            () => model.Forward(wide, others),
            () => model.Forward(inputs, [1, 1, 6, 1]),
            () => model.Forward(inputs, [1, 1]),
        ];
        foreach (Func<Tensor> call in refused)
        {
            Assert.That(call, Throws.InstanceOf<ArgumentException>());
        }

        model.Backward(gradient);
        same.Backward(gradient);
        Assert.That(Bytes(model.GradientData), Is.EqualTo(Bytes(same.GradientData)));
        Assert.That(States.Bytes(model.GetFinalStates()), Is.EqualTo(States.Bytes(same.GetFinalStates())));

        Sequential Create() => new(Device, 1, new RoaRnn(Inputs, Units, new RoaRnnOptions { Output = SequenceOutput.All }), new Dense(Units, 2));
    }

    [Test]
    public void A_refused_call_of_a_loss_leaves_no_older_gradient()
    {
        using var entropy = new CrossEntropyLoss();
        using var error = new MeanSquaredErrorLoss();
        using Tensor outputs = Random(4, 2), others = Random(3, 2);
        foreach (bool differentiate in (bool[])[false, true])
        {
            entropy.Forward(outputs, [0, 1, 0, 1]);
            error.Forward(outputs, outputs);
            Assert.That(() => Entropy(differentiate), Throws.ArgumentException);
            Assert.That(() => Error(differentiate), Throws.ArgumentException);
            Assert.That(() => entropy.Gradient, Throws.InvalidOperationException);
            Assert.That(() => error.Gradient, Throws.InvalidOperationException);
        }

        void Entropy(bool differentiate)
        {
            if (differentiate)
            {
                entropy.Differentiate(outputs, [0]);
            }
            else
            {
                entropy.Forward(outputs, [0]);
            }
        }

        void Error(bool differentiate)
        {
            if (differentiate)
            {
                error.Differentiate(outputs, others);
            }
            else
            {
                error.Forward(outputs, others);
            }
        }
    }

    [Test]
    public void A_backward_pass_that_failed_leaves_no_gradient_of_another_layer_at_the_inputs()
    {
        using var model = new Sequential(
            Device, new SequentialOptions { ComputeInputGradient = true }, new Dense(Inputs, Units), new RoaFnn(Units, 2), new Dense(Units, 2));
        using Tensor inputs = Random(4, Inputs);
        using Tensor gradient = GradientFor(model.Forward(inputs));
        model.Backward(gradient);
        Assert.That(model.InputGradient.Shape.ToArray(), Is.EqualTo((long[])[4, Inputs]));

        model.Forward(inputs);
        model.LayerBackward += (layer, _) =>
        {
            if (layer == model.Layers[1])
            {
                throw new InvalidOperationException("halfway");
            }
        };

        Assert.That(() => model.Backward(gradient), Throws.InvalidOperationException.With.Message.EqualTo("halfway"));
        Assert.That(() => model.InputGradient, Throws.InvalidOperationException);
    }

    [Test]
    public void A_linearized_chain_whose_layer_was_trained_since_is_refused()
    {
        var layer = new RoaFnn(Units, 3);
        using var model = new Sequential(Device, 1, layer);
        using Tensor inputs = Random(4, Units);
        using var sgd = new Sgd(model, 0.1);
        var chain = LinearizedChain.Of(layer, new double[Units]);
        Assert.That(() => chain.GetSingularValues(), Throws.Nothing);

        sgd.Step();

        Action[] uses =
        [
            () => chain.GetSingularValues(), () => chain.GetLogExtremeSingularValues(), () => chain.GetWeightNorms(), () => chain.GetLogBounds(),
            () => chain.JacobianVectorProduct(new double[Units]), () => chain.VectorJacobianProduct(new double[Units]), () => chain.LogGradientNorms(new double[Units]),
        ];
        foreach (Action use in uses)
        {
            Assert.That(use, Throws.InvalidOperationException.With.Message.Contains("parameters changed"));
        }
    }

    [Test]
    public void Switching_training_off_between_the_halves_of_a_pass_changes_nothing()
    {
        var options = new SequentialOptions { Seed = 4 };
        using var model = new Sequential(Device, options, new GaussianNoise(Inputs, 1), new Dense(Inputs, 2));
        using var same = new Sequential(Device, options, new GaussianNoise(Inputs, 1), new Dense(Inputs, 2));
        using Tensor inputs = Random(4, Inputs);
        using Tensor gradient = GradientFor(model.Forward(inputs));
        same.Forward(inputs);
        same.Backward(gradient);

        model.Training = false;
        model.Backward(gradient);

        Assert.That(Bytes(model.GradientData), Is.EqualTo(Bytes(same.GradientData)));
    }

    [Test]
    public void Arrays_and_lists_that_were_given_may_be_written()
    {
        double[] alpha = [.. Enumerable.Repeat(0.5, (int)Units)];
        double[,] matrix = new double[Units, Units];
        for (int i = 0; i < Units; i++)
        {
            matrix[i, Units - 1 - i] = 1;
        }

        var options = new RoaRnnOptions { Alpha = alpha, Filter = Filter.FromMatrix(matrix) };
        Array.Fill(alpha, 99);
        Array.Clear(matrix);
        var rnn = new RoaRnn(Inputs, Units, options);
        using var model = new Sequential(Device, 1, rnn);
        var groups = new List<ParameterGroup> { new(model.Parameters[0]) { LearningRateScale = 0 } };
        using var sgd = new Sgd(model, 1, new SgdOptions { Groups = groups });
        groups.Clear();
        model.GradientData.Fill(1);
        byte[] weight = Bytes(model.Parameters[0].Value), bias = Bytes(model.Parameters[1].Value);
        sgd.Step();

        Assert.That(rnn.Alpha, Is.All.EqualTo(0.5));
        Assert.That(rnn.GetFilter()[0, Units - 1], Is.EqualTo(1));
        Assert.That(Bytes(model.Parameters[0].Value), Is.EqualTo(weight));
        Assert.That(Bytes(model.Parameters[1].Value), Is.Not.EqualTo(bias));
    }

    private static TestCaseData Write(string name, Action<Tensor> write) => new TestCaseData(write).SetArgDisplayNames(name);

    /// <summary>A GPU has no spans: the test ends where a case is about them.</summary>
    private void SkipSpans(Action write)
    {
        try
        {
            write();
        }
        catch (InvalidOperationException exception) when (Device.Kind != DeviceKind.Cpu)
        {
            Assert.Ignore(exception.Message);
        }
    }

    private Sequential Recurrent() => new(Device, 1, new RoaRnn(Inputs, Units), new Dense(Units, 2));

    private Tensor Random(params ReadOnlySpan<long> shape)
    {
        var tensor = new Tensor(Device, DType.Float32, shape);
        SetValues(tensor, Uniform(new Random(7), tensor.Count));
        return tensor;
    }

    private Tensor GradientFor(Tensor outputs)
    {
        var gradient = new Tensor(Device, outputs.DType, outputs.Shape);
        SetValues(gradient, Uniform(new Random(8), gradient.Count));
        return gradient;
    }

    private static Tensor Copy(Tensor source)
    {
        var copy = new Tensor(source.Device, source.DType, source.Shape);
        copy.CopyFrom(source);
        return copy;
    }

    private static void AssertParametersRefused(Sequential model, Tensor gradient) =>
        Assert.That(() => model.Backward(gradient), Throws.InvalidOperationException.With.Message.Contains("ParameterData, the parameters, changed since Forward"));
}
