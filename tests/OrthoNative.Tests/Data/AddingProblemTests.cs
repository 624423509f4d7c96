namespace OrthoNative.Tests.Data;

internal sealed class AddingProblemTests
{
    [TestCase(2)]
    [TestCase(3)]
    [TestCase(101)]
    public void One_marker_in_each_half_and_their_numbers_add_up(int length)
    {
        const int Count = 200;
        var data = new AddingProblem(length, Count, seed: 3);
        (float[] inputs, float[] sums) = ReadAll(data);

        for (int row = 0; row < Count; row++)
        {
            int[] marked = [.. Enumerable.Range(0, length).Where(step => inputs[(((step * Count) + row) * 2) + 1] != 0)];
            Assert.That(marked, Has.Length.EqualTo(2));
            Assert.That(marked[0], Is.LessThan(length / 2));
            Assert.That(marked[1], Is.AtLeast(length / 2));
            Assert.That(marked, Is.All.Matches<int>(step => inputs[(((step * Count) + row) * 2) + 1] == 1));
            Assert.That(sums[row], Is.EqualTo(marked.Sum(step => inputs[((step * Count) + row) * 2])));
        }
    }

    [Test]
    public void Numbers_and_marker_positions_are_uniform()
    {
        const int Length = 20;
        const int Count = 4000;
        (float[] inputs, float[] sums) = ReadAll(new AddingProblem(Length, Count, seed: 3));
        double[] numbers = [.. Enumerable.Range(0, Length * Count).Select(i => (double)inputs[2 * i])];
        int[] markers = [.. Enumerable.Range(0, Length).Select(step => Enumerable.Range(0, Count).Count(row => inputs[(((step * Count) + row) * 2) + 1] == 1))];

        Assert.That(numbers, Is.All.InRange(0, 1));
        // Five standard deviations of the mean, of the mean square, and of a binomial count.
        Assert.That(numbers.Average(), Is.EqualTo(0.5).Within(5 * Math.Sqrt(1.0 / 12 / numbers.Length)));
        Assert.That(numbers.Average(x => x * x), Is.EqualTo(1.0 / 3).Within(5 * Math.Sqrt(4.0 / 45 / numbers.Length)));
        Assert.That(markers, Is.All.EqualTo(Count / 10).Within(5 * Math.Sqrt(Count * 0.1 * 0.9)));
        Assert.That(sums.Average(), Is.EqualTo(1).Within(5 * Math.Sqrt(1.0 / 6 / Count)));
    }

    [Test]
    public void The_baseline_is_the_variance_of_the_sum()
    {
        const int Count = 4000;
        var data = new AddingProblem(10, Count, seed: 3, DataSplit.Test);
        (_, float[] sums) = ReadAll(data);

        Assert.That(data.Baseline(), Is.EqualTo(sums.Average(sum => (sum - 1.0) * (sum - 1.0))).Within(1e-12));
        // The square of a sum of two uniform numbers about its mean has variance 1/15 - 1/36.
        Assert.That(data.Baseline(), Is.EqualTo(1.0 / 6).Within(5 * Math.Sqrt(((1.0 / 15) - (1.0 / 36)) / Count)));
    }

    [Test]
    public void A_sample_depends_on_seed_part_and_number_alone()
    {
        float[] Sample(ulong seed, DataSplit split, long count, params long[] samples)
        {
            float[] inputs = new float[30 * samples.Length * 2];
            new AddingProblem(30, count, seed, split).Read(samples, inputs, [], new float[samples.Length]);
            return [.. Enumerable.Range(0, 60).Select(i => inputs[(((i / 2 * samples.Length) + samples.Length - 1) * 2) + (i % 2)])];
        }

        float[] reference = Sample(1, DataSplit.Training, 100, 42);
        Assert.That(Sample(1, DataSplit.Training, 100, 42), Is.EqualTo(reference), "read again");
        Assert.That(Sample(1, DataSplit.Training, 43, 7, 3, 42), Is.EqualTo(reference), "in a larger batch of a smaller set");
        Assert.That(Sample(2, DataSplit.Training, 100, 42), Is.Not.EqualTo(reference), "another seed");
        Assert.That(Sample(1, DataSplit.Test, 100, 42), Is.Not.EqualTo(reference), "another part");
        Assert.That(Sample(1, DataSplit.Training, 100, 41), Is.Not.EqualTo(reference), "another number");
    }

    [Test]
    public void Arguments_out_of_range_are_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new AddingProblem(1, 10, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => new AddingProblem(10, 0, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => new AddingProblem(10, (1L << 31) + 1, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => new AddingProblem(10, 5, 0).Read([5], new float[20], [], new float[1]));
    }

    private static (float[] Inputs, float[] Sums) ReadAll(AddingProblem data)
    {
        float[] inputs = new float[data.Steps * data.Count * 2];
        float[] sums = new float[data.Count];
        inputs.AsSpan().Fill(float.NaN);
        sums.AsSpan().Fill(float.NaN);
        data.Read([.. Enumerable.Range(0, (int)data.Count).Select(sample => (long)sample)], inputs, [], sums);
        return (inputs, sums);
    }
}
