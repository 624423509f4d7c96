namespace OrthoNative;

/// <summary>Long sequences side by side that are read part by part, so that they need not fit into memory: for <see cref="Trainer.FitStream"/>.</summary>
/// <remarks>
/// <para>
/// Every step has a target, a class or values. All sequences have the same number of steps. Derive from this class to read a source of your own: the sizes and one <c>Read</c> are all that it
/// needs.
/// </para>
/// <para>
/// Parts are asked for in the order of time, each where the one before ended, and from step 0 again in the next pass. A training that is resumed begins where it was interrupted, so a source
/// that goes forward alone has to skip to there. One thread at a time uses a reader.
/// </para>
/// </remarks>
public abstract class SequenceReader : IDisposable
{
    /// <summary>Creates a reader.</summary>
    protected SequenceReader() { }

    /// <summary>Number B of sequences side by side, at least 1. Default 1.</summary>
    public virtual int Sequences => 1;

    /// <summary>Number of steps of each sequence, at least 1.</summary>
    public abstract long Steps { get; }

    /// <summary>Number D of inputs at a step, at least 1.</summary>
    public abstract long Features { get; }

    /// <summary>Number C of classes to choose from, or of values to predict, at a step; at least 1. Not used where <see cref="HasTargets"/> is false.</summary>
    public abstract long Outputs { get; }

    /// <summary>True: a target is a class, 0 to <see cref="Outputs"/> - 1; false: it is <see cref="Outputs"/> values. Not used where <see cref="HasTargets"/> is false.</summary>
    public abstract bool IsClassification { get; }

    /// <summary>True (the default) if steps have targets; false: there are inputs alone, as those to predict on.</summary>
    public virtual bool HasTargets => true;

    /// <summary>Element type of inputs: <see cref="DType.Float32"/> (the default), or <see cref="DType.Int32"/> for indices.</summary>
    public virtual DType InputType => DType.Float32;

    /// <summary>Creates a reader of the samples of a data set: side by side, in memory.</summary>
    /// <param name="dataset">All samples have the same length, at most 2147483591 inputs in all, and a target at every step. Read once, here.</param>
    /// <exception cref="ArgumentException">
    /// Samples have lengths or weights of their own, not every step has a target, or a size is out of range.
    /// </exception>
    public static SequenceReader Of(Dataset dataset)
    {
        ArgumentNullException.ThrowIfNull(dataset);
        return new MemorySequenceReader(dataset);
    }

    /// <summary>Reads some steps of all sequences whose inputs are numbers. The default refuses: override this one or that of indices, as <see cref="InputType"/> says.</summary>
    /// <param name="start">The first step, from 0.</param>
    /// <param name="steps">Number t of steps, at least 1; <paramref name="start"/> + t is at most <see cref="Steps"/>.</param>
    /// <param name="inputs">[t, B, D], to be written.</param>
    /// <param name="classes">[t, B], to be written if targets are classes; empty otherwise.</param>
    /// <param name="values">[t, B, C], to be written if targets are values; empty otherwise.</param>
    /// <exception cref="ArgumentException">A buffer has another size.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There are no such steps.</exception>
    /// <exception cref="NotSupportedException">The inputs are indices.</exception>
    public virtual void Read(long start, int steps, Span<float> inputs, Span<int> classes, Span<float> values) =>
        throw new NotSupportedException($"{GetType().Name} has no inputs of {DType.Float32}; its {nameof(InputType)} is {InputType}.");

    /// <summary>Reads some steps of all sequences whose inputs are indices. The default refuses.</summary>
    /// <param name="start">The first step, from 0.</param>
    /// <param name="steps">Number t of steps, at least 1; <paramref name="start"/> + t is at most <see cref="Steps"/>.</param>
    /// <param name="indices">[t, B, D], to be written.</param>
    /// <param name="classes">[t, B], to be written if targets are classes; empty otherwise.</param>
    /// <param name="values">[t, B, C], to be written if targets are values; empty otherwise.</param>
    /// <exception cref="ArgumentException">A buffer has another size.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There are no such steps.</exception>
    /// <exception cref="NotSupportedException">The inputs are numbers.</exception>
    public virtual void Read(long start, int steps, Span<int> indices, Span<int> classes, Span<float> values) =>
        throw new NotSupportedException($"{GetType().Name} has no inputs of {DType.Int32}; its {nameof(InputType)} is {InputType}.");

    /// <summary>A reader of a part of the steps of all sequences: the first ones to train on, say, and the last ones to validate on.</summary>
    /// <param name="start">The first step, from 0.</param>
    /// <param name="steps">Number of steps, at least 1.</param>
    /// <returns>A reader that reads this one, and leaves it open when it is disposed.</returns>
    /// <exception cref="ArgumentOutOfRangeException">There are no such steps.</exception>
    public SequenceReader Slice(long start, long steps)
    {
        Check.InRange(start, 0, Steps - 1);
        Check.InRange(steps, 1, Steps - start);
        return new SlicedSequenceReader(this, start, steps);
    }

    /// <summary>
    /// A reader of one sequence as several shorter ones side by side, which a training step computes together: faster, and its gradient is a mean over several places. Each begins with the
    /// initial state.
    /// </summary>
    /// <param name="parts">Number of sequences, at least 1; the steps that are left over at the end are left out.</param>
    /// <returns>A reader that reads this one, and leaves it open when it is disposed.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="parts"/> is out of range.</exception>
    /// <exception cref="InvalidOperationException">There are several sequences already.</exception>
    public SequenceReader Split(int parts)
    {
        if (Sequences != 1)
        {
            throw new InvalidOperationException($"The reader has {Sequences} sequences; one is required to split it.");
        }

        Check.InRange(parts, 1, Steps);
        return new SplitSequenceReader(this, parts);
    }

    /// <summary>Frees what the reader holds.</summary>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees what the reader holds; <see cref="Dispose()"/> calls it. The default does nothing.</summary>
    /// <param name="disposing">True.</param>
    protected virtual void Dispose(bool disposing) { }

    /// <summary>Refuses steps and buffers of another size than <c>Read</c> is described to take.</summary>
    /// <param name="start">The first step.</param>
    /// <param name="steps">Number of steps.</param>
    /// <param name="inputs">Elements of the inputs or indices.</param>
    /// <param name="classes">Number of classes.</param>
    /// <param name="values">Number of values.</param>
    /// <param name="name">Name of the inputs.</param>
    private protected void CheckBuffers(long start, int steps, int inputs, int classes, int values, string name)
    {
        Check.InRange(start, 0, Steps - 1);
        Check.InRange(steps, 1, Steps - start);
        long rows = (long)steps * Sequences;
        Check.Length(inputs, rows * Features, name);
        Check.Length(classes, HasTargets && IsClassification ? rows : 0, nameof(classes));
        Check.Length(values, HasTargets && !IsClassification ? rows * Outputs : 0, nameof(values));
    }
}
