namespace OrthoNative.Tests.Data;

/// <summary>Parts of data sets.</summary>
internal sealed class SplitTests
{
    private static readonly double[] s_three = [0.7, 0.2, 0.1];

    /// <summary>Every way to divide sequences at random, as ids of parts.</summary>
    private static readonly Dictionary<string, Func<SequenceData, ulong, string[][]>> s_ways = new()
    {
        ["Random"] = (data, seed) => IdsOf(Split.Random(data, s_three, seed)),
        ["Stratified"] = (data, seed) => IdsOf(Split.Stratified(data, s_three, seed)),
        ["ByGroup"] = (data, seed) => IdsOf(Split.ByGroup(data, s_three, seed)),
        ["KFold"] = (data, seed) => IdsOf(Split.KFold(data, 4, seed)),
        ["StratifiedKFold"] = (data, seed) => IdsOf(Split.StratifiedKFold(data, 4, seed)),
        ["GroupKFold"] = (data, seed) => IdsOf(Split.GroupKFold(data, 4, seed)),
    };

    private static IEnumerable<string> Ways => s_ways.Keys;

    [TestCaseSource(nameof(Ways))]
    public void Parts_depend_on_ids_and_seed_and_not_on_the_order_of_rows(string way)
    {
        string[][] parts = s_ways[way](Data(60), 5);
        foreach (int order in (int[])[1, 2])
        {
            Assert.That(s_ways[way](Data(60, new Random(order)), 5), Is.EqualTo(parts));
        }

        Assert.That(s_ways[way](Data(60), 6), Is.Not.EqualTo(parts));

        // A variable of the base type changes nothing.
        Dataset data = Data(60, new Random(1));
        if (way == "Random")
        {
            Assert.That(IdsOf([.. Split.Random(data, s_three, 5).Cast<SequenceData>()]), Is.EqualTo(parts));
        }
    }

    [Test]
    public void Random_parts_have_their_sizes_and_share_nothing()
    {
        string[][] parts = IdsOf(Split.Random(Data(60), s_three, 1));
        Assert.That(parts.Select(part => part.Length), Is.EqualTo((int[])[42, 12, 6]));
        Assert.That(parts.SelectMany(part => part), Is.EquivalentTo(Data(60).Ids));
        Assert.That(parts, Has.All.Ordered.Using((System.Collections.IComparer)StringComparer.Ordinal));
        Assert.That(IdsOf(Split.Random(Data(60), [0.25, 0.25], 1)).Select(part => part.Length), Is.EqualTo((int[])[15, 15]));

        // Every sequence has the chance of its part's size: 300 draws, of a deviation of 8.
        int drawn = Enumerable.Range(0, 300).Count(seed => IdsOf(Split.Random(Data(60), s_three, (ulong)seed))[0].Contains("id7"));
        Assert.That(drawn, Is.InRange(210 - 40, 210 + 40));
    }

    [Test]
    public void Stratified_parts_have_their_share_of_every_class()
    {
        // Classes 0 to 3 of 15 sequences: 10.5, 3 and 1.5 of each, in all 42, 12 and 6.
        SequenceData[] parts = Split.Stratified(Data(60), s_three, 1);
        Assert.That(parts.Select(part => part.Count), Is.EqualTo((long[])[42, 12, 6]));
        foreach ((SequenceData part, double share) in parts.Zip((double[])[10.5, 3, 1.5]))
        {
            int[] counts = [.. Enumerable.Range(0, 4).Select(number => Enumerable.Range(0, (int)part.Count).Count(sample => part.ClassOf(sample) == number))];
            Assert.That(counts, Is.All.EqualTo(share).Within(1.0));
            Assert.That(part.ClassNames, Is.EqualTo((string[])["0", "1", "2", "3"]));
        }

        // Any data set with one class for each sample.
        Dataset[] plain = Split.Stratified(Plain(60), s_three, 1);
        Assert.That(plain.Select(part => part.Count), Is.EqualTo((long[])[42, 12, 6]));
        Assert.That(NumbersOf(plain[2]).Select(number => number % 4).Distinct().Count(), Is.EqualTo(4));
    }

