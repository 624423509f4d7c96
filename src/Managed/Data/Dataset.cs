namespace OrthoNative;

/// <summary>Sequences and the targets that a model should predict for them.</summary>
/// <remarks>
/// <para>
/// A sample has either class targets or value targets, for its last <see cref="TargetSteps"/> steps, or none: then <see cref="HasTargets"/> is false. Derive
/// from this class to feed data of your own to a <see cref="DataLoader"/>.
/// </para>
/// <para>
/// Sequences may have different lengths: then <see cref="HasLengths"/> is true, <see cref="LengthOf"/> gives the length of each, and the T of a
/// batch is that of its longest sample. Steps of a sample beyond its length are padding, which the loader sets to zero.
/// </para>
/// <para>
/// Inputs are numbers, or indices (tokens, categories): then <see cref="InputType"/> is <see cref="DType.Int32"/>, and the other
/// <c>Read</c> is called.
/// </para>
/// </remarks>
public abstract class Dataset
{
    /// <summary>Number of samples, at least 1. A <see cref="DataLoader"/> asks for it once, when it is made.</summary>
    public abstract long Count { get; }

    /// <summary>Length T of a sequence, at least 1; the longest one's if they differ.</summary>
    public abstract long Steps { get; }

    /// <summary>Number D of inputs at a step, at least 1.</summary>
    public abstract long Features { get; }

    /// <summary>
    /// Number K of last steps that have a target, 1 to <see cref="Steps"/>. If lengths differ, they are the last K steps of each sample, so K must be
    /// at most the shortest length, or equal to <see cref="Steps"/>: then every step of a sample has a target, and the K of a batch is its T. Not asked for
    /// where <see cref="HasTargets"/> is false.
    /// </summary>
    public abstract long TargetSteps { get; }

    /// <summary>Number C of classes to choose from, or of values to predict, at a target step; at least 1. Not asked for where <see cref="HasTargets"/> is false.</summary>
    public abstract long Outputs { get; }

    /// <summary>True: a target is a class, 0 to <see cref="Outputs"/> - 1; false: it is <see cref="Outputs"/> values.</summary>
    public abstract bool IsClassification { get; }

    /// <summary>
    /// True (the default) if samples have targets; false: they have inputs alone, as those to predict on. Then <see cref="TargetSteps"/>, <see cref="Outputs"/>,
    /// <see cref="IsClassification"/> and <see cref="HasWeights"/> are not used, and the buffers for targets are empty.
    /// </summary>
    public virtual bool HasTargets => true;

    /// <summary>True if samples have lengths of their own; false (the default): all have <see cref="Steps"/>.</summary>
    public virtual bool HasLengths => false;

    /// <summary>True if targets have weights, as <see cref="ReadWeights"/> gives them; false (the default): all count alike.</summary>
    public virtual bool HasWeights => false;

    /// <summary>Element type of inputs: <see cref="DType.Float32"/> (the default), or <see cref="DType.Int32"/> for indices.</summary>
    public virtual DType InputType => DType.Float32;

    /// <summary>
    /// Tells that an epoch begins. Samples that differ from epoch to epoch, as those of <see cref="Augment"/> do, are read as those of this epoch from now on; before
    /// the first call they are those of epoch 0. The default does nothing; a data set that reads another one passes the call on.
    /// </summary>
    /// <remarks>
    /// A <see cref="DataLoader"/> calls it before it asks for anything of an epoch, while nothing is being read. What a sample is in an epoch depends on the epoch's number
    /// alone, and not on the epochs before, so that a training run that is resumed reads the same numbers.
    /// </remarks>
    /// <param name="epoch">Number of the epoch, 0 or above.</param>
    public virtual void BeginEpoch(int epoch) { }

