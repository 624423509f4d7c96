namespace OrthoNative;

/// <summary>Divides a data set into parts that share no sample: for training, validation and test, or for cross-validation.</summary>
/// <remarks>
/// <para>
/// The parts of <see cref="SequenceData"/> depend on the seed and on the ids of its sequences, and not on their order: the same ids come into the same parts, in the same order, however a file's rows are
/// sorted. Only <see cref="Chronological(SequenceData, ReadOnlySpan{double}, long)"/> and <see cref="RollingOrigin(SequenceData, RollingOriginOptions)"/> go by the numbers of sequences without time stamps.
/// Samples of other data sets are known by their numbers. Parts read the data set that was divided; nothing is copied.
/// </para>
/// <para>
/// Windows that lie side by side share steps, so a <see cref="WindowDataset"/> is not divided at random, and in order only where its windows are of one sequence:
/// <see cref="WindowOptions.From"/> and <see cref="WindowOptions.To"/> give windows of each part.
/// </para>
/// <para>
/// Fractions are positive, and their sum is at most 1; samples beyond the sum are left out. Every part has at least one sample, or the call is refused.
/// </para>
/// </remarks>
public static class Split
{
    /// <summary>Divides sequences at random.</summary>
    /// <param name="data">The sequences.</param>
    /// <param name="fractions">Size of each part, as a fraction of all sequences: [0.8, 0.1, 0.1].</param>
    /// <param name="seed">Decides who comes into which part.</param>
    /// <returns>A part for each fraction; its sequences in the order of the character codes of their ids.</returns>
    /// <exception cref="ArgumentException">There are no fractions, their sum is above 1, or a part would be empty.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A fraction is not above 0.</exception>
    public static SequenceData[] Random(SequenceData data, ReadOnlySpan<double> fractions, ulong seed) => Parts(data, SplitOrder.Random(Ordered(data), fractions, seed));

    /// <inheritdoc cref="Random(SequenceData, ReadOnlySpan{double}, ulong)"/>
    /// <summary>Divides samples at random.</summary>
    /// <param name="data">The samples.</param>
    /// <param name="fractions">Size of each part, as a fraction of all samples: [0.8, 0.1, 0.1].</param>
    /// <param name="seed">Decides who comes into which part.</param>
    /// <returns>A part for each fraction; its samples in the order of their numbers.</returns>
    public static Dataset[] Random(Dataset data, ReadOnlySpan<double> fractions, ulong seed) =>
        data is SequenceData sequences ? Random(sequences, fractions, seed) : Parts(data, SplitOrder.Random(Numbers(WithoutWindows(data)), fractions, seed));

    /// <summary>Divides sequences at random so that each part has its fraction of every class, and at least one sequence of it.</summary>
    /// <remarks>Every part has a sequence of each class, so that total sizes may differ from the fractions where classes are tiny.</remarks>
    /// <param name="data">Sequences with a class each.</param>
    /// <param name="fractions">Size of each part, as a fraction of all sequences: [0.8, 0.1, 0.1].</param>
    /// <param name="seed">Decides who comes into which part.</param>
    /// <returns>A part for each fraction; its sequences in the order of the character codes of their ids.</returns>
    /// <exception cref="ArgumentException">
    /// The sequences have no classes, or one at every step; a class has fewer sequences than there are parts; there are no fractions, or their sum is above 1.
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException">A fraction is not above 0.</exception>
    public static SequenceData[] Stratified(SequenceData data, ReadOnlySpan<double> fractions, ulong seed) =>
        Parts(data, SplitOrder.Stratified(Ordered(data), ClassesOf(data), fractions, seed));

    /// <inheritdoc cref="Stratified(SequenceData, ReadOnlySpan{double}, ulong)"/>
    /// <summary>Divides samples at random so that each part has its fraction of every class, and at least one sample of it. Reads each sample once.</summary>
    /// <remarks>Every part has a sample of each class, so that total sizes may differ from the fractions where classes are tiny.</remarks>
    /// <param name="data">Samples with a class each.</param>
    /// <param name="fractions">Size of each part, as a fraction of all samples: [0.8, 0.1, 0.1].</param>
    /// <param name="seed">Decides who comes into which part.</param>
    /// <returns>A part for each fraction; its samples in the order of their numbers.</returns>
    public static Dataset[] Stratified(Dataset data, ReadOnlySpan<double> fractions, ulong seed) =>
        data is SequenceData sequences ? Stratified(sequences, fractions, seed) : Parts(data, SplitOrder.Stratified(Numbers(data), ClassesOf(data), fractions, seed));