    [Test]
    public void Tiny_classes_do_not_change_the_parts_of_others()
    {
        // Ten classes of 3, one for each part, come before a class of 100.
        int[] classes = [.. Enumerable.Range(0, 30).Select(i => i / 3), .. Enumerable.Repeat(10, 100)];
        var data = SequenceData.Create(
            [.. classes.Select(number => (float[])[number])], 1, new SequenceDataOptions { Labels = [.. classes.Select(number => number.ToString(System.Globalization.CultureInfo.InvariantCulture))] });

        SequenceData[] parts = Split.Stratified(data, [0.8, 0.1, 0.1], 1);
        long[] large = [.. parts.Select(part => (long)Enumerable.Range(0, (int)part.Count).Count(sample => part.Values(sample)[0] == 10))];
        Assert.That(large.Zip((long[])[80, 10, 10], (count, expected) => Math.Abs(count - expected)), Is.All.AtMost(1));
        Assert.That(parts.Select((part, i) => part.Count - large[i]), Is.All.EqualTo(10));
    }

    [Test]
    public void Windows_are_divided_in_time_alone()
    {
        var options = new WindowOptions { Length = 3, Horizon = 2 };
        Dataset one = SequenceData.Create([new float[20]], 1).Windows(options), two = SequenceData.Create([new float[20], new float[20]], 1).Windows(options);
        var rolling = new RollingOriginOptions { Initial = 4, Horizon = 2, Gap = 4 };

        const string Random = "data has windows, which share steps with those beside them; it must be divided in time, by WindowOptions.From and To. (Parameter 'data')";
        const string Several = "data has windows of several sequences; they must be of one, or divided in time by WindowOptions.From and To. (Parameter 'data')";
        Assert.That(() => Split.Random(one, s_three, 1), Throws.ArgumentException.With.Message.EqualTo(Random));
        Assert.That(() => Split.KFold(one, 2, 1), Throws.ArgumentException.With.Message.EqualTo(Random));
        Assert.That(() => Split.Chronological(two, s_three, 4), Throws.ArgumentException.With.Message.EqualTo(Several));
        Assert.That(() => Split.RollingOrigin(two, rolling), Throws.ArgumentException.With.Message.EqualTo(Several));
        Assert.That(Split.Chronological(one, [0.5, 0.5], 4).Select(part => part.Count), Is.EqualTo((long[])[6, 6]));
        Assert.That(Split.RollingOrigin(one, rolling), Has.Length.EqualTo(4));
    }

    [Test]
    public void A_group_comes_into_one_part()
    {
        string[][] groups = [.. Split.ByGroup(Data(60), s_three, 3).Select(part => part.Groups!.Distinct().ToArray())];
        Assert.That(groups.SelectMany(group => group), Is.EquivalentTo(Data(60).Groups!.Distinct()));

        // 12 groups of 5: 8.4, 2.4 and 1.2.
        Assert.That(groups.Select(group => group.Length), Is.EqualTo((int[])[8, 3, 1]));
        string[] names = [.. Enumerable.Range(0, 60).Select(i => i < 50 ? "large" : $"small {i}")];
        long[] sizes = [.. Split.ByGroup(Plain(60), names, [0.5, 0.5], 3).Select(part => part.Count)];
        Assert.That(sizes.Sum(), Is.EqualTo(60));
        Assert.That(sizes, Has.Some.AtLeast(50));
    }

    [Test]
    public void Chronological_parts_follow_each_other_with_a_gap()
    {
        // Time stamps fall as numbers rise.
        SequenceData data = Data(12);
        Assert.That(IdsOf(Split.Chronological(data, [0.5, 0.3, 0.2], gap: 1)), Is.EqualTo((string[][])[["id11", "id10", "id9", "id8", "id7"], ["id5", "id4", "id3"], ["id1", "id0"]]));
        Assert.That(IdsOf(Split.Chronological(Data(12, new Random(4)), [0.5, 0.3, 0.2], gap: 1)), Is.EqualTo(IdsOf(Split.Chronological(data, [0.5, 0.3, 0.2], gap: 1))));
        Assert.That(Split.Chronological(Plain(10), [0.5, 0.2], gap: 2).Select(NumbersOf), Is.EqualTo((int[][])[[0, 1, 2, 3], [6, 7]]));
    }

