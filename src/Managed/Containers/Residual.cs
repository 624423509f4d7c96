namespace OrthoNative;

/// <summary>A skip connection around layers: y = P x + f(x), with the layers' outputs f(x).</summary>
/// <remarks>
/// The layers must keep the dimension of time. Where their sizes differ, P is a <see cref="Dense"/> layer without bias, named <c>projection</c>; otherwise it is the
/// identity.
/// </remarks>
public sealed class Residual : Container
{
    private const int ProjectionGradient = 0;
    private const string ProjectionName = "projection";

    private readonly int _count;

    /// <summary>Describes a container; memory comes with the model.</summary>
    /// <param name="layers">f: at least one layer, each part of no other container or model.</param>
    /// <exception cref="ArgumentException">
    /// There is no layer, one is part of a model already, two have the same name, or one takes another size than the one before gives.
    /// </exception>
    public Residual(params ReadOnlySpan<Layer> layers)
        : base(WithProjection(layers))
    {
        _count = layers.Length;
        RequireChain(LayerSpan[.._count]);
    }

    /// <inheritdoc cref="Residual(ReadOnlySpan{Layer})"/>
    /// <remarks>For languages without <c>params</c> spans, as C# 12 is, the default in projects for .NET 8.</remarks>
    public Residual(params Layer[] layers)
        : this(new ReadOnlySpan<Layer>(layers))
    {
    }

    /// <inheritdoc/>
    public override long InputSize => Layers[0].InputSize;

    /// <inheritdoc/>
    public override long OutputSize => Layers[_count - 1].OutputSize;

    private Layer? Projection => Layers.Count > _count ? Layers[_count] : null;

    private ReadOnlySpan<Layer> Body => LayerSpan[.._count];

    /// <inheritdoc/>
    protected internal override LayerDescription Describe() => new LayerDescription(nameof(Residual)).AddLayers(Body);

    internal static Residual Read(LayerReader reader) => new((ReadOnlySpan<Layer>)[.. reader.Layers]);

    /// <inheritdoc/>
    protected internal override bool IsStepwise => true;

    /// <inheritdoc/>
    protected internal override Tensor Forward(in ForwardContext context, Tensor inputs) =>
        ForwardSkip(context, Body, Projection, inputs);

    /// <inheritdoc/>
    protected internal override void Backward(in BackwardContext context, Tensor outputGradient, Tensor? inputGradient)
    {
        BackwardSkip(context, Body, outputGradient, inputGradient, hasProjection: Projection is not null);
        if (Projection is { } projection)
        {
            Tensor? gradient = inputGradient is null ? null : context.Buffer(ProjectionGradient, inputGradient.Shape);
            context.Backward(projection, outputGradient, gradient);
            if (gradient is not null)
            {
                Sequences.Add(context.Device, inputGradient!, gradient, inputGradient!);
            }
        }
    }

    /// <inheritdoc/>
    protected internal override long GetOutputSteps(long steps) => StepsBehind(Body, steps);

    /// <inheritdoc/>
    protected internal override long GetActivationBytes(long steps, long batch) =>
        base.GetActivationBytes(steps, batch) + (Projection is null ? 0 : steps * batch * InputSize * Owner.DType.Bytes());

    internal override long StepsBefore(int index, long steps) => index < _count ? StepsBehind(LayerSpan[..index], steps) : steps;

    internal override bool HasInputGradient(int index) => index > 0 && index < _count;

    private static Layer[] WithProjection(ReadOnlySpan<Layer> layers)
    {
        // What is wrong with the layers is found by the base class.
        bool isWhole = !layers.IsEmpty && layers[0] is not null && layers[^1] is not null;
        return isWhole && layers[0].InputSize != layers[^1].OutputSize
            ? [.. layers, new Dense(layers[0].InputSize, layers[^1].OutputSize, new DenseOptions { Bias = false }) { Name = ProjectionName }]
            : layers.ToArray();
    }
}
