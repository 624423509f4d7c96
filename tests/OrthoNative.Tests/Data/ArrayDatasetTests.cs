namespace OrthoNative.Tests.Data;

internal sealed class ArrayDatasetTests(DeviceKind kind) : DeviceTests(kind)
{
    /// <summary>[3, 4, 2]: sample, step, feature as digits.</summary>
    private static readonly float[] s_dense =
        [.. Enumerable.Range(0, 3).SelectMany(sample => Enumerable.Range(0, 4).SelectMany(step => Enumerable.Range(0, 2).Select(d => (float)((sample * 100) + (step * 10) + d))))];

    [Test]
    public void Batch_major_arrays_become_time_major_batches()
    {
        ArrayDataset data = ArrayDataset.Classification(s_dense, 4, 2, Ints(2, 0, 1), 3);
        float[] inputs = new float[16];
        int[] classes = new int[2];
        data.Read([2, 0], inputs, classes, []);

        Assert.That((data.Count, data.Steps, data.Features, data.TargetSteps, data.Outputs), Is.EqualTo((3, 4, 2, 1, 3)));
        Assert.That((data.IsClassification, data.HasLengths, data.InputType, data.LengthOf(1)), Is.EqualTo((true, false, DType.Float32, 4)));
        Assert.That(inputs, Is.EqualTo((float[])[200, 201, 0, 1, 210, 211, 10, 11, 220, 221, 20, 21, 230, 231, 30, 31]));
        Assert.That(classes, Is.EqualTo((int[])[1, 2]));
    }

    [Test]
    public void Targets_are_time_major_too()
    {
        // [3, K, C]
        float[] targets = [.. Enumerable.Range(0, 12).Select(i => (float)i)];
        ArrayDataset data = ArrayDataset.Regression(s_dense, 4, 2, targets, 2);
        float[] values = new float[8];
        data.Read([1, 2], new float[16], [], values);
        Assert.That((data.TargetSteps, data.Outputs, data.IsClassification), Is.EqualTo((2, 2, false)));
        Assert.That(values, Is.EqualTo((float[])[4, 5, 8, 9, 6, 7, 10, 11]));

        ArrayDataset labelled = ArrayDataset.Classification(s_dense, 4, 2, Ints(0, 1, 2, 3, 4, 5), 6);
        int[] classes = new int[4];
        labelled.Read([1, 2], new float[16], classes, []);
        Assert.That(classes, Is.EqualTo((int[])[2, 4, 3, 5]));
    }

    [TestCase(false)]
    [TestCase(true)]
    public void Arrays_of_different_lengths_are_padded_in_batches(bool integers)
    {
        ArrayDataset data = integers
            ? ArrayDataset.Classification((int[][])[[1, 2, 3, 4], [5, 6]], 2, Ints(1, 0), 2)
            : ArrayDataset.Classification((float[][])[[1, 2, 3, 4], [5, 6]], 2, Ints(1, 0), 2);
        using var loader = new DataLoader(data, 2, new DataLoaderOptions { Device = Device });
        DataLoader.Enumerator batches = loader.Epoch(0).GetEnumerator();
        batches.MoveNext();
        Batch batch = batches.Current;

        Assert.That((data.HasLengths, data.Steps, data.InputType), Is.EqualTo((true, 2, integers ? DType.Int32 : DType.Float32)));
        Assert.That(batch.Lengths.ToArray(), Is.EqualTo((int[])[2, 1]));
        Assert.That(
            integers ? batch.Inputs.ToArray<int>() : Array.ConvertAll(batch.Inputs.ToArray<float>(), value => (int)value),
            Is.EqualTo((int[])[1, 2, 5, 6, 3, 4, 0, 0]));
        Assert.That(batch.Classes.ToArray(), Is.EqualTo((int[])[1, 0]));
        Assert.That(
            ArrayDataset.Regression((float[][])[[1, 2], [3, 4]], 1, Floats(1, 2), 1).HasLengths,
            Is.False);
    }

    [Test]
    public void Indices_are_read_from_arrays_of_all_forms()
    {
        foreach (ArrayDataset data in (ArrayDataset[])
            [
                ArrayDataset.Regression(Ints(1, 2, 3, 4), 2, 1, Floats(5, 6), 1),
                ArrayDataset.Regression((int[][])[[1, 2], [3, 4]], 1, Floats(5, 6), 1),
            ])
        {
            int[] indices = new int[4];
            float[] values = new float[2];
            data.Read([1, 0], indices, [], values);
            Assert.That(indices, Is.EqualTo((int[])[3, 1, 4, 2]));
            Assert.That(values, Is.EqualTo((float[])[6, 5]));
            Assert.That(() => data.Read([0], new float[2], [], new float[1]), Throws.TypeOf<NotSupportedException>());
        }

        Assert.That(ArrayDataset.Classification(Ints(1, 2, 3, 4), 2, 2, Ints(0), 1).InputType, Is.EqualTo(DType.Int32));
    }

