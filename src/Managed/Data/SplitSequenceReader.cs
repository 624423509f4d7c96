namespace OrthoNative;

/// <summary>One sequence of another reader as several shorter ones side by side.</summary>
internal sealed class SplitSequenceReader(SequenceReader source, int parts) : SequenceReader
{
    // One part's rows, before they are put between those of the others.
    private float[] _inputs = [];
    private int[] _indices = [];
    private int[] _classes = [];
    private float[] _values = [];

    public override int Sequences => parts;

    public override long Steps { get; } = source.Steps / parts;

    public override long Features => source.Features;

    public override long Outputs => source.Outputs;

    public override bool IsClassification => source.IsClassification;

    public override bool HasTargets => source.HasTargets;

    public override DType InputType => source.InputType;

    public override void Read(long start, int steps, Span<float> inputs, Span<int> classes, Span<float> values)
    {
        CheckBuffers(start, steps, inputs.Length, classes.Length, values.Length, nameof(inputs));
        Span<float> one = PartOf(inputs, ref _inputs);
        Span<int> someClasses = PartOf(classes, ref _classes);
        Span<float> someValues = PartOf(values, ref _values);
        for (int part = 0; part < parts; part++)
        {
            source.Read((part * Steps) + start, steps, one, someClasses, someValues);
            Place(one, part, steps, inputs);
            Place(someClasses, part, steps, classes);
            Place(someValues, part, steps, values);
        }
    }

    public override void Read(long start, int steps, Span<int> indices, Span<int> classes, Span<float> values)
    {
        CheckBuffers(start, steps, indices.Length, classes.Length, values.Length, nameof(indices));
        Span<int> one = PartOf(indices, ref _indices);
        Span<int> someClasses = PartOf(classes, ref _classes);
        Span<float> someValues = PartOf(values, ref _values);
        for (int part = 0; part < parts; part++)
        {
            source.Read((part * Steps) + start, steps, one, someClasses, someValues);
            Place(one, part, steps, indices);
            Place(someClasses, part, steps, classes);
            Place(someValues, part, steps, values);
        }
    }

    private Span<T> PartOf<T>(Span<T> all, ref T[] buffer)
    {
        int length = all.Length / parts;
        if (buffer.Length < length)
        {
            buffer = new T[length];
        }

        return buffer.AsSpan(0, length);
    }

    /// <param name="one">[steps, width], or empty.</param>
    /// <param name="part">Number of the part.</param>
    /// <param name="steps">Number of steps.</param>
    /// <param name="all">[steps, parts, width].</param>
    private void Place<T>(ReadOnlySpan<T> one, int part, int steps, Span<T> all)
    {
        int width = one.Length / steps;
        for (int step = 0; step < steps && width > 0; step++)
        {
            one.Slice(step * width, width).CopyTo(all[(((step * parts) + part) * width)..]);
        }
    }
}
