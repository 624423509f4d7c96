using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Tensors;

/// <summary>Tensors that a model, a layer, a loss or a loader hands out: a reader who disposes them does no harm.</summary>
internal sealed class OwnedTensorTests
{
    private const int Steps = 6;

    [Test]
    public void Training_goes_on_with_the_same_bits_where_everything_that_was_handed_out_is_disposed()
    {
        byte[] expected = Train(_ => { });
        byte[] disposed = Train(tensor => tensor.Dispose());

        Assert.That(disposed, Is.EqualTo(expected));
    }

    [Test]
    public void What_was_handed_out_can_be_read_after_its_disposal()
    {
        using var model = new Sequential(Device.Default, new SequentialOptions { ComputeInputGradient = true }, new Gru(2, 3), new Dense(3, 2));
        using var loss = new CrossEntropyLoss();
        using Tensor inputs = ToTensor(Uniform(new Random(1), Steps * 4 * 2), DType.Float32, Steps, 4, 2);
        Tensor outputs = model.Forward(inputs);
        loss.Forward(outputs, [0, 1, 1, 0]);
        model.Backward(loss.Gradient);
        Tensor[] handedOut =
        [
            outputs, loss.Gradient, model.InputGradient, model.ParameterData, model.GradientData,
            .. model.Parameters.Select(parameter => parameter.Value), .. model.Parameters.Select(parameter => parameter.Gradient),
        ];
        byte[][] before = [.. handedOut.Select(Bytes)];
        foreach (Tensor tensor in handedOut)
        {
            tensor.Dispose();
        }

        Assert.That(handedOut.Select(Bytes), Is.EqualTo(before));
    }