    [Test]
    public void Padded_arrays_come_with_lengths_and_may_have_a_target_at_every_step()
    {
        int[] tags = [.. Enumerable.Range(0, 12)];
        ArrayDataset data = ArrayDataset.Classification(s_dense, 4, 2, tags, 12).WithLengths(Ints(2, 3, 1));
        using var loader = new DataLoader(data, 2, new DataLoaderOptions { Device = Device });
        DataLoader.Enumerator batches = loader.Epoch(0).GetEnumerator();

        batches.MoveNext();
        Assert.That(batches.Current.Inputs.ToArray<float>(), Is.EqualTo((float[])[0, 1, 100, 101, 10, 11, 110, 111, 0, 0, 120, 121]));
        Assert.That(batches.Current.Classes.ToArray(), Is.EqualTo((int[])[0, 4, 1, 5, 0, 6]));
        Assert.That(batches.Current.Lengths.ToArray(), Is.EqualTo((int[])[2, 3]));
        batches.MoveNext();
        Assert.That(batches.Current.Inputs.ToArray<float>(), Is.EqualTo((float[])[200, 201]));
        Assert.That(batches.Current.Classes.ToArray(), Is.EqualTo((int[])[8]));
        Assert.That(batches.Current.Lengths.Length, Is.Zero);

        ArrayDataset last = ArrayDataset.Classification(s_dense, 4, 2, Ints(0, 1, 2, 3, 4, 5), 6);
        Assert.That(
            () => last.WithLengths(Ints(2, 1, 4)), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("lengths[1] is 1; it must be from 2 to 4"));
        Assert.That(() => last.WithLengths(Ints(2, 5, 4)), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("lengths[1] is 5;"));
        Assert.That(() => last.WithLengths(Ints(2)), Throws.ArgumentException.With.Message.StartsWith("lengths has 1 elements; it must have 3"));
        Assert.That(() => data.WithLengths(Ints(2, 3, 1)), Throws.Nothing);
        Assert.That(
            () => ArrayDataset.Classification((float[][])[[1], [2]], 1, Ints(0, 0), 1).WithLengths(Ints(1, 1)), Throws.InvalidOperationException);
    }

    [TestCase(false)]
    [TestCase(true)]
    public void Arrays_of_different_lengths_may_have_a_target_at_every_step(bool classes)
    {
        float[][] sequences = [[1, 2], [3, 4, 5], [6]];
        ArrayDataset data = classes
            ? ArrayDataset.Classification(sequences, 1, (int[][])[[1, 2], [3, 4, 5], [6]], 7)
            : ArrayDataset.Regression(sequences, 1, (float[][])[[1, -1, 2, -2], [3, -3, 4, -4, 5, -5], [6, -6]], 2);
        using var loader = new DataLoader(data, 2, new DataLoaderOptions { Device = Device });
        var targets = new List<float[]>();
        var lengths = new List<int[]>();
        foreach (Batch batch in loader.Epoch(0))
        {
            targets.Add(classes ? Array.ConvertAll(batch.Classes.ToArray(), value => (float)value) : batch.Values!.ToArray<float>());
            lengths.Add(batch.Lengths.ToArray());
            if (!classes)
            {
                Assert.That(batch.Values!.Shape.ToArray(), Is.EqualTo((long[])[batch.Inputs.Shape[0], batch.Size, 2]));
            }
        }

        Assert.That(data.TargetSteps, Is.EqualTo(3));
        Assert.That(lengths, Is.EqualTo((int[][])[[2, 3], []]));
        Assert.That(targets, Is.EqualTo(classes ? (float[][])[[1, 3, 2, 4, 0, 5], [6]] : [[1, -1, 3, -3, 2, -2, 4, -4, 0, 0, 5, -5], [6, -6]]));
        Assert.That(ArrayDataset.Classification((int[][])[[1], [2]], 1, (int[][])[[0], [0]], 1).InputType, Is.EqualTo(DType.Int32));
        Assert.That(ArrayDataset.Regression((int[][])[[1], [2]], 1, (float[][])[[0], [0]], 1).InputType, Is.EqualTo(DType.Int32));
    }

