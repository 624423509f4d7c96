using System.Buffers;

namespace OrthoNative;

/// <summary>The adding problem: add two marked numbers that may lie far apart.</summary>
/// <remarks>
/// <para>S. Hochreiter, J. Schmidhuber: Long short-term memory (1997), in the form that is common since.</para>
/// <para>
/// At every step the inputs are a number drawn from U(0, 1) and a marker, which is 1 at one step of the first half, at
/// one step of the second half, and 0 elsewhere. The target, at the last step, is the sum of the two marked numbers.
/// </para>
/// <para>Sample i depends on the seed, the part and i alone: neither on the batch size nor on what was read before.</para>
/// </remarks>
public sealed class AddingProblem : Dataset
{
    private readonly GeneratedSamples _source;

    /// <summary>Describes the samples; they are generated when they are read.</summary>
    /// <param name="length">Length T of a sequence, at least 2.</param>
    /// <param name="count">Number of samples, 1 to 2^31.</param>
    /// <param name="seed">Seed of all samples.</param>
    /// <param name="split">Training and test samples of one seed are drawn from different random streams.</param>
    /// <exception cref="ArgumentOutOfRangeException">An argument is out of range.</exception>
    public AddingProblem(int length, long count, ulong seed, DataSplit split = DataSplit.Training)
    {
        Check.AtLeast(length, 2);
        _source = new GeneratedSamples(count, seed, split);
        Steps = length;
    }

    /// <inheritdoc/>
    public override long Count => _source.Count;

    /// <inheritdoc/>
    public override long Steps { get; }

    /// <summary>2: the number and the marker.</summary>
    public override long Features => 2;

    /// <summary>1: the sum is asked for at the last step.</summary>
    public override long TargetSteps => 1;

    /// <summary>1: the sum.</summary>
    public override long Outputs => 1;

    /// <summary>False.</summary>
    public override bool IsClassification => false;

    /// <summary>Mean squared error, on these samples, of a model that always answers 1, the mean of the sum.</summary>
    /// <remarks>Its expectation is the variance of the sum, 1/6. The cost is that of reading all samples once.</remarks>
    public double Baseline()
    {
        float[] inputs = new float[Steps * Features];
        Span<float> sum = stackalloc float[1];
        double total = 0;
        for (long sample = 0; sample < Count; sample++)
        {
            Read([sample], inputs, [], sum);
            total += (sum[0] - 1.0) * (sum[0] - 1.0);
        }

        return total / Count;
    }

    /// <inheritdoc/>
    public override void Read(ReadOnlySpan<long> samples, Span<float> inputs, Span<int> classes, Span<float> values)
    {
        CheckBuffers(samples, inputs, classes, values);
        int steps = (int)Steps;
        int half = steps / 2;
        double[] rented = ArrayPool<double>.Shared.Rent(steps + 2);
        Span<double> uniform = rented.AsSpan(0, steps + 2);
        for (int row = 0; row < samples.Length; row++)
        {
            _source.Draw(samples[row], uniform);
            int first = (int)(uniform[steps] * half);
            int second = half + (int)(uniform[steps + 1] * (steps - half));
            for (int step = 0; step < steps; step++)
            {
                int at = ((step * samples.Length) + row) * 2;
                inputs[at] = (float)uniform[step];
                inputs[at + 1] = step == first || step == second ? 1 : 0;
            }

            values[row] = (float)uniform[first] + (float)uniform[second];
        }

        ArrayPool<double>.Shared.Return(rented);
    }
}
