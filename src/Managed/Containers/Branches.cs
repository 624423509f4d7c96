namespace OrthoNative;

/// <summary>Layers side by side; their outputs are joined in the last dimension, in the order of the layers.</summary>
/// <remarks>
/// All branches take the same inputs. As the first layer of a model, whose <see cref="Model.Forward(ReadOnlySpan{Tensor}, ForwardOptions)"/> is given as many tensors as there are branches, each branch takes its own:
/// numbers and symbols side by side, for instance. All outputs must have the same time steps and samples.
/// </remarks>
public sealed class Branches : Container
{
    private const int BranchGradient = 0;
    private const int OtherInputGradient = 1;

    /// <summary>Describes a container; memory comes with the model.</summary>
    /// <param name="branches">At least one layer, each part of no other container or model.</param>
    /// <exception cref="ArgumentException">There is no layer, one is part of a model already, or two have the same name.</exception>
    public Branches(params ReadOnlySpan<Layer> branches)
        : base(branches)
    {
        OutputSize = Layers.Sum(layer => layer.OutputSize);
        TakesSameSizes = Layers.All(layer => layer.InputSize == Layers[0].InputSize);
        InputSize = TakesSameSizes ? Layers[0].InputSize : Layers.Sum(layer => layer.InputSize);
        TakesIndices = Layers.All(layer => layer.TakesIndices);
    }

    /// <inheritdoc cref="Branches(ReadOnlySpan{Layer})"/>
    /// <remarks>For languages without <c>params</c> spans, as C# 12 is, the default in projects for .NET 8.</remarks>
    public Branches(params Layer[] branches)
        : this(new ReadOnlySpan<Layer>(branches))
    {
    }

    /// <summary>Size of the last dimension of the inputs; if the branches take different sizes, so that each needs inputs of its own, their sum.</summary>
    public override long InputSize { get; }

    /// <inheritdoc/>
    public override long OutputSize { get; }

    internal override bool TakesIndices { get; }

    /// <summary>The layers side by side.</summary>
    internal ReadOnlySpan<Layer> All => LayerSpan;

    private bool TakesSameSizes { get; }

    /// <inheritdoc/>
    protected internal override LayerDescription Describe() => new LayerDescription(nameof(Branches)).AddLayers(LayerSpan);

    internal static Branches Read(LayerReader reader) => new((ReadOnlySpan<Layer>)[.. reader.Layers]);

    /// <inheritdoc/>
    protected internal override bool IsStepwise => true;

    /// <inheritdoc/>
    protected internal override Tensor Forward(in ForwardContext context, Tensor inputs)
    {
        bool several = context.ModelInputs.Length > 1 && Owner.IsFirst(this);
        if (!several && !TakesSameSizes)
        {
            throw new ArgumentException($"{InputName} is one tensor; the branches of {Place} take different sizes, so {Layers.Count} are required.", nameof(inputs));
        }

        Span<long> shape = stackalloc long[Tensor.MaximumRank];
        Tensor? outputs = null;
        ReadOnlyMemory<int> lengths = default;
        long first = 0;
        for (int i = 0; i < Layers.Count; i++)
        {
            Tensor branch = context.Forward(Layers[i], several ? context.ModelInputs[i] : inputs);
            ReadOnlyMemory<int> branchLengths = context.Behind(Layers[i]).LengthMemory;
            if (outputs is null)
            {
                branch.Shape.CopyTo(shape);
                shape[branch.Rank - 1] = OutputSize;
                outputs = context.Outputs(shape[..branch.Rank]);
                lengths = branchLengths;
            }
            else if (!branch.Shape[..^1].SequenceEqual(outputs.Shape[..^1]) || !branchLengths.Span.SequenceEqual(lengths.Span))
            {
                throw new ArgumentException(
                    $"the branches of {Place} give {Check.FormatShape(Layers[0].Memory.Outputs!.Shape)} and {Check.FormatShape(branch.Shape)}; they must give the same time steps, samples and lengths.",
                    nameof(inputs));
            }

            Sequences.CopyColumns(context.Device, branch, 0, outputs, first, branch.Shape[^1]);
            first += branch.Shape[^1];
        }

        context.SetOutputLengths(lengths);
        return outputs!;
    }

    /// <inheritdoc/>
    protected internal override void Backward(in BackwardContext context, Tensor outputGradient, Tensor? inputGradient)
    {
        long first = 0;
        for (int i = 0; i < Layers.Count; i++)
        {
            Layer layer = Layers[i];
            Tensor gradient = context.Buffer(BranchGradient, layer.Memory.Outputs!.Shape);
            Sequences.CopyColumns(context.Device, outputGradient, first, gradient, 0, gradient.Shape[^1]);
            first += gradient.Shape[^1];
            Tensor? target = inputGradient is null || i == 0 ? inputGradient : context.Buffer(OtherInputGradient, inputGradient.Shape);
            context.Backward(layer, gradient, target);
            if (i > 0 && inputGradient is not null)
            {
                Sequences.Add(context.Device, inputGradient, target!, inputGradient);
            }
        }
    }

    /// <inheritdoc/>
    protected internal override long GetOutputSteps(long steps) => Layers[0].GetOutputSteps(steps);

    /// <inheritdoc/>
    protected internal override long GetActivationBytes(long steps, long batch)
    {
        long outputs = GetOutputSteps(steps) * batch;
        long inputGradients = Owner.IsFirst(this) ? 0 : steps * batch * InputSize;
        return ((outputs * (OutputSize + Layers.Max(layer => layer.OutputSize))) + inputGradients) * Owner.DType.Bytes();
    }

    internal override bool HasInputGradient(int index) => false;
}
