using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>The random numbers behind generated samples: a stream for each, and other ones for the test samples.</summary>
internal sealed class GeneratedSamples
{
    /// <summary>Training samples draw from the lower half of the streams, test samples from the upper half.</summary>
    private const uint FirstTestStream = 1u << 31;

    private readonly ulong _seed;
    private readonly uint _firstStream;

    public GeneratedSamples(long count, ulong seed, DataSplit split)
    {
        Check.InRange(count, 1, FirstTestStream);
        Check.Defined(split);
        Count = count;
        _seed = seed;
        _firstStream = split == DataSplit.Training ? 0 : FirstTestStream;
    }

    public long Count { get; }

    /// <summary>Fills a buffer with the numbers of one sample, uniform in [0, 1).</summary>
    public void Draw(long sample, Span<double> uniform)
    {
        Check.InRange(sample, 0, Count - 1, "samples");
        RandomNumbers.Uniform(_seed, ortho_stream.ORTHO_STREAM_DATA, _firstStream + (uint)sample, 0, 1, uniform);
    }
}
