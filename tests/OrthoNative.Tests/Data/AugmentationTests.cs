namespace OrthoNative.Tests.Data;

/// <summary>Random changes to samples.</summary>
internal sealed class AugmentationTests
{
    private const int Count = 400;

    private static readonly AugmentationOptions s_all = new()
    {
        MinimumCropFraction = 0.5,
        MinimumSpeed = 0.7,
        MaximumSpeed = 1.4,
        MaximumShift = 3,
        ScaleDeviation = [0.1],
        NoiseDeviation = [0.2],
    };

    [Test]
    public void The_defaults_change_nothing()
    {
        Dataset data = Ramps(10), same = data.Augment(new AugmentationOptions(), 1);
        Assert.That((same.Count, same.Steps, same.Features, same.TargetSteps, same.HasLengths), Is.EqualTo((Count, 10L, 1L, 10L, false)));
        Assert.That(Inputs(same, 3), Is.EqualTo(Inputs(data, 3)));
        Assert.That(Targets(same, 3), Is.EqualTo(Targets(data, 3)));
    }

    [Test]
    public void A_shift_moves_inputs_and_targets_of_every_step([Values] ShiftFill fill)
    {
        Dataset data = Ramps(10), shifted = data.Augment(new AugmentationOptions { MaximumShift = 3, ShiftFill = fill }, 1);
        Assert.That(shifted.HasLengths, Is.False);
        var shifts = new Dictionary<int, int>();
        for (int sample = 0; sample < Count; sample++)
        {
            float[] inputs = Inputs(shifted, sample);
            int[] targets = Targets(shifted, sample);

            // The middle of a ramp always comes from the ramp.
            int shift = 5 - targets[5];
            shifts[shift] = shifts.GetValueOrDefault(shift) + 1;
            for (int step = 0; step < 10; step++)
            {
                int source = Math.Clamp(step - shift, 0, 9);
                Assert.That(targets[step], Is.EqualTo(source));
                Assert.That(inputs[step], Is.EqualTo(fill == ShiftFill.Zero && source != step - shift ? 0 : (sample * 100) + source));
            }
        }

        // 400 draws of 7: 57 each, with a deviation of 7.
        Assert.That(shifts.Keys, Is.EquivalentTo(Enumerable.Range(-3, 7)));
        Assert.That(shifts.Values, Is.All.InRange(57 - 35, 57 + 35));
    }

    [Test]
    public void A_shift_leaves_a_step_of_a_short_sequence()
    {
        Dataset shifted = Ramps(2).Augment(new AugmentationOptions { MaximumShift = 1000, ShiftFill = ShiftFill.Zero }, 1);
        for (int sample = 1; sample < Count; sample++)
        {
            Assert.That(Inputs(shifted, sample), Has.Some.GreaterThan(0));
        }
    }

    [TestCase(0.5, 1, 5)]
    [TestCase(0.55, 1, 6)]
    [TestCase(0, 1, 1)]
    [TestCase(0, 8, 8)]
    [TestCase(0.3, 100, 10)]
    public void A_crop_is_a_part_of_the_sequence(double fraction, int steps, int least)
    {
        Dataset cropped = Ramps(10).Augment(new AugmentationOptions { MinimumCropFraction = fraction, MinimumCropSteps = steps }, 1);
        Assert.That((cropped.HasLengths, cropped.Steps), Is.EqualTo((true, 10)));
        var parts = new HashSet<(int, int)>();
        for (int sample = 0; sample < Count; sample++)
        {
            int[] targets = Targets(cropped, sample);
            Assert.That(targets, Is.EqualTo(Enumerable.Range(targets[0], targets.Length)));
            Assert.That(Inputs(cropped, sample), Is.EqualTo(targets.Select(step => (sample * 100) + step)));
            Assert.That(cropped.LengthOf(sample), Is.EqualTo(targets.Length));
            parts.Add((targets[0], targets.Length));
        }

        // 400 draws meet all lengths, and most places.
        Assert.That(parts.Select(part => part.Item2).Distinct(), Is.EquivalentTo(Enumerable.Range(least, 11 - least)));
        Assert.That(parts.Where(part => part.Item2 == 10), Has.Exactly(1).Items);
        Assert.That(parts.Where(part => part.Item2 == 9).Select(part => part.Item1), Is.SubsetOf((int[])[0, 1]));
    }

