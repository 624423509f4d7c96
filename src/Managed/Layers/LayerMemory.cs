namespace OrthoNative;

/// <summary>What a layer has in its model: the tensors of the latest pass, whose memory the next pass uses again.</summary>
/// <param name="layer">The layer.</param>
internal sealed class LayerMemory(Layer layer)
{
    private Tensor? _outputs;
    private Tensor? _inputGradient;
    private Tensor?[] _buffers = [];

    /// <summary>The inputs of the latest forward pass.</summary>
    public Tensor? Inputs { get; private set; }

    /// <summary>What the latest forward pass returned.</summary>
    public Tensor? Outputs { get; private set; }

    /// <summary>Lengths of the samples in the inputs; empty: all are T.</summary>
    public ReadOnlyMemory<int> Lengths { get; private set; }

    /// <summary>Lengths of the samples in the outputs; empty: all are as long as the outputs, or these have no dimension of time.</summary>
    public ReadOnlyMemory<int> OutputLengths { get; set; }

    /// <summary>The pass that ran the layer last.</summary>
    public long Stamp { get; private set; }

    /// <summary>A forward pass begins.</summary>
    /// <exception cref="InvalidOperationException">The layer ran in this pass already.</exception>
    public void Begin(long stamp, Tensor inputs, ReadOnlyMemory<int> lengths)
    {
        if (stamp == Stamp)
        {
            throw new InvalidOperationException(
                $"layer {layer.Path} ({layer.GetType().Name}) runs a second time in one pass; a layer runs once, since it keeps what its backward pass needs.");
        }

        Stamp = stamp;
        Inputs = inputs;
        Outputs = null;
        Lengths = lengths;
        OutputLengths = lengths;
    }

    /// <summary>The forward pass returned.</summary>
    /// <exception cref="InvalidOperationException">What it returned is no output of the layer.</exception>
    public void End(Tensor outputs)
    {
        if (outputs is null || outputs.Rank == 0 || outputs.Shape[^1] != layer.OutputSize || outputs.DType != Model.DType ||
            !outputs.Device.SharesMemoryWith(Model.Device))
        {
            throw new InvalidOperationException(
                $"layer {layer.Path} ({layer.GetType().Name}) returned {(outputs is null ? "null" : outputs.ToString())}; outputs must be {Model.DType} [..., {layer.OutputSize}], as {nameof(Layer.OutputSize)} says.");
        }

        if (!Fits(outputs, OutputLengths.Span))
        {
            throw new InvalidOperationException(
                $"layer {layer.Path} ({layer.GetType().Name}) returned {outputs} with {OutputLengths.Length} lengths; with lengths outputs must be [T, B, ...], with one of 0 to T for each sample. " +
                $"Where they have no dimension of time, it calls {nameof(ForwardContext.SetOutputLengths)} with none.");
        }

        Outputs = outputs;
    }

    /// <summary>True if lengths are those of the samples of a tensor, or none.</summary>
    public static bool Fits(Tensor tensor, ReadOnlySpan<int> lengths)
    {
        if (lengths.IsEmpty)
        {
            return true;
        }

        if (tensor.Rank < 3 || tensor.Shape[1] != lengths.Length)
        {
            return false;
        }

        foreach (int length in lengths)
        {
            if (length < 0 || length > tensor.Shape[0])
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>The model that the layer is part of.</summary>
    public Model Model => layer.ModelOrNull!;

    /// <summary>Memory for outputs.</summary>
    public Tensor OutputsOf(ReadOnlySpan<long> shape)
    {
        // Outputs of the last pass that are inputs of this one stay with their reader.
        Tensor? source = _outputs is not null && Model.IsInput(_outputs) ? _outputs : Inputs;
        return Tensor.Ensure(ref _outputs, Model.Device, Model.DType, shape, source);
    }

    /// <summary>Memory for the gradient at the inputs.</summary>
    /// <param name="outputGradient">The gradient that it is computed from.</param>
    public Tensor InputGradientOf(Tensor outputGradient) =>
        Tensor.Ensure(ref _inputGradient, Model.Device, Model.DType, Inputs!.Shape, source: outputGradient);

    /// <summary>Memory of the layer's own.</summary>
    /// <param name="index">Which one.</param>
    /// <param name="shape">Its shape.</param>
    public Tensor Buffer(int index, ReadOnlySpan<long> shape)
    {
        if (index >= _buffers.Length)
        {
            Array.Resize(ref _buffers, index + 1);
        }

        return Tensor.Ensure(ref _buffers[index], Model.Device, Model.DType, shape);
    }

    /// <summary>Memory of the layer's own as it was shaped last; null: it was never asked for.</summary>
    public Tensor? Buffer(int index) => index < _buffers.Length ? _buffers[index] : null;

    /// <summary>Frees all memory.</summary>
    public void Release()
    {
        Inputs = null;
        Outputs = null;
        Free(ref _outputs);
        Free(ref _inputGradient);
        for (int i = 0; i < _buffers.Length; i++)
        {
            Free(ref _buffers[i]);
        }

        static void Free(ref Tensor? tensor)
        {
            tensor?.Release();
            tensor = null;
        }
    }
}
