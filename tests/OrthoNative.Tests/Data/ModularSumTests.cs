namespace OrthoNative.Tests.Data;

internal sealed class ModularSumTests
{
    [TestCase(2, 1)]
    [TestCase(2, 40)]
    [TestCase(5, 40)]
    [TestCase(1024, 3)]
    public void Inputs_are_one_hot_digits_and_targets_their_running_sums(int modulus, int length)
    {
        const int Count = 50;
        var data = new ModularSum(modulus, length, Count, seed: 3);
        (float[] inputs, int[] classes) = Read(data, Count);

        Assert.That((data.Features, data.Outputs, data.TargetSteps, data.Steps), Is.EqualTo((modulus, modulus, length, length)));
        Assert.That(data.HasLengths, Is.False);
        for (int row = 0; row < Count; row++)
        {
            long sum = 0;
            for (int step = 0; step < length; step++)
            {
                float[] hot = inputs[(((step * Count) + row) * modulus)..((((step * Count) + row) * modulus) + modulus)];
                Assert.That(hot.Sum(), Is.EqualTo(1));
                sum += Array.IndexOf(hot, 1);
                Assert.That(classes[(step * Count) + row], Is.EqualTo(sum % modulus));
            }
        }
    }

    [Test]
    public void Digits_are_uniform_at_every_step_and_lengths_too()
    {
        const int Count = 4000, Modulus = 5, Length = 8;
        var data = new ModularSum(Modulus, Length, Count, seed: 3, shortestLength: 3);
        (float[] inputs, _) = Read(data, Count);

        for (int step = 0; step < Length; step++)
        {
            for (int digit = 0; digit < Modulus; digit++)
            {
                int frequency = Enumerable.Range(0, Count).Count(row => inputs[(((step * Count) + row) * Modulus) + digit] == 1);
                // Five standard deviations of a binomial count.
                Assert.That(frequency, Is.EqualTo(Count / 5.0).Within(5 * Math.Sqrt(Count * 0.2 * 0.8)));
            }
        }

        long[] lengths = [.. Enumerable.Range(0, Count).Select(sample => data.LengthOf(sample))];
        Assert.That(lengths, Is.All.InRange(3, Length));
        for (int length = 3; length <= Length; length++)
        {
            Assert.That(lengths.Count(other => other == length), Is.EqualTo(Count / 6.0).Within(5 * Math.Sqrt(Count * (1 / 6.0) * (5 / 6.0))));
        }
    }

    [Test]
    public void A_loader_gives_batches_of_their_longest_length_with_zeros_beyond_each_one()
    {
        var data = new ModularSum(modulus: 3, length: 20, count: 12, seed: 7, shortestLength: 1);
        using var loader = new DataLoader(data, 4);
        long sample = 0;
        foreach (Batch batch in loader.Epoch(0))
        {
            int[] lengths = [.. Enumerable.Range(0, 4).Select(i => (int)data.LengthOf(sample + i))];
            Assert.That(batch.Lengths.ToArray(), Is.EqualTo(lengths));
            Assert.That(batch.Inputs.Shape.ToArray(), Is.EqualTo((long[])[lengths.Max(), 4, 3]));
            float[] inputs = batch.Inputs.ToArray<float>();
            for (int row = 0; row < 4; row++)
            {
                int sum = 0;
                for (int step = 0; step < lengths.Max(); step++)
                {
                    float[] hot = inputs[(((step * 4) + row) * 3)..((((step * 4) + row) * 3) + 3)];
                    Assert.That(hot.Sum(), Is.EqualTo(step < lengths[row] ? 1 : 0));
                    sum += step < lengths[row] ? Array.IndexOf(hot, 1) : 0;
                    Assert.That(batch.Classes[(step * 4) + row], Is.EqualTo(step < lengths[row] ? sum % 3 : 0));
                }
            }

            sample += 4;
        }
    }

