namespace OrthoNative;

/// <summary>Sequences of equal length and what a model should answer to them.</summary>
/// <remarks>
/// A sample has either class targets or value targets, for its last <see cref="TargetSteps"/> steps. Derive from this
/// class to feed data of your own to a <see cref="DataLoader"/>.
/// </remarks>
public abstract class Dataset
{
    /// <summary>Number of samples, at least 1. A <see cref="DataLoader"/> asks for it once, when it is made.</summary>
    public abstract long Count { get; }

    /// <summary>Length T of a sequence, at least 1.</summary>
    public abstract long Steps { get; }

    /// <summary>Number D of inputs at a step, at least 1.</summary>
    public abstract long Features { get; }

    /// <summary>Number K of last steps that have a target, 1 to <see cref="Steps"/>.</summary>
    public abstract long TargetSteps { get; }

    /// <summary>Number C of classes to choose from, or of values to predict, at a target step; at least 1.</summary>
    public abstract long Outputs { get; }

    /// <summary>True: a target is a class, 0 to <see cref="Outputs"/> - 1; false: it is <see cref="Outputs"/> values.</summary>
    public abstract bool IsClassification { get; }

    /// <summary>Writes a batch of B samples; the same samples are written the same way at every call.</summary>
    /// <param name="samples">[B], numbers of the samples, each 0 to <see cref="Count"/> - 1.</param>
    /// <param name="inputs">[T, B, D]; every element must be written.</param>
    /// <param name="classes">[K, B], to be written if targets are classes; empty otherwise.</param>
    /// <param name="values">[K, B, C], to be written if targets are values; empty otherwise.</param>
    /// <exception cref="ArgumentException">A buffer has another size.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There is no such sample.</exception>
    public abstract void Read(ReadOnlySpan<long> samples, Span<float> inputs, Span<int> classes, Span<float> values);

    /// <summary>Refuses buffers of another size than <see cref="Read"/> is described to take.</summary>
    private protected void CheckBuffers(ReadOnlySpan<long> samples, ReadOnlySpan<float> inputs, ReadOnlySpan<int> classes, ReadOnlySpan<float> values)
    {
        long targets = TargetSteps * samples.Length;
        Check.Length(inputs.Length, Steps * samples.Length * Features, nameof(inputs));
        Check.Length(classes.Length, IsClassification ? targets : 0, nameof(classes));
        Check.Length(values.Length, IsClassification ? 0 : targets * Outputs, nameof(values));
    }
}
