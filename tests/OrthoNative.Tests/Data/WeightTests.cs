using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Data;

/// <summary>Weights of targets, from the data set to the loss.</summary>
internal sealed class WeightTests(DeviceKind kind) : DeviceTests(kind)
{
    private static readonly float[] s_inputs = [.. Enumerable.Range(0, 12).Select(i => (float)i)];

    [Test]
    public void Weights_are_those_of_samples_or_of_targets()
    {
        // [3, T = 4, 1] with classes at the last K = 2 steps.
        ArrayDataset data = ArrayDataset.Classification(s_inputs, 4, 1, Ints(0, 1, 1, 0, 1, 1), 2);
        float[] weights = new float[4];
        data.ReadWeights([2, 0], weights);
        Assert.That((data.HasWeights, weights), Is.EqualTo((false, (float[])[1, 1, 1, 1])));

        ArrayDataset samples = data.WithWeights(Floats(1, 2, 3));
        samples.ReadWeights([2, 0], weights);
        Assert.That((samples.HasWeights, weights), Is.EqualTo((true, (float[])[3, 1, 3, 1])));

        ArrayDataset targets = data.WithWeights(Floats(1, 2, 3, 4, 5, 6));
        targets.ReadWeights([2, 0], weights);
        Assert.That(weights, Is.EqualTo((float[])[5, 1, 6, 2]));
        Dataset subset = targets.Subset([1, 2]);
        subset.ReadWeights([1, 0], weights);
        Assert.That((subset.HasWeights, weights), Is.EqualTo((true, (float[])[5, 3, 6, 4])));
        Dataset scaled = ChannelScaling.Of(targets).Apply(targets);
        scaled.ReadWeights([2, 0], weights);
        Assert.That((scaled.HasWeights, weights), Is.EqualTo((true, (float[])[5, 1, 6, 2])));

        Assert.That(() => targets.ReadWeights([2, 0], new float[3]), Throws.ArgumentException.With.Message.StartsWith("weights has 3 elements; it must have 4"));
        Assert.That(() => targets.ReadWeights([3], new float[2]), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("samples is 3;"));
        Assert.That(() => subset.ReadWeights([2], new float[2]), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => data.WithWeights(new float[4]), Throws.ArgumentException.With.Message.StartsWith("weights has 4 elements; it must have 3, one for each sample, or 6, one for each target."));
        Assert.That(() => data.WithWeights(Floats(1, -1, 1)), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("weights[1] is -1; it must be finite and not negative."));
        Assert.That(() => data.WithWeights((float[][])[[1], [1], [1]]), Throws.InvalidOperationException.With.Message.StartsWith("The last 2 of 4 steps have targets;"));
    }

    [TestCase(DType.Float32)]
    [TestCase(DType.Float64)]
    public void Padding_has_no_weight_and_losses_count_by_weights(DType dtype)
    {
        float[][] sequences = [[1, 2, 3], [4], [5, 6]];
        float[][] values = [[1, 0, 1], [2], [1, 1]];
        float[][] weights = [[1, 2, 0], [0.5f], [3, 4]];
        ArrayDataset data = ArrayDataset.Regression(sequences, 1, values, 1).WithWeights(weights);
        using var loader = new DataLoader(data, 3, new DataLoaderOptions { Device = Device, DType = dtype });
        DataLoader.Enumerator batches = loader.Epoch(0).GetEnumerator();
        batches.MoveNext();
        Batch batch = batches.Current;
        Assert.That(batch.Weights.ToArray(), Is.EqualTo((float[])[1, 0.5f, 3, 2, 0, 4, 0, 0, 0]));
        Assert.That(batch.Targets.Lengths.ToArray(), Is.EqualTo((int[])[3, 1, 2]));
        Assert.That(batch.Targets.Weights.ToArray(), Is.EqualTo(batch.Weights.ToArray()));

        using Tensor outputs = ToTensor(Device, [0, 0, 0, 0, double.NaN, 0, 0, double.NaN, double.NaN], dtype, 3, 3, 1);
        using var loss = new MeanSquaredErrorLoss();
        double value = loss.Forward(outputs, batch);

        // Row 6, of weight 0, lies within its length; its output is not read either.
        Assert.That(value, Is.EqualTo(((1 * 1) + (0.5 * 4) + (3 * 1) + (2 * 0) + (4 * 1)) / 10.5).Within(1e-15));
        Assert.That(loss.WeightSum, Is.EqualTo(10.5));
        Assert.That(loss.Evaluate(outputs, batch), Is.EqualTo(value));
        Assert.That(loss.Evaluate(outputs, batch.Targets), Is.EqualTo(value));
        byte[] gradient = Bytes(loss.Gradient);
        loss.Differentiate(outputs, batch);
        Assert.That(Bytes(loss.Gradient), Is.EqualTo(gradient));
    }

