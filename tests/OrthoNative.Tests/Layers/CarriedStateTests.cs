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
    public void A_sequence_in_pieces_ends_in_the_state_of_the_whole([ValueSource(nameof(s_outputs))] SequenceOutput output, [Values] DType dtype)
    {
        double[] sequence = Uniform(new Random(3), (int)(14 * Samples * Inputs));
        var whole = new RoaRnn(Inputs, Units, new RoaRnnOptions { Output = output });
        var pieces = new RoaRnn(Inputs, Units, new RoaRnnOptions { Output = output });
        using var wholeModel = new Sequential(Device, new SequentialOptions { DType = dtype, Seed = 5 }, whole, new Dense(Units, 2));
        using var piecesModel = new Sequential(Device, new SequentialOptions { DType = dtype, Seed = 5 }, pieces, new Dense(Units, 2));
        using Tensor all = ToTensor(Device, sequence, dtype, 14, Samples, Inputs);
        Assert.That(whole.FinalState, Is.Null);
        wholeModel.Forward(all);

        int done = 0;
        foreach (int steps in new[] { 2, 7, 3, 2 })
        {
            int length = (int)(steps * Samples * Inputs);
            using Tensor piece = ToTensor(Device, sequence[done..(done + length)], dtype, steps, Samples, Inputs);
            piecesModel.Forward(piece);
            pieces.InitialState = pieces.FinalState;
            done += length;
        }

        Assert.That(Bytes(pieces.FinalState!), Is.EqualTo(Bytes(whole.FinalState!)));
        Assert.That(whole.FinalState!.Shape.ToArray(), Is.EqualTo(new[] { Samples, Units }));
    }

    [Test]
    public void A_state_that_was_read_is_changed_by_no_pass_and_made_anew_where_it_was_disposed()
    {
        var rnn = new RoaRnn(Inputs, Units);
        using var model = new Sequential(Device, 1, rnn);
        using Tensor first = ToTensor(Device, Uniform(new Random(1), (int)(4 * Samples * Inputs)), DType.Float32, 4, Samples, Inputs);
        using Tensor second = ToTensor(Device, Uniform(new Random(2), (int)(4 * Samples * Inputs)), DType.Float32, 4, Samples, Inputs);
        byte[] expected = Bytes(model.Forward(first));
        Tensor state = rnn.FinalState!;

        model.Forward(second);
        byte[] kept = Bytes(state);
        state.Dispose();
        byte[] next = Bytes(rnn.FinalState!);

        Assert.That(kept, Is.EqualTo(expected));
        Assert.That(next, Is.Not.EqualTo(expected));
    }
}