    [Test]
    public void A_model_that_is_disposed_ends_what_it_handed_out()
    {
        var model = new Sequential(Device.Default, new SequentialOptions { ComputeInputGradient = true }, new RoaRnn(2, 3), new Dense(3, 1));
        var loss = new MeanSquaredErrorLoss();
        using Tensor inputs = ToTensor(Uniform(new Random(1), Steps * 4 * 2), DType.Float32, Steps, 4, 2);
        using var targets = new Tensor(Device.Default, DType.Float32, 4, 1);
        Tensor outputs = model.Forward(inputs);
        loss.Forward(outputs, targets);
        Tensor gradient = loss.Gradient;
        model.Backward(gradient);
        Tensor[] ofModel = [outputs, model.InputGradient, model.ParameterData, model.GradientData, model.Parameters[0].Value, model.Parameters[0].Gradient];
        model.Dispose();

        foreach (Tensor tensor in ofModel)
        {
            Assert.That(() => tensor.ToArray<float>(), Throws.TypeOf<ObjectDisposedException>());
        }

        Assert.That(gradient.ToArray<float>(), Has.Length.EqualTo(4));
        loss.Dispose();
        Assert.That(() => gradient.ToArray<float>(), Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void Batches_that_their_reader_disposed_are_filled_again()
    {
        using var loader = new DataLoader(new AddingProblem(5, 10, seed: 1), batchSize: 4);
        byte[][] runs = new byte[2][];
        foreach (ref byte[] run in runs.AsSpan())
        {
            var bytes = new List<byte>();
            foreach (Batch batch in loader.Epoch(0))
            {
                bytes.AddRange([.. Bytes(batch.Inputs), .. Bytes(batch.Values!)]);
                batch.Inputs.Dispose();
                batch.Values!.Dispose();
            }

            run = [.. bytes];
        }

        Assert.That(runs[1], Is.EqualTo(runs[0]));
        Assert.That(runs[0], Has.Some.Not.Zero);
    }

    [Test]
    public void A_loader_that_is_disposed_ends_its_batches()
    {
        var loader = new DataLoader(new AddingProblem(5, 10, seed: 1), batchSize: 4);
        DataLoader.Enumerator batches = loader.Epoch(0).GetEnumerator();
        batches.MoveNext();
        Tensor inputs = batches.Current.Inputs;
        loader.Dispose();

        Assert.That(() => inputs.ToArray<float>(), Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void Outputs_that_were_the_next_inputs_are_their_readers_from_then_on()
    {
        using var model = new Sequential(Device.Default, 1, new Dense(3, 3));
        using Tensor inputs = ToTensor(Uniform(new Random(1), 2 * 3), DType.Float32, 2, 3);
        Tensor first = model.Forward(inputs);
        byte[] bytes = Bytes(first);
        Tensor second = model.Forward(first);

        Assert.That(second, Is.Not.SameAs(first));
        Assert.That(Bytes(first), Is.EqualTo(bytes), "not overwritten by what is computed from it");
        first.Dispose();
        Assert.That(() => first.ToArray<float>(), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(Bytes(second), Has.Length.EqualTo(2 * 3 * sizeof(float)));
        second.Dispose();
        Assert.That(Bytes(second), Has.Length.EqualTo(2 * 3 * sizeof(float)), "still the model's");
    }

    [Test]
    public void A_final_state_is_the_callers_and_its_disposal_frees_it()
    {
        using var model = new Sequential(Device.Default, 1, new Lstm(2, 3));
        using Tensor inputs = ToTensor(Uniform(new Random(1), Steps * 4 * 2), DType.Float32, Steps, 4, 2);
        byte[] expected = Bytes(model.Forward(inputs));
        Tensor state = model.GetFinalStates()["0.state"];
        state.Dispose();

        Assert.That(() => state.ToArray<float>(), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(Bytes(model.Forward(inputs)), Is.EqualTo(expected));
    }

    [Test]
    public void Owned_memory_is_freed_by_its_owner_alone()
    {
        Tensor owned = Tensor.CreateOwned(Device.Default, DType.Float64, 4, 3);
        Tensor view = owned.View(3, [2, 3]);
        owned.Fill(2);
        view.Dispose();
        owned.Dispose();
        Assert.That((view.IsDisposed, owned.IsDisposed), Is.EqualTo((false, false)));
        Assert.That(Values(view), Is.EqualTo((double[])[2, 2, 2, 2, 2, 2]));

        owned.Release();
        owned.Release();
        Assert.That((view.IsDisposed, owned.IsDisposed), Is.EqualTo((true, true)));
        Assert.That(() => view.Fill(1), Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void A_view_does_not_free_a_callers_tensor()
    {
        using var tensor = new Tensor(Device.Default, DType.Float32, 4);
        tensor.View(0, [2, 2]).Dispose();

        Assert.That(tensor.ToArray<float>(), Has.Length.EqualTo(4));
    }

    /// <summary>Trains a model of all kinds of layers and hands everything that it, its loss and its loader hand out to a reader.</summary>
    private static byte[] Train(Action<Tensor> read)
    {
        using var loader = new DataLoader(new AddingProblem(Steps, 15, seed: 1), batchSize: 5, new DataLoaderOptions { Shuffle = true });
        var rnn = new RoaRnn(2, 4, new RoaRnnOptions { Output = SequenceOutput.All });
        using Tensor start = ToTensor(Uniform(new Random(2), 5 * 3), DType.Float32, 5, 3);
        using var model = new Sequential(
            Device.Default, new SequentialOptions { ComputeInputGradient = true }, rnn, new GaussianNoise(4, 0.1), new Gru(4, 3), new Dropout(3, 0.25), new RoaFnn(3, 2), new Dense(3, 1));
        using var loss = new MeanSquaredErrorLoss();
        using var optimizer = new AdamW(model, 0.01);
        var bytes = new List<byte>();
        for (int epoch = 0; epoch < 3; epoch++)
        {
            foreach (Batch batch in loader.Epoch(epoch))
            {
                Tensor outputs = model.Forward(batch.Inputs, States.From(new Dictionary<string, Tensor> { ["2.state"] = start }));
                loss.Forward(outputs, batch.Values!);
                bytes.AddRange(Bytes(outputs));
                read(outputs);
                read(batch.Values!);
                read(batch.Inputs);
                Tensor gradient = loss.Gradient;
                read(gradient);
                model.Backward(gradient);
                bytes.AddRange(Bytes(model.InputGradient));
                read(model.InputGradient);
                Tensor stateGradient = model.GetInitialStateGradients()["2.state"];
                bytes.AddRange(Bytes(stateGradient));
                read(stateGradient);
                stateGradient.Dispose();
                foreach (Parameter parameter in model.Parameters)
                {
                    read(parameter.Value);
                    read(parameter.Gradient);
                }

                read(model.GradientData);
                read(model.ParameterData);
                model.ClipGradientNorm(1);
                optimizer.Step();
            }
        }

        return [.. bytes, .. Bytes(model.ParameterData)];
    }
}
