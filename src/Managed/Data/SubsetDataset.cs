using System.Buffers;

namespace OrthoNative;

/// <summary>Some samples of another data set.</summary>
internal sealed class SubsetDataset : WrappedDataset
{
    private readonly long[] _samples;

    public SubsetDataset(Dataset inner, ReadOnlySpan<long> samples)
        : base(inner)
    {
        if (samples.IsEmpty)
        {
            throw new ArgumentException($"{nameof(samples)} is empty; at least one is required.", nameof(samples));
        }

        long count = inner.Count;
        for (int i = 0; i < samples.Length; i++)
        {
            Check.InRange(samples[i], 0, count - 1, $"{nameof(samples)}[{i}]");
        }

        _samples = samples.ToArray();
    }

    public override long Count => _samples.Length;

    public override long LengthOf(long sample)
    {
        Check.InRange(sample, 0, Count - 1);
        return Inner.LengthOf(_samples[sample]);
    }

    public override void Read(ReadOnlySpan<long> samples, Span<float> inputs, Span<int> classes, Span<float> values)
    {
        long[] rented = Rent(samples);
        Inner.Read(rented.AsSpan(0, samples.Length), inputs, classes, values);
        ArrayPool<long>.Shared.Return(rented);
    }

    public override void Read(ReadOnlySpan<long> samples, Span<int> indices, Span<int> classes, Span<float> values)
    {
        long[] rented = Rent(samples);
        Inner.Read(rented.AsSpan(0, samples.Length), indices, classes, values);
        ArrayPool<long>.Shared.Return(rented);
    }

    public override void ReadWeights(ReadOnlySpan<long> samples, Span<float> weights)
    {
        long[] rented = Rent(samples);
        Inner.ReadWeights(rented.AsSpan(0, samples.Length), weights);
        ArrayPool<long>.Shared.Return(rented);
    }

    /// <summary>The numbers that the samples have in the other data set.</summary>
    private long[] Rent(ReadOnlySpan<long> samples)
    {
        foreach (long sample in samples)
        {
            Check.InRange(sample, 0, Count - 1, nameof(samples));
        }

        long[] rented = ArrayPool<long>.Shared.Rent(samples.Length);
        for (int i = 0; i < samples.Length; i++)
        {
            rented[i] = _samples[samples[i]];
        }

        return rented;
    }
}