    [Test]
    public void Targets_of_every_step_that_do_not_fit_are_refused()
    {
        float[][] sequences = [[1, 2], [3]];

        Assert.That(() => ArrayDataset.Classification(sequences, 1, (int[][])[[0, 0]], 1), Throws.ArgumentException.With.Message.StartsWith("classes has 1 elements; it must have 2"));
        Assert.That(() => ArrayDataset.Classification(sequences, 1, (int[][])[[0, 0], [0, 0]], 1), Throws.ArgumentException.With.Message.StartsWith("classes[1] has 2 elements; it must have 1."));
        Assert.That(() => ArrayDataset.Classification(sequences, 1, (int[][])[[0, 0], null!], 1), Throws.ArgumentNullException.With.Message.StartsWith("classes[1] is null;"));
        Assert.That(
            () => ArrayDataset.Classification(sequences, 1, (int[][])[[0, 3], [0]], 3),
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("classes[0][1] is 3; it must be from 0 to 2"));
        Assert.That(
            () => ArrayDataset.Regression(sequences, 1, (float[][])[[0, 0], [0]], 2), Throws.ArgumentException.With.Message.StartsWith("values[0] has 2 elements; it must have 4, 2 for each step."));
        Assert.That(() => ArrayDataset.Regression(sequences, 1, (IReadOnlyList<float[]>)null!, 2), Throws.ArgumentNullException);
        Assert.That(
            () => ArrayDataset.Classification(sequences, 1, (int[][])[[0, 0], [0]], 1).WithLengths(Ints(1, 1)), Throws.InvalidOperationException);
    }

    [Test]
    public void Nothing_is_copied_before_a_batch_is_read()
    {
        float[] values = new float[1_000_000];
        long before = GC.GetAllocatedBytesForCurrentThread();
        ArrayDataset data = ArrayDataset.Classification(values, 1000, 1, new int[1000], 1);
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(20_000));

