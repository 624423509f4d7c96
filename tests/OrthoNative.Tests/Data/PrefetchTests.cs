namespace OrthoNative.Tests.Data;

/// <summary>Batches that are read ahead on another thread of the CPU.</summary>
internal sealed class PrefetchTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(2);

    [Test]
    public void Batches_are_those_without_reading_ahead([Values(1, 2, 7, 1000)] int prefetch, [Values] bool shuffle, [Values(1, 4)] int buckets, [Values(DType.Float32, DType.Float64)] DType dtype)
    {
        var options = new DataLoaderOptions { Shuffle = shuffle, Seed = 3, BucketBatches = buckets, DType = dtype };
        using var plain = new DataLoader(new Watched(50), 4, options);
        using var ahead = new DataLoader(new Watched(50), 4, options with { Prefetch = prefetch });
        Assert.That(ahead.BatchesPerEpoch, Is.EqualTo(13));
        for (int epoch = 0; epoch < 3; epoch++)
        {
            // Some epochs are left early, with batches in hand that were read ahead.
            DataLoader.Enumerator left = ahead.Epoch(epoch + 10).GetEnumerator();
            for (int i = 0; i < epoch * 3; i++)
            {
                left.MoveNext();
            }

            Assert.That(Contents(ahead, epoch), Is.EqualTo(Contents(plain, epoch)), $"epoch {epoch}");
            Assert.That(() => left.MoveNext(), Throws.InvalidOperationException.With.Message.StartsWith("Another epoch of this data loader was begun"));
        }
    }

    [TestCase(0, 0)]
    [TestCase(0, 3)]
    [TestCase(1, 1)]
    [TestCase(2, 5)]
    [TestCase(4, 8)]
    public void Batches_can_be_left_out(int before, int skipped)
    {
        using var plain = new DataLoader(new Watched(50), 4);
        using var ahead = new DataLoader(new Watched(50), 4, new DataLoaderOptions { Prefetch = 3 });
        byte[][] all = Contents(plain, 0);
        DataLoader.Enumerator batches = ahead.Epoch(0).GetEnumerator();
        for (int i = 0; i < before; i++)
        {
            batches.MoveNext();
        }

        batches.Skip(skipped);
        var rest = new List<byte[]>();
        while (batches.MoveNext())
        {
            rest.Add(Content(batches.Current));
        }

        Assert.That(rest, Is.EqualTo(all[(before + skipped)..]));
    }

    [TestCase(1)]
    [TestCase(3)]
    public void So_many_batches_are_read_ahead_on_another_thread_and_the_one_in_hand_stays(int prefetch)
    {
        var data = new Watched(40);
        using var loader = new DataLoader(data, 4, new DataLoaderOptions { Prefetch = prefetch });
        DataLoader.Enumerator batches = loader.Epoch(0).GetEnumerator();
        for (int i = 0; batches.MoveNext(); i++)
        {
            byte[] content = Content(batches.Current);
            int last = Math.Min(i + prefetch, 9);
            Assert.That(SpinWait.SpinUntil(() => data.BatchesRead == last + 1, s_patience), Is.True, $"batch {i}: {data.BatchesRead} were read");
            Assert.That(Content(batches.Current), Is.EqualTo(content));
        }

        Assert.That(data.BatchesRead, Is.EqualTo(10));
        Assert.That(data.Threads.Any(thread => thread != Environment.CurrentManagedThreadId), Is.True);
        Assert.That(data.WereReadAtOnce, Is.False);
    }

    [Test]
    public void An_exception_comes_with_its_batch_and_the_next_call_reads_that_again([Values(0, 9, 16, 39)] int failing, [Values(1, 3)] int times, [Values(1, 2, 5)] int prefetch)
    {
        using var healthy = new DataLoader(new Watched(40), 4);
        using var loader = new DataLoader(new Watched(40) { Failing = failing, Times = times }, 4, new DataLoaderOptions { Prefetch = prefetch });
        byte[][] expected = Contents(healthy, 0);
        DataLoader.Enumerator batches = loader.Epoch(0).GetEnumerator();
        for (int i = 0; i < expected.Length; i++)
        {
            for (int failure = 0; i == failing / 4 && failure < times; failure++)
            {
                Assert.That(() => batches.MoveNext(), Throws.TypeOf<IOException>().With.Message.EqualTo($"sample {failing}"));
                Assert.That(() => batches.Current, Throws.InvalidOperationException);
            }

            Assert.That(batches.MoveNext(), Is.True);
            Assert.That(Content(batches.Current), Is.EqualTo(expected[i]));
        }

        Assert.That(batches.MoveNext(), Is.False);
    }

    [Test]
    public void An_exception_of_a_batch_that_nobody_asks_for_is_forgotten([Values] bool skip)
    {
        var data = new Watched(40) { Failing = 6 };
        using var loader = new DataLoader(data, 4, new DataLoaderOptions { Prefetch = 3 });
        DataLoader.Enumerator batches = loader.Epoch(0).GetEnumerator();
        batches.MoveNext();
        Assert.That(SpinWait.SpinUntil(() => data.Failures > 0, s_patience), Is.True);
        if (skip)
        {
            batches.Skip(1);
        }
        else
        {
            batches = loader.Epoch(1).GetEnumerator();
        }

        Assert.That(batches.MoveNext(), Is.True);
        Assert.That(batches.Current.Classes[0], Is.EqualTo(skip ? 8 : 0));
    }

    [Test]
    public void Disposing_and_beginning_an_epoch_wait_for_the_batch_that_is_read([Values] bool dispose)
    {
        var data = new Watched(40);
        var loader = new DataLoader(data, 4, new DataLoaderOptions { Prefetch = 2 });
        using var gate = new ManualResetEventSlim();
        DataLoader.Enumerator batches = loader.Epoch(0).GetEnumerator();
        int caller = Environment.CurrentManagedThreadId;
        data.BeforeRead = first =>
        {
            if (Environment.CurrentManagedThreadId != caller)
            {
                gate.Wait(s_patience);
            }
        };
        batches.MoveNext();
        Assert.That(SpinWait.SpinUntil(() => data.IsReading, s_patience), Is.True);
        Task end = Task.Run(() =>
        {
            if (dispose)
            {
                loader.Dispose();
            }
            else
            {
                loader.Epoch(1).GetEnumerator();
            }
        });
        gate.Set();
        Assert.That(end.Wait(s_patience), Is.True);
        Assert.That((data.IsReading, data.BeganEpochWhileReading), Is.EqualTo((false, false)));
        if (dispose)
        {
            Assert.That(() => batches.MoveNext(), Throws.TypeOf<ObjectDisposedException>());
            Assert.That(() => batches.Current, Throws.TypeOf<ObjectDisposedException>());
        }

        loader.Dispose();
        loader.Dispose();
    }

    [Test]
    public void Reading_ahead_allocates_nothing_for_a_batch()
    {
        const int Batches = 4000;
        using var loader = new DataLoader(new AddingProblem(5, Batches * 2, seed: 1), 2, new DataLoaderOptions { Shuffle = true, Prefetch = 4 });
        RunThrough(0);
        RunThrough(1);
        long before = GC.GetTotalAllocatedBytes(precise: true);
        RunThrough(2);

        // The smallest object has 24 bytes; what the thread pool allocates now and then is of no batch.
        Assert.That(GC.GetTotalAllocatedBytes(precise: true) - before, Is.LessThan(Batches * 12));

        void RunThrough(int epoch)
        {
            foreach (Batch batch in loader.Epoch(epoch))
            {
                ArgumentOutOfRangeException.ThrowIfZero(batch.Size);
            }
        }
    }

    [TestCase(-1)]
    [TestCase(1025)]
    public void Other_numbers_are_refused(int prefetch) => Assert.That(
        () => _ = new DataLoader(new Watched(4), 2, new DataLoaderOptions { Prefetch = prefetch }),
        Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith($"options.Prefetch is {prefetch}; it must be from 0 to 1024."));

    private static byte[][] Contents(DataLoader loader, int epoch)
    {
        var contents = new List<byte[]>();
        foreach (Batch batch in loader.Epoch(epoch))
        {
            contents.Add(Content(batch));
        }

        return [.. contents];
    }

    /// <summary>All that a batch has.</summary>
    private static byte[] Content(Batch batch) =>
    [
        .. TestData.Bytes(batch.Inputs), .. batch.Inputs.Shape.ToArray().Select(size => (byte)size), .. batch.Lengths.ToArray().Select(length => (byte)length),
        .. batch.Classes.ToArray().SelectMany(BitConverter.GetBytes),
    ];

    /// <summary>Samples of different lengths that tell their number, and notice who reads them.</summary>
    private sealed class Watched(int count) : Dataset
    {
        private int _reading;
        private int _batchesRead;
        private int _failures;

        public long? Failing { get; init; }

        public int Times { get; init; } = int.MaxValue;

        public Action<long>? BeforeRead { get; set; }

        public int BatchesRead => Volatile.Read(ref _batchesRead);

        public int Failures => Volatile.Read(ref _failures);

        public bool IsReading => Volatile.Read(ref _reading) > 0;

        public bool WereReadAtOnce { get; private set; }

        public bool BeganEpochWhileReading { get; private set; }

        public HashSet<int> Threads { get; } = [];

        public override long Count => count;

        public override long Steps => 9;

        public override long Features => 2;

        public override long TargetSteps => 1;

        public override long Outputs => count;

        public override bool IsClassification => true;

        public override bool HasLengths => true;

        public override void BeginEpoch(int epoch) => BeganEpochWhileReading |= IsReading;

        public override long LengthOf(long sample) => 1 + (sample * 7 % 9);

        public override void Read(ReadOnlySpan<long> samples, Span<float> inputs, Span<int> classes, Span<float> values)
        {
            WereReadAtOnce |= Interlocked.Increment(ref _reading) > 1;
            try
            {
                Threads.Add(Environment.CurrentManagedThreadId);
                BeforeRead?.Invoke(samples[0]);
                for (int row = 0; row < samples.Length; row++)
                {
                    if (samples[row] == Failing && _failures < Times)
                    {
                        Interlocked.Increment(ref _failures);
                        throw new IOException($"sample {Failing}");
                    }

                    classes[row] = (int)samples[row];
                }

                for (int i = 0; i < inputs.Length; i++)
                {
                    inputs[i] = (samples[i / 2 % samples.Length] * 100) + i;
                }
            }
            finally
            {
                Interlocked.Decrement(ref _reading);
            }

            Interlocked.Increment(ref _batchesRead);
        }
    }
}
