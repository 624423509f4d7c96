namespace OrthoNative.Tests.Data;

internal sealed class TimeSeriesDatasetTests
{
    /// <summary>Sums of some float32 numbers, and the rounding of results to float32.</summary>
    private const double Rounding = 1e-6;

    [Test]
    public void Cases_become_samples_with_lengths_and_classes()
    {
        var data = new TimeSeriesDataset(Read("@classLabel true a b\n@data\n1,2,3:4,5,6:b\n7:8:a"));

        Assert.That((data.Count, data.Steps, data.Features, data.TargetSteps, data.Outputs), Is.EqualTo((2, 3, 2, 1, 2)));
        Assert.That((data.IsClassification, data.HasLengths, data.LengthOf(0), data.LengthOf(1)), Is.EqualTo((true, true, 3, 1)));
        Assert.That(data.ClassNames, Is.EqualTo((string[])["a", "b"]));
        float[] inputs = new float[12];
        int[] classes = new int[2];
        data.Read([1, 0], inputs, classes, []);
        Assert.That(inputs, Is.EqualTo((float[])[7, 8, 1, 4, 0, 0, 2, 5, 0, 0, 3, 6]));
        Assert.That(classes, Is.EqualTo((int[])[0, 1]));
        Assert.That(() => data.LengthOf(2), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => data.Read([2], new float[2], new int[1], []), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => data.Read([1], new float[6], new int[1], []), Throws.ArgumentException.With.Message.Contains("inputs has 6 elements; it must have 2"));
    }

    [Test]
    public void Targets_of_regression_are_values()
    {
        var data = new TimeSeriesDataset(Read("@targetLabel true\n@data\n1,2:0.5\n3,4:-2"));
        float[] inputs = new float[4];
        float[] values = new float[2];
        data.Read([0, 1], inputs, [], values);

        Assert.That((data.IsClassification, data.Outputs, data.HasLengths, data.ClassNames.Count), Is.EqualTo((false, 1, false, 0)));
        Assert.That(inputs, Is.EqualTo((float[])[1, 3, 2, 4]));
        Assert.That(values, Is.EqualTo((float[])[0.5f, -2]));
    }

    [TestCase("1,?,3:a", "case 0, channel 0, step 1")]
    [TestCase("1,2:3,4:a\n5:6,7:a", "case 1, channel 0, step 1")]
    [TestCase("1:3:a\n5:NaN:a", "case 1, channel 1, step 0")]
    public void Missing_values_are_refused_unless_told_otherwise(string lines, string place)
    {
        Assert.That(
            () => new TimeSeriesDataset(Read($"@classLabel true a\n@data\n{lines}")),
            Throws.ArgumentException.With.Message.Contains($"file lacks a value of {place} (all from 0); options.MissingValues must be other than Refuse"));
    }

    // A gap inside, at both ends, a single value, none at all, none missing.
    [TestCase("1,?,?,4", new float[] { 1, 2, 3, 4 }, new float[] { 1, 2.5f, 2.5f, 4 }, new float[] { 1, 0, 0, 4 })]
    [TestCase("?,?,2,4,?", new float[] { 2, 2, 2, 4, 4 }, new float[] { 3, 3, 2, 4, 3 }, new float[] { 0, 0, 2, 4, 0 })]
    [TestCase("?,5,?", new float[] { 5, 5, 5 }, new float[] { 5, 5, 5 }, new float[] { 0, 5, 0 })]
    [TestCase("?,?", new float[] { 0, 0 }, new float[] { 0, 0 }, new float[] { 0, 0 })]
    [TestCase("1,2", new float[] { 1, 2 }, new float[] { 1, 2 }, new float[] { 1, 2 })]
    public void Missing_values_are_filled_in(string line, float[] interpolated, float[] mean, float[] zero)
    {
        TimeSeriesFile file = Read($"@classLabel true a\n@data\n{line}:9:a");
        foreach ((MissingValues missing, float[] expected, float[] other) in (ReadOnlySpan<(MissingValues, float[], float[])>)
            [
                (MissingValues.Interpolate, interpolated, [.. Enumerable.Repeat(9f, mean.Length)]),
                (MissingValues.Mean, mean, [.. Enumerable.Repeat(9f, mean.Length)]),
                (MissingValues.Zero, zero, [9, .. Enumerable.Repeat(0f, mean.Length - 1)]),
            ])
        {
            var data = new TimeSeriesDataset(file, new TimeSeriesDatasetOptions { MissingValues = missing });
            float[] inputs = new float[2 * mean.Length];
            data.Read([0], inputs, new int[1], []);

            // The second channel is padded to the length of the first.
            Assert.That(inputs.Where((_, i) => i % 2 == 0), Is.EqualTo(expected), $"{missing}");
            Assert.That(inputs.Where((_, i) => i % 2 == 1), Is.EqualTo(other), $"{missing}");
        }
    }

