using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace OrthoNative.Tests.Data;

internal sealed class TimeSeriesDataTests
{
    /// <summary>Sums of some float32 numbers, and the rounding of results to float32.</summary>
    private const double Rounding = 1e-6;

    [Test]
    public void Cases_become_samples_with_lengths_and_classes()
    {
        var data = SequenceData.FromTimeSeries(Read("@classLabel true a b\n@data\n1,2,3:4,5,6:b\n7:8:a"));

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
        var data = SequenceData.FromTimeSeries(Read("@targetLabel true\n@data\n1,2:0.5\n3,4:-2"));
        float[] inputs = new float[4];
        float[] values = new float[2];
        data.Read([0, 1], inputs, [], values);

        Assert.That((data.IsClassification, data.Outputs, data.HasLengths, data.ClassNames.Count), Is.EqualTo((false, 1, false, 0)));
        Assert.That(inputs, Is.EqualTo((float[])[1, 3, 2, 4]));
        Assert.That(values, Is.EqualTo((float[])[0.5f, -2]));
    }

    [TestCase("1,?,3:a", "Sample 0 ('0') lacks the value of step 1, channel 0 ('0')")]
    [TestCase("1,2:3,4:a\n5:6,7:a", "Sample 1 ('1') lacks the value of step 1, channel 0 ('0')")]
    [TestCase("1:3:a\n5:NaN:a", "Sample 1 ('1') lacks the value of step 0, channel 1 ('1')")]
    public void Missing_values_are_refused_unless_told_otherwise(string lines, string place)
    {
        Assert.That(
            () => SequenceData.FromTimeSeries(Read($"@classLabel true a\n@data\n{lines}")),
            Throws.ArgumentException.With.Message.Contains($"{place}, all counted from 0; options.MissingValues must be other than Refuse."));
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
            var data = SequenceData.FromTimeSeries(file, new SequenceDataOptions { MissingValues = missing });
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
        var data = SequenceData.FromTimeSeries(file, new SequenceDataOptions { Scaling = scaling, MissingValues = MissingValues.Zero });
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
        var data = SequenceData.FromTimeSeries(file, new SequenceDataOptions { ClassNames = ["a", "b", "d"] });
        int[] classes = new int[2];
        data.Read([0, 1], new float[2], classes, []);

        Assert.That(classes, Is.EqualTo((int[])[1, 0]));
        Assert.That((data.Outputs, data.ClassNames), Is.EqualTo((3, (string[])["a", "b", "d"])));
        Assert.That(
            () => SequenceData.FromTimeSeries(file, new SequenceDataOptions { ClassNames = ["b"] }),
            Throws.ArgumentException.With.Message.StartsWith("options.Labels[1] is 'a', the class of sample 1; it must be one of options.ClassNames: 'b'."));
    }

    [Test]
    public void Options_and_files_that_do_not_fit_are_refused()
    {
        TimeSeriesFile file = Read("@classLabel true a\n@data\n1:a");

        Assert.That(() => SequenceData.FromTimeSeries(null!), Throws.ArgumentNullException);
        Assert.That(
            () => SequenceData.FromTimeSeries(file, new SequenceDataOptions { MissingValues = (MissingValues)9 }),
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("options.MissingValues is 9; it must be one of Refuse, Interpolate, Zero, Mean, Mask"));
        Assert.That(
            () => SequenceData.FromTimeSeries(file, new SequenceDataOptions { Scaling = new ChannelScaling([0, 0], [1, 1]) }),
            Throws.ArgumentException.With.Message.StartsWith("options.Scaling is of 2 channels; it must be of 1"));
        Assert.That(
            () => SequenceData.FromTimeSeries(file, new SequenceDataOptions { Labels = ["a"] }),
            Throws.ArgumentException.With.Message.StartsWith("options has targets, and so has file, classes; options must have none."));
        Assert.That(
            () => SequenceData.FromTimeSeries(Read("@targetLabel true\n@data\n1:2"), new SequenceDataOptions { StepLabels = [["a"]] }),
            Throws.ArgumentException.With.Message.StartsWith("options has targets, and so has file, values; options must have none."));
        Assert.That(
            () => SequenceData.FromTimeSeries(Read("@timeStamps true\n@data\n(1,2)"), new SequenceDataOptions { TimeStamps = [[1]] }),
            Throws.ArgumentException.With.Message.StartsWith("options.TimeStamps is given, but file has time stamps; it must be null."));
    }