        values[1] = 7;
        float[] inputs = new float[1000];
        data.Read([0], inputs, new int[1], []);
        Assert.That(inputs[1], Is.EqualTo(7));
    }

    [Test]
    public void Arrays_that_do_not_fit_are_refused()
    {
        float[] values = new float[12];
        int[] classes = [0, 1];

        Assert.That(() => ArrayDataset.Classification(values, 0, 2, classes, 2), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("steps is 0;"));
        Assert.That(() => ArrayDataset.Classification(values, 3, -2, classes, 2), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("features is -2;"));
        Assert.That(() => ArrayDataset.Classification(values, long.MaxValue, 1, classes, 2), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(
            () => ArrayDataset.Classification(values, 5, 1, classes, 2),
            Throws.ArgumentException.With.Message.StartsWith("inputs has 12 elements; it must have a positive multiple of 5 x 1, steps x features"));
        Assert.That(() => ArrayDataset.Classification(Array.Empty<float>(), 1, 1, classes, 2), Throws.ArgumentException.With.Message.StartsWith("inputs has 0 elements;"));
        Assert.That(() => ArrayDataset.Classification(values, 3, 2, classes, 0), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("classCount is 0;"));
        Assert.That(
            () => ArrayDataset.Classification(values, 3, 2, classes, 1), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("classes[1] is 1; it must be from 0 to 0"));
        Assert.That(() => ArrayDataset.Classification(values, 3, 2, Ints(0, -1), 2), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("classes[1] is -1;"));
        Assert.That(
            () => ArrayDataset.Classification(values, 3, 2, new int[3], 2),
            Throws.ArgumentException.With.Message.StartsWith("classes has 3 elements; it must have K x 2, K from 1 to 3, the number of steps."));
        Assert.That(() => ArrayDataset.Classification(values, 3, 2, new int[8], 2), Throws.ArgumentException.With.Message.StartsWith("classes has 8 elements;"));
        Assert.That(() => ArrayDataset.Classification(values, 3, 2, Array.Empty<int>(), 2), Throws.ArgumentException.With.Message.StartsWith("classes has 0 elements;"));
        Assert.That(
            () => ArrayDataset.Regression(values, 3, 2, new float[3], 2),
            Throws.ArgumentException.With.Message.StartsWith("values has 3 elements; it must have K x 2 x 2, K from 1 to 3"));
        Assert.That(() => ArrayDataset.Regression(values, 3, 2, new float[2], 0), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("outputs is 0;"));
        Assert.That(
            () => ArrayDataset.Classification((float[][])[[1, 2, 3, 4], [1, 2]], 2, new int[4], 2),
            Throws.ArgumentException.With.Message.StartsWith("classes has 4 elements; it must have K x 2, K from 1 to 1, the shortest length."));
        Assert.That(() => ArrayDataset.Classification((float[][])[], 2, classes, 2), Throws.ArgumentException.With.Message.StartsWith("sequences is empty;"));
        Assert.That(() => ArrayDataset.Classification((float[][])[[1, 2], null!], 2, classes, 2), Throws.ArgumentNullException.With.Message.StartsWith("sequences[1] is null;"));
        Assert.That(
            () => ArrayDataset.Classification((float[][])[[1, 2], [1]], 2, classes, 2), Throws.ArgumentException.With.Message.StartsWith("sequences[1] has 1 elements;"));
        Assert.That(() => ArrayDataset.Classification((float[][])[[1, 2], []], 2, classes, 2), Throws.ArgumentException.With.Message.StartsWith("sequences[1] has 0 elements;"));
        Assert.That(() => ArrayDataset.Classification((IReadOnlyList<float[]>)null!, 2, classes, 2), Throws.ArgumentNullException);
    }

    [Test]
    public void Tensors_are_made_of_batch_major_arrays_and_back()
    {
        using Tensor tensor = SequenceTensor.FromBatchMajor<float>(Device, s_dense, 3, 4, 2);

        Assert.That(tensor.ToString(), Is.EqualTo("Float32 [4, 3, 2]"));
        Assert.That(tensor.ToArray<float>()[..8], Is.EqualTo((float[])[0, 1, 100, 101, 200, 201, 10, 11]));
        Assert.That(SequenceTensor.ToBatchMajor<float>(tensor), Is.EqualTo(s_dense));
        double[] wide = Array.ConvertAll(s_dense, value => (double)value);
        using Tensor twice = SequenceTensor.FromBatchMajor<double>(Device, wide, 3, 4, 2);
        Assert.That(SequenceTensor.ToBatchMajor<double>(twice), Is.EqualTo(wide));
        using Tensor indices = SequenceTensor.FromBatchMajor<int>(Device.Default, [1, 2, 3, 4, 5, 6], 2, 3, 1);
        Assert.That(indices.ToArray<int>(), Is.EqualTo((int[])[1, 4, 2, 5, 3, 6]));
        Assert.That(SequenceTensor.ToBatchMajor<int>(indices), Is.EqualTo((int[])[1, 2, 3, 4, 5, 6]));
    }

    [Test]
    public void Tensors_are_made_of_sequences_of_any_lengths()
    {
        using Tensor tensor = SequenceTensor.FromSequences<float>(Device, (float[][])[[1, 2], [3, 4, 5, 6, 7, 8], [9, 10, 11, 12]], 2, out int[] lengths);

        Assert.That(lengths, Is.EqualTo((int[])[1, 3, 2]));
        Assert.That(tensor.ToString(), Is.EqualTo("Float32 [3, 3, 2]"));
        Assert.That(tensor.ToArray<float>(), Is.EqualTo((float[])[1, 2, 3, 4, 9, 10, 0, 0, 5, 6, 11, 12, 0, 0, 7, 8, 0, 0]));
    }

    [Test]
    public void Tensors_of_arrays_that_do_not_fit_are_refused()
    {
        using var flat = new Tensor(Device, DType.Float32, 3, 2);
        using var cube = new Tensor(Device, DType.Float32, 3, 2, 1);

        Assert.That(
            () => SequenceTensor.FromBatchMajor<float>(Device, new float[5], 3, 2, 1), Throws.ArgumentException.With.Message.StartsWith("values has 5 elements; it must have 3 x 2 x 1"));
        Assert.That(
            () => SequenceTensor.FromBatchMajor<float>(Device, [], 2147483591, 2147483591, 2147483591), Throws.ArgumentException.With.Message.StartsWith("values has 0 elements;"));
        Assert.That(() => SequenceTensor.FromBatchMajor<float>(Device, new float[5], 0, 2, 1), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("batch is 0;"));
        Assert.That(() => SequenceTensor.FromBatchMajor<byte>(Device, new byte[6], 3, 2, 1), Throws.ArgumentException.With.Message.Contains("T is Byte;"));
        Assert.That(() => SequenceTensor.ToBatchMajor<float>(flat), Throws.ArgumentException.With.Message.StartsWith("tensor has shape [3, 2]; it must be [T, B, D]."));
        Assert.That(() => SequenceTensor.ToBatchMajor<double>(cube), Throws.ArgumentException.With.Message.Contains("T is Double;"));
        Assert.That(
            () => SequenceTensor.CopyToBatchMajor<float>(cube, new float[5]), Throws.ArgumentException.With.Message.StartsWith("destination has 5 elements; it must have 6"));
        Assert.That(() => SequenceTensor.FromSequences<float>(Device, [], 2, out _), Throws.ArgumentException.With.Message.StartsWith("sequences is empty;"));
        Assert.That(
            () => SequenceTensor.FromSequences<float>(Device, (float[][])[[1, 2], [3]], 2, out _), Throws.ArgumentException.With.Message.StartsWith("sequences[1] has 1 elements;"));
    }

    private static int[] Ints(params int[] values) => values;

    private static float[] Floats(params float[] values) => values;
}
