using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Layers;

/// <summary>The state of a recurrent layer that is carried from pass to pass.</summary>
internal sealed class CarriedStateTests(DeviceKind kind) : DeviceTests(kind)
{
    private const long Inputs = 2;
    private const long Units = 9;
    private const long Samples = 3;

    private static readonly SequenceOutput[] s_outputs = [SequenceOutput.Last, SequenceOutput.All, SequenceOutput.LastSteps(2)];

    [Test]
    public void A_sequence_in_pieces_ends_in_the_state_of_the_whole([ValueSource(nameof(s_outputs))] SequenceOutput output, [FloatingPointTypes] DType dtype)
    {
        double[] sequence = Uniform(new Random(3), (int)(14 * Samples * Inputs));
        using Sequential whole = Create();
        using Sequential pieces = Create();
        using Tensor all = ToTensor(Device, sequence, dtype, 14, Samples, Inputs);
        Assert.That(whole.GetFinalStates, Throws.InvalidOperationException.With.Message.Contains("no forward pass yet"));
        whole.Forward(all);

        int done = 0;
        Dictionary<string, Tensor> states = [];
        foreach (int steps in new[] { 2, 7, 3, 2 })
        {
            int length = (int)(steps * Samples * Inputs);
            using Tensor piece = ToTensor(Device, sequence[done..(done + length)], dtype, steps, Samples, Inputs);
            pieces.Forward(piece, States.From(states));
            States.Dispose(states);
            states = pieces.GetFinalStates();
            done += length;
        }

        Assert.That(states.Keys, Is.EqualTo((string[])["0.state"]));
        Assert.That(states["0.state"].Shape.ToArray(), Is.EqualTo(new[] { Samples, Units }));
        Assert.That(States.Bytes(states), Is.EqualTo(States.Bytes(whole.GetFinalStates())));

        Sequential Create() => new(
            Device, new SequentialOptions { DType = dtype, Seed = 5 }, new RoaRnn(Inputs, Units, new RoaRnnOptions { Output = output }), new Dense(Units, 2));
    }

    [Test]
    public void A_state_that_was_read_is_changed_by_no_pass_and_made_anew_where_it_was_disposed()
    {
        using var model = new Sequential(Device, 1, new RoaRnn(Inputs, Units));
        using Tensor first = ToTensor(Device, Uniform(new Random(1), (int)(4 * Samples * Inputs)), DType.Float32, 4, Samples, Inputs);
        using Tensor second = ToTensor(Device, Uniform(new Random(2), (int)(4 * Samples * Inputs)), DType.Float32, 4, Samples, Inputs);
        byte[] expected = Bytes(model.Forward(first));
        Tensor state = model.GetFinalStates()["0.state"];

        model.Forward(second);
        byte[] kept = Bytes(state);
        state.Dispose();
        byte[] next = States.Bytes(model.GetFinalStates())["0.state"];

        Assert.That(kept, Is.EqualTo(expected));
        Assert.That(next, Is.Not.EqualTo(expected));
    }

    [Test]
    public void States_are_named_by_the_path_of_their_layer()
    {
        using var model = new Sequential(
            Device, 1, new RoaRnn(Inputs, 4, new RoaRnnOptions { Output = SequenceOutput.All }) { Name = "first" },
            new Sequential(new Lstm(4, 5, new LstmOptions { Output = SequenceOutput.All }), new Dense(5, 3)) { Name = "inner" }, new Gru(3, 2));
        using Tensor inputs = ToTensor(Device, Uniform(new Random(1), (int)(4 * Samples * Inputs)), DType.Float32, 4, Samples, Inputs);
        using Tensor cotangent = ToTensor(Device, Uniform(new Random(2), (int)(Samples * 2)), DType.Float32, Samples, 2);
        model.Forward(inputs);
        Dictionary<string, Tensor> states = model.GetFinalStates();
        Assert.That(states.Keys, Is.EqualTo((string[])["first.state", "inner.0.state", "inner.0.cell_state", "2.state"]));
        Assert.That(states.Values.Select(state => state.Shape[1]), Is.EqualTo((long[])[4, 5, 5, 2]));

        model.Forward(inputs, States.From(states));
        model.Backward(cotangent);
        Dictionary<string, Tensor> gradients = model.GetInitialStateGradients();
        Assert.That(gradients.Keys, Is.EqualTo(states.Keys));
        Assert.That(gradients.Values.SelectMany(Values), Is.All.Not.Zero);
        States.Dispose(states);
        States.Dispose(gradients);
    }

    [Test]
    public void A_final_state_is_each_samples_own_last_one(
        [ValueSource(nameof(s_outputs))] SequenceOutput output, [Values(nameof(RoaRnn), nameof(Gru), nameof(Lstm))] string cell, [FloatingPointTypes] DType dtype)
    {
        const int Steps = 6;

        // On a GPU, sums of at most 2 N + D + 4 terms at each step are rounded in another order where the batch is smaller; states are at most ten.
        double tolerance = Device.Kind == DeviceKind.Cpu ? 0 : Steps * ((2 * Units) + Inputs + 4) * 10 * (dtype == DType.Float32 ? Math.Pow(2, -24) : Math.Pow(2, -53));
        int[] lengths = [4, 6, 2];
        double[] sequence = Uniform(new Random(4), (int)(Steps * Samples * Inputs));
        using Sequential model = Create();
        using Tensor all = ToTensor(Device, sequence, dtype, Steps, Samples, Inputs);
        model.Forward(all, lengths);
        Dictionary<string, double[]> states = States.Values(model.GetFinalStates());

        for (int sample = 0; sample < lengths.Length; sample++)
        {
            double[] own = [.. Enumerable.Range(0, lengths[sample]).SelectMany(step => sequence.AsSpan((int)(((step * Samples) + sample) * Inputs), (int)Inputs).ToArray())];
            using Tensor alone = ToTensor(Device, own, dtype, lengths[sample], 1, Inputs);
            model.Forward(alone);
            foreach ((string name, double[] expected) in States.Values(model.GetFinalStates()))
            {
                Assert.That(states[name].AsSpan(sample * (int)Units, (int)Units).ToArray(), Is.EqualTo(expected).Within(tolerance), $"{name} of sample {sample}");
            }
        }

        Sequential Create() => new(
            Device, new SequentialOptions { DType = dtype, Seed = 5 },
            cell == nameof(RoaRnn) ? new RoaRnn(Inputs, Units, new RoaRnnOptions { Output = output }) : Cells.Create(cell, Inputs, Units, output));
    }
}
