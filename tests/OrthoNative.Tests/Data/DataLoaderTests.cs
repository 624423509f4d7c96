namespace OrthoNative.Tests.Data;

internal sealed class DataLoaderTests(DeviceKind kind) : DeviceTests(kind)
{
    [Test]
    public void Without_shuffling_samples_come_in_order_and_the_rest_makes_a_smaller_batch()
    {
        using var loader = new DataLoader(new Numbers(10), 4, new DataLoaderOptions { Device = Device });

        Assert.That(loader.BatchesPerEpoch, Is.EqualTo(3));
        Assert.That(Classes(loader, 0), Is.EqualTo((int[][])[[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]));
        Assert.That(Classes(loader, 1), Is.EqualTo(Classes(loader, 0)));
    }

    [Test]
    public void The_rest_can_be_dropped()
    {
        using var loader = new DataLoader(new Numbers(10), 4, new DataLoaderOptions { DropLast = true, Device = Device });

        Assert.That(loader.BatchesPerEpoch, Is.EqualTo(2));
        Assert.That(Classes(loader, 0), Is.EqualTo((int[][])[[0, 1, 2, 3], [4, 5, 6, 7]]));
    }

    [Test]
    public void Inputs_and_targets_belong_together()
    {
        using var loader = new DataLoader(new Numbers(10), 4, new DataLoaderOptions { Shuffle = true, Seed = 5, Device = Device });

        foreach (Batch batch in loader.Epoch(0))
        {
            Assert.That(batch.Inputs.Shape.ToArray(), Is.EqualTo((long[])[3, batch.Size, 2]));
            float[] inputs = batch.Inputs.ToArray<float>();
            for (int step = 0; step < 3; step++)
            {
                for (int row = 0; row < batch.Size; row++)
                {
                    Assert.That(inputs[((step * batch.Size) + row) * 2], Is.EqualTo(batch.Classes[row]));
                    Assert.That(inputs[(((step * batch.Size) + row) * 2) + 1], Is.EqualTo(step));
                }
            }
        }
    }

    [Test]
    public void Shuffling_gives_each_epoch_an_order_of_its_own_with_every_sample_once()
    {
        using var loader = new DataLoader(new Numbers(100), 7, new DataLoaderOptions { Shuffle = true, Seed = 5, Device = Device });
        int[][] orders = [.. Enumerable.Range(0, 3).Select(epoch => Classes(loader, epoch).SelectMany(batch => batch).ToArray())];

        foreach (int[] order in orders)
        {
            Assert.That(order, Is.EquivalentTo(Enumerable.Range(0, 100)).And.Not.EqualTo(Enumerable.Range(0, 100)));
        }

        Assert.That(orders[0], Is.Not.EqualTo(orders[1]));
        Assert.That(orders[1], Is.Not.EqualTo(orders[2]));
    }

    [Test]
    public void The_order_depends_on_seed_and_epoch_alone()
    {
        int[][] Order(ulong seed, int epoch, int epochsBefore)
        {
            using var loader = new DataLoader(new Numbers(50), 8, new DataLoaderOptions { Shuffle = true, Seed = seed, Device = Device });
            for (int i = 0; i < epochsBefore; i++)
            {
                Classes(loader, i);
            }

            return Classes(loader, epoch);
        }

        Assert.That(Order(5, epoch: 2, epochsBefore: 2), Is.EqualTo(Order(5, epoch: 2, epochsBefore: 0)));
        Assert.That(Order(6, epoch: 2, epochsBefore: 0), Is.Not.EqualTo(Order(5, epoch: 2, epochsBefore: 0)));
    }

    [Test]
    public void Batches_are_reused()
    {
        using var loader = new DataLoader(new Numbers(12), 4, new DataLoaderOptions { Device = Device });
        var seen = new HashSet<Tensor>();
        foreach (int epoch in (int[])[0, 1])
        {
            foreach (Batch batch in loader.Epoch(epoch))
            {
                seen.Add(batch.Inputs);
            }
        }

        // A GPU works on one while the other one is filled.
        Assert.That(seen, Has.Count.EqualTo(Device.Kind == DeviceKind.Cpu ? 1 : 2));
    }

    [TestCase(false)]
    [TestCase(true)]
    public void An_epoch_makes_no_managed_allocation(bool classes)
    {
        Dataset data = classes ? new CopyingMemory(30, 200, seed: 1) : new AddingProblem(30, 200, seed: 1);
        using var loader = new DataLoader(data, 16, new DataLoaderOptions { Shuffle = true, Device = Device });
        RunThrough(loader, 0);

        long before = GC.GetAllocatedBytesForCurrentThread();
        RunThrough(loader, 1);

        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);
    }