    [Test]
    public void A_sample_depends_on_seed_part_and_number_and_its_digits_do_not_depend_on_lengths()
    {
        float[] Sample(ulong seed, DataSplit split, int length, long count, int? shortest, params long[] samples)
        {
            var data = new ModularSum(5, length, count, seed, split, shortest);
            int steps = (int)data.StepsOf(samples), row = samples.Length - 1;
            float[] inputs = new float[steps * samples.Length * 5];
            data.Read(samples, inputs, new int[steps * samples.Length], []);
            return [.. Enumerable.Range(0, 30 * 5).Select(i => inputs[((((i / 5) * samples.Length) + row) * 5) + (i % 5)])];
        }

        float[] reference = Sample(1, DataSplit.Training, 30, 100, null, 42);
        Assert.That(Sample(1, DataSplit.Training, 30, 100, null, 42), Is.EqualTo(reference), "read again");
        Assert.That(Sample(1, DataSplit.Training, 30, 43, null, 7, 3, 42), Is.EqualTo(reference), "in a larger batch of a smaller set");
        Assert.That(Sample(1, DataSplit.Training, 90, 43, null, 42), Is.EqualTo(reference), "of a longer sequence");
        Assert.That(Sample(1, DataSplit.Training, 31, 43, 30, 42), Is.EqualTo(reference), "with a length of its own");
        Assert.That(Sample(2, DataSplit.Training, 30, 100, null, 42), Is.Not.EqualTo(reference), "another seed");
        Assert.That(Sample(1, DataSplit.Test, 30, 100, null, 42), Is.Not.EqualTo(reference), "another part");
        Assert.That(Sample(1, DataSplit.Training, 30, 100, null, 41), Is.Not.EqualTo(reference), "another number");
    }

    [Test]
    public void The_baseline_is_what_guessing_gives()
    {
        const int Count = 4000;
        var data = new ModularSum(4, 1, Count, seed: 3, DataSplit.Test);
        (_, int[] classes) = Read(data, Count);

        // Five standard deviations of a binomial count.
        Assert.That(classes.Count(sum => sum == 2) / (double)Count, Is.EqualTo(data.Baseline).Within(5 * Math.Sqrt(0.25 * 0.75 / Count)));
    }

    [Test]
    public void Arguments_out_of_range_are_refused()
    {
        Assert.That(() => new ModularSum(1, 10, 10, 0), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("modulus is 1; it must be from 2 to 1024."));
        Assert.That(() => new ModularSum(1025, 10, 10, 0), Throws.TypeOf<ArgumentOutOfRangeException>().With.Property("ParamName").EqualTo("modulus"));
        Assert.That(() => new ModularSum(2, 0, 10, 0), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("length is 0; it must be from 1 to"));
        Assert.That(() => new ModularSum(2, int.MaxValue, 10, 0), Throws.TypeOf<ArgumentOutOfRangeException>().With.Property("ParamName").EqualTo("length"));
        Assert.That(() => new ModularSum(2, 10, 0, 0), Throws.TypeOf<ArgumentOutOfRangeException>().With.Property("ParamName").EqualTo("count"));
        Assert.That(() => new ModularSum(2, 10, 10, 0, shortestLength: 0), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("shortestLength is 0; it must be from 1 to 10."));
        Assert.That(() => new ModularSum(2, 10, 10, 0, shortestLength: 11), Throws.TypeOf<ArgumentOutOfRangeException>().With.Property("ParamName").EqualTo("shortestLength"));
        foreach (int? shortest in (int?[])[null, 2])
        {
            var data = new ModularSum(2, 10, 5, 0, shortestLength: shortest);
            Assert.That(() => data.LengthOf(5), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("sample is 5; it must be from 0 to 4."));
            Assert.That(() => data.Read([5], new float[20], new int[10], []), Throws.TypeOf<ArgumentOutOfRangeException>().With.Property("ParamName").EqualTo("samples"));
        }
    }

    /// <summary>The first samples, in buffers that hold something else before.</summary>
    private static (float[] Inputs, int[] Classes) Read(ModularSum data, int count)
    {
        long[] samples = [.. Enumerable.Range(0, count).Select(sample => (long)sample)];
        int steps = (int)data.StepsOf(samples);
        float[] inputs = new float[steps * count * data.Features];
        int[] classes = new int[steps * count];
        inputs.AsSpan().Fill(float.NaN);
        classes.AsSpan().Fill(-1);
        data.Read(samples, inputs, classes, []);
        return (inputs, classes);
    }
}