    /// <summary>Divides sequences at random so that all of a group come into the same part: persons or machines of a test are then none of the training.</summary>
    /// <param name="data">Sequences with groups.</param>
    /// <param name="fractions">Size of each part, as a fraction of all sequences; parts come as close to it as whole groups in a random order do.</param>
    /// <param name="seed">Decides who comes into which part.</param>
    /// <returns>A part for each fraction; its sequences in the order of the character codes of their ids.</returns>
    /// <exception cref="ArgumentException">The sequences have no groups, or fewer than there are parts; there are no fractions, or their sum is above 1.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A fraction is not above 0.</exception>
    public static SequenceData[] ByGroup(SequenceData data, ReadOnlySpan<double> fractions, ulong seed) =>
        Parts(data, SplitOrder.ByGroup(Ordered(data), GroupsOf(data), fractions, seed));

    /// <inheritdoc cref="ByGroup(SequenceData, ReadOnlySpan{double}, ulong)"/>
    /// <summary>Divides samples at random so that all of a group come into the same part.</summary>
    /// <param name="data">The samples.</param>
    /// <param name="groups">Group of each sample.</param>
    /// <param name="fractions">Size of each part, as a fraction of all samples; parts come as close to it as whole groups in a random order do.</param>
    /// <param name="seed">Decides who comes into which part.</param>
    /// <returns>A part for each fraction; its samples in the order of their numbers.</returns>
    public static Dataset[] ByGroup(Dataset data, IReadOnlyList<string> groups, ReadOnlySpan<double> fractions, ulong seed) =>
        Parts(data, SplitOrder.ByGroup(Numbers(data), GroupsOf(data, groups), fractions, seed));

    /// <summary>Divides sequences in the order of time: by their first time stamps, or by their numbers if there are none.</summary>
    /// <remarks>Sequences that begin earlier than others may end later: a gap keeps what overlaps apart. <see cref="WithinSequences"/> cuts each sequence in time.</remarks>
    /// <param name="data">The sequences.</param>
    /// <param name="fractions">Size of each part from the first to the last, as a fraction of all sequences but those of gaps.</param>
    /// <param name="gap">Sequences between one part and the next, which belong to neither, 0 or above.</param>
    /// <returns>A part for each fraction; its sequences in the order of time.</returns>
    /// <exception cref="ArgumentException">There are no fractions, their sum is above 1, or a part would be empty.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A fraction is not above 0, or <paramref name="gap"/> is negative.</exception>
    public static SequenceData[] Chronological(SequenceData data, ReadOnlySpan<double> fractions, long gap) =>
        Parts(data, SplitOrder.Chronological(InTime(data), fractions, gap));

    /// <inheritdoc cref="Chronological(SequenceData, ReadOnlySpan{double}, long)"/>
    /// <summary>Divides samples in their order.</summary>
    /// <remarks>Windows of one series that follow each other share steps: with T steps and H to forecast, a gap of T + H - 1 samples keeps parts apart at a stride of 1.</remarks>
    /// <param name="data">The samples.</param>
    /// <param name="fractions">Size of each part from the first to the last, as a fraction of all samples but those of gaps.</param>
    /// <param name="gap">Samples between one part and the next, which belong to neither, 0 or above.</param>
    /// <returns>A part for each fraction; its samples in the order of their numbers.</returns>
    public static Dataset[] Chronological(Dataset data, ReadOnlySpan<double> fractions, long gap) =>
        data is SequenceData sequences ? Chronological(sequences, fractions, gap) : Parts(data, SplitOrder.Chronological(Numbers(OfOneSequence(data)), fractions, gap));

