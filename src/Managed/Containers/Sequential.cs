namespace OrthoNative;

/// <summary>Options of a <see cref="Sequential"/> model.</summary>
public sealed record SequentialOptions
{
    /// <summary>Seed of filters and initial weights. Default 0.</summary>
    public ulong Seed { get; init; }

    /// <summary>Element type of parameters, inputs and outputs. Default <see cref="DType.Float32"/>.</summary>
    public DType DType { get; init; } = DType.Float32;

    /// <summary>Also computes <see cref="Model.InputGradient"/> in <see cref="Model.Backward(Tensor, bool)"/>. Default false.</summary>
    public bool ComputeInputGradient { get; init; }

    /// <summary>
    /// Gives the model gradients, with which it can be trained. Default true; false, for inference only, halves the memory of parameters and
    /// gradients.
    /// </summary>
    public bool Gradients { get; init; } = true;
}

/// <summary>Layers one after another: with a device, a model; without one, a layer of a model.</summary>
/// <remarks>Names of its layers default to their indices, from 0.</remarks>
public sealed class Sequential : Model
{
    /// <summary>Describes layers one after another, as a layer of a model.</summary>
    /// <param name="layers">At least one layer, each part of no other container or model.</param>
    /// <exception cref="ArgumentException">
    /// There is no layer, one is part of a model already, two have the same name, or one takes another size than the one before gives.
    /// </exception>
    public Sequential(params ReadOnlySpan<Layer> layers)
        : base(layers) => RequireChain(LayerSpan);

    /// <inheritdoc cref="Sequential(ReadOnlySpan{Layer})"/>
    /// <remarks>For languages without <c>params</c> spans, as C# 12 is, the default in projects for .NET 8.</remarks>
    public Sequential(params Layer[] layers)
        : this(new ReadOnlySpan<Layer>(layers))
    {
    }

    /// <summary>Creates a float32 model.</summary>
    /// <param name="device">Where the model lies and runs.</param>
    /// <param name="seed">Seed of filters and initial weights.</param>
    /// <param name="layers">At least one layer, each part of no other model.</param>
    /// <exception cref="ArgumentException">
    /// There is no layer or no parameter, one layer is part of a model already, two have the same name, or one takes another size
    /// than the one before gives.
    /// </exception>
    /// <exception cref="OutOfMemoryException">There is not enough memory for parameters or filters.</exception>
    /// <exception cref="ObjectDisposedException">The device was disposed.</exception>
    public Sequential(Device device, ulong seed, params ReadOnlySpan<Layer> layers)
        : this(device, new SequentialOptions { Seed = seed }, layers)
    {
    }

    /// <inheritdoc cref="Sequential(Device, ulong, ReadOnlySpan{Layer})"/>
    /// <remarks>For languages without <c>params</c> spans, as C# 12 is, the default in projects for .NET 8.</remarks>
    public Sequential(Device device, ulong seed, params Layer[] layers)
        : this(device, seed, new ReadOnlySpan<Layer>(layers))
    {
    }

    /// <summary>Creates a model.</summary>
    /// <param name="device">Where the model lies and runs.</param>
    /// <param name="options">Seed, element type and what is computed.</param>
    /// <param name="layers">At least one layer, each part of no other model.</param>
    /// <exception cref="ArgumentException">
    /// There is no layer or no parameter, one layer is part of a model already, two have the same name, or one takes another size
    /// than the one before gives.
    /// </exception>
    /// <exception cref="OutOfMemoryException">There is not enough memory for parameters or filters.</exception>
    /// <exception cref="ObjectDisposedException">The device was disposed.</exception>
    public Sequential(Device device, SequentialOptions options, params ReadOnlySpan<Layer> layers)
        : this(layers) => Create(device, options, null, null, default);

    /// <inheritdoc cref="Sequential(Device, SequentialOptions, ReadOnlySpan{Layer})"/>
    /// <remarks>For languages without <c>params</c> spans, as C# 12 is, the default in projects for .NET 8.</remarks>
    public Sequential(Device device, SequentialOptions options, params Layer[] layers)
        : this(device, options, new ReadOnlySpan<Layer>(layers))
    {
    }

    /// <summary>Creates a model, which takes long where it is deep.</summary>
    /// <param name="device">Where the model lies and runs.</param>
    /// <param name="options">Seed, element type and what is computed.</param>
    /// <param name="layers">At least one layer, each part of no other container or model.</param>
    /// <param name="progress">Told the part of the parameters that is initialized, 0 to 1; null: nobody.</param>
    /// <param name="cancellationToken">Ends the call; the layers may then become part of another model.</param>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    /// <inheritdoc cref="Sequential(Device, SequentialOptions, ReadOnlySpan{Layer})" path="/exception"/>
    public Sequential(
        Device device, SequentialOptions options, IReadOnlyList<Layer> layers, IProgress<double>? progress, CancellationToken cancellationToken = default)
        : this(Given(layers)) => Create(device, options, null, progress, cancellationToken);

    /// <inheritdoc/>
    public override long InputSize => Layers[0].InputSize;

    /// <inheritdoc/>
    public override long OutputSize => Layers[^1].OutputSize;

    internal override bool IsChain => true;

    /// <inheritdoc/>
    protected internal override LayerDescription Describe() => new LayerDescription(nameof(Sequential)).AddLayers(LayerSpan);

    internal static Sequential Read(LayerReader reader) => new((ReadOnlySpan<Layer>)[.. reader.Layers]);

    /// <inheritdoc/>
    protected internal override bool IsStepwise => true;

    /// <inheritdoc/>
    protected internal override Tensor Forward(in ForwardContext context, Tensor inputs) => ForwardChain(context, LayerSpan, inputs);

    /// <inheritdoc/>
    protected internal override void Backward(in BackwardContext context, Tensor outputGradient, Tensor? inputGradient) =>
        BackwardChain(context, LayerSpan, outputGradient, inputGradient);

    /// <inheritdoc/>
    protected internal override long GetActivationBytes(long steps, long batch) => 0;

    /// <inheritdoc/>
    protected internal override long GetOutputSteps(long steps) => StepsBehind(LayerSpan, steps);

    private static Layer[] Given(IReadOnlyList<Layer> layers)
    {
        ArgumentNullException.ThrowIfNull(layers);
        return [.. layers];
    }
}