    [Test]
    public void One_loop_serves_classes_and_values_of_the_last_steps()
    {
        Dataset classes = ArrayDataset.Classification(s_inputs, 4, 1, Ints(0, 1, 1), 2).WithLengths(Ints(4, 2, 3));
        Dataset values = ArrayDataset.Regression(s_inputs, 4, 1, Floats(0, 1, 1), 1).WithLengths(Ints(4, 2, 3)).WithWeights(Floats(1, 0, 3));
        using var entropy = new CrossEntropyLoss();
        using var error = new MeanAbsoluteErrorLoss();
        var losses = new List<double>();
        foreach ((Dataset data, Loss loss) in ((Dataset, Loss)[])[(classes, entropy), (values, error)])
        {
            using Tensor outputs = new(Device, DType.Float32, 3, data.IsClassification ? 2 : 1);
            using var loader = new DataLoader(data, 3, new DataLoaderOptions { Device = Device });
            foreach (Batch batch in loader.Epoch(0))
            {
                // Lengths are those of the inputs, and every sample has its target.
                Assert.That(batch.Lengths.ToArray(), Is.EqualTo((int[])[4, 2, 3]));
                Assert.That(batch.Targets.Lengths.IsEmpty, Is.True);
                losses.Add(loss.Forward(outputs, batch));
            }
        }

        Assert.That(losses[0], Is.EqualTo(Math.Log(2)).Within(1e-15));
        Assert.That(losses[1], Is.EqualTo(0.75));
        Assert.That((entropy.WeightSum, error.WeightSum), Is.EqualTo((3.0, 4.0)));
    }

    [Test]
    public void Each_of_the_batches_has_its_own_weights()
    {
        // Where batches lie on a GPU, the next one is read meanwhile.
        float[] weights = [.. Enumerable.Range(0, 11).Select(i => (float)i)];
        ArrayDataset data = ArrayDataset.Regression(new float[11], 1, 1, new float[11], 1).WithWeights(weights);
        using var loader = new DataLoader(data, 3, new DataLoaderOptions { Device = Device });
        var read = new List<float>();
        foreach (Batch batch in loader.Epoch(0))
        {
            read.AddRange(batch.Weights.ToArray());
        }

        Assert.That(read, Is.EqualTo(weights));
    }

    [Test]
    public void Messages_name_the_batch()
    {
        ArrayDataset data = ArrayDataset.Classification(s_inputs, 4, 1, Ints(0, 1, 1), 2).WithWeights(new float[3]);
        using var loader = new DataLoader(data, 3, new DataLoaderOptions { Device = Device });
        using Tensor outputs = new(Device, DType.Float32, 3, 2);
        using Tensor single = new(Device, DType.Float32, 1, 2);
        using var loss = new CrossEntropyLoss();
        DataLoader.Enumerator batches = loader.Epoch(0).GetEnumerator();
        batches.MoveNext();
        Batch batch = batches.Current;
        foreach ((Action call, string message) in (ReadOnlySpan<(Action, string)>)
            [
                (() => loss.Forward(outputs, batch), "batch.Weights has zeros only; at least one must be above 0."),
                (() => loss.Forward(single, batch), "batch.Weights has 3 elements; it must have 1, one for each row of outputs."),
                (() => loss.Differentiate(outputs, (Batch)null!), ""),
            ])
        {
            ArgumentException exception = Assert.Catch<ArgumentException>(call)!;
            Assert.That(exception.Message, Does.StartWith(message));
            Assert.That(exception.ParamName, Is.EqualTo("batch"));
        }
    }

    private static ReadOnlyMemory<int> Ints(params int[] values) => values;

    private static ReadOnlyMemory<float> Floats(params float[] values) => values;
}