    /// <summary>Cuts each sequence in time: every part has all sequences, each with some of its steps.</summary>
    /// <param name="data">The sequences.</param>
    /// <param name="fractions">Steps of each part from the first to the last, as a fraction of the steps of each sequence but those of gaps.</param>
    /// <param name="gap">Steps between one part and the next, which belong to neither, 0 or above.</param>
    /// <returns>A part for each fraction; its sequences in the order of the data. Targets of whole sequences are those of all parts.</returns>
    /// <exception cref="ArgumentException">There are no fractions, their sum is above 1, or a sequence has no step for a part.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A fraction is not above 0, or <paramref name="gap"/> is negative.</exception>
    public static SequenceData[] WithinSequences(SequenceData data, ReadOnlySpan<double> fractions, long gap)
    {
        ArgumentNullException.ThrowIfNull(data);
        double[] sums = SplitOrder.Sums(fractions);
        Check.AtLeast(gap, 0);
        var ranges = new (int First, int Count)[data.Count][];
        for (int sample = 0; sample < ranges.Length; sample++)
        {
            string what = $"steps of sample {sample} ('{Interop.ForeignText.Clean(data.Ids[sample])}')";
            ranges[sample] = Array.ConvertAll(SplitOrder.Cut(data.LengthOf(sample), sums, gap, what), range => ((int)range.First, (int)range.Count));
        }

        var parts = new SequenceData[sums.Length];
        for (int part = 0; part < parts.Length; part++)
        {
            int number = part;
            parts[part] = data.CutEach(sample => ranges[sample][number]);
        }

        return parts;
    }

    /// <summary>Divides sequences at random for cross-validation: each is judged by in one of the folds, and learnt from in all others.</summary>
    /// <param name="data">The sequences.</param>
    /// <param name="folds">Number of folds, 2 to the number of sequences; sizes differ by at most one.</param>
    /// <param name="seed">Decides who comes into which fold.</param>
    /// <returns>The folds; sequences are in the order of the character codes of their ids.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="folds"/> is out of range.</exception>
    public static Fold<SequenceData>[] KFold(SequenceData data, int folds, ulong seed) => Folds(data, SplitOrder.KFold(Ordered(data), folds, seed));

    /// <inheritdoc cref="KFold(SequenceData, int, ulong)"/>
    /// <summary>Divides samples at random for cross-validation: each is judged by in one of the folds, and learnt from in all others.</summary>
    /// <param name="data">The samples.</param>
    /// <param name="folds">Number of folds, 2 to the number of samples; sizes differ by at most one.</param>
    /// <param name="seed">Decides who comes into which fold.</param>
    /// <returns>The folds; samples are in the order of their numbers.</returns>
    public static Fold<Dataset>[] KFold(Dataset data, int folds, ulong seed) => Folds(data, SplitOrder.KFold(KeysOf(WithoutWindows(data)), folds, seed));

    /// <summary>Divides sequences at random for cross-validation so that the sequences of every class are spread over all folds evenly.</summary>
    /// <param name="data">Sequences with a class each.</param>
    /// <param name="folds">Number of folds, 2 to the number of sequences of the rarest class.</param>
    /// <param name="seed">Decides who comes into which fold.</param>
    /// <returns>The folds; sequences are in the order of the character codes of their ids.</returns>
    /// <exception cref="ArgumentException">The sequences have no classes, or one at every step; or a class has fewer sequences than there are folds.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="folds"/> is out of range.</exception>
    public static Fold<SequenceData>[] StratifiedKFold(SequenceData data, int folds, ulong seed) =>
        Folds(data, SplitOrder.StratifiedKFold(Ordered(data), ClassesOf(data), folds, seed));

    /// <inheritdoc cref="StratifiedKFold(SequenceData, int, ulong)"/>
    /// <summary>Divides samples at random for cross-validation so that the samples of every class are spread over all folds evenly. Reads each sample once.</summary>
    /// <param name="data">Samples with a class each.</param>
    /// <param name="folds">Number of folds, 2 to the number of samples of the rarest class.</param>
    /// <param name="seed">Decides who comes into which fold.</param>
    /// <returns>The folds; samples are in the order of their numbers.</returns>
    public static Fold<Dataset>[] StratifiedKFold(Dataset data, int folds, ulong seed) =>
        Folds(data, SplitOrder.StratifiedKFold(KeysOf(data), data is SequenceData sequences ? ClassesOf(sequences) : ClassesOf(data), folds, seed));

    /// <summary>Divides sequences for cross-validation so that all of a group come into the same fold.</summary>
    /// <param name="data">Sequences with groups.</param>
    /// <param name="folds">Number of folds, 2 to the number of groups. Larger groups are placed first, each into the fold that has the fewest sequences so far.</param>
    /// <param name="seed">Decides the order of groups of the same size.</param>
    /// <returns>The folds; sequences are in the order of the character codes of their ids.</returns>
    /// <exception cref="ArgumentException">The sequences have no groups, or fewer than there are folds.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="folds"/> is out of range.</exception>
    public static Fold<SequenceData>[] GroupKFold(SequenceData data, int folds, ulong seed) =>
        Folds(data, SplitOrder.GroupKFold(Ordered(data), GroupsOf(data), folds, seed));

