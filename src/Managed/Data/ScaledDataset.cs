namespace OrthoNative;

/// <summary>A data set with standardized inputs.</summary>
internal sealed class ScaledDataset(Dataset inner, ChannelScaling scaling) : WrappedDataset(inner)
{
    public override void Read(ReadOnlySpan<long> samples, Span<float> inputs, Span<int> classes, Span<float> values)
    {
        Inner.Read(samples, inputs, classes, values);
        scaling.Apply(inputs);
    }
}
