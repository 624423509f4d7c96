namespace OrthoNative.Tests.Data;

internal sealed class SequenceDataTests
{
    private static readonly float[][] s_sequences = [[1, 10, 2, 20, 3, 30], [4, 40], [5, 50, 6, 60]];

    [Test]
    public void Arrays_become_samples_with_names_classes_and_time_stamps()
    {
        SequenceData data = Create(new SequenceDataOptions
        {
            Ids = ["a", "b", "c"],
            Groups = ["g", "h", "g"],
            ChannelNames = ["x", "y"],
            TimeStamps = [[0, 1, 1], [5], [-2, 3.5]],
            Labels = ["dog", "cat", "dog"],
        });

        Assert.That((data.Count, data.Steps, data.Features, data.TargetSteps, data.Outputs), Is.EqualTo((3, 3, 2, 1, 2)));
        Assert.That((data.HasTargets, data.IsClassification, data.HasStepTargets, data.HasLengths, data.HasMissingValues, data.HasTimeStamps), Is.EqualTo((true, true, false, true, false, true)));
        Assert.That(data.Ids, Is.EqualTo((string[])["a", "b", "c"]));
        Assert.That(data.Groups, Is.EqualTo((string[])["g", "h", "g"]));
        Assert.That(data.ChannelNames, Is.EqualTo((string[])["x", "y"]));
        Assert.That(data.ClassNames, Is.EqualTo((string[])["cat", "dog"]));
        Assert.That(data.TargetNames, Is.Empty);
        Assert.That((data.ClassOf(0), data.ClassOf(1), data.Classes(2)[0], data.LengthOf(2)), Is.EqualTo((1, 0, 1, 2)));
        Assert.That(data.Values(2).ToArray(), Is.EqualTo(s_sequences[2]));
        Assert.That(data.TimeStamps(2).ToArray(), Is.EqualTo((double[])[-2, 3.5]));
        Assert.That(data.Targets(0).ToArray(), Is.Empty);
        (float[] inputs, int[] classes, _) = Read(data, 1, 2);
        Assert.That(inputs, Is.EqualTo((float[])[4, 40, 5, 50, 0, 0, 6, 60]));
        Assert.That(classes, Is.EqualTo((int[])[0, 1]));
    }

    [Test]
    public void Names_are_numbers_unless_given()
    {
        SequenceData data = Create(new SequenceDataOptions { StepTargets = [[1, 2, 3, 4, 5, 6], [7, 8], [9, 10, 11, 12]] });

        Assert.That(data.Ids, Is.EqualTo((string[])["0", "1", "2"]));
        Assert.That(data.ChannelNames, Is.EqualTo((string[])["0", "1"]));
        Assert.That(data.TargetNames, Is.EqualTo((string[])["0", "1"]));
        Assert.That((data.Groups, data.HasTimeStamps, data.TimeStamps(0).Length), Is.EqualTo(((IReadOnlyList<string>?)null, false, 0)));
    }

    [TestCase(new[] { "10", "9", "-2", "10" }, new[] { "-2", "9", "10" })]
    [TestCase(new[] { "1", "01", "0", "0" }, new[] { "0", "01", "1" })]
    [TestCase(new[] { "10", "9", "b", "b" }, new[] { "10", "9", "b" })]
    [TestCase(new[] { "1.5", "10", "9", "9" }, new[] { "1.5", "10", "9" })]
    [TestCase(new[] { "b", "B", "ä", "a" }, new[] { "B", "a", "b", "ä" })]
    public void Classes_are_in_the_order_of_numbers_or_of_characters(string[] labels, string[] expected)
    {
        SequenceData data = SequenceData.Create([[1], [2], [3], [4]], 1, new SequenceDataOptions { Labels = labels });

        Assert.That(data.ClassNames, Is.EqualTo(expected));
        Assert.That(Enumerable.Range(0, 4).Select(i => data.ClassNames[data.ClassOf(i)]), Is.EqualTo(labels));
    }

