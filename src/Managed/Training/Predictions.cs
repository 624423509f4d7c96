namespace OrthoNative;

/// <summary>A model's outputs for the samples of a data set, in its order.</summary>
public sealed class Predictions
{
    private readonly List<float[]> _rows;

    internal Predictions(long outputs, long samples)
    {
        Outputs = checked((int)outputs);
        _rows = new List<float[]>((int)long.Min(samples, Array.MaxLength));
    }

    /// <summary>The number of samples.</summary>
    public int Count => _rows.Count;

    /// <summary>Number C of outputs of a step.</summary>
    public int Outputs { get; }

    /// <summary>Outputs of a sample.</summary>
    /// <param name="sample">0 to <see cref="Count"/> - 1.</param>
    /// <returns>[C] where the model gives one output for a sequence; otherwise [K, C] in the order of time, without what lies beyond the sample's length.</returns>
    /// <exception cref="ArgumentOutOfRangeException">There is no such sample.</exception>
    public ReadOnlySpan<float> this[int sample]
    {
        get
        {
            Check.InRange(sample, 0, Count - 1);
            return _rows[sample];
        }
    }

    /// <summary>The largest output, the first one of equals: the class that the model chooses at the last step of a sample.</summary>
    /// <param name="sample">0 to <see cref="Count"/> - 1.</param>
    /// <returns>0 to <see cref="Outputs"/> - 1; with one output, a logit of a binary classifier, 1 where it is above 0 and else 0.</returns>
    /// <exception cref="ArgumentOutOfRangeException">There is no such sample.</exception>
    /// <exception cref="InvalidOperationException">The sample has no outputs, as its length is 0.</exception>
    public int ClassOf(int sample) => ClassOf(sample, StepsOf(sample) - 1);

    /// <summary>As <see cref="ClassOf(int)"/>, at a step.</summary>
    /// <param name="sample">0 to <see cref="Count"/> - 1.</param>
    /// <param name="step">0 to <see cref="StepsOf"/> - 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such sample or step.</exception>
    /// <exception cref="InvalidOperationException">The sample has no outputs, as its length is 0.</exception>
    public int ClassOf(int sample, int step)
    {
        ReadOnlySpan<float> outputs = At(sample, step);
        if (outputs.Length == 1)
        {
            return outputs[0] > 0 ? 1 : 0;
        }

        int largest = 0;
        for (int i = 1; i < outputs.Length; i++)
        {
            largest = outputs[i] > outputs[largest] ? i : largest;
        }

        return largest;
    }

    /// <summary>Probabilities of the classes at the last step of a sample: the softmax of the outputs, which are logits.</summary>
    /// <param name="sample">0 to <see cref="Count"/> - 1.</param>
    /// <returns>[C]; with one output, that of a binary classifier, [2].</returns>
    /// <exception cref="ArgumentOutOfRangeException">There is no such sample.</exception>
    /// <exception cref="InvalidOperationException">The sample has no outputs, as its length is 0.</exception>
    public double[] ProbabilitiesOf(int sample) => ProbabilitiesOf(sample, StepsOf(sample) - 1);

    /// <summary>As <see cref="ProbabilitiesOf(int)"/>, at a step.</summary>
    /// <param name="sample">0 to <see cref="Count"/> - 1.</param>
    /// <param name="step">0 to <see cref="StepsOf"/> - 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such sample or step.</exception>
    /// <exception cref="InvalidOperationException">The sample has no outputs, as its length is 0.</exception>
    public double[] ProbabilitiesOf(int sample, int step)
    {
        ReadOnlySpan<float> outputs = At(sample, step);
        double[] logits = outputs.Length == 1 ? [0, outputs[0]] : new double[outputs.Length];
        for (int i = 0; i < outputs.Length && outputs.Length > 1; i++)
        {
            logits[i] = outputs[i];
        }

        double largest = logits.Max();
        double sum = 0;
        for (int i = 0; i < logits.Length; i++)
        {
            logits[i] = Math.Exp(logits[i] - largest);
            sum += logits[i];
        }

        for (int i = 0; i < logits.Length; i++)
        {
            logits[i] /= sum;
        }

        return logits;
    }

    /// <summary>Number K of steps of a sample that have outputs; 1 where the model gives one output for a sequence.</summary>
    /// <param name="sample">0 to <see cref="Count"/> - 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such sample.</exception>
    public int StepsOf(int sample) => this[sample].Length / Outputs;

    /// <summary>Adds the samples of a batch.</summary>
    /// <param name="outputs">[B, C] or [K, B, C].</param>
    /// <param name="lengths">Steps of each sample that count; empty: all do.</param>
    internal void Add(Tensor outputs, ReadOnlySpan<int> lengths)
    {
        int samples = (int)outputs.Shape[^2];
        int steps = outputs.Rank == 2 ? 1 : (int)outputs.Shape[0];
        float[] all = outputs.DType == DType.Float32 ? outputs.ToArray<float>() : Array.ConvertAll(outputs.ToArray<double>(), value => (float)value);
        for (int sample = 0; sample < samples; sample++)
        {
            int count = outputs.Rank == 2 || lengths.IsEmpty ? steps : lengths[sample];
            float[] rows = new float[count * Outputs];
            for (int step = 0; step < count; step++)
            {
                all.AsSpan(((step * samples) + sample) * Outputs, Outputs).CopyTo(rows.AsSpan(step * Outputs));
            }

            _rows.Add(rows);
        }
    }

    private ReadOnlySpan<float> At(int sample, int step)
    {
        int steps = StepsOf(sample);
        if (steps == 0)
        {
            throw new InvalidOperationException(FormattableString.Invariant($"Sample {sample} has no outputs, as its length is 0."));
        }

        Check.InRange(step, 0, steps - 1);
        return this[sample].Slice(step * Outputs, Outputs);
    }
}
