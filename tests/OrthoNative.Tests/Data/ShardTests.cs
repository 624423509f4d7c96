namespace OrthoNative.Tests.Data;

/// <summary>Loaders that share the batches.</summary>
internal sealed class ShardTests(DeviceKind kind) : DeviceTests(kind)
{
    [Test]
    public void Parts_make_up_the_batch_in_order([Values(1, 2, 3, 4, 7)] int shards, [Values] bool shuffle, [Values(1, 2)] int buckets, [Values(0, 2)] int prefetch)
    {
        var options = new DataLoaderOptions { Shuffle = shuffle, Seed = 5, BucketBatches = buckets, Device = Device, Prefetch = prefetch };
        using var whole = new DataLoader(Numbers(27), 7, options);
        DataLoader[] parts = [.. Enumerable.Range(0, shards).Select(shard => new DataLoader(Numbers(27), 7, options with { ShardCount = shards, ShardIndex = shard }))];

        // The last batch has 6 samples: fewer than 7 shards.
        Assert.That(parts.Select(part => part.BatchesPerEpoch), Is.All.EqualTo(shards > 6 ? 3 : 4));
        Assert.That(parts.Select(part => part.BatchSize), Is.All.EqualTo(7));
        for (int epoch = 0; epoch < 2; epoch++)
        {
            DataLoader.Enumerator expected = whole.Epoch(epoch).GetEnumerator();
            DataLoader.Enumerator[] batches = [.. parts.Select(part => part.Epoch(epoch).GetEnumerator())];
            for (int i = 0; i < parts[0].BatchesPerEpoch; i++)
            {
                expected.MoveNext();
                int[] all = expected.Current.Classes.ToArray();
                var joined = new List<int>();
                for (int shard = 0; shard < shards; shard++)
                {
                    Assert.That(batches[shard].MoveNext(), Is.True);
                    Batch batch = batches[shard].Current;
                    Assert.That(batch.FirstSample, Is.EqualTo(joined.Count));
                    Assert.That(batch.Size, Is.EqualTo(all.Length / shards).Or.EqualTo((all.Length / shards) + 1));
                    Assert.That(batch.Inputs.ToArray<float>().Take((int)batch.Size), Is.EqualTo(batch.Classes.ToArray()));
                    joined.AddRange(batch.Classes.ToArray());
                }

                Assert.That(joined, Is.EqualTo(all), $"epoch {epoch}, batch {i}");
            }

            for (int shard = 0; shard < shards; shard++)
            {
                Assert.That(batches[shard].MoveNext(), Is.False);
            }
        }

        Array.ForEach(parts, part => part.Dispose());
    }

    [Test]
    public void Parts_draw_the_random_numbers_of_the_whole_batch()
    {
        using var whole = new DataLoader(Numbers(10), 5, new DataLoaderOptions { Device = Device });
        using Sequential model = Make(), first = Make(), second = Make();
        Sequential[] models = [first, second];
        float[][] expected = Outputs(whole, model);
        for (int shard = 0; shard < 2; shard++)
        {
            using var part = new DataLoader(Numbers(10), 5, new DataLoaderOptions { Device = Device, ShardCount = 2, ShardIndex = shard });
            float[][] actual = Outputs(part, models[shard]);
            Assert.That(actual, Is.EqualTo(expected.Select(outputs => shard == 0 ? outputs[..2] : outputs[2..])));
        }

        Sequential Make() => new(Device, 4, new Pooling(1, PoolingKind.Last), new GaussianNoise(1, 0.5), new Dense(1, 1));

        static float[][] Outputs(DataLoader loader, Sequential model)
        {
            var outputs = new List<float[]>();
            foreach (Batch batch in loader.Epoch(0))
            {
                outputs.Add(model.Forward(batch.Inputs, new ForwardOptions { FirstSample = batch.FirstSample, Lengths = batch.Lengths.ToArray() }).ToArray<float>());
            }

            return [.. outputs];
        }
    }

    [Test]
    public void Shards_that_a_batch_cannot_have_are_refused()
    {
        Refuses<ArgumentOutOfRangeException>(4, new DataLoaderOptions { ShardCount = 0 }, "options.ShardCount is 0; it must be at least 1.");
        Refuses<ArgumentOutOfRangeException>(4, new DataLoaderOptions { ShardCount = 3, ShardIndex = 3 }, "options.ShardIndex is 3; it must be from 0 to 2.");
        Refuses<ArgumentOutOfRangeException>(4, new DataLoaderOptions { ShardIndex = -1 }, "options.ShardIndex is -1; it must be from 0 to 0.");
        Refuses<ArgumentOutOfRangeException>(4, new DataLoaderOptions { ShardCount = 5 }, "batchSize is 4; it must be at least 5, options.ShardCount.");
        Refuses<ArgumentException>(50, new DataLoaderOptions { ShardCount = 11 }, "options.ShardCount is 11; the data set has 10 samples, so it must be at most as many.");

        void Refuses<T>(int batchSize, DataLoaderOptions options, string message) where T : ArgumentException =>
            Assert.That(() => _ = new DataLoader(Numbers(10), batchSize, options with { Device = Device }), Throws.TypeOf<T>().With.Message.StartsWith(message));
    }

    /// <summary>Sequences of different lengths whose class and inputs are their number.</summary>
    private static ArrayDataset Numbers(int count) => ArrayDataset.Classification(
        [.. Enumerable.Range(0, count).Select(sample => Enumerable.Repeat((float)sample, 1 + (sample * 5 % 4)).ToArray())], 1, Enumerable.Range(0, count).ToArray(), count);
}
