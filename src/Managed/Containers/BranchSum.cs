namespace OrthoNative;

/// <summary>Layers side by side whose outputs are added: y = f₁(x) + f₂(x) + …</summary>
/// <remarks>All branches take the same inputs and give outputs of the same size, time steps, samples and lengths. The sizes of inputs and outputs may differ, and branches may end the dimension of time, which <see cref="Residual"/> keeps.</remarks>
public sealed class BranchSum : Container
{
    private const int OtherInputGradient = 0;

    /// <summary>Describes a container; memory comes with the model.</summary>
    /// <param name="branches">At least one layer, each part of no other container or model, all of the same input and output size.</param>
    /// <exception cref="ArgumentException">There is no layer, one is part of a model already, two have the same name, or sizes differ.</exception>
    public BranchSum(params ReadOnlySpan<Layer> branches)
        : base(branches)
    {
        for (int i = 1; i < branches.Length; i++)
        {
            (long inputs, long outputs) = (branches[i].InputSize, branches[i].OutputSize);
            if (inputs != InputSize || outputs != OutputSize)
            {
                throw new ArgumentException(
                    $"{nameof(branches)}[{i}] takes {inputs} inputs and has {outputs} outputs; it must take {InputSize} and have {OutputSize}, as {nameof(branches)}[0].", nameof(branches));
            }
        }

        TakesIndices = Layers.All(layer => layer.TakesIndices);
    }

    /// <inheritdoc cref="BranchSum(ReadOnlySpan{Layer})"/>
    /// <remarks>For languages without <c>params</c> spans, as C# 12 is, the default in projects for .NET 8.</remarks>
    public BranchSum(params Layer[] branches)
        : this(new ReadOnlySpan<Layer>(branches))
    {
    }

    /// <inheritdoc/>
    public override long InputSize => Layers[0].InputSize;

    /// <inheritdoc/>
    public override long OutputSize => Layers[0].OutputSize;

    internal override bool TakesIndices { get; }

    /// <inheritdoc/>
    protected internal override LayerDescription Describe() => new LayerDescription(nameof(BranchSum)).AddLayers(LayerSpan);

    internal static BranchSum Read(LayerReader reader) => new((ReadOnlySpan<Layer>)[.. reader.Layers]);

    /// <inheritdoc/>
    protected internal override bool IsStepwise => true;

    /// <inheritdoc/>
    protected internal override Tensor Forward(in ForwardContext context, Tensor inputs)
    {
        Tensor? outputs = null;
        ReadOnlyMemory<int> lengths = default;
        foreach (Layer layer in Layers)
        {
            Tensor branch = context.Forward(layer, inputs);
            ReadOnlyMemory<int> branchLengths = context.Behind(layer).LengthMemory;
            if (outputs is null)
            {
                outputs = context.Outputs(branch.Shape);
                lengths = branchLengths;
                Sequences.CopyColumns(context.Device, branch, 0, outputs, 0, OutputSize);
                continue;
            }

            if (!branch.Shape.SequenceEqual(outputs.Shape) || !branchLengths.Span.SequenceEqual(lengths.Span))
            {
                throw new ArgumentException(
                    $"the branches of {Place} give {Check.FormatShape(outputs.Shape)} and {Check.FormatShape(branch.Shape)}; they must give the same time steps, samples and lengths.", nameof(inputs));
            }

            Sequences.Add(context.Device, outputs, branch, outputs);
        }

        context.SetOutputLengths(lengths);
        return outputs!;
    }

    /// <inheritdoc/>
    protected internal override void Backward(in BackwardContext context, Tensor outputGradient, Tensor? inputGradient)
    {
        for (int i = 0; i < Layers.Count; i++)
        {
            Tensor? target = inputGradient is null || i == 0 ? inputGradient : context.Buffer(OtherInputGradient, inputGradient.Shape);
            context.Backward(Layers[i], outputGradient, target);
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
        long inputGradients = Owner.IsFirst(this) || Layers.Count == 1 ? 0 : steps * batch * InputSize;
        return ((GetOutputSteps(steps) * batch * OutputSize) + inputGradients) * Owner.DType.Bytes();
    }

    internal override bool HasInputGradient(int index) => false;
}