    [Test]
    public void Every_kind_of_target_reaches_the_batch()
    {
        (_, int[] stepClasses, _) = Read(Create(new SequenceDataOptions { StepLabels = [["a", "b", "c"], ["c"], ["b", "a"]] }), 0, 2);
        (_, _, float[] targets) = Read(Create(new SequenceDataOptions { Targets = [[1, 2], [3, 4], [5, 6]], TargetNames = ["u", "v"] }), 2, 0);
        (_, _, float[] stepTargets) = Read(Create(new SequenceDataOptions { StepTargets = [[1, 2, 3], [4], [5, 6]] }), 2, 0);

        // [K, B]; what is beyond a length is not written.
        Assert.That(stepClasses, Is.EqualTo((int[])[0, 1, 1, 0, 2, 0]));
        Assert.That(targets, Is.EqualTo((float[])[5, 6, 1, 2]));
        Assert.That(stepTargets, Is.EqualTo((float[])[5, 1, 6, 2, 0, 3]));
    }

    [Test]
    public void Class_of_a_sequence_needs_classes_of_sequences()
    {
        Assert.That(() => Create().ClassOf(0), Throws.InvalidOperationException.With.Message.EqualTo("The sequences have no classes."));
        Assert.That(
            () => Create(new SequenceDataOptions { StepLabels = [["a", "b", "c"], ["c"], ["b", "a"]] }).ClassOf(0),
            Throws.InvalidOperationException.With.Message.EqualTo("Each step has a class; Classes gives those of a sequence."));
    }

    [Test]
    public void A_mask_says_what_was_measured()
    {
        SequenceData data = SequenceData.Create([[1, float.NaN, 3, 4], [5, 6, float.NaN, float.NaN]], 2, new SequenceDataOptions
        {
            MissingValues = MissingValues.Mask,
            Scaling = new ChannelScaling([1, 2], [2, 4]),
        });
        (float[] inputs, _, _) = Read(data, 0, 1);

        Assert.That((data.Features, data.HasMissingValues, data.Values(0).Length), Is.EqualTo((4, true, 4)));
        Assert.That(inputs, Is.EqualTo((float[])[0, 0, 1, 0, 2, 1, 1, 1, 1, 0.5f, 1, 1, 0, 0, 0, 0]));
        Assert.That(Create(new SequenceDataOptions { MissingValues = MissingValues.Mask }).Features, Is.EqualTo(4));
        Assert.That(Read(Create(new SequenceDataOptions { MissingValues = MissingValues.Mask }), 1).Inputs, Is.EqualTo((float[])[4, 40, 1, 1]));
    }

    [Test]
    public void Scaling_is_measured_on_stored_values_that_are_there()
    {
        SequenceData data = SequenceData.Create([[1, float.NaN], [5, float.NaN, 3, float.NaN]], 2, new SequenceDataOptions { MissingValues = MissingValues.Zero });
        ChannelScaling scaling = ChannelScaling.Of(data);
        SequenceData scaled = data.WithScaling(scaling);

        // 1, 5, 3: squares 4, 4, 0. The other channel has no values.
        Assert.That(scaling, Is.EqualTo(new ChannelScaling([3, 0], [Math.Sqrt(8.0 / 3), 1])));
        Assert.That(ChannelScaling.Of(scaled), Is.EqualTo(scaling));
        Assert.That(ChannelScaling.Of((Dataset)scaled.WithMissingValues(MissingValues.Mask)), Is.EqualTo(scaling));
        Assert.That(Read(scaled, 0).Inputs, Is.EqualTo((float[])[(float)(-2 / Math.Sqrt(8.0 / 3)), 0]));
        Assert.That(Read(scaled.WithScaling(null), 0).Inputs, Is.EqualTo((float[])[1, 0]));
        Assert.That((scaled.Scaling, data.Scaling), Is.EqualTo((scaling, (ChannelScaling?)null)));
        Assert.That(() => data.WithScaling(new ChannelScaling([1], [1])), Throws.ArgumentException.With.Message.StartsWith("scaling is of 1 channels; it must be of 2, as the data."));
    }

