namespace OrthoNative;

/// <summary>The windows of a reader's sequences as samples: those of one window follow one another, so that a loader's batches of B samples are the windows in the order of time.</summary>
internal sealed class ReaderWindow : Dataset
{
    private readonly SequenceReader _reader;
    private readonly long _sequences;
    private readonly long _rest;
    private readonly bool _hasTargets;

    /// <summary>Cuts the sequences.</summary>
    /// <param name="reader">Asked for its sizes once, here.</param>
    /// <param name="window">Steps of a window; the last one may have fewer.</param>
    /// <param name="name">The caller's name of the reader.</param>
    public ReaderWindow(SequenceReader reader, int window, string name)
    {
        _reader = reader;
        _sequences = Required(reader.Sequences, 1, int.MaxValue, nameof(reader.Sequences));
        long steps = Required(reader.Steps, 1, long.MaxValue / _sequences, nameof(reader.Steps));
        Steps = long.Min(window, steps);
        Features = Required(reader.Features, 1, Array.MaxLength, nameof(reader.Features));
        _hasTargets = reader.HasTargets;

        // A loader's batch has targets; where there are none, it has a class that nobody asks for.
        IsClassification = !_hasTargets || reader.IsClassification;
        Outputs = _hasTargets ? Required(reader.Outputs, 1, IsClassification ? int.MaxValue : Array.MaxLength, nameof(reader.Outputs)) : 1;
        InputType = reader.InputType;
        Windows = ((steps - 1) / Steps) + 1;
        _rest = steps % Steps;
        Count = Windows * _sequences;
        long width = long.Max(Features, IsClassification ? 1 : Outputs);
        long most = Array.MaxLength / (width * _sequences);
        if (Steps > most)
        {
            throw new ArgumentOutOfRangeException(nameof(window), window, FormattableString.Invariant(
                $"{nameof(window)} is {window}; with {_sequences} sequences of {width} numbers at a step it must be at most {most}."));
        }

        long Required(long value, long minimum, long maximum, string property)
        {
            Check.InRange(value, minimum, maximum, $"{name}.{property}");
            return value;
        }
    }

    /// <summary>Number of windows.</summary>
    public long Windows { get; }

    public override long Count { get; }

    public override long Steps { get; }

    public override long Features { get; }

    public override long TargetSteps => Steps;

    public override long Outputs { get; }

    public override bool IsClassification { get; }

    public override bool HasLengths => _rest != 0;

    public override DType InputType { get; }

    public override long LengthOf(long sample) => _rest != 0 && sample / _sequences == Windows - 1 ? _rest : Steps;

    public override void Read(ReadOnlySpan<long> samples, Span<float> inputs, Span<int> classes, Span<float> values) =>
        _reader.Read(samples[0] / _sequences * Steps, (int)LengthOf(samples[0]), inputs, TargetsOf(classes), values);

    public override void Read(ReadOnlySpan<long> samples, Span<int> indices, Span<int> classes, Span<float> values) =>
        _reader.Read(samples[0] / _sequences * Steps, (int)LengthOf(samples[0]), indices, TargetsOf(classes), values);

    private Span<int> TargetsOf(Span<int> classes) => _hasTargets ? classes : [];
}