    [Test]
    public void Scaling_comes_before_missing_values()
    {
        TimeSeriesFile file = Read("@classLabel true a\n@data\n1,?,5:a\n3,3:a");
        ChannelScaling scaling = ChannelScaling.Of(file);
        var data = new TimeSeriesDataset(file, new TimeSeriesDatasetOptions { Scaling = scaling, MissingValues = MissingValues.Zero });
        float[] inputs = new float[3];
        data.Read([0], inputs, new int[1], []);

        // Mean 3, squares of the deviations 4, 4, 0, 0.
        Assert.That(scaling, Is.EqualTo(new ChannelScaling([3], [Math.Sqrt(2)])));
        Assert.That(inputs, Is.EqualTo((float[])[-MathF.Sqrt(2), 0, MathF.Sqrt(2)]).Within(Rounding));
    }

    [Test]
    public void Classes_of_a_test_file_can_have_the_order_of_the_training_file()
    {
        TimeSeriesFile file = Read("@classLabel true c b a\n@data\n1:b\n2:a");
        var data = new TimeSeriesDataset(file, new TimeSeriesDatasetOptions { ClassNames = ["a", "b", "d"] });
        int[] classes = new int[2];
        data.Read([0, 1], new float[2], classes, []);

        Assert.That(classes, Is.EqualTo((int[])[1, 0]));
        Assert.That((data.Outputs, data.ClassNames), Is.EqualTo((3, (string[])["a", "b", "d"])));
        Assert.That(
            () => new TimeSeriesDataset(file, new TimeSeriesDatasetOptions { ClassNames = ["b"] }),
            Throws.ArgumentException.With.Message.Contains("options.ClassNames lacks 'a', the class of case 1 of the file; it has 'b'"));
    }

    [Test]
    public void Options_and_files_that_do_not_fit_are_refused()
    {
        TimeSeriesFile file = Read("@classLabel true a\n@data\n1:a");

        Assert.That(() => new TimeSeriesDataset(null!), Throws.ArgumentNullException);
        Assert.That(
            () => new TimeSeriesDataset(file, new TimeSeriesDatasetOptions { MissingValues = (MissingValues)9 }),
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("options.MissingValues is 9; it must be one of Refuse, Interpolate, Zero, Mean"));
        Assert.That(
            () => new TimeSeriesDataset(file, new TimeSeriesDatasetOptions { Scaling = new ChannelScaling([0, 0], [1, 1]) }),
            Throws.ArgumentException.With.Message.StartsWith("options.Scaling is of 2 channels; it must be of 1"));
        Assert.That(() => new TimeSeriesDataset(Read("@data\n1")), Throws.ArgumentException.With.Message.Contains("without classes or targets"));
    }

    [TestCase(false)]
    [TestCase(true)]
    public void Scaling_has_mean_and_deviation_of_each_channel_within_lengths(bool byFile)
    {
        TimeSeriesFile file = Read("@classLabel true a\n@data\n1,2,3:5,5,5:a\n10:5:a");
        var data = new TimeSeriesDataset(file);
        ChannelScaling scaling = byFile ? ChannelScaling.Of(file) : ChannelScaling.Of(data);

        // Of 1, 2, 3, 10: mean 4, squares 9 + 4 + 1 + 36. A channel of equal numbers is only shifted.
        Assert.That(scaling.Mean, Is.EqualTo((double[])[4, 5]).Within(1e-15));
        Assert.That(scaling.Deviation, Is.EqualTo((double[])[Math.Sqrt(12.5), 1]).Within(1e-15));
        Assert.That(scaling, Is.EqualTo(new ChannelScaling(scaling.Mean, scaling.Deviation)));
        Assert.That(scaling.GetHashCode(), Is.EqualTo(new ChannelScaling(scaling.Mean, scaling.Deviation).GetHashCode()));
        Assert.That(scaling, Is.Not.EqualTo(new ChannelScaling(scaling.Mean, [1, 1])));
    }

    [Test]
    public void Equal_numbers_that_float_cannot_hold_exactly_have_deviation_1()
    {
        string values = string.Join(',', Enumerable.Repeat("0.1", 1000));
        ChannelScaling scaling = ChannelScaling.Of(Read($"@data\n{values}"));

        Assert.That((scaling.Mean[0], scaling.Deviation[0]), Is.EqualTo(((double)0.1f, 1.0)));
    }

