using OrthoNative.Diagnostics;
using OrthoNative.Tests.Data;
using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Layers;

/// <summary>Filters of blocks on the diagonal: <see cref="Filter.Blocks"/>.</summary>
internal sealed class FilterBlockTests
{
    private const int Units = 12;

    private static readonly int[] s_lengths = [5, 2, 0];

    private static Filter Mixed => Filter.Blocks(
        new FilterBlock(5) { Alpha = 1, Beta = 0.1 },
        new FilterBlock(3) { Filter = Filter.FromMatrix(Orthogonal(3)), Beta = 0.5 },
        new FilterBlock(4) { Filter = Filter.Permutation, Alpha = 0.5, Beta = 0.7 });

    [Test]
    public void Blocks_compute_what_their_matrix_does_bit_for_bit([FloatingPointTypes] DType dtype)
    {
        var options = new RoaRnnOptions { Filter = Mixed, Alpha = 0.9, Output = SequenceOutput.All };
        var blocks = new RoaRnn(2, Units, options);
        using Sequential model = Create(dtype, blocks);
        double[,] matrix = blocks.GetFilter();
        for (int i = 0; i < Units; i++)
        {
            for (int j = 0; j < Units; j++)
            {
                bool isInside = (i < 5 && j < 5) || (i is >= 5 and < 8 && j is >= 5 and < 8) || (i >= 8 && j >= 8);
                Assert.That(isInside || matrix[i, j] == 0, Is.True, $"O[{i}, {j}]");
            }
        }

        using Sequential whole = Create(dtype, new RoaRnn(2, Units, options with
        {
            Filter = Filter.FromMatrix(matrix),
            Alpha = PerUnit(1, 0.9, 0.5),
            Beta = PerUnit(0.1, 0.5, 0.7),
        }));
        Assert.That(Bytes(whole.ParameterData), Is.EqualTo(Bytes(model.ParameterData)));
        Assert.That(Run(whole, dtype), Is.EqualTo(Run(model, dtype)));
        Assert.That(blocks.Alpha, Is.EqualTo((UnitValues)PerUnit(1, 0.9, 0.5)));
        Assert.That(blocks.Beta, Is.EqualTo((UnitValues)PerUnit(0.1, 0.5, 0.7)));
    }

    [Test]
    public void One_block_of_all_units_is_the_filter_itself()
    {
        foreach (Filter kind in (Filter[])[Filter.Haar, Filter.Permutation, Filter.Cycle])
        {
            using Sequential model = Create(DType.Float64, new RoaRnn(2, Units, new RoaRnnOptions { Filter = kind }));
            using Sequential block = Create(DType.Float64, new RoaRnn(2, Units, new RoaRnnOptions { Filter = Filter.Blocks(new FilterBlock(Units) { Filter = kind }) }));

            Assert.That(Run(block, DType.Float64), Is.EqualTo(Run(model, DType.Float64)), kind.ToString());
        }
    }

    [Test]
    public void Blocks_of_the_same_kind_are_drawn_apart()
    {
        var layer = new RoaRnn(2, 8, new RoaRnnOptions { Filter = Filter.Blocks(new FilterBlock(4), new FilterBlock(4)) });
        using Sequential model = Create(DType.Float64, layer);
        double[,] matrix = layer.GetFilter();

        Assert.That(matrix[0, 0], Is.Not.EqualTo(matrix[4, 4]));
    }

    [Test]
    public void Gradients_match_central_differences()
    {
        using Sequential model = Create(DType.Float64, new RoaRnn(2, Units, new RoaRnnOptions { Filter = Mixed, WeightScale = 1, Output = SequenceOutput.All }));
        using Tensor inputs = UniformTensor(new Random(2), 1, 5, 3, 2);

        Assert.That(GradientCheck.Run(model, inputs, new ForwardOptions { Lengths = s_lengths }).Mismatches, Is.Empty);
    }

    [Test]
    public void Layers_have_blocks_of_their_own()
    {
        var options = new RoaFnnOptions { FilterPerLayer = true, Filter = Filter.Blocks(new FilterBlock(3), new FilterBlock(2) { Filter = Filter.Cycle }) };
        var layers = new RoaFnn(5, 3, options);
        var rnn = new RoaRnn(5, 5, new RoaRnnOptions { Output = SequenceOutput.All });
        using var model = new Sequential(Device.Default, new SequentialOptions { DType = DType.Float64 }, layers, rnn);
        double[][,] filters = [.. Enumerable.Range(0, 3).Select(layer => layers.GetFilter(layer))];

        // Streams follow one another: two blocks in each of three layers, then the next layer of the model.
        Assert.That(filters[0], Is.Not.EqualTo(filters[1]));
        Assert.That(filters[1], Is.Not.EqualTo(filters[2]));
        var seventh = new RoaRnn(1, 5, new RoaRnnOptions { Output = SequenceOutput.All });
        using var seven = new Sequential(
            Device.Default, 0, [.. Enumerable.Range(0, 6).Select(_ => new RoaRnn(1, 1, new RoaRnnOptions { Output = SequenceOutput.All })), seventh]);
        Assert.That(rnn.GetFilter(), Is.EqualTo(seventh.GetFilter()));
        using Tensor inputs = UniformTensor(new Random(2), 1, 4, 2, 5);
        Assert.That(GradientCheck.Run(model, inputs).Mismatches, Is.Empty);
    }