    [TestCase(2, 10, 5)]
    [TestCase(0.5, 10, 20)]
    [TestCase(0.7, 10, 14)]
    [TestCase(100, 10, 1)]
    public void Speed_keeps_the_ends_and_interpolates_between_them(double speed, int steps, int expected)
    {
        float[][] values = [.. Enumerable.Range(0, 3).Select(sample => Enumerable.Range(0, steps).Select(step => 1000f + (step * step)).ToArray())];
        Dataset data = ArrayDataset.Regression(values, 1, values, 1).Augment(new AugmentationOptions { MinimumSpeed = speed, MaximumSpeed = speed }, 1);
        float[] inputs = Inputs(data, 2);
        Assert.That((data.Steps, data.TargetSteps, inputs.Length), Is.EqualTo((expected, expected, expected)));
        Assert.That(data.HasLengths, Is.True);
        for (int i = 0; i < expected; i++)
        {
            double place = expected == 1 ? steps - 1 : i * (steps - 1.0) / (expected - 1);
            int before = Math.Min((int)place, steps - 2);
            double interpolated = 1000 + (before * before) + ((place - before) * ((2 * before) + 1));
            Assert.That(inputs[i], Is.EqualTo((float)interpolated));
        }

        // Values of all steps are treated as inputs are.
        float[] targets = new float[expected];
        data.Read([2], new float[expected], [], targets);
        Assert.That(targets, Is.EqualTo(inputs));
    }

    [Test]
    public void Classes_take_the_nearest_step_at_another_speed()
    {
        Dataset slow = Ramps(4).Augment(new AugmentationOptions { MinimumSpeed = 0.5, MaximumSpeed = 0.5 }, 1);

        // Places 0, 3/7, 6/7, 9/7, 12/7, 15/7, 18/7, 3.
        Assert.That(Targets(slow, 1), Is.EqualTo((int[])[0, 0, 1, 1, 2, 2, 3, 3]));
        Assert.That(Inputs(slow, 1)[1], Is.EqualTo((float)(100 + (3.0 / 7))));
    }

    [Test]
    public void Speeds_are_drawn_evenly()
    {
        Dataset data = Ramps(100).Augment(new AugmentationOptions { MinimumSpeed = 0.5, MaximumSpeed = 2 }, 1);
        double[] speeds = [.. Enumerable.Range(0, Count).Select(sample => 100.0 / data.LengthOf(sample))];
        Assert.That((data.Steps, speeds.Min(), speeds.Max()), Is.EqualTo((200L, 0.5, 2.0)).Using<(long, double, double)>((x, y) =>
            x.Item1 == y.Item1 && Math.Abs(x.Item2 - y.Item2) < 0.02 && Math.Abs(x.Item3 - y.Item3) < 0.04 ? 0 : 1));

        // The mean of 400 numbers of a deviation of 1.5 / √12: 0.022.
        Assert.That(speeds.Average(), Is.EqualTo(1.25).Within(0.1));
    }

    [Test]
    public void Targets_of_the_last_steps_stay()
    {
        float[] inputs = [.. Enumerable.Range(0, 20 * 8).Select(i => (float)i)];
        int[] classes = [.. Enumerable.Range(0, 40)];
        Dataset data = ArrayDataset.Classification(inputs, 8, 1, classes, 40).Augment(s_all with { MinimumCropFraction = 0, MaximumSpeed = 100 }, 1);
        Dataset values = ArrayDataset.Regression(inputs, 8, 1, Array.ConvertAll(classes, target => (float)target), 1).Augment(s_all with { MinimumCropFraction = 0 }, 1);
        Assert.That((data.TargetSteps, data.Steps, values.TargetSteps), Is.EqualTo((2, 11, 2)));
        for (int sample = 0; sample < 20; sample++)
        {
            Assert.That(Targets(data, sample), Is.EqualTo((int[])[sample * 2, (sample * 2) + 1]));
            Assert.That(data.LengthOf(sample), Is.AtLeast(2));
            float[] targets = new float[2];
            values.Read([sample], new float[values.LengthOf(sample)], [], targets);
            Assert.That(targets, Is.EqualTo((float[])[sample * 2, (sample * 2) + 1]));
        }
    }

