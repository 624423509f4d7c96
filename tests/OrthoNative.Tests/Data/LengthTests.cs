namespace OrthoNative.Tests.Data;

/// <summary>Batches of sequences of different lengths, and of indices.</summary>
internal sealed class LengthTests(DeviceKind kind) : DeviceTests(kind)
{
    private static readonly int[] s_lengths = [3, 7, 1, 5, 5, 2, 7, 4, 6, 3, 1];

    [TestCase(DType.Float32, false)]
    [TestCase(DType.Float64, false)]
    [TestCase(DType.Float32, true)]
    [TestCase(DType.Float64, true)]
    public void A_batch_is_as_long_as_its_longest_sample_and_padding_is_zero(DType dtype, bool integers)
    {
        var data = new Numbered(s_lengths) { Integers = integers };
        using var loader = new DataLoader(data, 3, new DataLoaderOptions { Device = Device, DType = dtype });
        int first = 0;

        // Twice, so that memory which was longer sequences' is used again.
        for (int epoch = 0; epoch < 2; epoch++, first = 0)
        {
            foreach (Batch batch in loader.Epoch(epoch))
            {
                int[] lengths = s_lengths[first..Math.Min(first + 3, s_lengths.Length)];
                Assert.That(batch.Size, Is.EqualTo(lengths.Length));
                Assert.That(batch.Inputs.Shape.ToArray(), Is.EqualTo((long[])[lengths.Max(), lengths.Length, 2]));
                Assert.That(batch.Lengths.ToArray(), Is.EqualTo(lengths.Distinct().Count() == 1 ? [] : lengths));
                Assert.That(Inputs(batch), Is.EqualTo(Expected(first, lengths)));
                Assert.That(batch.Classes.ToArray(), Is.EqualTo(lengths.Select((length, row) => Numbered.Target(first + row, length - 1))));
                first += lengths.Length;
            }
        }
    }

    [Test]
    public void Lengths_are_empty_where_all_are_equal()
    {
        using var equal = new DataLoader(new Numbered([4, 4, 4, 4]), 2, new DataLoaderOptions { Device = Device });
        using var without = new DataLoader(new AddingProblem(5, 4, seed: 1), 2, new DataLoaderOptions { Device = Device });

        foreach (DataLoader loader in (DataLoader[])[equal, without])
        {
            foreach (Batch batch in loader.Epoch(0))
            {
                Assert.That(batch.Lengths.Length, Is.Zero);
                Assert.That(batch.Inputs.Shape[0], Is.EqualTo(loader == equal ? 4 : 5));
            }
        }
    }

    [TestCase(1)]
    [TestCase(2)]
    public void Targets_are_those_of_the_last_steps_of_each_sample(int targetSteps)
    {
        int[] lengths = [3, 7, 2, 5];
        foreach (bool classes in (bool[])[true, false])
        {
            var data = new Numbered(lengths) { GivenTargetSteps = targetSteps, Classes = classes };
            using var loader = new DataLoader(data, 4, new DataLoaderOptions { Device = Device });
            DataLoader.Enumerator batches = loader.Epoch(0).GetEnumerator();
            Assert.That(batches.MoveNext(), Is.True);

            float[] expected = [.. Enumerable.Range(0, targetSteps).SelectMany(k => lengths.Select((length, row) => (float)Numbered.Target(row, length - targetSteps + k)))];
            Assert.That(Targets(batches.Current, classes), Is.EqualTo(expected));
            if (!classes)
            {
                Assert.That(batches.Current.Values!.Shape.ToArray(), Is.EqualTo((long[])(targetSteps == 1 ? [4, 1] : [2, 4, 1])));
            }
        }
    }