    /// <inheritdoc cref="GroupKFold(SequenceData, int, ulong)"/>
    /// <summary>Divides samples for cross-validation so that all of a group come into the same fold.</summary>
    /// <param name="data">The samples.</param>
    /// <param name="groups">Group of each sample.</param>
    /// <param name="folds">Number of folds, 2 to the number of groups. Larger groups are placed first, each into the fold that has the fewest samples so far.</param>
    /// <param name="seed">Decides the order of groups of the same size.</param>
    /// <returns>The folds; samples are in the order of their numbers.</returns>
    public static Fold<Dataset>[] GroupKFold(Dataset data, IReadOnlyList<string> groups, int folds, ulong seed) =>
        Folds(data, SplitOrder.GroupKFold(Numbers(data), GroupsOf(data, groups), folds, seed));

    /// <summary>
    /// Divides sequences in the order of time for the evaluation of forecasts: each fold learns from sequences up to an origin, and is judged by those behind it; the origin moves on from fold to fold. The order is
    /// that of <see cref="Chronological(SequenceData, ReadOnlySpan{double}, long)"/>.
    /// </summary>
    /// <param name="data">The sequences.</param>
    /// <param name="options">Sizes.</param>
    /// <returns>As many folds as there is room for; sequences in the order of time.</returns>
    /// <exception cref="ArgumentException">There are too few sequences for one fold.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range.</exception>
    public static Fold<SequenceData>[] RollingOrigin(SequenceData data, RollingOriginOptions options) => Folds(data, SplitOrder.RollingOrigin(InTime(data), options));

    /// <inheritdoc cref="RollingOrigin(SequenceData, RollingOriginOptions)"/>
    /// <summary>
    /// Divides samples in their order for the evaluation of forecasts: each fold learns from samples up to an origin, and is judged by those behind it; the origin moves on from fold to fold.
    /// </summary>
    /// <param name="data">The samples.</param>
    /// <param name="options">Sizes.</param>
    /// <returns>As many folds as there is room for; samples in the order of their numbers.</returns>
    public static Fold<Dataset>[] RollingOrigin(Dataset data, RollingOriginOptions options) =>
        Folds(data, SplitOrder.RollingOrigin(data is SequenceData sequences ? InTime(sequences) : Numbers(OfOneSequence(data)), options));

    /// <summary>Numbers of sequences by their ids.</summary>
    private static long[] Ordered(SequenceData data)
    {
        long[] numbers = Numbers(data);

        // Where an id occurs twice, by number.
        Array.Sort(numbers, (left, right) =>
            string.CompareOrdinal(data.Ids[(int)left], data.Ids[(int)right]) is not 0 and int order ? order : left.CompareTo(right));
        return numbers;
    }

    /// <summary>Numbers of sequences by their time.</summary>
    private static long[] InTime(SequenceData data)
    {
        ArgumentNullException.ThrowIfNull(data);
        if (!data.HasTimeStamps)
        {
            return Numbers(data);
        }

        // Of the same time, by their ids.
        long[] numbers = Ordered(data);
        double[] times = Array.ConvertAll(numbers, number => data.TimeStamps(number)[0]);
        int[] ranks = [.. Enumerable.Range(0, numbers.Length)];
        Array.Sort(ranks, (left, right) => times[left].CompareTo(times[right]) is not 0 and int order ? order : left.CompareTo(right));
        return Array.ConvertAll(ranks, rank => numbers[rank]);
    }

    /// <summary>Refuses windows.</summary>
    private static Dataset WithoutWindows(Dataset data) => data is not WindowDataset ? data : throw new ArgumentException(
        $"{nameof(data)} has windows, which share steps with those beside them; it must be divided in time, by {nameof(WindowOptions)}.{nameof(WindowOptions.From)} and {nameof(WindowOptions.To)}.",
        nameof(data));

    /// <summary>Refuses windows of several sequences, whose order is not that of time.</summary>
    private static Dataset OfOneSequence(Dataset data) => data is not WindowDataset { HasSeveralSequences: true } ? data : throw new ArgumentException(
        $"{nameof(data)} has windows of several sequences; they must be of one, or divided in time by {nameof(WindowOptions)}.{nameof(WindowOptions.From)} and {nameof(WindowOptions.To)}.",
        nameof(data));

