namespace OrthoNative;

/// <summary>Options of a <see cref="RoaBlock"/>.</summary>
public sealed record RoaBlockOptions
{
    /// <summary>Options of the recurrent layer; its output becomes <see cref="SequenceOutput.All"/>. Default: those of <see cref="RoaRnn"/>.</summary>
    public RoaRnnOptions Recurrence { get; init; } = new();

    /// <summary>Number of units of the recurrent layer, of each direction; 0, the default: the size of the block.</summary>
    public long HiddenSize { get; init; }

    /// <summary>True: a second recurrent layer runs from the last step to the first. Default false.</summary>
    public bool Bidirectional { get; init; }

    /// <summary>Probability with which a unit is dropped in training, the same units at all steps, 0 to 1, 1 excluded. Default 0.</summary>
    public double Dropout { get; init; }
}

/// <summary>
/// A block of a deep sequence model, y = x + g(x): layer normalization, a recurrent layer, gelu, dropout, and a gated linear unit back to the size of the block.
/// </summary>
/// <remarks>
/// Inputs and outputs <c>[T, B, size]</c>. Names of its layers: <c>norm</c>, <c>recurrence</c>, <c>activation</c>, <c>dropout</c> and <c>gate</c>. Without the gate's and the recurrence's effect a
/// block is the identity, so gradients reach every block of a stack.
/// </remarks>
public sealed class RoaBlock : Container
{
    // Places among its layers.
    private const int RecurrenceIndex = 1, DropoutIndex = 3;

    /// <summary>Describes a block with a <see cref="RoaRnn"/> of as many units, and no dropout.</summary>
    /// <param name="size">Size of inputs and outputs, 1 to 65536.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="size"/> is out of range.</exception>
    public RoaBlock(long size)
        : this(size, new RoaBlockOptions())
    {
    }

    /// <summary>Describes a block with a <see cref="RoaRnn"/>.</summary>
    /// <param name="size">Size of inputs and outputs, 1 to 65536.</param>
    /// <param name="options">Of the recurrent layer and dropout.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size or an option is out of range.</exception>
    /// <exception cref="ArgumentException">Options of the recurrent layer do not match its size.</exception>
    public RoaBlock(long size, RoaBlockOptions options)
        : this(size, Recurrence(size, options), options.Dropout)
    {
    }

    /// <summary>Describes a block with a recurrent layer of any kind.</summary>
    /// <param name="size">Size of inputs and outputs, 1 to 65536.</param>
    /// <param name="recurrence">A layer or container from <paramref name="size"/> to any number of units that gives all steps.</param>
    /// <param name="dropout">Probability with which a unit is dropped in training, the same units at all steps, 0 to 1, 1 excluded.</param>
    /// <exception cref="ArgumentException">The layer takes another size, or is part of a model already.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An argument is out of range.</exception>
    public RoaBlock(long size, Layer recurrence, double dropout)
        : base(["norm", "recurrence", "activation", "dropout", "gate"], Parts(size, recurrence, dropout)) => RequireChain(LayerSpan);

    /// <inheritdoc/>
    public override long InputSize => Layers[0].InputSize;

    /// <inheritdoc/>
    public override long OutputSize => InputSize;

    /// <inheritdoc/>
    protected internal override LayerDescription Describe() =>
        new LayerDescription(nameof(RoaBlock)).Add("size", InputSize).Add("dropout", ((Dropout)Layers[DropoutIndex]).Rate).AddLayers(Layers[RecurrenceIndex]);

    internal static RoaBlock Read(LayerReader reader) => reader.Layers is [Layer recurrence]
        ? new(reader.GetInt64("size"), recurrence, reader.GetDouble("dropout"))
        : throw reader.Invalid($"it has {reader.Layers.Count} layers; 1, the recurrence, is expected");

    /// <inheritdoc/>
    protected internal override bool IsStepwise => true;

    /// <inheritdoc/>
    protected internal override Tensor Forward(in ForwardContext context, Tensor inputs) => ForwardSkip(context, LayerSpan, null, inputs);

    /// <inheritdoc/>
    protected internal override void Backward(in BackwardContext context, Tensor outputGradient, Tensor? inputGradient) =>
        BackwardSkip(context, LayerSpan, outputGradient, inputGradient, hasProjection: false);

    internal override long StepsBefore(int index, long steps) => StepsBehind(LayerSpan[..index], steps);

    private static Layer Recurrence(long size, RoaBlockOptions options)
    {
        Check.InRange(size, 1, 65536);
        ArgumentNullException.ThrowIfNull(options);
        Check.NotNull(options.Recurrence);
        Check.InRange(options.HiddenSize, 0, 65536);
        long units = options.HiddenSize == 0 ? size : options.HiddenSize;
        return options.Bidirectional ? new Bidirectional(Make(), Make()) : Make();

        RoaRnn Make() => new(size, units, options.Recurrence with { Output = SequenceOutput.All });
    }

    private static Layer[] Parts(long size, Layer recurrence, double dropout)
    {
        Check.InRange(size, 1, 65536);
        ArgumentNullException.ThrowIfNull(recurrence);
        long units = recurrence.OutputSize;
        return
        [
            new LayerNorm(size),
            recurrence,
            new ActivationLayer(units, Activation.Gelu),
            new Dropout(units, dropout, sameForAllSteps: true),
            new GatedLinear(units, size),
        ];
    }
}