    [Test]
    public void Noise_is_normal_with_the_deviation_of_its_channel()
    {
        float[] inputs = [.. Enumerable.Range(0, 200 * 100 * 3).Select(i => (float)(i % 7))];
        Dataset data = ArrayDataset.Classification(inputs, 100, 3, new int[200], 2);
        Dataset noisy = data.Augment(new AugmentationOptions { NoiseDeviation = [0.5, 0, 2] }, 1);
        double[] sums = new double[3], squares = new double[3];
        for (int sample = 0; sample < 200; sample++)
        {
            float[] before = Inputs(data, sample), after = Inputs(noisy, sample);
            for (int i = 0; i < before.Length; i++)
            {
                sums[i % 3] += after[i] - before[i];
                squares[i % 3] += Math.Pow(after[i] - before[i], 2);
            }
        }

        // 20,000 numbers: the mean deviates by σ / 141, the variance by 1 %.
        Assert.That((sums[1], squares[1]), Is.EqualTo((0.0, 0.0)));
        foreach ((int channel, double deviation) in ((int, double)[])[(0, 0.5), (2, 2)])
        {
            Assert.That(sums[channel] / 20_000, Is.Zero.Within(deviation * 5 / 141));
            Assert.That(squares[channel] / 20_000, Is.EqualTo(deviation * deviation).Within(5).Percent);
        }

        // One number is for all channels.
        Dataset same = data.Augment(new AugmentationOptions { NoiseDeviation = [0.5] }, 1);
        float[] one = Inputs(same, 0), each = Inputs(noisy, 0);
        Assert.That(one[1], Is.Not.EqualTo(each[1]));
        Assert.That(one[0], Is.EqualTo(each[0]));
    }

    [Test]
    public void Scaling_multiplies_a_channel_of_a_sample_by_one_factor()
    {
        float[] inputs = [.. Enumerable.Repeat(1f, Count * 5 * 2)];
        Dataset data = ArrayDataset.Classification(inputs, 5, 2, new int[Count], 2).Augment(new AugmentationOptions { ScaleDeviation = [0.2] }, 1);
        var factors = new List<double>();
        for (int sample = 0; sample < Count; sample++)
        {
            float[] scaled = Inputs(data, sample);
            Assert.That(scaled, Is.EqualTo(Enumerable.Repeat(scaled[..2], 5).SelectMany(row => row)));
            Assert.That(scaled[0], Is.Not.EqualTo(scaled[1]));
            factors.AddRange(scaled[..2].Select(factor => (double)factor));
        }

        // 800 numbers: the mean deviates by 0.2 / 28, the variance by 5 %.
        Assert.That(factors.Average(), Is.EqualTo(1).Within(0.036));
        Assert.That(factors.Average(factor => Math.Pow(factor - 1, 2)), Is.EqualTo(0.04).Within(25).Percent);

        // A deviation for each channel, as 0 for a mask.
        Dataset one = ArrayDataset.Classification(inputs, 5, 2, new int[Count], 2).Augment(new AugmentationOptions { ScaleDeviation = [0.2, 0] }, 1);
        Assert.That(Inputs(one, 3)[..2], Is.EqualTo((float[])[Inputs(data, 3)[0], 1]));
    }

    [Test]
    public void Changes_depend_on_seed_epoch_and_sample_alone()
    {
        Dataset data = Ramps(12).Augment(s_all, 7), other = Ramps(12).Augment(s_all, 8), again = Ramps(12).Augment(s_all, 7);
        data.BeginEpoch(4);
        foreach (int epoch in (int[])[0, 1, 4])
        {
            again.BeginEpoch(epoch);
        }

        float[] alone = Inputs(data, 5);
        Assert.That(Inputs(again, 5), Is.EqualTo(alone));
        Assert.That(Inputs(data.Subset([9, 5]), 1), Is.EqualTo(alone));

        // In a batch, with others around it.
        long[] samples = [8, 5, 3];
        int steps = (int)data.StepsOf(samples);
        float[] inputs = new float[steps * 3];
        data.Read(samples, inputs, new int[steps * 3], []);
        Assert.That(Enumerable.Range(0, alone.Length).Select(step => inputs[(step * 3) + 1]), Is.EqualTo(alone));

        other.BeginEpoch(4);
        again.BeginEpoch(5);
        Assert.That(Inputs(other, 5), Is.Not.EqualTo(alone));
        Assert.That(Inputs(again, 5), Is.Not.EqualTo(alone));

        // Each change draws the same without the others.
        Dataset shift = Ramps(12).Augment(new AugmentationOptions { MaximumShift = 3 }, 7), both = Ramps(12).Augment(new AugmentationOptions { MaximumShift = 3, NoiseDeviation = [0.1] }, 7);
        Assert.That(Targets(both, 5), Is.EqualTo(Targets(shift, 5)));
    }

