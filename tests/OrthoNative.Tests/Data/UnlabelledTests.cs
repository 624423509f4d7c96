namespace OrthoNative.Tests.Data;

/// <summary>Data without targets.</summary>
internal sealed class UnlabelledTests(DeviceKind kind) : DeviceTests(kind)
{
    [TestCase(DType.Float32)]
    [TestCase(DType.Float64)]
    public void Batches_have_inputs_alone(DType dtype)
    {
        Dataset[] all =
        [
            SequenceData.Create([[1, 2, 3], [4], [5, 6]], 1),
            SequenceData.Create([[1, 2, 3], [4], [5, 6]], 1).Subset([0, 1, 2]),
            new ChannelScaling([0], [1]).Apply(SequenceData.Create([[1, 2, 3], [4], [5, 6]], 1)),
            ArrayDataset.Unlabelled((IReadOnlyList<float[]>)[[1, 2, 3], [4], [5, 6]], 1),
            ArrayDataset.Unlabelled((float[])[1, 2, 3, 4, 0, 0, 5, 6, 0], 3, 1).WithLengths((int[])[3, 1, 2]),
        ];
        foreach (Dataset data in all)
        {
            using var loader = new DataLoader(data, 2, new DataLoaderOptions { Device = Device, DType = dtype });
            List<double> read = [];
            foreach (Batch batch in loader.Epoch(0))
            {
                Assert.That((batch.HasTargets, batch.Classes.Length, batch.Values, batch.Weights.Length), Is.EqualTo((false, 0, (Tensor?)null, 0)));
                Assert.That(
                    () => batch.Targets.Classes.Length,
                    Throws.InvalidOperationException.With.Message.EqualTo("The batch has no targets, as its data set has none; it can be predicted on, but not trained on or evaluated."));
                read.AddRange(dtype == DType.Float32 ? batch.Inputs.ToArray<float>().Select(value => (double)value) : batch.Inputs.ToArray<double>());
            }

            Assert.That(read, Is.EqualTo((double[])[1, 4, 2, 0, 3, 0, 5, 6]));
        }
    }

    [Test]
    public void Indices_can_be_without_targets()
    {
        ArrayDataset rows = ArrayDataset.Unlabelled((IReadOnlyList<int[]>)[[1, 2], [3]], 1);
        ArrayDataset dense = ArrayDataset.Unlabelled((int[])[1, 2, 3, 0], 2, 1).WithLengths((int[])[2, 1]);
        foreach (ArrayDataset data in (ArrayDataset[])[rows, dense])
        {
            using var loader = new DataLoader(data, 2, new DataLoaderOptions { Device = Device });
            foreach (Batch batch in loader.Epoch(0))
            {
                Assert.That(batch.Inputs.ToArray<int>(), Is.EqualTo((int[])[1, 3, 2, 0]));
                Assert.That(batch.Lengths.ToArray(), Is.EqualTo((int[])[2, 1]));
            }
        }
    }

    [Test]
    public void Sizes_and_scaling_need_no_targets()
    {
        ArrayDataset data = ArrayDataset.Unlabelled((float[])[1, 2, 3, 4], 2, 1);

        Assert.That((data.HasTargets, data.TargetSteps, data.Outputs, data.TargetStepsOf([0]), data.Count), Is.EqualTo((false, 0, 0, 0, 2)));
        Assert.That(ArrayDataset.Regression((float[])[1, 2], 2, 1, (float[])[3], 1).HasTargets, Is.True);
        Assert.That(ChannelScaling.Of(data).Mean[0], Is.EqualTo(2.5));
        Assert.That(() => data.WithWeights((float[])[1, 1]), Throws.InvalidOperationException.With.Message.EqualTo("The data set has no targets; weights are for targets."));
        Assert.That(() => data.WithWeights([[1, 1], [1, 1]]), Throws.InvalidOperationException);
        Assert.That(() => data.WithLengths((int[])[2, 0]), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("lengths[1] is 0; it must be from 1 to 2."));
        Assert.That(() => data.Read([0], new float[2], new int[1], []), Throws.ArgumentException.With.Message.Contains("classes has 1 elements; it must have 0"));
    }
}