    [Test]
    public void A_scaled_data_set_has_mean_0_and_deviation_1()
    {
        var random = new Random(3);
        float[][] sequences = [.. Enumerable.Range(0, 20).Select(i => Enumerable.Range(0, 2 * (1 + i)).Select(k => (float)(1000 + (k % 2 * 5) + random.NextDouble())).ToArray())];
        Dataset data = ArrayDataset.Classification(sequences, 2, new int[20], 1);
        Dataset scaled = ChannelScaling.Of(data).Apply(data);
        ChannelScaling again = ChannelScaling.Of(scaled);

        // Numbers of magnitude 1 are rounded to float32; the mean of the errors is no larger.
        Assert.That(again.Mean, Is.All.EqualTo(0).Within(Rounding));
        Assert.That(again.Deviation, Is.All.EqualTo(1).Within(Rounding));
        Assert.That((scaled.Count, scaled.Steps, scaled.HasLengths, scaled.LengthOf(3), scaled.Outputs), Is.EqualTo((20, 20, true, 4, 1)));

        float[] rows = [.. sequences[5]];
        float[] read = new float[rows.Length];
        ChannelScaling.Of(data).Apply(rows);
        scaled.Read([5], read, new int[1], []);
        Assert.That(read, Is.EqualTo(rows));
    }

    [Test]
    public void Scalings_that_do_not_fit_are_refused()
    {
        var scaling = new ChannelScaling([1, 2], [3, 4]);
        Dataset indices = ArrayDataset.Classification(new int[4], 2, 2, new int[1], 1);

        Assert.That(() => new ChannelScaling([], []), Throws.ArgumentException.With.Message.StartsWith("mean is empty;"));
        Assert.That(() => new ChannelScaling([1], [1, 1]), Throws.ArgumentException.With.Message.StartsWith("deviation has 2 elements; it must have 1"));
        Assert.That(() => new ChannelScaling([1, double.NaN], [1, 1]), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("mean[1] is NaN;"));
        Assert.That(() => new ChannelScaling([1, 1], [1, 0]), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("deviation[1] is 0;"));
        Assert.That(() => scaling.Apply(new float[3]), Throws.ArgumentException.With.Message.StartsWith("rows has 3 elements; it must have a multiple of 2"));
        Assert.That(() => scaling.Apply(new TimeSeriesDataset(Read("@targetLabel true\n@data\n1:2"))), Throws.ArgumentException.With.Message.StartsWith("dataset has 1 features;"));
        Assert.That(() => scaling.Apply(indices), Throws.ArgumentException.With.Message.StartsWith("dataset has inputs of Int32;"));
        Assert.That(() => ChannelScaling.Of(indices), Throws.ArgumentException.With.Message.StartsWith("dataset has inputs of Int32;"));
        Assert.That(
            () => ChannelScaling.Of(ArrayDataset.Classification((float[])[1, 2, 3, float.NaN], 2, 1, new int[2], 1)),
            Throws.TypeOf<NotFiniteNumberException>().With.Message.EqualTo("Channel 0 of sample 1 is NaN at step 1; it must be finite."));
    }

    [Test]
    public void Folds_of_a_real_data_set_share_no_case_and_are_whole_together()
    {
        TimeSeriesFile file = TimeSeriesFile.Load(SharedData.Require("timeseries", "JapaneseVowels"), "JapaneseVowels", DataSplit.Training);
        var data = new TimeSeriesDataset(file, new TimeSeriesDatasetOptions { Scaling = ChannelScaling.Of(file) });
        long[] all = [.. Enumerable.Range(0, 270).Select(i => (long)i)];
        Dataset[] folds = [.. Enumerable.Range(0, 5).Select(fold => data.Subset([.. all.Where(sample => sample % 5 == fold)]))];

        Assert.That(folds.Sum(fold => fold.Count), Is.EqualTo(270));
        ChannelScaling whole = ChannelScaling.Of(data);
        Assert.That(whole.Mean, Is.All.EqualTo(0).Within(Rounding));
        Assert.That(whole.Deviation, Is.All.EqualTo(1).Within(Rounding));
        using var loader = new DataLoader(folds[2], 16, new DataLoaderOptions { Shuffle = true, BucketBatches = 2 });
        int cases = 0;
        foreach (Batch batch in loader.Epoch(0))
        {
            Assert.That(batch.Inputs.Shape[0], Is.InRange(7, 29));
            cases += (int)batch.Size;
        }

        Assert.That(cases, Is.EqualTo(54));
    }

    private static TimeSeriesFile Read(string text) => TimeSeriesFile.Read(new StringReader(text), "test.ts");
}