    [Test]
    public void Sequences_are_cut_in_time()
    {
        float[][] sequences = [[.. Enumerable.Range(0, 10)], [.. Enumerable.Range(100, 20)]];
        SequenceData data = SequenceData.Create(
            sequences, 1,
            new SequenceDataOptions
            {
                StepTargets = sequences,
                TimeStamps = [.. sequences.Select(row => Array.ConvertAll(row, value => (double)value))],
            });
        SequenceData[] parts = Split.WithinSequences(data, [0.5, 0.5], gap: 2);
        Assert.That(parts[0].Values(0).ToArray(), Is.EqualTo((float[])[0, 1, 2, 3]));
        Assert.That(parts[1].Values(0).ToArray(), Is.EqualTo((float[])[6, 7, 8, 9]));
        Assert.That(parts[0].Values(1).ToArray(), Is.EqualTo(Enumerable.Range(100, 9)));
        Assert.That(parts[1].Values(1).ToArray(), Is.EqualTo(Enumerable.Range(111, 9)));
        Assert.That(parts[1].Targets(1).ToArray(), Is.EqualTo(parts[1].Values(1).ToArray()));
        Assert.That(parts[1].TimeStamps(1).ToArray(), Is.EqualTo(parts[1].Values(1).ToArray()));
        Assert.That((parts[0].Steps, parts[0].TargetSteps, parts[0].HasLengths), Is.EqualTo((9L, 9L, true)));

        SequenceData labelled = SequenceData.Create(sequences, 1, new SequenceDataOptions { Labels = ["a", "b"] });
        Assert.That(Split.WithinSequences(labelled, [0.5, 0.5], gap: 0)[1].ClassOf(1), Is.EqualTo(1));
        Assert.That(
            () => Split.WithinSequences(data, [0.5, 0.5], gap: 9),
            Throws.ArgumentException.With.Message.StartsWith("fractions[0] is 0.5; of 10 steps of sample 0 ('0') with 1 gaps of 9 it must give at least one."));
    }

    [Test]
    public void Each_sample_is_judged_by_in_one_fold([Values(2, 3, 7)] int folds, [Values("KFold", "StratifiedKFold", "GroupKFold")] string way)
    {
        Fold<SequenceData>[] all = way == "KFold" ? Split.KFold(Data(61), folds, 1) : way == "GroupKFold" ? Split.GroupKFold(Data(61), folds, 1) : Split.StratifiedKFold(Data(61), folds, 1);
        Assert.That(all, Has.Length.EqualTo(folds));
        Assert.That(all.SelectMany(fold => fold.Validation.Ids), Is.EquivalentTo(Data(61).Ids));
        foreach ((SequenceData training, SequenceData validation) in all)
        {
            Assert.That(training.Ids.Concat(validation.Ids), Is.EquivalentTo(Data(61).Ids));
            if (way == "GroupKFold")
            {
                Assert.That(training.Groups!.Intersect(validation.Groups!), Is.Empty);
                Assert.That(validation.Count, Is.EqualTo(61.0 / folds).Within(5));
            }
            else
            {
                Assert.That(validation.Count, Is.EqualTo(61 / folds).Or.EqualTo((61 / folds) + 1));
            }

            if (way == "StratifiedKFold")
            {
                int[] counts = [.. Enumerable.Range(0, 4).Select(number => Enumerable.Range(0, (int)validation.Count).Count(sample => validation.ClassOf(sample) == number))];
                Assert.That(counts, Is.All.InRange(15 / folds, (16 / folds) + 1));
            }
        }
    }

    [Test]
    public void Samples_without_ids_are_divided_by_their_numbers()
    {
        Dataset[] parts = Split.Random(Plain(10), [0.5, 0.5], 1);
        Assert.That(NumbersOf(parts[0]).Concat(NumbersOf(parts[1])), Is.EquivalentTo(Enumerable.Range(0, 10)));
        Assert.That(NumbersOf(parts[0]), Is.Ordered);
        Fold<Dataset>[] folds = Split.KFold(Plain(10), 3, 1);
        Assert.That(folds.SelectMany(fold => NumbersOf(fold.Validation)), Is.EquivalentTo(Enumerable.Range(0, 10)));
        Assert.That(Split.StratifiedKFold(Plain(20), 5, 1).Select(fold => fold.Validation.Count), Is.All.EqualTo(4));
        Assert.That(Split.GroupKFold(Plain(4), ["a", "b", "a", "c"], 2, 1).Select(fold => fold.Validation.Count), Is.All.EqualTo(2));
        Assert.That(Split.KFold((Dataset)Data(10), 5, 1)[0].Validation, Is.TypeOf<SequenceData>());

        // Indices as inputs are read, too.
        ArrayDataset indices = ArrayDataset.Classification(new int[8], 1, 1, new ReadOnlyMemory<int>([0, 1, 0, 1, 0, 1, 0, 1]), 2);
        Assert.That(Split.Stratified(indices, [0.5, 0.5], 1).Select(part => part.Count), Is.All.EqualTo(4));
    }

