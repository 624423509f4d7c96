namespace OrthoNative;

/// <summary>A forward pass, as one layer sees it: what it needs beside its inputs and parameters.</summary>
public readonly ref struct ForwardContext
{
    private readonly ModelPass _pass;
    private readonly Layer _layer;
    private readonly ReadOnlyMemory<int> _lengths;

    internal ForwardContext(ModelPass pass, Layer layer, ReadOnlyMemory<int> lengths)
    {
        _pass = pass;
        _layer = layer;
        _lengths = lengths;
    }

    /// <summary>True if a backward pass follows, for which the layer keeps what it needs.</summary>
    public bool Training => _pass.Training;

    /// <summary>
    /// Steps of each sample, <c>[B]</c>, each 0 to T; empty: all are T, or the inputs have no dimension of time. What lies beyond is padding; it is
    /// finite.
    /// </summary>
    public ReadOnlySpan<int> Lengths => _lengths.Span;

    /// <summary>Number of training passes of the model before this one: random numbers that depend on it are drawn anew in every pass.</summary>
    public long Pass => _pass.Number;

    /// <summary>Number of the first sample in the whole batch, where the model computes a part of it; otherwise 0.</summary>
    public long FirstSample => _pass.FirstSample;

    /// <summary>The model's device.</summary>
    public Device Device => _pass.Model.Device;

    /// <summary>The model's element type.</summary>
    public DType DType => _pass.Model.DType;

    internal ReadOnlyMemory<int> LengthMemory => _lengths;

    /// <summary>The model's inputs.</summary>
    internal ReadOnlySpan<Tensor> ModelInputs => _pass.Inputs;

    /// <summary>Initial states that the caller gave, by path of the layer and name of the state; null: none.</summary>
    internal IReadOnlyDictionary<string, Tensor>? InitialStates => _pass.InitialStates;

    /// <summary>Memory for the layer's outputs. It belongs to the layer, and later passes use it again; elements are undefined.</summary>
    /// <param name="shape">The shape of the outputs.</param>
    /// <exception cref="OutOfMemoryException">There is not enough memory.</exception>
    public Tensor Outputs(params ReadOnlySpan<long> shape) => _layer.Memory.OutputsOf(shape);

    /// <inheritdoc cref="Outputs(ReadOnlySpan{long})"/>
    /// <remarks>For languages without <c>params</c> spans, as C# 12 is, the default in projects for .NET 8.</remarks>
    public Tensor Outputs(params long[] shape) => Outputs(new ReadOnlySpan<long>(shape));

    /// <summary>More memory of the layer's, for what the backward pass needs (<see cref="BackwardContext.Buffer(int)"/>); elements are undefined.</summary>
    /// <param name="index">Which buffer, from 0.</param>
    /// <param name="shape">Its shape.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="index"/> is negative.</exception>
    /// <exception cref="OutOfMemoryException">There is not enough memory.</exception>
    public Tensor Buffer(int index, params ReadOnlySpan<long> shape)
    {
        Check.InRange(index, 0, MaximumBuffers - 1);
        return _layer.Memory.Buffer(index, shape);
    }

    /// <inheritdoc cref="Buffer(int, ReadOnlySpan{long})"/>
    /// <remarks>For languages without <c>params</c> spans, as C# 12 is, the default in projects for .NET 8.</remarks>
    public Tensor Buffer(int index, params long[] shape) => Buffer(index, new ReadOnlySpan<long>(shape));

    /// <summary>Tells the lengths of the samples in the outputs, where these have other ones than the inputs.</summary>
    /// <param name="lengths"><c>[B]</c>; must stay as they are during the pass. Empty: all are as long as the outputs, or these have no dimension of time.</param>
    public void SetOutputLengths(ReadOnlyMemory<int> lengths) => _layer.Memory.OutputLengths = lengths;

    /// <summary>Tells that the samples in the outputs have the lengths that they have in the outputs of a layer inside this one.</summary>
    /// <param name="layer">A layer that <see cref="Forward"/> ran.</param>
    /// <exception cref="ArgumentException"><paramref name="layer"/> is not directly inside this one.</exception>
    /// <exception cref="InvalidOperationException"><paramref name="layer"/> did not run.</exception>
    public void SetOutputLengthsOf(Layer layer) => SetOutputLengths(Behind(layer).LengthMemory);

    /// <summary>Runs a layer inside this one.</summary>
    /// <param name="layer">One of the container's layers.</param>
    /// <param name="inputs">Its inputs, of the lengths of this context.</param>
    /// <returns>Its outputs, of the lengths of <see cref="Behind"/>.</returns>
    /// <exception cref="ArgumentException">
    /// <paramref name="layer"/> is not directly inside this one, or element type, device or shape of <paramref name="inputs"/> do not match.
    /// </exception>
    /// <exception cref="InvalidOperationException"><paramref name="layer"/> ran in this pass already, or returned what is no output of it.</exception>
    public Tensor Forward(Layer layer, Tensor inputs)
    {
        ArgumentNullException.ThrowIfNull(layer);
        ArgumentNullException.ThrowIfNull(inputs);
        _pass.RequirePart(layer, _layer);

        // The model has checked its own inputs. A container may be given the first of several.
        if (layer is not Container || inputs != _pass.Inputs[0])
        {
            Check.Compatible(inputs, Device, layer.TakesIndices ? DType.Int32 : DType);
        }

        if (!LayerMemory.Fits(inputs, _lengths.Span))
        {
            throw new ArgumentException(
                $"{nameof(inputs)} has shape {Check.FormatShape(inputs.Shape)}, but there are {_lengths.Length} lengths; it must be [T, B, ...], with a length of 0 to T for each sample.", nameof(inputs));
        }

        layer.Memory.Begin(_pass.Stamp, inputs, _lengths);
        _pass.Model.OnLayerForward(layer, inputs);
        Tensor outputs = layer.Forward(new ForwardContext(_pass, layer, _lengths), inputs);
        layer.Memory.End(outputs);
        return outputs;
    }

    /// <summary>This context with the lengths of a layer's outputs, for the layer that takes them.</summary>
    /// <param name="layer">A layer that <see cref="Forward"/> ran.</param>
    /// <exception cref="ArgumentException"><paramref name="layer"/> is not directly inside this one.</exception>
    /// <exception cref="InvalidOperationException"><paramref name="layer"/> did not run.</exception>
    public ForwardContext Behind(Layer layer)
    {
        ArgumentNullException.ThrowIfNull(layer);
        _pass.RequirePart(layer, _layer);
        _pass.RequireRun(layer);
        return new ForwardContext(_pass, _layer, layer.Memory.OutputLengths);
    }

    /// <summary>This context without lengths, for layers inside that are given other samples.</summary>
    internal ForwardContext WithoutLengths() => new(_pass, _layer, default);

    /// <summary>The most buffers of a layer.</summary>
    internal const int MaximumBuffers = 64;
}