    [Test]
    public void Rows_of_a_block_start_with_its_scale()
    {
        const int Half = 200;
        float[] plain = Weight(null, null);
        float[] same = Weight(0.5, null);
        float[] other = Weight(2, null);
        float[] zero = Weight(null, 0);

        Assert.That(same, Is.EqualTo(plain));
        Assert.That(other[(Half * 2 * Half)..], Is.EqualTo(plain[(Half * 2 * Half)..]));
        Assert.That(zero[..(Half * 2 * Half)], Is.EqualTo(plain[..(Half * 2 * Half)]));
        Assert.That(zero[(Half * 2 * Half)..], Is.All.Zero);

        // 4 times the scale, which is a power of two: the same normal numbers, so the same bits but for the exponent.
        Assert.That(other[..(Half * 2 * Half)], Is.EqualTo(plain[..(Half * 2 * Half)].Select(value => 4 * value)));

        static float[] Weight(double? first, double? second)
        {
            using var model = new Sequential(Device.Default, 1, new RoaRnn(1, 2 * Half, new RoaRnnOptions
            {
                WeightScale = 0.5,
                Filter = Filter.Blocks(
                    new FilterBlock(Half) { Filter = Filter.Identity, WeightScale = first }, new FilterBlock(Half) { Filter = Filter.Identity, WeightScale = second }),
            }));
            return model.Parameters[0].Value.ToArray<float>();
        }
    }

    [Test]
    public void A_file_brings_the_blocks_of_another_seed_and_refuses_other_blocks()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("model.safetensors");
        using Sequential model = Create(DType.Float64, new RoaRnn(2, Units, new RoaRnnOptions { Filter = Mixed }), seed: 1);
        model.Save(path);
        using Sequential other = Create(DType.Float64, new RoaRnn(2, Units, new RoaRnnOptions { Filter = Mixed }), seed: 2);
        other.Load(path);
        Assert.That(Run(other, DType.Float64), Is.EqualTo(Run(model, DType.Float64)));

        using Sequential cut = Create(DType.Float64, new RoaRnn(2, Units, new RoaRnnOptions
        {
            Filter = Filter.Blocks(new FilterBlock(6) { Alpha = 1, Beta = 0.1 }, new FilterBlock(6)),
        }));
        Assert.That(() => cut.Load(path), Throws.TypeOf<InvalidDataException>().With.Message.Contains("__metadata__.0.filter is 'Blocks of 5 Haar, 3 Custom, 4 Permutation, SHA-256 "));
    }

    [Test]
    public void What_is_no_filter_of_blocks_is_refused()
    {
        Refused(() => Filter.Blocks(), "blocks has 0 elements; it must have 1 to 1024.");
        Refused(() => Filter.Blocks([.. Enumerable.Repeat(new FilterBlock(1), 1025)]), "blocks has 1025 elements; it must have 1 to 1024.");
        Refused(() => Filter.Blocks(new FilterBlock(2), null!), "blocks[1]");
        Refused(() => _ = new FilterBlock(0), "size is 0; it must be from 1 to 65536.");
        Refused(() => Filter.Blocks(new FilterBlock(2) { Filter = Mixed }), "blocks[0].Filter has blocks; the filter of a block must have none.");
        Refused(
            () => Filter.Blocks(new FilterBlock(2) { Filter = Filter.FromMatrix(Orthogonal(3)) }),
            "blocks[0].Filter has matrices of size 3; their size must be 2, as that of the block is.");
        Refused(() => Filter.Blocks(new FilterBlock(2), new FilterBlock(2) { Alpha = double.NaN }), "blocks[1].Alpha is NaN;");
        Refused(() => Filter.Blocks(new FilterBlock(2), new FilterBlock(2) { WeightScale = -1 }), "blocks[1].WeightScale is -1;");
        Refused(
            () => _ = new RoaRnn(1, 13, new RoaRnnOptions { Filter = Mixed }),
            "options.Filter has blocks of 12 units in all; their sizes must add up to 13, as hiddenSize is.");
        Refused(
            () => _ = new RoaFnn(Units, 2, new RoaFnnOptions { Filter = Mixed, FilterPerLayer = true }),
            "The filter of block 1 of options.Filter has 1 matrices; it must have 2, as many as the layer has filters.");

        static void Refused(Action call, string message) => Assert.That(call, Throws.InstanceOf<ArgumentException>().With.Message.StartsWith(message));
    }

    private static double[] PerUnit(double first, double second, double third) =>
        [.. Enumerable.Repeat(first, 5), .. Enumerable.Repeat(second, 3), .. Enumerable.Repeat(third, 4)];

    private static Sequential Create(DType dtype, RoaRnn layer, ulong seed = 1) =>
        new(Device.Default, new SequentialOptions { DType = dtype, Seed = seed, ComputeInputGradient = true }, layer);

    /// <summary>Outputs and gradients of a pass.</summary>
    private static byte[] Run(Sequential model, DType dtype)
    {
        using Tensor inputs = ToTensor(Uniform(new Random(1), 6 * 3 * 2), dtype, 6, 3, 2);
        Tensor outputs = model.Forward(inputs);
        byte[] bytes = Bytes(outputs);
        using Tensor gradient = ToTensor(Uniform(new Random(2), outputs.Count), dtype, outputs.Shape);
        model.Backward(gradient);
        return [.. bytes, .. Bytes(model.GradientData), .. Bytes(model.InputGradient)];
    }
}