    [Test]
    public void A_resumed_run_reads_the_same_bits([Values(0, 3)] int prefetch, [Values(1, 4)] int buckets)
    {
        // The wrapper lies within others, which pass the epoch on; its neighbour has another seed.
        var options = new DataLoaderOptions { Shuffle = true, Seed = 2, Prefetch = prefetch, BucketBatches = buckets };
        using DataLoader run = Make(), resumed = Make();
        List<float[]>[] epochs = [.. Enumerable.Range(0, 4).Select(epoch => Batches(run, epoch))];
        Assert.That(Batches(resumed, 3), Is.EqualTo(epochs[3]));
        Assert.That(Batches(resumed, 1), Is.EqualTo(epochs[1]));
        Assert.That(epochs[0], Is.Not.EqualTo(epochs[1]));

        DataLoader Make()
        {
            Dataset data = Ramps(12).Augment(s_all, 7).Subset([.. Enumerable.Range(0, 50).Select(i => (long)i)]);
            return new DataLoader(new ChannelScaling([1], [2]).Apply(data).Augment(s_all with { MaximumShift = 1 }, 8), 8, options);
        }

        static List<float[]> Batches(DataLoader loader, int epoch)
        {
            var batches = new List<float[]>();
            foreach (Batch batch in loader.Epoch(epoch))
            {
                batches.Add([.. batch.Inputs.ToArray<float>(), .. batch.Lengths.ToArray(), .. batch.Classes.ToArray()]);
            }

            return batches;
        }
    }

    [Test]
    public void Weights_move_along_with_the_steps_or_stay_with_the_sample()
    {
        float[][] sequences = [[1, 2, 3, 4, 5, 6, 7, 8]];
        Dataset steps = ArrayDataset.Classification(sequences, 1, (int[][])[[0, 1, 0, 1, 0, 1, 0, 1]], 2).WithWeights((float[][])[[1, 2, 3, 4, 5, 6, 7, 8]])
            .Augment(s_all with { ScaleDeviation = [], NoiseDeviation = [] }, 3);
        Dataset samples = ArrayDataset.Classification(sequences, 1, new int[1], 2).WithWeights(new float[1].Select(_ => 2.5f).ToArray()).Augment(s_all, 3);
        for (int epoch = 0; epoch < 20; epoch++)
        {
            steps.BeginEpoch(epoch);
            samples.BeginEpoch(epoch);
            float[] inputs = Inputs(steps, 0), weights = new float[inputs.Length], weight = new float[1];
            steps.ReadWeights([0], weights);
            samples.ReadWeights([0], weight);
            Assert.That(weights, Is.EqualTo(inputs.Select(value => (float)Math.Floor(value + 0.5))));
            Assert.That(weight, Is.EqualTo((float[])[2.5f]));
        }
    }

    [Test]
    public void Sequences_without_targets_are_changed_too()
    {
        Dataset data = SequenceData.Create([.. Enumerable.Range(0, 20).Select(_ => Enumerable.Range(0, 9).Select(step => (float)step).ToArray())], 1)
            .Augment(new AugmentationOptions { MinimumCropFraction = 0.4, MaximumShift = 1 }, 2);
        using var loader = new DataLoader(data, 20);
        foreach (Batch batch in loader.Epoch(0))
        {
            Assert.That((batch.HasTargets, batch.Classes.Length), Is.EqualTo((false, 0)));
            Assert.That(batch.Lengths.ToArray().Distinct().Count(), Is.GreaterThan(3));
            Assert.That(batch.Lengths.ToArray(), Is.All.InRange(4, 9));
        }
    }

