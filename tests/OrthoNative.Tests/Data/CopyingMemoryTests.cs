namespace OrthoNative.Tests.Data;

internal sealed class CopyingMemoryTests
{
    [TestCase(1)]
    [TestCase(2)]
    [TestCase(50)]
    public void Symbols_then_blanks_then_the_go_marker_then_blanks_and_the_symbols_are_asked_for(int delay)
    {
        const int Count = 100;
        var data = new CopyingMemory(delay, Count, seed: 3);
        (int[,] categories, int[] classes) = ReadAll(data);

        Assert.That(data.Steps, Is.EqualTo(delay + 20));
        for (int row = 0; row < Count; row++)
        {
            for (int step = 0; step < delay + 20; step++)
            {
                if (step < 10)
                {
                    Assert.That(categories[step, row], Is.InRange(0, 7).And.EqualTo(classes[(step * Count) + row]));
                }
                else
                {
                    Assert.That(categories[step, row], Is.EqualTo(step == delay + 9 ? CopyingMemory.Go : CopyingMemory.Blank));
                }
            }
        }
    }

    [Test]
    public void Symbols_are_uniform_at_every_place()
    {
        const int Count = 4000;
        (int[,] categories, _) = ReadAll(new CopyingMemory(1, Count, seed: 3));

        for (int place = 0; place < 10; place++)
        {
            int[] frequency = new int[8];
            for (int row = 0; row < Count; row++)
            {
                frequency[categories[place, row]]++;
            }

            // Five standard deviations of a binomial count.
            Assert.That(frequency, Is.All.EqualTo(Count / 8).Within(5 * Math.Sqrt(Count / 8.0 * 7 / 8)));
        }
    }

    [Test]
    public void Training_and_test_samples_of_one_seed_differ_and_those_of_one_part_do_not()
    {
        int[] Classes(ulong seed, DataSplit split) => ReadAll(new CopyingMemory(5, 20, seed, split)).Classes;

        int[] reference = Classes(1, DataSplit.Training);
        Assert.That(Classes(1, DataSplit.Training), Is.EqualTo(reference));
        Assert.That(Classes(1, DataSplit.Test), Is.Not.EqualTo(reference));
        Assert.That(Classes(2, DataSplit.Training), Is.Not.EqualTo(reference));
    }

    [Test]
    public void The_baseline_is_what_guessing_gives()
    {
        const int Count = 4000;
        int[] classes = ReadAll(new CopyingMemory(1, Count, seed: 3, DataSplit.Test)).Classes;

        double rightByChance = classes.Count(symbol => symbol == 4) / (double)classes.Length;

        Assert.That(rightByChance, Is.EqualTo(CopyingMemory.Baseline).Within(5 * Math.Sqrt(7.0 / 64 / classes.Length)));
    }

    [Test]
    public void Arguments_out_of_range_are_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new CopyingMemory(0, 10, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => new CopyingMemory(int.MaxValue, 10, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => new CopyingMemory(10, 0, 0));
    }

    /// <summary>The category of every step, after a check that exactly one is hot.</summary>
    private static (int[,] Categories, int[] Classes) ReadAll(CopyingMemory data)
    {
        int count = (int)data.Count;
        float[] inputs = new float[data.Steps * count * 10];
        int[] classes = new int[10 * count];
        inputs.AsSpan().Fill(float.NaN);
        classes.AsSpan().Fill(-1);
        data.Read([.. Enumerable.Range(0, count).Select(sample => (long)sample)], inputs, classes, []);
        int[,] categories = new int[data.Steps, count];
        for (int step = 0; step < data.Steps; step++)
        {
            for (int row = 0; row < count; row++)
            {
                float[] hot = inputs[(((step * count) + row) * 10)..((((step * count) + row) * 10) + 10)];
                Assert.That(hot.Order(), Is.EqualTo((float[])[0, 0, 0, 0, 0, 0, 0, 0, 0, 1]));
                categories[step, row] = Array.IndexOf(hot, 1);
            }
        }

        return (categories, classes);
    }
}