    private static long[] KeysOf(Dataset data) => data is SequenceData sequences ? Ordered(sequences) : Numbers(data);

    private static long[] Numbers(Dataset data)
    {
        ArgumentNullException.ThrowIfNull(data);
        Check.InRange(data.Count, 1, Array.MaxLength, $"{nameof(data)}.{nameof(data.Count)}");
        long[] numbers = new long[data.Count];
        for (int i = 0; i < numbers.Length; i++)
        {
            numbers[i] = i;
        }

        return numbers;
    }

    private static SampleLabels ClassesOf(SequenceData data)
    {
        ArgumentNullException.ThrowIfNull(data);
        if (!data.IsClassification || data.HasStepTargets)
        {
            throw new ArgumentException($"{nameof(data)} has {(data.IsClassification ? "a class for each step" : "no classes")}; it must have a class for each sequence.", nameof(data));
        }

        int[] classes = new int[data.Count];
        for (int sample = 0; sample < classes.Length; sample++)
        {
            classes[sample] = data.ClassOf(sample);
        }

        return new SampleLabels(classes, number => data.ClassNames[number], "Class");
    }

    private static SampleLabels ClassesOf(Dataset data)
    {
        ArgumentNullException.ThrowIfNull(data);
        DataLoader.CheckSequences(data);
        if (!data.HasClasses || data.TargetSteps != 1)
        {
            throw new ArgumentException(
                $"{nameof(data)} has {(data.HasClasses ? $"{data.TargetSteps} classes for each sample" : "no classes")}; it must have one for each sample.", nameof(data));
        }

        int[] classes = new int[data.Count];
        float[] inputs = new float[data.InputType == DType.Float32 ? data.Steps * data.Features : 0];
        int[] indices = new int[data.InputType == DType.Int32 ? data.Steps * data.Features : 0];
        for (int sample = 0; sample < classes.Length; sample++)
        {
            ReadOnlySpan<long> samples = [sample];
            int count = (int)(data.StepsOf(samples) * data.Features);
            if (data.InputType == DType.Int32)
            {
                data.Read(samples, indices.AsSpan(0, count), classes.AsSpan(sample, 1), []);
            }
            else
            {
                data.Read(samples, inputs.AsSpan(0, count), classes.AsSpan(sample, 1), []);
            }
        }

        return new SampleLabels(classes, number => number.ToString(System.Globalization.CultureInfo.InvariantCulture), "Class");
    }

    private static SampleLabels GroupsOf(SequenceData data)
    {
        ArgumentNullException.ThrowIfNull(data);
        return data.Groups is { } groups ? SampleLabels.Of(groups, "Group") : throw new ArgumentException($"{nameof(data)} has no groups; it must have some.", nameof(data));
    }

    private static SampleLabels GroupsOf(Dataset data, IReadOnlyList<string> groups)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(groups);
        if (groups.Count != data.Count)
        {
            throw new ArgumentException($"{nameof(groups)} has {groups.Count} elements; it must have {data.Count}, one for each sample.", nameof(groups));
        }

        for (int i = 0; i < groups.Count; i++)
        {
            Check.NotNull(groups[i], $"{nameof(groups)}[{i}]");
        }

        return SampleLabels.Of(groups, "Group");
    }

    private static SequenceData[] Parts(SequenceData data, long[][] parts) => Array.ConvertAll(parts, part => data.Select(part));

    private static Dataset[] Parts(Dataset data, long[][] parts) => Array.ConvertAll(parts, part => data.Subset(part));

    private static Fold<SequenceData>[] Folds(SequenceData data, (long[] Training, long[] Validation)[] folds) =>
        Array.ConvertAll(folds, fold => new Fold<SequenceData>(data.Select(fold.Training), data.Select(fold.Validation)));

    private static Fold<Dataset>[] Folds(Dataset data, (long[] Training, long[] Validation)[] folds) => Array.ConvertAll(
        folds,
        fold => data is SequenceData sequences
            ? new Fold<Dataset>(sequences.Select(fold.Training), sequences.Select(fold.Validation))
            : new Fold<Dataset>(data.Subset(fold.Training), data.Subset(fold.Validation)));
}