    [Test]
    public void Values_are_shaped_like_the_outputs_that_they_are_compared_with()
    {
        using var loader = new DataLoader(new AddingProblem(5, 8, seed: 1), 4, new DataLoaderOptions { Device = Device });

        foreach (Batch batch in loader.Epoch(0))
        {
            Assert.That(batch.Values!.Shape.ToArray(), Is.EqualTo((long[])[4, 1]));
            Assert.That(batch.Classes.Length, Is.Zero);
        }
    }

    [Test]
    public void Double_precision_batches_hold_the_same_numbers()
    {
        var data = new AddingProblem(9, 10, seed: 1);
        using var single = new DataLoader(data, 4, new DataLoaderOptions { Device = Device });
        using var twice = new DataLoader(data, 4, new DataLoaderOptions { DType = DType.Float64, Device = Device });
        DataLoader.Enumerator other = twice.Epoch(0).GetEnumerator();

        foreach (Batch batch in single.Epoch(0))
        {
            Assert.That(other.MoveNext(), Is.True);
            Assert.That(other.Current.Inputs.ToArray<double>(), Is.EqualTo(batch.Inputs.ToArray<float>().Select(value => (double)value)));
            Assert.That(other.Current.Values!.ToArray<double>(), Is.EqualTo(batch.Values!.ToArray<float>().Select(value => (double)value)));
        }
    }

    [Test]
    public void An_epoch_that_another_one_overtook_cannot_continue()
    {
        using var loader = new DataLoader(new Numbers(10), 2, new DataLoaderOptions { Device = Device });
        DataLoader.Enumerator first = loader.Epoch(0).GetEnumerator();
        first.MoveNext();
        DataLoader.Enumerator second = loader.Epoch(1).GetEnumerator();

        Assert.Throws<InvalidOperationException>(() => first.MoveNext());
        Assert.That(second.MoveNext(), Is.True);
    }

    [Test]
    public void An_epoch_after_one_that_was_left_early_has_its_own_batches()
    {
        using var loader = new DataLoader(new Numbers(10), 3, new DataLoaderOptions { Shuffle = true, Seed = 5, Device = Device });
        using var fresh = new DataLoader(new Numbers(10), 3, new DataLoaderOptions { Shuffle = true, Seed = 5, Device = Device });
        foreach (int batches in (int[])[1, 2, 3])
        {
            DataLoader.Enumerator left = loader.Epoch(0).GetEnumerator();
            for (int i = 0; i < batches; i++)
            {
                left.MoveNext();
            }

            Assert.That(Classes(loader, batches), Is.EqualTo(Classes(fresh, batches)), $"left after {batches}");
        }
    }

    [TestCase(0)]
    [TestCase(5)]
    [TestCase(9)]
    public void An_exception_of_the_data_set_comes_when_its_batch_is_asked_for(int failing)
    {
        using var loader = new DataLoader(new Numbers(10, failing), 2, new DataLoaderOptions { Device = Device });
        DataLoader.Enumerator batches = loader.Epoch(0).GetEnumerator();
        for (int first = 0; first < 10; first += 2)
        {
            if (failing - first is 0 or 1)
            {
                // It is the same batch that is asked for again; to continue without it is the caller's choice.
                Assert.That(() => batches.MoveNext(), Throws.TypeOf<IOException>().With.Message.EqualTo($"sample {failing}"));
                Assert.That(() => batches.MoveNext(), Throws.TypeOf<IOException>().With.Message.EqualTo($"sample {failing}"));
                Assert.That(() => batches.Current, Throws.InvalidOperationException);
                batches.Skip(1);
            }
            else
            {
                Assert.That(batches.MoveNext(), Is.True);
                Assert.That(batches.Current.Classes.ToArray(), Is.EqualTo((int[])[first, first + 1]));
                Assert.That(batches.Current.Inputs.ToArray<float>()[0], Is.EqualTo(first));
            }
        }

        Assert.That(batches.MoveNext(), Is.False);
    }

