using System.Buffers;

namespace OrthoNative;

/// <summary>Running sums modulo m of random digits: a counter with m states that no step may miss. With m = 2 it is parity.</summary>
/// <remarks>
/// <para>
/// The inputs of a step are a digit, 0 to m - 1, one-hot. The target of every step is the class (u₁ + ... + u_t) mod m, the sum of all digits until
/// then. A target at the last step alone would be the same task with a gradient that says far less, which is much harder to learn.
/// </para>
/// <para>
/// A model that has found the counter is right at any length, so it is trained on short sequences of different lengths and tested on long ones.
/// </para>
/// <para>
/// Sample i depends on the seed, the part, i, m and the two lengths alone: neither on the batch size nor on what was read before. Its digits do not depend on
/// the lengths.
/// </para>
/// </remarks>
public sealed class ModularSum : Dataset
{
    internal const int LargestModulus = 1024;

    private readonly GeneratedSamples _source;

    /// <summary>Describes the samples; they are generated when they are read.</summary>
    /// <param name="modulus">m, 2 to 1024; 2 is parity.</param>
    /// <param name="length">Length T of a sequence, at least 1; of the longest one if <paramref name="shortestLength"/> is less.</param>
    /// <param name="count">Number of samples, 1 to 2^31.</param>
    /// <param name="seed">Seed of all samples.</param>
    /// <param name="split">Training and test samples of one seed are drawn from different random streams.</param>
    /// <param name="shortestLength">
    /// 1 to <paramref name="length"/>: each sample has a length of its own, uniform from this one to <paramref name="length"/>. Null, the default: all have
    /// <paramref name="length"/>.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">An argument is out of range.</exception>
    public ModularSum(int modulus, int length, long count, ulong seed, DataSplit split = DataSplit.Training, int? shortestLength = null)
    {
        Check.InRange(modulus, 2, LargestModulus);
        Check.InRange(length, 1, Array.MaxLength - 1);
        Check.InRange(shortestLength ?? length, 1, length, nameof(shortestLength));
        _source = new GeneratedSamples(count, seed, split);
        Modulus = modulus;
        Steps = length;
        ShortestLength = shortestLength ?? length;
    }

    /// <summary>The modulus m: number of digits, and of classes.</summary>
    public int Modulus { get; }

    /// <summary>Shortest length of a sample; <see cref="Steps"/> if all have that.</summary>
    public int ShortestLength { get; }

    /// <inheritdoc/>
    public override long Count => _source.Count;

    /// <summary>Length T of a sequence; the longest one's if they differ.</summary>
    public override long Steps { get; }

    /// <summary>m: the digit, one-hot.</summary>
    public override long Features => Modulus;

    /// <summary><see cref="Steps"/>: the sum is asked for at every step.</summary>
    public override long TargetSteps => Steps;

    /// <summary>m: the sums modulo m.</summary>
    public override long Outputs => Modulus;

    /// <summary>True.</summary>
    public override bool IsClassification => true;

    /// <inheritdoc/>
    public override bool HasLengths => ShortestLength < Steps;

    /// <summary>Accuracy to expect of a model that knows nothing of the digits before: 1 / m.</summary>
    public double Baseline => 1.0 / Modulus;

    /// <inheritdoc/>
    public override long LengthOf(long sample)
    {
        Check.InRange(sample, 0, Count - 1);
        if (!HasLengths)
        {
            return Steps;
        }

        Span<double> uniform = stackalloc double[1];
        _source.Draw(sample, uniform);
        return ShortestLength + (long)(uniform[0] * (Steps - ShortestLength + 1));
    }

    /// <inheritdoc/>
    public override void Read(ReadOnlySpan<long> samples, Span<float> inputs, Span<int> classes, Span<float> values)
    {
        CheckBuffers(samples, inputs, classes, values);
        int batch = samples.Length;
        int steps = (int)StepsOf(samples);
        inputs.Clear();

        // The first number is the length's.
        double[] rented = ArrayPool<double>.Shared.Rent(steps + 1);
        Span<double> uniform = rented.AsSpan(0, steps + 1);
        for (int row = 0; row < batch; row++)
        {
            _source.Draw(samples[row], uniform);
            int sum = 0;
            for (int step = 0; step < steps; step++)
            {
                int digit = (int)(uniform[step + 1] * Modulus);
                int at = (step * batch) + row;
                inputs[(at * Modulus) + digit] = 1;
                sum = (sum + digit) % Modulus;
                classes[at] = sum;
            }
        }

        ArrayPool<double>.Shared.Return(rented);
    }
}