    [Test]
    public void Chosen_samples_keep_all_that_belongs_to_them()
    {
        SequenceData data = Create(new SequenceDataOptions
        {
            Ids = ["a", "b", "c"],
            Groups = ["g", "h", "i"],
            TimeStamps = [[0, 1, 2], [3], [4, 5]],
            StepLabels = [["p", "q", "r"], ["r"], ["q", "p"]],
        });
        SequenceData chosen = data.Select([2, 1, 2]);

        Assert.That((chosen.Count, chosen.Steps, chosen.HasStepTargets, chosen.ClassNames.Count), Is.EqualTo((3, 2, true, 3)));
        Assert.That(chosen.Ids, Is.EqualTo((string[])["c", "b", "c"]));
        Assert.That(chosen.Groups, Is.EqualTo((string[])["i", "h", "i"]));
        Assert.That(chosen.TimeStamps(0).ToArray(), Is.EqualTo((double[])[4, 5]));
        Assert.That(chosen.Classes(2).ToArray(), Is.EqualTo((int[])[1, 0]));
        Assert.That(chosen.Values(1).Overlaps(data.Values(1)), Is.True);
        Assert.That(data.Select([1]).HasLengths, Is.False);
        Assert.That(() => data.Select([]), Throws.ArgumentException.With.Message.StartsWith("samples is empty; at least one is required."));
        Assert.That(() => data.Select([0, 3]), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("samples[1] is 3; it must be from 0 to 2."));
    }

