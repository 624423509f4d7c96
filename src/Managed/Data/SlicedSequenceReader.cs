namespace OrthoNative;

/// <summary>Some steps of the sequences of another reader.</summary>
internal sealed class SlicedSequenceReader(SequenceReader source, long first, long steps) : SequenceReader
{
    public override int Sequences => source.Sequences;

    public override long Steps { get; } = steps;

    public override long Features => source.Features;

    public override long Outputs => source.Outputs;

    public override bool IsClassification => source.IsClassification;

    public override bool HasTargets => source.HasTargets;

    public override DType InputType => source.InputType;

    public override void Read(long start, int steps, Span<float> inputs, Span<int> classes, Span<float> values)
    {
        CheckBuffers(start, steps, inputs.Length, classes.Length, values.Length, nameof(inputs));
        source.Read(first + start, steps, inputs, classes, values);
    }

    public override void Read(long start, int steps, Span<int> indices, Span<int> classes, Span<float> values)
    {
        CheckBuffers(start, steps, indices.Length, classes.Length, values.Length, nameof(indices));
        source.Read(first + start, steps, indices, classes, values);
    }
}