    [TestCase(false, 0, 2, new[] { "0-3|4-5", "0-5|6-7", "0-7|8-9" })]
    [TestCase(true, 0, 2, new[] { "0-3|4-5", "2-5|6-7", "4-7|8-9" })]
    [TestCase(false, 1, 3, new[] { "0-3|5-6", "0-6|8-9" })]
    [TestCase(true, 4, 1, new[] { "0-3|8-9" })]
    public void The_origin_rolls_on(bool sliding, int gap, int step, string[] expected)
    {
        var options = new RollingOriginOptions { Initial = 4, Horizon = 2, Gap = gap, Step = step, Sliding = sliding };
        Fold<Dataset>[] folds = Split.RollingOrigin(Plain(10), options);
        Assert.That(folds.Select(fold => $"{Range(fold.Training)}|{Range(fold.Validation)}"), Is.EqualTo(expected));
        Assert.That(Split.RollingOrigin(Data(10), options)[0].Training.Ids, Is.EqualTo((string[])["id9", "id8", "id7", "id6"]));

        static string Range(Dataset part)
        {
            int[] numbers = NumbersOf(part);
            Assert.That(numbers, Is.EqualTo(Enumerable.Range(numbers[0], numbers.Length)));
            return $"{numbers[0]}-{numbers[^1]}";
        }
    }