    /// <summary>
    /// Length of a sample, 1 to <see cref="Steps"/>. Always the same for a sample within an epoch, and cheap, as a loader may ask for all of them at the start of an epoch.
    /// </summary>
    /// <param name="sample">0 to <see cref="Count"/> - 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such sample.</exception>
    public virtual long LengthOf(long sample)
    {
        Check.InRange(sample, 0, Count - 1);
        return Steps;
    }

    /// <summary>
    /// Writes a batch of B samples whose inputs are numbers; the same samples are written the same way at every call within an epoch. The default refuses: override this one
    /// or that of indices, as <see cref="InputType"/> says.
    /// </summary>
    /// <param name="samples">[B], numbers of the samples, each 0 to <see cref="Count"/> - 1.</param>
    /// <param name="inputs">
    /// [T, B, D], T as of <see cref="StepsOf"/>; every element must be written, but those beyond a sample's length, which hold anything.
    /// </param>
    /// <param name="classes">
    /// [K, B], to be written if targets are classes; empty otherwise. K as of <see cref="TargetStepsOf"/>. If all steps have targets, those
    /// beyond a sample's length hold anything.
    /// </param>
    /// <param name="values">[K, B, C], to be written likewise if targets are values; empty otherwise.</param>
    /// <exception cref="ArgumentException">A buffer has another size.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There is no such sample.</exception>
    /// <exception cref="NotSupportedException">The inputs are indices.</exception>
    public virtual void Read(ReadOnlySpan<long> samples, Span<float> inputs, Span<int> classes, Span<float> values) =>
        throw new NotSupportedException($"{GetType().Name} has no inputs of {DType.Float32}; its {nameof(InputType)} is {InputType}.");

    /// <summary>Writes a batch of B samples whose inputs are indices; the same samples are written the same way at every call within an epoch. The default refuses.</summary>
    /// <param name="samples">[B], numbers of the samples, each 0 to <see cref="Count"/> - 1.</param>
    /// <param name="indices">
    /// [T, B, D], T as of <see cref="StepsOf"/>; every element must be written, but those beyond a sample's length, which hold anything.
    /// </param>
    /// <param name="classes">
    /// [K, B], to be written if targets are classes; empty otherwise. K as of <see cref="TargetStepsOf"/>. If all steps have targets, those
    /// beyond a sample's length hold anything.
    /// </param>
    /// <param name="values">[K, B, C], to be written likewise if targets are values; empty otherwise.</param>
    /// <exception cref="ArgumentException">A buffer has another size.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There is no such sample.</exception>
    /// <exception cref="NotSupportedException">The inputs are numbers.</exception>
    public virtual void Read(ReadOnlySpan<long> samples, Span<int> indices, Span<int> classes, Span<float> values) =>
        throw new NotSupportedException($"{GetType().Name} has no inputs of {DType.Int32}; its {nameof(InputType)} is {InputType}.");

    /// <summary>Writes the weights of the targets of a batch of B samples. The default writes 1; override it together with <see cref="HasWeights"/>.</summary>
    /// <param name="samples">[B], numbers of the samples, each 0 to <see cref="Count"/> - 1.</param>
    /// <param name="weights">
    /// [K, B], to be written with numbers that are finite and not negative; 0: the target does not count. K as of <see cref="TargetStepsOf"/>. If all steps have
    /// targets, those beyond a sample's length hold anything.
    /// </param>
    /// <exception cref="ArgumentException">The buffer has another size.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There is no such sample.</exception>
    public virtual void ReadWeights(ReadOnlySpan<long> samples, Span<float> weights)
    {
        CheckWeights(samples, weights);
        weights.Fill(1);
    }

    /// <summary>Length T of a batch of some samples: the longest of their lengths.</summary>
    /// <param name="samples">Numbers of the samples, each 0 to <see cref="Count"/> - 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such sample.</exception>
    public long StepsOf(ReadOnlySpan<long> samples)
    {
        if (!HasLengths)
        {
            return Steps;
        }

        long longest = 0;
        foreach (long sample in samples)
        {
            Check.InRange(sample, 0, Count - 1, nameof(samples));
            longest = Math.Max(longest, LengthOf(sample));
        }

        return longest;
    }

