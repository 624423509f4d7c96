namespace OrthoNative;

/// <summary>
/// Two recurrent layers over the same sequences, one in the order of time and one from each sample's last step to its first; their outputs are joined, those of the
/// forward direction first.
/// </summary>
/// <remarks>
/// With <see cref="SequenceOutput.All"/>, outputs <c>[T, B, N + N']</c> are the states of both directions at the same step. With <see cref="SequenceOutput.Last"/>, <c>[B, N + N']</c>,
/// they are the last of the forward direction and the first, which the backward direction ends with, each of a sample's own length. Names: <c>forward</c> and <c>backward</c>.
/// </remarks>
public sealed class Bidirectional : Container
{
    private const int Turned = 0;
    private const int TurnedOutputs = 1;
    private const int ForwardGradient = 2;
    private const int BackwardGradient = 3;
    private const int TurnedGradient = 4;
    private const int BackwardInputGradient = 5;
    private const int TurnedInputGradient = 6;

    private readonly RecurrentLayer _forward;
    private readonly RecurrentLayer _backward;

    /// <summary>Describes a container; memory comes with the model.</summary>
    /// <param name="forward">The layer in the order of time.</param>
    /// <param name="backward">The layer from the last step to the first; another object, of the same inputs and the same output.</param>
    /// <exception cref="ArgumentException">
    /// A layer is part of a model already, both are one object or have the same name, their inputs or outputs differ, or the output is <see cref="SequenceOutput.LastSteps"/>.
    /// </exception>
    /// <exception cref="ArgumentNullException">A layer is null.</exception>
    public Bidirectional(RecurrentLayer forward, RecurrentLayer backward)
        : base(["forward", "backward"], [Given(forward, nameof(forward)), Given(backward, nameof(backward))])
    {
        if (forward.InputSize != backward.InputSize)
        {
            throw new ArgumentException($"{nameof(backward)} takes {backward.InputSize} inputs; it must take {forward.InputSize}, as {nameof(forward)} does.", nameof(backward));
        }

        if (forward.Output != backward.Output)
        {
            throw new ArgumentException($"{nameof(backward)} has the output {backward.Output}; it must have {forward.Output}, as {nameof(forward)} has.", nameof(backward));
        }

        if (forward.Output != SequenceOutput.All && forward.Output != SequenceOutput.Last)
        {
            throw new ArgumentException($"{nameof(forward)} has the output {forward.Output}; it must have {SequenceOutput.All} or {SequenceOutput.Last}.", nameof(forward));
        }

        _forward = forward;
        _backward = backward;
    }

    /// <inheritdoc/>
    public override long InputSize => _forward.InputSize;

    /// <inheritdoc/>
    public override long OutputSize => _forward.OutputSize + _backward.OutputSize;

    private bool HasTime => _forward.Output.HasTime;

    /// <inheritdoc/>
    protected internal override LayerDescription Describe() => new LayerDescription(nameof(Bidirectional)).AddLayers(_forward, _backward);

    internal static Bidirectional Read(LayerReader reader) => reader.Layers is [RecurrentLayer forward, RecurrentLayer backward]
        ? new(forward, backward)
        : throw reader.Invalid($"it has {reader.Layers.Count} layers, or others; 2 recurrent layers are expected");

    /// <inheritdoc/>
    protected internal override Tensor Forward(in ForwardContext context, Tensor inputs)
    {
        RequireTime(inputs);
        Tensor turned = context.Buffer(Turned, inputs.Shape);
        Sequences.Reverse(context.Device, inputs, context.Lengths, turned);
        Tensor forward = context.Forward(_forward, inputs);
        Tensor backward = context.Forward(_backward, turned);
        if (HasTime)
        {
            Tensor turnedOutputs = context.Buffer(TurnedOutputs, backward.Shape);
            Sequences.Reverse(context.Device, backward, context.Lengths, turnedOutputs);
            backward = turnedOutputs;
        }

        Span<long> shape = stackalloc long[forward.Rank];
        forward.Shape.CopyTo(shape);
        shape[^1] = OutputSize;
        Tensor outputs = context.Outputs(shape);
        Sequences.CopyColumns(context.Device, forward, 0, outputs, 0, _forward.OutputSize);
        Sequences.CopyColumns(context.Device, backward, 0, outputs, _forward.OutputSize, _backward.OutputSize);
        if (!HasTime)
        {
            context.SetOutputLengths(default);
        }

        return outputs;
    }

    /// <inheritdoc/>
    protected internal override void Backward(in BackwardContext context, Tensor outputGradient, Tensor? inputGradient)
    {
        Span<long> shape = stackalloc long[outputGradient.Rank];
        outputGradient.Shape.CopyTo(shape);
        shape[^1] = _forward.OutputSize;
        Tensor forward = context.Buffer(ForwardGradient, shape);
        Sequences.CopyColumns(context.Device, outputGradient, 0, forward, 0, _forward.OutputSize);
        shape[^1] = _backward.OutputSize;
        Tensor backward = context.Buffer(BackwardGradient, shape);
        Sequences.CopyColumns(context.Device, outputGradient, _forward.OutputSize, backward, 0, _backward.OutputSize);
        if (HasTime)
        {
            Tensor turned = context.Buffer(TurnedGradient, shape);
            Sequences.Reverse(context.Device, backward, context.Lengths, turned);
            backward = turned;
        }

        Tensor? turnedInputGradient = inputGradient is null ? null : context.Buffer(BackwardInputGradient, inputGradient.Shape);
        context.Backward(_forward, forward, inputGradient);
        context.Backward(_backward, backward, turnedInputGradient);
        if (inputGradient is not null)
        {
            Tensor turned = context.Buffer(TurnedInputGradient, inputGradient.Shape);
            Sequences.Reverse(context.Device, turnedInputGradient!, context.Lengths, turned);
            Sequences.Add(context.Device, inputGradient, turned, inputGradient);
        }
    }

    /// <inheritdoc/>
    protected internal override long GetOutputSteps(long steps) => _forward.GetOutputSteps(steps);

    /// <inheritdoc/>
    protected internal override long GetActivationBytes(long steps, long batch)
    {
        long outputs = GetOutputSteps(steps) * batch;
        long inputs = steps * batch * InputSize;
        long joined = outputs * OutputSize;
        long turned = HasTime ? 2 * outputs * _backward.OutputSize : 0;
        long inputGradients = Owner.IsFirst(this) ? 0 : 2 * inputs;
        return (inputs + joined + joined + turned + inputGradients) * Owner.DType.Bytes();
    }

    internal override bool HasInputGradient(int index) => false;

    private static RecurrentLayer Given(RecurrentLayer layer, string name)
    {
        Check.NotNull(layer, name);
        return layer;
    }
}