    [TestCase(0, 1)]
    [TestCase(4, 1)]
    [TestCase(4, 3)]
    [TestCase(8, 2)]
    public void A_batch_that_could_not_be_read_is_read_by_the_next_call(int failing, int times)
    {
        using var loader = new DataLoader(new Numbers(9, failing, times), 2, new DataLoaderOptions { Shuffle = true, Seed = 3, Device = Device });
        using var healthy = new DataLoader(new Numbers(9), 2, new DataLoaderOptions { Shuffle = true, Seed = 3, Device = Device });
        DataLoader.Enumerator expected = healthy.Epoch(1).GetEnumerator();
        DataLoader.Enumerator batches = loader.Epoch(1).GetEnumerator();
        int failures = 0;
        while (expected.MoveNext())
        {
            while (true)
            {
                try
                {
                    Assert.That(batches.MoveNext(), Is.True);
                    break;
                }
                catch (IOException)
                {
                    failures++;
                }
            }

            Assert.That(batches.Current.Classes.ToArray(), Is.EqualTo(expected.Current.Classes.ToArray()));
            Assert.That(batches.Current.Inputs.ToArray<float>(), Is.EqualTo(expected.Current.Inputs.ToArray<float>()));
        }

        Assert.That(batches.MoveNext(), Is.False);
        Assert.That(failures, Is.EqualTo(times));
    }

    [Test]
    public void A_batch_of_an_epoch_that_was_overtaken_or_of_a_disposed_loader_is_handed_out_no_more()
    {
        var loader = new DataLoader(new Numbers(10), 2, new DataLoaderOptions { Device = Device });
        DataLoader.Enumerator first = loader.Epoch(0).GetEnumerator();
        first.MoveNext();
        DataLoader.Enumerator second = loader.Epoch(1).GetEnumerator();
        second.MoveNext();

        Assert.That(() => first.Current, Throws.InvalidOperationException.With.Message.Contains("Another epoch"));
        Assert.That(second.Current.Size, Is.EqualTo(2));
        loader.Dispose();
        Assert.That(() => second.Current, Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void An_exception_for_a_batch_that_nobody_asks_for_does_not_reach_the_next_epoch()
    {
        using var loader = new DataLoader(new Numbers(10, failing: 3), 2, new DataLoaderOptions { Device = Device });
        loader.Epoch(0).GetEnumerator().MoveNext();
        DataLoader.Enumerator next = loader.Epoch(1).GetEnumerator();

        Assert.That(next.MoveNext(), Is.True);
        Assert.That(() => next.MoveNext(), Throws.TypeOf<IOException>());
    }

    [Test]
    public void Arguments_out_of_range_are_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => _ = new DataLoader(new Numbers(10), 0, new DataLoaderOptions { Device = Device }));
        Assert.That(
            Assert.Throws<ArgumentException>(() => _ = new DataLoader(new Numbers(10), 11, new DataLoaderOptions { DropLast = true, Device = Device }))!.Message,
            Does.Contain("batchSize is 11").And.Contains("10 samples"));
        Assert.That(
            Assert.Throws<ArgumentException>(() => _ = new DataLoader(new AddingProblem(2_000_000, 10_000, 1), 1000, new DataLoaderOptions { Device = Device }))!.Message,
            Does.Contain("batchSize is 1000").And.Contains("at most 536"));
        Assert.That(DataLoader.GetLargestBatchSize(new AddingProblem(2_000_000, 10_000, 1)), Is.EqualTo(536));
    }

    [TestCase("Count", 0, "1 to ")]
    [TestCase("Count", -1, "1 to ")]
    [TestCase("Count", 1L << 40, "1 to 2147483591")]
    [TestCase("Steps", 0, "1 to ")]
    [TestCase("Steps", -1, "1 to ")]
    [TestCase("Steps", long.MaxValue, "1 to 2147483591")]
    [TestCase("Features", 0, "1 to ")]
    [TestCase("Features", -3, "1 to ")]
    [TestCase("Features", 1L << 62, "1 to 715827863")]
    [TestCase("TargetSteps", 0, "1 to 3")]
    [TestCase("TargetSteps", 4, "1 to 3")]
    [TestCase("Outputs", 0, "1 to ")]
    [TestCase("Outputs", -1, "1 to ")]
    [TestCase("Outputs", 1L << 62, "1 to 1073741795")]
    public void Sizes_that_a_data_set_cannot_have_are_refused_by_name(string property, long value, string required)
    {
        var data = new Sizes { Classes = false };
        typeof(Sizes).GetProperty($"Given{property}")!.SetValue(data, value);

        foreach (bool dropLast in (bool[])[false, true])
        {
            ArgumentException exception = Assert.Throws<ArgumentOutOfRangeException>(
                () => _ = new DataLoader(data, 2, new DataLoaderOptions { Shuffle = true, DropLast = dropLast, Device = Device }))!;
            Assert.That(exception.Message, Does.StartWith($"dataset.{property} is {value}; ").And.Contains(required));
        }
    }

