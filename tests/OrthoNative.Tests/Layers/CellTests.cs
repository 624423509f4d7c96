using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Layers;

/// <summary>The layers of classical cells: Elman, GRU and LSTM.</summary>
internal sealed class CellTests
{
    private const long Inputs = 3;
    private const long Units = 7;

    [Test]
    public void An_Elman_layer_has_the_bits_of_a_RoaRnn_with_an_alpha_of_0(
        [Values] DType dtype, [Values] Activation activation, [Values] bool haar)
    {
        var elman = new Elman(Inputs, Units, new ElmanOptions { Activation = activation, Output = SequenceOutput.All });
        var roa = new RoaRnn(Inputs, Units, new RoaRnnOptions
        {
            Alpha = 0,
            Beta = 1,
            Activation = activation,
            Output = SequenceOutput.All,
            Filter = haar ? Filter.Haar : Filter.Identity,
        });
        var options = new SequentialOptions { DType = dtype, Seed = 3, ComputeInputGradient = true };
        using var first = new Sequential(Device.Default, options, elman);
        using var second = new Sequential(Device.Default, options, roa);
        second.ParameterData.CopyFrom(first.ParameterData);
        using Tensor inputs = ToTensor(Uniform(new Random(1), 9 * 5 * Inputs), dtype, 9, 5, Inputs);
        using Tensor cotangent = ToTensor(Uniform(new Random(2), 9 * 5 * Units), dtype, 9, 5, Units);

        Assert.That(Bytes(first.Forward(inputs)), Is.EqualTo(Bytes(second.Forward(inputs))));
        first.Backward(cotangent);
        second.Backward(cotangent);
        Assert.That(Bytes(first.GradientData), Is.EqualTo(Bytes(second.GradientData)));
        Assert.That(Bytes(first.InputGradient), Is.EqualTo(Bytes(second.InputGradient)));
    }

    [Test]
    public void Two_halves_of_a_sequence_have_the_bits_of_the_whole([ValueSource(nameof(s_cells))] string cell, [Values] DType dtype)
    {
        const int Steps = 11;
        const int First = 4;
        const int Batch = 5;
        double[] sequence = Uniform(new Random(1), Steps * Batch * Inputs);
        int cut = First * Batch * (int)Inputs;
        RecurrentLayer whole = Cells.Create(cell, Inputs, Units, SequenceOutput.All);
        RecurrentLayer halves = Cells.Create(cell, Inputs, Units, SequenceOutput.All);
        var options = new SequentialOptions { DType = dtype, Seed = 5 };
        using var wholeModel = new Sequential(Device.Default, options, whole);
        using var halvesModel = new Sequential(Device.Default, options, halves);
        using Tensor all = ToTensor(sequence, dtype, Steps, Batch, Inputs);
        using Tensor one = ToTensor(sequence[..cut], dtype, First, Batch, Inputs);
        using Tensor two = ToTensor(sequence[cut..], dtype, Steps - First, Batch, Inputs);

        byte[] expected = Bytes(wholeModel.Forward(all));
        byte[] begin = Bytes(halvesModel.Forward(one));
        halves.InitialState = halves.FinalState;
        if (halves is Lstm lstm)
        {
            lstm.InitialCellState = lstm.FinalCellState;
        }

        byte[] end = Bytes(halvesModel.Forward(two));

        Assert.That((byte[])[.. begin, .. end], Is.EqualTo(expected));
        Assert.That(Bytes(halves.FinalState!), Is.EqualTo(Bytes(whole.FinalState!)));
        if (whole is Lstm other)
        {
            Assert.That(Bytes(((Lstm)halves).FinalCellState!), Is.EqualTo(Bytes(other.FinalCellState!)));
        }
    }

    private static readonly string[] s_cells = [nameof(Elman), nameof(Gru), nameof(Lstm), "Gru with one bias", "Lstm with one bias"];
}