    /// <summary>Number K of target steps of a batch of some samples: their T where every step has a target, 0 where samples have none, otherwise <see cref="TargetSteps"/>.</summary>
    /// <param name="samples">Numbers of the samples, each 0 to <see cref="Count"/> - 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such sample.</exception>
    public long TargetStepsOf(ReadOnlySpan<long> samples) => !HasTargets ? 0 : TargetSteps == Steps ? StepsOf(samples) : TargetSteps;

    /// <summary>A data set of some of the samples, as for cross-validation. It reads this one; that of a <see cref="SequenceData"/> is a <see cref="SequenceData"/>.</summary>
    /// <param name="samples">Numbers of the samples in their new order, each 0 to <see cref="Count"/> - 1; at least one. A sample may come several times. Copied.</param>
    /// <exception cref="ArgumentException">There are none.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There is no such sample.</exception>
    public Dataset Subset(ReadOnlySpan<long> samples) => this is SequenceData sequences ? sequences.Select(samples) : new SubsetDataset(this, samples);

    /// <summary>A data set whose samples are those of this one, changed at random in every epoch. It reads this one.</summary>
    /// <remarks>
    /// The changes to a sample depend on <paramref name="seed"/>, the number of the epoch (<see cref="BeginEpoch"/>) and the number of the sample alone. Apply it to training samples
    /// only. Data sets that augment one another need different seeds. Only one <see cref="DataLoader"/> may read the data set at a time, since it has one epoch.
    /// </remarks>
    /// <param name="options">The changes.</param>
    /// <param name="seed">Seed of all random numbers.</param>
    /// <exception cref="ArgumentException">
    /// The list of noise deviations does not match the features, or the inputs are indices, which have no noise or scaling; or a size that the data set gives is out of range.
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range.</exception>
    public Dataset Augment(AugmentationOptions options, ulong seed) => new AugmentedDataset(this, options, seed);

    /// <summary>Whether targets are classes.</summary>
    internal bool HasClasses => HasTargets && IsClassification;

    /// <summary>Whether targets are values.</summary>
    internal bool HasValues => HasTargets && !IsClassification;

    /// <summary>Number of values of a target step; 0 where targets are not values.</summary>
    internal long ValueWidth => HasValues ? Outputs : 0;

    /// <summary>Refuses buffers of another size than <c>Read</c> is described to take.</summary>
    /// <param name="samples">The samples.</param>
    /// <param name="inputs">Elements of the inputs or indices.</param>
    /// <param name="classes">The classes.</param>
    /// <param name="values">The values.</param>
    /// <param name="name">Name of the inputs.</param>
    private protected void CheckBuffers(ReadOnlySpan<long> samples, int inputs, ReadOnlySpan<int> classes, ReadOnlySpan<float> values, string name)
    {
        long targets = TargetStepsOf(samples) * samples.Length;
        Check.Length(inputs, StepsOf(samples) * samples.Length * Features, name);
        Check.Length(classes.Length, HasClasses ? targets : 0, nameof(classes));
        Check.Length(values.Length, targets * ValueWidth, nameof(values));
    }

    /// <summary>The same for inputs that are numbers.</summary>
    private protected void CheckBuffers(ReadOnlySpan<long> samples, ReadOnlySpan<float> inputs, ReadOnlySpan<int> classes, ReadOnlySpan<float> values) =>
        CheckBuffers(samples, inputs.Length, classes, values, nameof(inputs));

    /// <summary>Refuses a buffer of another size than <see cref="ReadWeights"/> is described to take.</summary>
    private protected void CheckWeights(ReadOnlySpan<long> samples, ReadOnlySpan<float> weights) =>
        Check.Length(weights.Length, TargetStepsOf(samples) * samples.Length, nameof(weights));
}