    [Test]
    public void What_cannot_be_divided_is_refused()
    {
        SequenceData data = Data(12);
        SequenceData bare = SequenceData.Create([[1, 2], [3, 4]], 1);
        Refuses<ArgumentException>(() => Split.Random(data, [], 1), "fractions is empty; at least one is required.");
        Refuses<ArgumentException>(() => Split.Random(data, [0.8, 0.3], 1), "fractions have the sum 1.1; it must be at most 1.");
        Refuses<ArgumentOutOfRangeException>(() => Split.Random(data, [0.8, 0], 1), "fractions[1] is 0; it must be finite and above 0.");
        Refuses<ArgumentOutOfRangeException>(() => Split.Random(data, [double.NaN], 1), "fractions[0] is NaN; it must be finite and above 0.");
        Refuses<ArgumentException>(() => Split.Random(data, [0.9, 0.01], 1), "fractions[1] is 0.01; of 12 samples it must give at least one.");
        Refuses<ArgumentException>(() => Split.Chronological(data, [0.5, 0.5], 11), "fractions[0] is 0.5; of 12 samples with 1 gaps of 11 it must give at least one.");
        Refuses<ArgumentException>(() => Split.Chronological(data, [0.5, 0.5], long.MaxValue), "fractions[0] is 0.5; of 12 samples with 1 gaps of ");
        Refuses<ArgumentOutOfRangeException>(() => Split.Chronological(data, [0.5, 0.5], -1), "gap is -1; it must be at least 0.");
        Refuses<ArgumentException>(() => Split.Stratified(data, [0.4, 0.2, 0.2, 0.2], 1), "Class '0' has 3 samples; it must have at least 4, one for each part.");
        Refuses<ArgumentException>(() => Split.Stratified(bare, [0.5, 0.5], 1), "data has no classes; it must have a class for each sequence.");
        Refuses<ArgumentException>(
            () => Split.Stratified(SequenceData.Create([[1, 2]], 1, new SequenceDataOptions { StepLabels = [["a", "b"]] }), [1], 1),
            "data has a class for each step; it must have a class for each sequence.");
        Refuses<ArgumentException>(() => Split.Stratified(new AddingProblem(3, 5, 1), [1], 1), "data has no classes; it must have one for each sample.");
        Refuses<ArgumentException>(() => Split.Stratified(new CopyingMemory(3, 5, 1), [1], 1), "data has 10 classes for each sample; it must have one for each sample.");
        Refuses<ArgumentException>(() => Split.ByGroup(bare, [0.5, 0.5], 1), "data has no groups; it must have some.");
        Refuses<ArgumentException>(() => Split.ByGroup(data, [0.5, 0.3, 0.1, 0.1], 1), "The samples have 3 groups; they must have at least 4, one for each part.");
        Refuses<ArgumentException>(() => Split.ByGroup(Plain(3), ["a"], [1], 1), "groups has 1 elements; it must have 3, one for each sample.");
        Refuses<ArgumentNullException>(() => Split.ByGroup(Plain(2), ["a", null!], [1], 1), "groups[1] is null; it must be given.");
        Refuses<ArgumentOutOfRangeException>(() => Split.KFold(data, 1, 1), "folds is 1; it must be from 2 to 12.");
        Refuses<ArgumentOutOfRangeException>(() => Split.KFold(data, 13, 1), "folds is 13; it must be from 2 to 12.");
        Refuses<ArgumentException>(() => Split.StratifiedKFold(data, 4, 1), "Class '0' has 3 samples; it must have at least 4, one for each fold.");
        Refuses<ArgumentException>(() => Split.GroupKFold(data, 4, 1), "The samples have 3 groups; they must have at least 4, one for each fold.");
        Refuses<ArgumentException>(
            () => Split.RollingOrigin(data, new RollingOriginOptions { Initial = 8, Horizon = 4, Gap = 1 }),
            "data has 12 samples; it must have at least 13: 8 to learn from, a gap of 1, and 4 to judge by.");
        Refuses<ArgumentOutOfRangeException>(() => Split.RollingOrigin(data, new RollingOriginOptions { Initial = 0, Horizon = 4 }), "options.Initial is 0; it must be from 1 to ");
        Refuses<ArgumentOutOfRangeException>(() => Split.RollingOrigin(data, new RollingOriginOptions { Initial = 1, Horizon = 4, Step = 0 }), "options.Step is 0; it must be from 1 to ");

        static void Refuses<T>(Action call, string message) where T : ArgumentException => Assert.That(call, Throws.TypeOf<T>().With.Message.StartsWith(message));
    }

    /// <summary>Sequences "id0", "id1", … of classes 0 to 3 in turn, five to a group, whose time stamps fall; in another order if there is a random one.</summary>
    private static SequenceData Data(int count, Random? order = null)
    {
        int[] numbers = [.. Enumerable.Range(0, count)];
        order?.Shuffle(numbers);
        return SequenceData.Create(
            [.. numbers.Select(number => (float[])[number, number])], 1,
            new SequenceDataOptions
            {
                Ids = [.. numbers.Select(number => $"id{number}")],
                Groups = [.. numbers.Select(number => $"group {number / 5}")],
                Labels = [.. numbers.Select(number => $"{number % 4}")],
                ClassNames = ["0", "1", "2", "3"],
                TimeStamps = [.. numbers.Select(number => (double[])[1000 - number, 2000])],
            });
    }

    /// <summary>Samples of a data set without ids, of classes 0 to 3 in turn, whose input is their number.</summary>
    private static ArrayDataset Plain(int count) => ArrayDataset.Classification(
        new ReadOnlyMemory<float>([.. Enumerable.Range(0, count).Select(number => (float)number)]), 1, 1, new ReadOnlyMemory<int>([.. Enumerable.Range(0, count).Select(number => number % 4)]), 4);

    private static int[] NumbersOf(Dataset part)
    {
        float[] inputs = new float[part.Count];
        part.Read([.. Enumerable.Range(0, (int)part.Count).Select(number => (long)number)], inputs, new int[part.Count], []);
        return Array.ConvertAll(inputs, input => (int)input);
    }

    private static string[][] IdsOf(SequenceData[] parts) => Array.ConvertAll(parts, part => part.Ids.ToArray());

    private static string[][] IdsOf(Fold<SequenceData>[] folds) => [.. folds.Select(fold => fold.Validation.Ids.ToArray())];
}
