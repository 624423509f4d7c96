namespace OrthoNative;

/// <summary>A data set that reads another one, and is like it in all that is not overridden.</summary>
internal abstract class WrappedDataset(Dataset inner) : Dataset
{
    public override long Count => Inner.Count;

    public override long Steps => Inner.Steps;

    public override long Features => Inner.Features;

    public override long TargetSteps => Inner.TargetSteps;

    public override long Outputs => Inner.Outputs;

    public override bool IsClassification => Inner.IsClassification;

    public override bool HasTargets => Inner.HasTargets;

    public override bool HasLengths => Inner.HasLengths;

    public override bool HasWeights => Inner.HasWeights;

    public override DType InputType => Inner.InputType;

    protected Dataset Inner { get; } = inner;

    public override void BeginEpoch(int epoch) => Inner.BeginEpoch(epoch);

    public override long LengthOf(long sample) => Inner.LengthOf(sample);

    public override void Read(ReadOnlySpan<long> samples, Span<float> inputs, Span<int> classes, Span<float> values) =>
        Inner.Read(samples, inputs, classes, values);

    public override void Read(ReadOnlySpan<long> samples, Span<int> indices, Span<int> classes, Span<float> values) =>
        Inner.Read(samples, indices, classes, values);

    public override void ReadWeights(ReadOnlySpan<long> samples, Span<float> weights) => Inner.ReadWeights(samples, weights);
}