    [Test]
    public void Indices_are_moved_and_not_changed()
    {
        int[] indices = [.. Enumerable.Range(0, 50 * 6)];
        ArrayDataset data = ArrayDataset.Classification(indices, 6, 1, new int[50], 2);
        Dataset moved = data.Augment(s_all with { ScaleDeviation = [], NoiseDeviation = [0] }, 3);
        for (int sample = 0; sample < 50; sample++)
        {
            int[] read = new int[moved.LengthOf(sample)];
            moved.Read([sample], read, new int[1], []);
            Assert.That(read, Is.Ordered.And.All.InRange(sample * 6, (sample * 6) + 5));
        }

        Assert.That(() => data.Augment(s_all, 3), Throws.ArgumentException.With.Message.StartsWith("options.ScaleDeviation is given, but the inputs are Int32; they must be Float32."));
        Assert.That(
            () => data.Augment(s_all with { ScaleDeviation = [] }, 3),
            Throws.ArgumentException.With.Message.StartsWith("options.NoiseDeviation is given, but the inputs are Int32; they must be Float32."));
    }

    [Test]
    public void Options_out_of_range_are_refused()
    {
        Refuses(new() { MinimumCropFraction = 1.5 }, "options.MinimumCropFraction is 1.5; it must be from 0 to 1.");
        Refuses(new() { MinimumCropSteps = 0 }, "options.MinimumCropSteps is 0; it must be at least 1.");
        Refuses(new() { MinimumSpeed = 0 }, "options.MinimumSpeed is 0; it must be finite and above 0.");
        Refuses(new() { MinimumSpeed = 2 }, "options.MaximumSpeed is 1; it must be finite and at least 2.");
        Refuses(new() { MinimumSpeed = 1e-9 }, "options.MinimumSpeed is 1E-09; it must be at least ");
        Refuses(new() { MaximumShift = -1 }, "options.MaximumShift is -1; it must be at least 0.");
        Refuses(new() { ShiftFill = (ShiftFill)5 }, "options.ShiftFill is 5; it must be one of Edge, Zero.");
        Refuses(new() { ScaleDeviation = [0, 1, 2] }, "options.ScaleDeviation has 3 elements; it must have none, 1, or 1, one for each feature.");
        Refuses(new() { ScaleDeviation = [double.NaN] }, "options.ScaleDeviation[0] is NaN; it must be finite and not negative.");
        Refuses(new() { NoiseDeviation = [1, -1] }, "options.NoiseDeviation[1] is -1; it must be finite and not negative.");
        Refuses(new() { NoiseDeviation = [1, 2, 3] }, "options.NoiseDeviation has 3 elements; it must have none, 1, or 1, one for each feature.");
        Refuses(new() { NoiseDeviation = null! }, "options.NoiseDeviation is null; it must be given.");
        Assert.That(() => Ramps(3).Augment(null!, 1), Throws.ArgumentNullException);
        Assert.That(() => Ramps(3).Augment(s_all, 1).BeginEpoch(-1), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("epoch is -1; it must be at least 0."));
        Assert.That(() => Ramps(3).Augment(s_all, 1).LengthOf(Count), Throws.TypeOf<ArgumentOutOfRangeException>());

        static void Refuses(AugmentationOptions options, string message) =>
            Assert.That(() => Ramps(10).Augment(options, 1), Throws.InstanceOf<ArgumentException>().With.Message.StartsWith(message));
    }

    /// <summary>Sequences of one feature, 100 times the sample's number plus the step's; the class of a step is its number.</summary>
    private static ArrayDataset Ramps(int steps) => ArrayDataset.Classification(
        new ReadOnlyMemory<float>([.. Enumerable.Range(0, Count * steps).Select(i => (float)((i / steps * 100) + (i % steps)))]), steps, 1,
        new ReadOnlyMemory<int>([.. Enumerable.Range(0, Count * steps).Select(i => i % steps)]), steps);

    private static float[] Inputs(Dataset data, long sample)
    {
        float[] inputs = new float[data.StepsOf([sample]) * data.Features];
        data.Read([sample], inputs, new int[data.TargetStepsOf([sample]) * (data.IsClassification ? 1 : 0)], new float[data.IsClassification ? 0 : data.TargetStepsOf([sample])]);
        return inputs;
    }

    private static int[] Targets(Dataset data, long sample)
    {
        int[] classes = new int[data.TargetStepsOf([sample])];
        data.Read([sample], new float[data.StepsOf([sample]) * data.Features], classes, []);
        return classes;
    }
}