    [TestCase(1, false)]
    [TestCase(8, false)]
    [TestCase(1, true)]
    [TestCase(8, true)]
    public void A_data_set_that_grows_or_shrinks_leaves_the_batches_as_they_were(long later, bool shuffle)
    {
        var data = new Sizes { GivenCount = 5, GivenTargetSteps = 1 };
        using var loader = new DataLoader(data, 2, new DataLoaderOptions { Shuffle = shuffle, Device = Device });
        int[][] before = Classes(loader, 0);
        DataLoader.Enumerator batches = loader.Epoch(0).GetEnumerator();
        batches.MoveNext();

        data.GivenCount = later;

        Assert.That(batches.MoveNext(), Is.True);
        Assert.That(batches.Current.Classes.ToArray(), Is.EqualTo(before[1]));
        Assert.That(Classes(loader, 0), Is.EqualTo(before));
        Assert.That(before.SelectMany(batch => batch), Is.EquivalentTo(Enumerable.Range(0, 5)));
    }

    [Test]
    public void Targets_count_among_what_fits_into_a_batch()
    {
        var data = new Sizes { GivenCount = 100, Classes = false, GivenOutputs = 100_000_000 };

        Assert.That(DataLoader.GetLargestBatchSize(data), Is.EqualTo(Array.MaxLength / 200_000_000));
        Assert.That(
            () => _ = new DataLoader(data, 11, new DataLoaderOptions { Device = Device }),
            Throws.ArgumentException.With.Message.Contains("2 x 100000000 values it must be at most 10"));
        data.Classes = true;
        Assert.That(DataLoader.GetLargestBatchSize(data), Is.EqualTo(Array.MaxLength / 6));
    }

    [Test]
    public void A_disposed_loader_refuses_to_continue()
    {
        var loader = new DataLoader(new Numbers(10), 2, new DataLoaderOptions { Device = Device });
        DataLoader.Enumerator batches = loader.Epoch(0).GetEnumerator();
        loader.Dispose();

        Assert.Throws<ObjectDisposedException>(() => batches.MoveNext());
        Assert.Throws<ObjectDisposedException>(() => loader.Epoch(0).GetEnumerator());
    }

    private static int[][] Classes(DataLoader loader, int epoch)
    {
        var batches = new List<int[]>();
        foreach (Batch batch in loader.Epoch(epoch))
        {
            batches.Add(batch.Classes.ToArray());
        }

        return [.. batches];
    }

    private static void RunThrough(DataLoader loader, int epoch)
    {
        foreach (Batch batch in loader.Epoch(epoch))
        {
            Assume(batch.Size > 0);
        }

        static void Assume(bool condition) => ArgumentOutOfRangeException.ThrowIfEqual(condition, false);
    }

    /// <summary>Samples whose class and inputs are their own number; one of them may be unreadable, for some times or for ever.</summary>
    private sealed class Numbers(long count, long? failing = null, int times = int.MaxValue) : Dataset
    {
        private int _failures;

        public override long Count => count;

        public override long Steps => 3;

        public override long Features => 2;

        public override long TargetSteps => 1;

        public override long Outputs => count;

        public override bool IsClassification => true;

        public override void Read(ReadOnlySpan<long> samples, Span<float> inputs, Span<int> classes, Span<float> values)
        {
            for (int row = 0; row < samples.Length; row++)
            {
                if (samples[row] == failing && _failures++ < times)
                {
                    throw new IOException($"sample {failing}");
                }

                classes[row] = (int)samples[row];
                for (int step = 0; step < 3; step++)
                {
                    inputs[((step * samples.Length) + row) * 2] = samples[row];
                    inputs[(((step * samples.Length) + row) * 2) + 1] = step;
                }
            }
        }
    }

    /// <summary>A data set that says what it is told to about its sizes; the class of a sample is its number.</summary>
    private sealed class Sizes : Dataset
    {
        public long GivenCount { get; set; } = 10;

        public long GivenSteps { get; set; } = 3;

        public long GivenFeatures { get; set; } = 2;

        public long GivenTargetSteps { get; set; } = 2;

        public long GivenOutputs { get; set; } = 4;

        public bool Classes { get; set; } = true;

        public override long Count => GivenCount;

        public override long Steps => GivenSteps;

        public override long Features => GivenFeatures;

        public override long TargetSteps => GivenTargetSteps;

        public override long Outputs => GivenOutputs;

        public override bool IsClassification => Classes;

        public override void Read(ReadOnlySpan<long> samples, Span<float> inputs, Span<int> classes, Span<float> values)
        {
            for (int i = 0; i < classes.Length; i++)
            {
                classes[i] = (int)samples[i % samples.Length];
            }
        }
    }
}
