namespace OrthoNative;

/// <summary>A backward pass, as one layer sees it.</summary>
public readonly ref struct BackwardContext
{
    private readonly ModelPass _pass;
    private readonly Layer _layer;

    internal BackwardContext(ModelPass pass, Layer layer)
    {
        _pass = pass;
        _layer = layer;
    }

    /// <summary>The inputs of the forward pass.</summary>
    public Tensor Inputs => _layer.Memory.Inputs!;

    /// <summary>The outputs of the forward pass.</summary>
    public Tensor Outputs => _layer.Memory.Outputs!;

    /// <summary>True: add to the gradients of parameters; false: overwrite them.</summary>
    public bool Accumulate => _pass.Accumulate;

    /// <inheritdoc cref="ForwardContext.Lengths"/>
    public ReadOnlySpan<int> Lengths => _layer.Memory.Lengths.Span;

    /// <summary>Steps of each sample in the outputs, <c>[B]</c>; empty: all are as long as these.</summary>
    public ReadOnlySpan<int> OutputLengths => _layer.Memory.OutputLengths.Span;

    /// <summary>Number of training passes of the model before this one, as in the forward pass.</summary>
    public long Pass => _pass.Number;

    /// <inheritdoc cref="ForwardContext.FirstSample"/>
    public long FirstSample => _pass.FirstSample;

    /// <summary>The model's device.</summary>
    public Device Device => _pass.Model.Device;

    /// <summary>The model's element type.</summary>
    public DType DType => _pass.Model.DType;

    /// <summary>A buffer that the forward pass asked for, as it left it.</summary>
    /// <param name="index">Which one.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such buffer.</exception>
    public Tensor Buffer(int index)
    {
        Check.InRange(index, 0, ForwardContext.MaximumBuffers - 1);
        return _layer.Memory.Buffer(index)
            ?? throw new ArgumentOutOfRangeException(nameof(index), index, $"{nameof(index)} is {index}; the forward pass asked for no such buffer.");
    }

    /// <summary>Memory of the layer's for this pass; elements are undefined.</summary>
    /// <param name="index">Which buffer, from 0; another one than those of the forward pass that are still needed.</param>
    /// <param name="shape">Its shape.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="index"/> is negative.</exception>
    /// <exception cref="OutOfMemoryException">There is not enough memory.</exception>
    public Tensor Buffer(int index, params ReadOnlySpan<long> shape)
    {
        Check.InRange(index, 0, ForwardContext.MaximumBuffers - 1);
        return _layer.Memory.Buffer(index, shape);
    }

    /// <inheritdoc cref="Buffer(int, ReadOnlySpan{long})"/>
    /// <remarks>For languages without <c>params</c> spans, as C# 12 is, the default in projects for .NET 8.</remarks>
    public Tensor Buffer(int index, params long[] shape) => Buffer(index, new ReadOnlySpan<long>(shape));

    /// <summary>Memory for the gradient at the inputs of a layer inside this one, shaped as they were.</summary>
    /// <param name="layer">One of the container's layers.</param>
    /// <param name="outputGradient">The gradient at its outputs, from which it is computed.</param>
    /// <exception cref="ArgumentException"><paramref name="layer"/> is not directly inside this one.</exception>
    /// <exception cref="InvalidOperationException"><paramref name="layer"/> did not run in the forward pass.</exception>
    public Tensor InputGradient(Layer layer, Tensor outputGradient)
    {
        ArgumentNullException.ThrowIfNull(layer);
        ArgumentNullException.ThrowIfNull(outputGradient);
        _pass.RequirePart(layer, _layer);
        _pass.RequireRun(layer);
        return layer.Memory.InputGradientOf(outputGradient);
    }

    /// <summary>Backpropagates through a layer inside this one.</summary>
    /// <param name="layer">One of the container's layers.</param>
    /// <param name="outputGradient">Gradient at its outputs, shaped as they were.</param>
    /// <param name="inputGradient">Written: the gradient at its inputs, shaped as they were; null: not wanted.</param>
    /// <exception cref="ArgumentException"><paramref name="layer"/> is not directly inside this one, or shape, element type or device of a gradient do not match.</exception>
    /// <exception cref="InvalidOperationException"><paramref name="layer"/> did not run in the forward pass.</exception>
    public void Backward(Layer layer, Tensor outputGradient, Tensor? inputGradient)
    {
        ArgumentNullException.ThrowIfNull(layer);
        ArgumentNullException.ThrowIfNull(outputGradient);
        _pass.RequirePart(layer, _layer);
        _pass.RequireRun(layer);
        Check.Compatible(outputGradient, Device, DType);
        Check.Shape(outputGradient, layer.Memory.Outputs!.Shape);
        if (inputGradient is not null)
        {
            Check.Compatible(inputGradient, Device, DType);
            Check.Shape(inputGradient, layer.Memory.Inputs!.Shape);
        }

        _pass.Model.OnLayerBackward(layer, outputGradient);
        layer.Backward(new BackwardContext(_pass, layer), outputGradient, inputGradient);
    }
}