    [TestCase(true, DType.Float32)]
    [TestCase(false, DType.Float32)]
    [TestCase(false, DType.Float64)]
    public void If_every_step_has_a_target_targets_are_padded_like_inputs(bool classes, DType dtype)
    {
        var data = new Numbered(s_lengths) { GivenTargetSteps = 7, Classes = classes };
        using var loader = new DataLoader(data, 2, new DataLoaderOptions { Device = Device, DType = dtype });
        int first = 0;
        foreach (Batch batch in loader.Epoch(0))
        {
            int[] lengths = s_lengths[first..Math.Min(first + 2, s_lengths.Length)];
            int start = first;
            float[] expected =
            [
                .. Enumerable.Range(0, lengths.Max()).SelectMany(step =>
                    lengths.Select((length, row) => step < length ? Numbered.Target(start + row, step) : 0f)),
            ];
            Assert.That(Targets(batch, classes), Is.EqualTo(expected));
            first += lengths.Length;
        }
    }

    [TestCase(false)]
    [TestCase(true)]
    public void Buckets_hold_every_sample_once_and_depend_on_seed_and_epoch_alone(bool shuffle)
    {
        int[] lengths = Lengths(203);
        var options = new DataLoaderOptions { Device = Device, Shuffle = shuffle, Seed = 3, BucketBatches = 4 };
        using var loader = new DataLoader(new Numbered(lengths), 8, options);
        using var other = new DataLoader(new Numbered(lengths), 8, options);
        using var differs = new DataLoader(new Numbered(lengths), 8, options with { Seed = 4 });
        Order(other, 2);

        foreach (int epoch in (int[])[0, 1, 0])
        {
            int[] order = Order(loader, epoch);
            Assert.That(order, Is.EquivalentTo(Enumerable.Range(0, 203)));
            Assert.That(Order(other, epoch), Is.EqualTo(order));
            Assert.That(Order(differs, epoch).SequenceEqual(order), Is.EqualTo(!shuffle));
        }

        Assert.That(Order(loader, 0).SequenceEqual(Order(loader, 1)), Is.EqualTo(!shuffle));
    }

    [Test]
    public void Buckets_are_windows_of_the_order_sorted_by_length_and_the_rest_is_as_it_was()
    {
        int[] lengths = Lengths(203);
        var options = new DataLoaderOptions { Device = Device, Shuffle = true, Seed = 3 };
        using var plain = new DataLoader(new Numbered(lengths), 8, options);
        using var sorted = new DataLoader(new Numbered(lengths), 8, options with { BucketBatches = 4 });
        int[] order = Order(plain, 5);
        var expected = new List<int[]>();
        for (int start = 0; start < 200; start += 32)
        {
            expected.AddRange(order[start..Math.Min(start + 32, 200)].OrderBy(sample => lengths[sample]).Chunk(8));
        }

        int[][] batches = [.. Order(sorted, 5).Chunk(8)];
        Assert.That(batches[^1], Is.EqualTo(order[200..]));
        Assert.That(batches[..^1], Is.EquivalentTo(expected));
        Assert.That(batches[..^1], Is.Not.EqualTo(expected));

        using var inOrder = new DataLoader(new Numbered(lengths), 8, options with { BucketBatches = 1000, Shuffle = false, DropLast = true });
        Assert.That(Order(inOrder, 0), Is.EqualTo(Enumerable.Range(0, 200).OrderBy(sample => lengths[sample])));
    }

    [Test]
    public void Buckets_need_less_padding()
    {
        int[] lengths = Lengths(320);
        long Padded(int buckets)
        {
            using var loader = new DataLoader(new Numbered(lengths), 8, new DataLoaderOptions { Device = Device, Shuffle = true, BucketBatches = buckets });
            long elements = 0;
            foreach (Batch batch in loader.Epoch(0))
            {
                elements += batch.Inputs.Count / 2;
            }

            return elements - lengths.Sum();
        }

        // With all in one bucket, a batch's padding is at most the growth of lengths within it: 8 times the longest in all.
        Assert.That(Padded(40), Is.LessThanOrEqualTo(8 * lengths.Max()));
        Assert.That(Padded(1), Is.GreaterThan(4 * Padded(16)));
    }