    [Test]
    public void Missing_values_of_a_part_are_those_within_it()
    {
        SequenceData data = SequenceData.Create([[1, 2], [float.NaN, 4]], 1, new SequenceDataOptions { MissingValues = MissingValues.Mean });

        Assert.That((data.Select([0]).HasMissingValues, data.Select([1]).HasMissingValues), Is.EqualTo((false, true)));
        Assert.That((data.Range(1, 1).HasMissingValues, data.Range(0, 1).HasMissingValues), Is.EqualTo((false, true)));
        Assert.That(data.Range(1, 1).WithMissingValues(MissingValues.Refuse).MissingValues, Is.EqualTo(MissingValues.Refuse));
        Assert.That(
            () => data.WithMissingValues(MissingValues.Refuse),
            Throws.ArgumentException.With.Message.StartsWith("Sample 1 ('1') lacks the value of step 0, channel 0 ('0'), all counted from 0; missingValues must be other than Refuse."));
        Assert.That(() => data.WithMissingValues((MissingValues)7), Throws.TypeOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void Chosen_channels_come_in_their_new_order_with_their_scaling()
    {
        SequenceData data = SequenceData.Create([[1, 2, 3, 4, 5, 6]], 3, new SequenceDataOptions { ChannelNames = ["x", "y", "z"], Scaling = new ChannelScaling([1, 2, 3], [1, 2, 4]) });
        SequenceData chosen = data.SelectChannels("z", "x");

        Assert.That(chosen.Values(0).ToArray(), Is.EqualTo((float[])[3, 1, 6, 4]));
        Assert.That((chosen.ChannelNames, chosen.Features), Is.EqualTo(((string[])["z", "x"], 2)));
        Assert.That(chosen.Scaling, Is.EqualTo(new ChannelScaling([3, 1], [4, 1])));
        Assert.That(() => data.SelectChannels("x", "w"), Throws.ArgumentException.With.Message.StartsWith("names[1] is 'w'; it must be one of 'x', 'y', 'z'."));
        Assert.That(() => data.SelectChannels("x", "x"), Throws.ArgumentException.With.Message.StartsWith("names[1] is 'x', as names[0]; each must be different."));
        Assert.That(() => data.SelectChannels(), Throws.ArgumentException.With.Message.StartsWith("names is empty; at least one is required."));
    }

    [Test]
    public void A_range_of_steps_cuts_all_that_steps_have()
    {
        SequenceData steps = SequenceData.Create([[1, 10, 2, 20, 3, 30], [4, 40, 5, 50]], 2, new SequenceDataOptions
        {
            TimeStamps = [[0, 1, 2], [3, 4]],
            StepTargets = [[7, 8, 9], [10, 11]],
        });
        SequenceData cut = steps.Range(1, 1);

        Assert.That((cut.Steps, cut.HasLengths, cut.TargetSteps), Is.EqualTo((1, false, 1)));
        Assert.That(cut.Values(0).ToArray(), Is.EqualTo((float[])[2, 20]));
        Assert.That((cut.TimeStamps(1)[0], cut.Targets(0)[0], cut.Targets(1)[0]), Is.EqualTo((4.0, 8f, 11f)));
        Assert.That(cut.Values(0).Overlaps(steps.Values(0)), Is.True);
        Assert.That(SequenceData.Create([[1, 2, 3]], 1, new SequenceDataOptions { Labels = ["a"] }).Range(0, 2).ClassOf(0), Is.Zero);
        Assert.That(() => steps.Range(1, 2), Throws.ArgumentException.With.Message.StartsWith("firstStep + count is 3; it must be at most 2, the length of sample 1 ('1')."));
        Assert.That(() => steps.Range(3, 1), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("firstStep is 3; it must be from 0 to 2."));
        Assert.That(() => steps.Range(0, 0), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("count is 0; it must be from 1 to 3."));
    }

    private static IEnumerable<TestCaseData> WrongOptions()
    {
        TestCaseData Case(SequenceDataOptions options, string message) => new TestCaseData(options, message).SetArgDisplayNames(message);

        yield return Case(new() { Ids = ["a", "b"] }, "options.Ids has 2 elements; it must have 3, one for each sequence.");
        yield return Case(new() { Ids = ["a", "b", "a"] }, "options.Ids[2] is 'a', as options.Ids[0]; each must be different.");
        yield return Case(new() { Ids = ["a", null!, "b"] }, "options.Ids[1] is null; it must be given.");
        yield return Case(new() { Groups = ["a"] }, "options.Groups has 1 elements; it must have 3, one for each sequence.");
        yield return Case(new() { ChannelNames = ["a"] }, "options.ChannelNames has 1 elements; it must have 2, one for each channel.");
        yield return Case(new() { ChannelNames = ["a", "a"] }, "options.ChannelNames[1] is 'a', as options.ChannelNames[0]; each must be different.");
        yield return Case(new() { TimeStamps = [[1, 2, 3], [1], [1]] }, "options.TimeStamps[2] has 1 elements; it must have 2, one for each step.");
        yield return Case(new() { TimeStamps = [[1, 3, 2], [1], [1, 2]] }, "options.TimeStamps[0][2] is 2; it must be finite and at least 3.");
        yield return Case(new() { TimeStamps = [[1, 2, 3], [double.NaN], [1, 2]] }, "options.TimeStamps[1][0] is NaN; it must be finite.");
        yield return Case(new() { Labels = ["a", "b", "c"], Targets = [[1], [2], [3]] }, "options has Labels and Targets; at most one of them may be given.");
        yield return Case(new() { Labels = ["a", "b"] }, "options.Labels has 2 elements; it must have 3, one for each sequence.");
        yield return Case(new() { Labels = ["a", "b", null!] }, "options.Labels[2] is null; it must be given.");
        yield return Case(
            new() { Labels = ["a", "b", "c"], ClassNames = ["c", "a"], Ids = ["x", "y", "z"] },
            "options.Labels[1] is 'b', the class of sample 1 ('y'); it must be one of options.ClassNames: 'c', 'a'.");
        yield return Case(new() { Labels = ["a", "b", "c"], ClassNames = ["a", "b", "c", "a"] }, "options.ClassNames[3] is 'a', as options.ClassNames[0]; each must be different.");
        yield return Case(new() { StepLabels = [["a", "b"], ["c"], ["d", "e"]] }, "options.StepLabels[0] has 2 elements; it must have 3, one for each step.");
        yield return Case(new() { StepLabels = [["a", "b", null!], ["c"], ["d", "e"]] }, "options.StepLabels[0][2] is null; it must be given.");
        yield return Case(
            new() { StepLabels = [["a", "b", "a"], ["c"], ["a", "b"]], ClassNames = ["a", "b"] },
            "options.StepLabels[1][0] is 'c', the class of sample 1; it must be one of options.ClassNames: 'a', 'b'.");
        yield return Case(new() { ClassNames = ["a"] }, "options.ClassNames is given without Labels or StepLabels; it must be null.");
        yield return Case(new() { TargetNames = ["a"] }, "options.TargetNames is given without Targets or StepTargets; it must be null.");
        yield return Case(new() { Targets = [[1, 2], [3], [4, 5]] }, "options.Targets[1] has 1 elements; it must have 2, 2 for the sequence as Targets[0].");
        yield return Case(new() { Targets = [[], [], []] }, "options.Targets[0] has 0 elements; it must have 1, 1 for the sequence as Targets[0].");
        yield return Case(new() { Targets = [[1], [float.NaN], [3]] }, "options.Targets[1][0] is NaN; it must be finite.");
        yield return Case(new() { Targets = [[1], [2], [3]], TargetNames = ["a", "b"] }, "options.TargetNames has 2 elements; it must have 1, one for each target value.");
        yield return Case(new() { StepTargets = [[1, 2, 3], [4, 5], [6, 7]] }, "options.StepTargets[1] has 2 elements; it must have 1, 1 for each step as StepTargets[0].");
        yield return Case(new() { Scaling = new ChannelScaling([1], [1]) }, "options.Scaling is of 1 channels; it must be of 2, as the data.");
        yield return Case(new() { MissingValues = (MissingValues)9 }, "options.MissingValues is 9; it must be one of Refuse, Interpolate, Zero, Mean, Mask.");
    }

    [TestCaseSource(nameof(WrongOptions))]
    public void Options_that_do_not_fit_are_refused(SequenceDataOptions options, string message)
    {
        ArgumentException exception = Assert.Catch<ArgumentException>(() => Create(options))!;

        Assert.That(exception.Message, Does.StartWith(message));
        Assert.That(exception.ParamName, Is.EqualTo("options"));
    }

    [Test]
    public void Sequences_that_do_not_fit_are_refused()
    {
        Assert.That(() => SequenceData.Create(null!, 1), Throws.ArgumentNullException);
        Assert.That(() => SequenceData.Create([], 1), Throws.ArgumentException.With.Message.StartsWith("sequences is empty; at least one is required."));
        Assert.That(() => SequenceData.Create([[1]], 0), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("channels is 0; it must be at least 1."));
        Assert.That(() => SequenceData.Create([[1], null!], 1), Throws.ArgumentNullException.With.Message.StartsWith("sequences[1] is null; it must be given."));
        Assert.That(() => SequenceData.Create([[1, 2], [3]], 2), Throws.ArgumentException.With.Message.StartsWith("sequences[1] has 1 elements; it must have a positive multiple of 2, channels."));
        Assert.That(() => SequenceData.Create([[1], []], 1), Throws.ArgumentException.With.Message.StartsWith("sequences[1] has 0 elements;"));
        Assert.That(
            () => SequenceData.Create([[1, 2, 3, float.NegativeInfinity]], 2, new SequenceDataOptions { ChannelNames = ["x", "y"] }),
            Throws.ArgumentException.With.Message.StartsWith("Sample 0 ('0') is -Infinity at step 1, channel 1 ('y'), all counted from 0; it must be finite, or NaN for a missing value."));
        Assert.That(
            () => SequenceData.Create([[1, 2, 3, float.NaN]], 2, new SequenceDataOptions { Ids = ["cow"] }),
            Throws.ArgumentException.With.Message.StartsWith("Sample 0 ('cow') lacks the value of step 1, channel 1 ('1'), all counted from 0; options.MissingValues must be other than Refuse."));
    }

    [Test]
    public void Samples_and_buffers_that_do_not_fit_are_refused()
    {
        SequenceData data = Create(new SequenceDataOptions { Labels = ["a", "b", "c"] });

        Assert.That(() => data.LengthOf(3), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("sample is 3; it must be from 0 to 2."));
        Assert.That(() => data.Values(-1), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => data.Read([3], new float[2], new int[1], []), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => data.Read([1], new float[6], new int[1], []), Throws.ArgumentException.With.Message.Contains("inputs has 6 elements; it must have 2"));
        Assert.That(() => data.Read([1], new float[2], new int[1], new float[1]), Throws.ArgumentException.With.Message.Contains("values has 1 elements; it must have 0"));
    }

    private static SequenceData Create(SequenceDataOptions? options = null) => SequenceData.Create(s_sequences, 2, options);

    private static (float[] Inputs, int[] Classes, float[] Values) Read(SequenceData data, params long[] samples)
    {
        float[] inputs = new float[data.StepsOf(samples) * samples.Length * data.Features];
        long targets = data.TargetStepsOf(samples) * samples.Length;
        int[] classes = new int[data.IsClassification ? targets : 0];
        float[] values = new float[data.HasTargets && !data.IsClassification ? targets * data.Outputs : 0];
        data.Read(samples, inputs, classes, values);
        return (inputs, classes, values);
    }
}
