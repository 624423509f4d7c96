namespace OrthoNative;

/// <summary>The samples of a data set as sequences side by side.</summary>
internal sealed class MemorySequenceReader : SequenceReader
{
    private readonly float[] _numbers = [];
    private readonly int[] _indices = [];
    private readonly int[] _classes = [];
    private readonly float[] _values = [];

    public MemorySequenceReader(Dataset dataset)
    {
        DataLoader.CheckSequences(dataset);
        if (dataset.HasLengths || dataset.HasWeights)
        {
            string property = dataset.HasLengths ? nameof(dataset.HasLengths) : nameof(dataset.HasWeights);
            throw new ArgumentException($"{nameof(dataset)}.{property} is true; a reader has sequences of one length, without weights.", nameof(dataset));
        }

        if (dataset.TargetSteps != dataset.Steps)
        {
            throw new ArgumentException(
                FormattableString.Invariant($"{nameof(dataset)}.{nameof(dataset.TargetSteps)} is {dataset.TargetSteps}; it must be {dataset.Steps}, so that every step has a target."), nameof(dataset));
        }

        Check.InRange(dataset.Count, 1, DataLoader.GetLargestBatchSize(dataset), $"{nameof(dataset)}.{nameof(dataset.Count)}");
        Sequences = (int)dataset.Count;
        (Steps, Features, Outputs) = (dataset.Steps, dataset.Features, dataset.Outputs);
        (IsClassification, InputType) = (dataset.IsClassification, dataset.InputType);
        long[] samples = new long[Sequences];
        for (int i = 0; i < samples.Length; i++)
        {
            samples[i] = i;
        }

        long rows = Steps * Sequences;
        _classes = IsClassification ? new int[rows] : [];
        _values = IsClassification ? [] : new float[rows * Outputs];
        if (InputType == DType.Int32)
        {
            _indices = new int[rows * Features];
            dataset.Read(samples, _indices, _classes, _values);
        }
        else
        {
            _numbers = new float[rows * Features];
            dataset.Read(samples, _numbers, _classes, _values);
        }
    }

    public override int Sequences { get; }

    public override long Steps { get; }

    public override long Features { get; }

    public override long Outputs { get; }

    public override bool IsClassification { get; }

    public override DType InputType { get; }

    public override void Read(long start, int steps, Span<float> inputs, Span<int> classes, Span<float> values)
    {
        if (InputType == DType.Int32)
        {
            base.Read(start, steps, inputs, classes, values);
        }

        CheckBuffers(start, steps, inputs.Length, classes.Length, values.Length, nameof(inputs));
        Copy(_numbers, start, inputs);
        CopyTargets(start, classes, values);
    }

    public override void Read(long start, int steps, Span<int> indices, Span<int> classes, Span<float> values)
    {
        if (InputType != DType.Int32)
        {
            base.Read(start, steps, indices, classes, values);
        }

        CheckBuffers(start, steps, indices.Length, classes.Length, values.Length, nameof(indices));
        Copy(_indices, start, indices);
        CopyTargets(start, classes, values);
    }

    private void CopyTargets(long start, Span<int> classes, Span<float> values)
    {
        Copy(_classes, start, classes);
        Copy(_values, start, values);
    }

    private void Copy<T>(T[] source, long start, Span<T> target) => source.AsSpan((int)(source.Length / Steps * start), target.Length).CopyTo(target);
}