    [TestCase(false)]
    [TestCase(true)]
    public void Scaling_has_mean_and_deviation_of_each_channel_within_lengths(bool byFile)
    {
        TimeSeriesFile file = Read("@classLabel true a\n@data\n1,2,3:5,5,5:a\n10:5:a");
        var data = SequenceData.FromTimeSeries(file);
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
    public void Sequences_are_scaled_once_and_stay_sequences()
    {
        var data = SequenceData.Create([[1, 10, float.NaN, 30], [3, 20]], 2, new SequenceDataOptions { MissingValues = MissingValues.Mask });
        var scaling = new ChannelScaling([1, 10], [2, 10]);

        var scaled = (SequenceData)scaling.Apply(data);
        Assert.That((scaled.Scaling, data.Scaling), Is.EqualTo((scaling, (ChannelScaling?)null)));
        SequenceData subset = scaled.Subset([1]);
        float[] inputs = new float[4];
        subset.Read([0], inputs, [], []);
        Assert.That(inputs, Is.EqualTo((float[])[1, 1, 1, 1]));
        Assert.That(((Dataset)scaled).Subset([1]), Is.TypeOf<SequenceData>());
        Assert.That(
            () => scaling.Apply(subset), Throws.ArgumentException.With.Message.EqualTo("dataset has a scaling already; WithScaling replaces it. (Parameter 'dataset')"));
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
        Assert.That(() => scaling.Apply(SequenceData.FromTimeSeries(Read("@targetLabel true\n@data\n1:2"))), Throws.ArgumentException.With.Message.StartsWith("dataset has 1 features;"));
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
        var data = SequenceData.FromTimeSeries(file, new SequenceDataOptions { Scaling = ChannelScaling.Of(file) });
        long[] all = [.. Enumerable.Range(0, 270).Select(i => (long)i)];
        Dataset[] folds = [.. Enumerable.Range(0, 5).Select(fold => data.Subset([.. all.Where(sample => sample % 5 == fold)]))];

        Assert.That(folds.Sum(fold => fold.Count), Is.EqualTo(270));
        Assert.That(ChannelScaling.Of(data.Subset(all)), Is.EqualTo(data.Scaling));
        using var loader = new DataLoader(folds[2], 16, new DataLoaderOptions { Shuffle = true, BucketBatches = 2 });
        int cases = 0;
        foreach (Batch batch in loader.Epoch(0))
        {
            Assert.That(batch.Inputs.Shape[0], Is.InRange(7, 29));
            cases += (int)batch.Size;
        }

        Assert.That(cases, Is.EqualTo(54));
    }

    /// <summary>The bits that the data set for this format alone gave, which this one took the place of.</summary>
    [TestCase(false, MissingValues.Interpolate, "7D2737D86C3C8D12195B3CF3A713384EE74AE96FF052C21C536185A03EDB1BF4")]
    [TestCase(false, MissingValues.Zero, "CDC1FA565D56E24BC10184932D7950D049D103D68A134B1077A8BBCACABA056F")]
    [TestCase(false, MissingValues.Mean, "BDC21260011D47D99B004B1BD8BDDCDFE464C7934981500E98BDE5F6DEE60D60")]
    [TestCase(true, MissingValues.Interpolate, "DB7108694438EAE6459D74B8DD9D84D4DFB1796224702EFDB83C658ACEF514B3")]
    [TestCase(true, MissingValues.Zero, "B2BC0BD1264B8ABFBF7D459AA4B2904002CD10492FDD60A965D502F8C02238D4")]
    [TestCase(true, MissingValues.Mean, "7CFB4B08E228B6BAF7AD05F90C1F3B2D7BA6057D56DA97AB40EB2435F3F33EEE")]
    public void Batches_have_the_bits_they_always_had(bool isScaled, MissingValues missing, string expected)
    {
        var random = new Random(5);
        var text = new StringBuilder("@classLabel true c a b\n@data\n");
        for (int i = 0; i < 23; i++)
        {
            for (int channel = 0; channel < 3; channel++)
            {
                int length = 1 + random.Next(12);
                text.AppendJoin(',', Enumerable.Range(0, length).Select(_ => random.Next(4) == 0 ? "?" : (random.NextDouble() * 10).ToString("R", CultureInfo.InvariantCulture))).Append(':');
            }

            text.Append("abc"[random.Next(3)]).Append('\n');
        }

        Assert.That(Hash(Read(text.ToString()), isScaled, missing), Is.EqualTo(expected));
    }

    [TestCase(false, "816DD5F3143C10612DE88083D4AD9B840D6EC01A984F973D8B393046C419CB41")]
    [TestCase(true, "37776F5D949530BC504C4AC670BFDC30CA98B168B498FB1FBF3F1578B318FD2F")]
    public void Batches_of_a_real_data_set_have_the_bits_they_always_had(bool isScaled, string expected)
    {
        TimeSeriesFile file = TimeSeriesFile.Load(SharedData.Require("timeseries", "JapaneseVowels"), "JapaneseVowels", DataSplit.Training);

        Assert.That(Hash(file, isScaled, MissingValues.Refuse), Is.EqualTo(expected));
    }

    [Test]
    public void A_file_without_classes_has_no_targets_and_takes_labels_of_options()
    {
        TimeSeriesFile file = Read("@data\n1,2\n3");
        SequenceData data = SequenceData.FromTimeSeries(file);
        SequenceData labelled = SequenceData.FromTimeSeries(file, new SequenceDataOptions { Labels = ["b", "a"], Ids = ["x", "y"] });

        Assert.That((data.HasTargets, data.TargetSteps, data.Outputs, data.HasLengths), Is.EqualTo((false, 0, 0, true)));
        Assert.That((labelled.ClassOf(0), labelled.ClassOf(1), labelled.Ids), Is.EqualTo((1, 0, (string[])["x", "y"])));
    }

    [TestCase("(1,5),(2,6):(1,7),(2,8)", new double[] { 1, 2 })]
    [TestCase("(1,5),(2,6):(1,7),(3,8)", null)]
    [TestCase("(1,5),(2,6):(1,7)", null)]
    [TestCase("(2,5),(1,6):(2,7),(1,8)", null)]
    public void Time_stamps_are_those_that_all_channels_have(string line, double[]? expected)
    {
        SequenceData data = SequenceData.FromTimeSeries(Read($"@timeStamps true\n@data\n{line}"), new SequenceDataOptions { MissingValues = MissingValues.Zero });

        Assert.That(data.HasTimeStamps, Is.EqualTo(expected is not null));
        Assert.That(data.TimeStamps(0).ToArray(), Is.EqualTo(expected ?? []));
    }

    private static string Hash(TimeSeriesFile file, bool isScaled, MissingValues missing)
    {
        SequenceData data = SequenceData.FromTimeSeries(
            file, new SequenceDataOptions { MissingValues = missing, Scaling = isScaled ? ChannelScaling.Of(file) : null });
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using var loader = new DataLoader(data, 7, new DataLoaderOptions { Shuffle = true, Seed = 3, BucketBatches = 2 });
        foreach (Batch batch in loader.Epoch(1))
        {
            hash.AppendData(MemoryMarshal.AsBytes<float>(batch.Inputs.ToArray<float>()));
            hash.AppendData(MemoryMarshal.AsBytes(batch.Classes));
            hash.AppendData(MemoryMarshal.AsBytes(batch.Lengths));
        }

        return Convert.ToHexString(hash.GetHashAndReset());
    }

    private static TimeSeriesFile Read(string text) => TimeSeriesFile.Read(new StringReader(text), "test.ts");
}
