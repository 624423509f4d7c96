namespace OrthoNative;

/// <summary>The copying-memory task: repeat ten symbols after a long delay.</summary>
/// <remarks>
/// <para>
/// S. Hochreiter, J. Schmidhuber (1997); in the form of M. Arjovsky, A. Shah, Y. Bengio: Unitary evolution recurrent
/// neural networks (2016), with the targets at the recall steps alone.
/// </para>
/// <para>
/// An input is one of 10 categories, one-hot: 8 symbols, a blank (category 8) and a go marker (category 9). A sequence
/// of delay + 20 steps holds 10 random symbols, then blanks, the go marker as the last step of the delay, and 10 more
/// blanks. At these last 10 steps the model should answer with the 10 symbols in their order, so the first symbol has
/// to be kept for delay + 10 steps. Loss and accuracy are taken over these 10 steps and no others.
/// </para>
/// <para>Sample i depends on the seed, the part and i alone: neither on the batch size nor on what was read before.</para>
/// </remarks>
public sealed class CopyingMemory : Dataset
{
    /// <summary>Number of different symbols.</summary>
    public const int Symbols = 8;

    /// <summary>Number of symbols to repeat.</summary>
    public const int Recalled = 10;

    /// <summary>Category of the blank.</summary>
    public const int Blank = 8;

    /// <summary>Category of the go marker.</summary>
    public const int Go = 9;

    /// <summary>Number of categories.</summary>
    public const int Categories = 10;

    /// <summary>Accuracy to expect of a model that remembers nothing: it names one of the eight symbols.</summary>
    public const double Baseline = 1.0 / Symbols;

    private readonly GeneratedSamples _source;

    /// <summary>Describes the samples; they are generated when they are read.</summary>
    /// <param name="delay">Steps from the last symbol to the go marker, which is the last of them; at least 1.</param>
    /// <param name="count">Number of samples, 1 to 2^31.</param>
    /// <param name="seed">Seed of all samples.</param>
    /// <param name="split">Training and test samples of one seed are drawn from different random streams.</param>
    /// <exception cref="ArgumentOutOfRangeException">An argument is out of range.</exception>
    public CopyingMemory(int delay, long count, ulong seed, DataSplit split = DataSplit.Training)
    {
        Check.InRange(delay, 1, int.MaxValue - (2 * Recalled));
        _source = new GeneratedSamples(count, seed, split);
        Steps = delay + (2 * Recalled);
    }

    /// <inheritdoc/>
    public override long Count => _source.Count;

    /// <summary>Length T of a sequence: the delay and 20 more.</summary>
    public override long Steps { get; }

    /// <summary>10: the categories, one-hot.</summary>
    public override long Features => Categories;

    /// <summary>10: the symbols are asked for at the last 10 steps.</summary>
    public override long TargetSteps => Recalled;

    /// <summary>10: the categories.</summary>
    public override long Outputs => Categories;

    /// <summary>True.</summary>
    public override bool IsClassification => true;

    /// <inheritdoc/>
    public override void Read(ReadOnlySpan<long> samples, Span<float> inputs, Span<int> classes, Span<float> values)
    {
        CheckBuffers(samples, inputs, classes, values);
        int batch = samples.Length;
        int go = (int)Steps - Recalled - 1;
        inputs.Clear();
        Span<double> uniform = stackalloc double[Recalled];
        for (int row = 0; row < batch; row++)
        {
            _source.Draw(samples[row], uniform);
            for (int i = 0; i < Recalled; i++)
            {
                int symbol = (int)(uniform[i] * Symbols);
                classes[(i * batch) + row] = symbol;
                inputs[(((i * batch) + row) * Categories) + symbol] = 1;
            }

            for (int step = Recalled; step < (int)Steps; step++)
            {
                inputs[(((step * batch) + row) * Categories) + (step == go ? Go : Blank)] = 1;
            }
        }
    }
}