    [TestCase(1)]
    [TestCase(4)]
    public void An_epoch_with_lengths_makes_no_managed_allocation(int buckets)
    {
        using var loader = new DataLoader(
            ArrayDataset.Classification((float[][])[.. Lengths(100).Select(length => new float[2 * length])], 2, new int[100], 3)
                .Subset([.. Enumerable.Range(0, 90).Select(i => (long)i)]),
            8, new DataLoaderOptions { Device = Device, Shuffle = true, BucketBatches = buckets });
        Count(loader, 0);

        long before = GC.GetAllocatedBytesForCurrentThread();
        Count(loader, 1);

        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);

        static void Count(DataLoader loader, int epoch)
        {
            foreach (Batch batch in loader.Epoch(epoch))
            {
                _ = batch.Lengths.Length;
            }
        }
    }

    [TestCase(0, 1, 1)]
    [TestCase(8, 1, 1)]
    [TestCase(-5, 1, 2)]
    [TestCase(1, 2, 1)]
    [TestCase(1, 2, 2)]
    [TestCase(0, 7, 1)]
    public void A_length_that_no_sample_can_have_is_refused_when_it_is_asked_for(int length, int targetSteps, int buckets)
    {
        int[] lengths = [7, 3, 4, 5, 6, 7];
        var data = new Numbered(lengths) { GivenTargetSteps = targetSteps };
        lengths[1] = length;
        using var loader = new DataLoader(data, 2, new DataLoaderOptions { Device = Device, BucketBatches = buckets });

        string minimum = targetSteps == 2 ? "2 (TargetSteps)" : "1 (one step)";
        Assert.That(
            () => loader.Epoch(0).GetEnumerator().MoveNext(),
            Throws.InvalidOperationException.With.Message.Contains($"LengthOf(1) is {length}; it must be from {minimum} to 7 (Steps)"));
    }

    [Test]
    public void An_epoch_whose_lengths_fail_ends_the_one_before()
    {
        int[] lengths = [7, 3, 4, 5, 6, 7];
        using var loader = new DataLoader(new Numbered(lengths), 2, new DataLoaderOptions { Device = Device, BucketBatches = 2, Shuffle = true });
        DataLoader.Enumerator batches = loader.Epoch(0).GetEnumerator();
        batches.MoveNext();
        lengths[1] = 0;

        Assert.That(() => loader.Epoch(1).GetEnumerator(), Throws.InvalidOperationException.With.Message.Contains("LengthOf(1) is 0"));
        Assert.That(() => batches.MoveNext(), Throws.InvalidOperationException.With.Message.Contains("Another epoch"));
    }

    [Test]
    public void Indices_stay_with_the_host_also_for_a_gpu()
    {
        using var loader = new DataLoader(new Numbered([2, 2, 2]) { Integers = true, Classes = false }, 2, new DataLoaderOptions { Device = Device });

        foreach (Batch batch in loader.Epoch(0))
        {
            Assert.That(batch.Inputs.DType, Is.EqualTo(DType.Int32));
            Assert.That(batch.Inputs.Device.Kind, Is.EqualTo(DeviceKind.Cpu));
            Assert.That(batch.Values!.Device, Is.EqualTo(Device));
            Assert.That(batch.Values.DType, Is.EqualTo(DType.Float32));
        }
    }

    [Test]
    public void A_data_set_gives_numbers_or_indices_not_both()
    {
        var numbers = new AddingProblem(3, 2, seed: 1);
        var indices = new Numbered([2, 2]) { Integers = true };

        Assert.That(() => numbers.Read([0], new int[6], [], new float[1]), Throws.TypeOf<NotSupportedException>().With.Message.Contains("InputType is Float32"));
        Assert.That(() => new Base().Read([0], new float[2], new int[1], []), Throws.TypeOf<NotSupportedException>().With.Message.Contains("InputType is Int32"));
        Assert.That(() => _ = new DataLoader(indices, 1, new DataLoaderOptions { DType = DType.Int32 }), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("options.DType is Int32;"));
        Assert.That(
            () => _ = new DataLoader(new Base { Type = DType.Float64 }, 1), Throws.ArgumentException.With.Message.EqualTo(
                "dataset.InputType is Float64; it must be Float32 or Int32. (Parameter 'dataset')"));
    }

    [Test]
    public void Options_out_of_range_are_refused()
    {
        var data = new Numbered([2, 3]);

        Assert.That(
            () => _ = new DataLoader(data, 1, new DataLoaderOptions { BucketBatches = 0 }),
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("options.BucketBatches is 0; it must be at least 1"));
        Assert.That(
            () => _ = new DataLoader(data, 3, new DataLoaderOptions { DropLast = true }), Throws.ArgumentException.With.Message.Contains("so with options.DropLast it must"));
    }

    [Test]
    public void Without_lengths_all_samples_have_the_steps_of_the_data_set()
    {
        var data = new AddingProblem(5, 4, seed: 1);

        Assert.That((data.HasLengths, data.InputType, data.LengthOf(3), data.StepsOf([0, 1]), data.TargetStepsOf([0])), Is.EqualTo((false, DType.Float32, 5, 5, 1)));
        Assert.That(() => data.LengthOf(4), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("sample is 4;"));
        var numbered = new Numbered([2, 5, 3]) { GivenTargetSteps = 5 };
        Assert.That((numbered.StepsOf([0, 2]), numbered.TargetStepsOf([0, 2]), numbered.StepsOf([1])), Is.EqualTo((3, 3, 5)));
        Assert.That(() => numbered.StepsOf([3]), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("samples is 3;"));
    }

    [TestCase(false)]
    [TestCase(true)]
    public void A_subset_reads_its_samples_in_its_order(bool integers)
    {
        var data = new Numbered(s_lengths) { Integers = integers };
        Dataset subset = data.Subset([9, 1, 1, 4]).Subset([3, 0, 2]);
        using var loader = new DataLoader(subset, 3, new DataLoaderOptions { Device = Device });
        DataLoader.Enumerator batches = loader.Epoch(0).GetEnumerator();
        batches.MoveNext();

        Assert.That((subset.Count, subset.HasLengths, subset.InputType), Is.EqualTo((3, true, integers ? DType.Int32 : DType.Float32)));
        Assert.That(batches.Current.Classes.ToArray(), Is.EqualTo((int[])[404, 902, 106]));
        Assert.That(batches.Current.Lengths.ToArray(), Is.EqualTo((int[])[5, 3, 7]));
        Assert.That(Inputs(batches.Current)[..6], Is.EqualTo((double[])[400, 0, 900, 0, 100, 0]));
        Assert.That(() => data.Subset([]), Throws.ArgumentException.With.Message.StartsWith("samples is empty;"));
        Assert.That(() => data.Subset([0, 11]), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("samples[1] is 11; it must be from 0 to 10"));
        Assert.That(() => subset.LengthOf(3), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => subset.Read([3], new float[14], new int[1], []), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("samples is 3;"));
    }

    private static double[] Inputs(Batch batch) => batch.Inputs.DType switch
    {
        DType.Int32 => Array.ConvertAll(batch.Inputs.ToArray<int>(), value => (double)value),
        _ => TestData.Values(batch.Inputs),
    };

    private static float[] Targets(Batch batch, bool classes) => classes
        ? Array.ConvertAll(batch.Classes.ToArray(), value => (float)value)
        : Array.ConvertAll(TestData.Values(batch.Values!), value => (float)value);

    /// <summary>[T, B, 2]: what tells sample and step, and the step; zeros beyond lengths.</summary>
    private static double[] Expected(int first, int[] lengths) =>
    [
        .. Enumerable.Range(0, lengths.Max()).SelectMany(step => lengths.SelectMany((length, row) =>
            step < length ? (double[])[((first + row) * 100) + step, step] : [0, 0])),
    ];

    private static int[] Lengths(int count)
    {
        var random = new Random(7);
        return [.. Enumerable.Range(0, count).Select(_ => 1 + random.Next(60))];
    }

    private static int[] Order(DataLoader loader, int epoch)
    {
        var order = new List<int>();
        foreach (Batch batch in loader.Epoch(epoch))
        {
            order.AddRange(batch.Classes.ToArray().Select(target => target / 100));
        }

        return [.. order];
    }

    /// <summary>Sequences of given lengths whose inputs tell sample and step; what is not to be written is left as NaN or -1.</summary>
    private sealed class Numbered(int[] lengths) : Dataset
    {
        private readonly int _steps = lengths.Max();

        public int GivenTargetSteps { get; init; } = 1;

        public bool Classes { get; init; } = true;

        public bool Integers { get; init; }

        public override long Count => lengths.Length;

        public override long Steps => _steps;

        public override long Features => 2;

        public override long TargetSteps => GivenTargetSteps;

        public override long Outputs => Classes ? 100_000 : 1;

        public override bool IsClassification => Classes;

        public override bool HasLengths => true;

        public override DType InputType => Integers ? DType.Int32 : DType.Float32;

        public static int Target(long sample, int step) => (int)(sample * 100) + step;

        public override long LengthOf(long sample) => lengths[sample];

        public override void Read(ReadOnlySpan<long> samples, Span<float> inputs, Span<int> classes, Span<float> values)
        {
            Assert.That(Integers, Is.False);
            inputs.Fill(float.NaN);
            Write(samples, inputs, value => value);
            WriteTargets(samples, classes, values);
        }

        public override void Read(ReadOnlySpan<long> samples, Span<int> indices, Span<int> classes, Span<float> values)
        {
            Assert.That(Integers, Is.True);
            indices.Fill(-1);
            Write(samples, indices, value => value);
            WriteTargets(samples, classes, values);
        }

        private void Write<T>(ReadOnlySpan<long> samples, Span<T> inputs, Func<int, T> convert)
        {
            Assert.That(inputs.Length, Is.EqualTo(StepsOf(samples) * samples.Length * 2));
            for (int row = 0; row < samples.Length; row++)
            {
                for (int step = 0; step < lengths[samples[row]]; step++)
                {
                    int at = ((step * samples.Length) + row) * 2;
                    inputs[at] = convert((int)(samples[row] * 100) + step);
                    inputs[at + 1] = convert(step);
                }
            }
        }

        private void WriteTargets(ReadOnlySpan<long> samples, Span<int> classes, Span<float> values)
        {
            int targetSteps = (int)TargetStepsOf(samples);
            classes.Fill(-1);
            values.Fill(float.NaN);
            Assert.That(classes.Length + values.Length, Is.EqualTo(targetSteps * samples.Length));
            for (int row = 0; row < samples.Length; row++)
            {
                int length = lengths[samples[row]];
                for (int k = 0; k < targetSteps; k++)
                {
                    int step = TargetSteps == Steps ? k : length - targetSteps + k;
                    if (step >= length)
                    {
                        continue;
                    }

                    int target = Target(samples[row], step);
                    if (Classes)
                    {
                        classes[(k * samples.Length) + row] = target;
                    }
                    else
                    {
                        values[(k * samples.Length) + row] = target;
                    }
                }
            }
        }
    }

    /// <summary>A data set that overrides no Read.</summary>
    private sealed class Base : Dataset
    {
        public DType Type { get; init; } = DType.Int32;

        public override long Count => 1;

        public override long Steps => 2;

        public override long Features => 1;

        public override long TargetSteps => 1;

        public override long Outputs => 1;

        public override bool IsClassification => true;

        public override DType InputType => Type;
    }
}
