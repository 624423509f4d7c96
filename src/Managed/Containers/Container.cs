using System.Globalization;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>A layer of layers. Derive from it for a composition of your own.</summary>
/// <remarks>
/// A container runs its layers by <see cref="ForwardContext.Forward"/> and <see cref="BackwardContext.Backward"/>. Names of parameters join those of
/// containers and layers by dots: <c>2.forward.weight</c>. A layer runs at most once in a pass. Containers that are derived outside the library take numbers, no indices.
/// </remarks>
public abstract class Container : Layer
{
    private readonly Layer[] _layers;
    private readonly KeyValuePair<string, Layer>[] _children;

    /// <summary>Takes the layers.</summary>
    /// <param name="layers">At least one layer, each part of no other container or model.</param>
    /// <exception cref="ArgumentException">There is no layer, one is part of a model already, or two have the same name.</exception>
    protected Container(params ReadOnlySpan<Layer> layers)
        : this([], layers)
    {
    }

    /// <param name="names">What layers are called that have no name of their own; empty: by their index.</param>
    /// <param name="layers">The layers.</param>
    private protected Container(ReadOnlySpan<string> names, ReadOnlySpan<Layer> layers)
    {
        if (layers.IsEmpty)
        {
            throw new ArgumentException($"{nameof(layers)} is empty; at least one is required.", nameof(layers));
        }

        _layers = layers.ToArray();
        _children = new KeyValuePair<string, Layer>[layers.Length];
        var taken = new HashSet<string>();
        for (int i = 0; i < layers.Length; i++)
        {
            string argument = $"{nameof(layers)}[{i}]";
            Layer layer = layers[i];
            Check.NotNull(layer, argument);
            layer.ThrowIfAttached(argument);
            int same = Array.IndexOf(_layers, layer, 0, i);
            if (same >= 0)
            {
                throw new ArgumentException($"{argument} is the same object as {nameof(layers)}[{same}]; a layer occurs once.", nameof(layers));
            }

            string name = layer.Name ?? (names.IsEmpty ? i.ToString(CultureInfo.InvariantCulture) : names[i]);
            if (!taken.Add(name))
            {
                throw new ArgumentException($"{argument} has the same name, '{ForeignText.Clean(name)}', as a layer before it; names must be unique.", nameof(layers));
            }

            _children[i] = KeyValuePair.Create(name, layer);
        }
    }

    /// <summary>The layers in their order.</summary>
    public IReadOnlyList<Layer> Layers => _layers;

    internal override IReadOnlyList<KeyValuePair<string, Layer>> Children => _children;

    /// <summary>True if <see cref="Layer.Backward"/> of the container itself, and not only of its layers, reads the inputs of the forward pass. Default false.</summary>
    protected internal override bool ReadsInputsAgain => false;

    internal override bool TakesIndices => IsChain && _layers[0].TakesIndices;

    /// <summary>True if the first layer is given the container's inputs, and the last one its output gradients.</summary>
    internal virtual bool IsChain => false;

    /// <summary>The layers in their order.</summary>
    private protected ReadOnlySpan<Layer> LayerSpan => _layers;

    /// <summary>Samples of the layers inside, where the container has so many.</summary>
    internal virtual long SamplesInside(long batch) => batch;

    /// <summary>Time steps of the inputs of a layer, where the container's have so many.</summary>
    internal virtual long StepsBefore(int index, long steps) => IsChain ? StepsBehind(LayerSpan[..index], steps) : steps;

    /// <summary>True if a layer has memory of its own for the gradient at its inputs, and does not write it into that of the container.</summary>
    internal virtual bool HasInputGradient(int index) => index > 0;

    /// <summary>Gives the container the parameters of its layers, once they have them.</summary>
    internal void SetParameters(IReadOnlyList<Parameter> parameters) => Parameters = parameters;

    /// <summary>Refuses layers of which one takes another size than the one before gives.</summary>
    private protected static void RequireChain(ReadOnlySpan<Layer> layers)
    {
        for (int i = 1; i < layers.Length; i++)
        {
            if (layers[i].InputSize != layers[i - 1].OutputSize)
            {
                throw new ArgumentException(
                    $"{nameof(layers)}[{i}] takes {layers[i].InputSize} inputs, but {nameof(layers)}[{i - 1}] has {layers[i - 1].OutputSize} outputs; the sizes must be equal.",
                    nameof(layers));
            }
        }
    }

    /// <summary>Runs layers one after another.</summary>
    /// <param name="context">Of the container.</param>
    /// <param name="layers">Some of its layers.</param>
    /// <param name="inputs">Those of the first one.</param>
    /// <returns>The outputs of the last one.</returns>
    private protected static Tensor ForwardChain(in ForwardContext context, ReadOnlySpan<Layer> layers, Tensor inputs)
    {
        ForwardContext current = context;
        Tensor outputs = inputs;
        foreach (Layer layer in layers)
        {
            outputs = current.Forward(layer, outputs);
            current = current.Behind(layer);
        }

        context.SetOutputLengths(current.LengthMemory);
        return outputs;
    }

    /// <summary>Backpropagates through <see cref="ForwardChain"/>.</summary>
    private protected static void BackwardChain(in BackwardContext context, ReadOnlySpan<Layer> layers, Tensor outputGradient, Tensor? inputGradient)
    {
        Tensor gradient = outputGradient;
        for (int i = layers.Length - 1; i >= 0; i--)
        {
            Tensor? target = i > 0 ? context.InputGradient(layers[i], gradient) : inputGradient;
            context.Backward(layers[i], gradient, target);
            gradient = target!;
        }
    }

    /// <summary>Runs layers one after another, and adds the inputs to what they give: y = P x + f(x).</summary>
    /// <param name="context">Of the container.</param>
    /// <param name="body">f.</param>
    /// <param name="projection">P; null: the identity.</param>
    /// <param name="inputs">x.</param>
    private protected Tensor ForwardSkip(in ForwardContext context, ReadOnlySpan<Layer> body, Layer? projection, Tensor inputs)
    {
        Tensor skip = projection is null ? inputs : context.Forward(projection, inputs);
        Tensor result = ForwardChain(context, body, inputs);
        if (!result.Shape.SequenceEqual(skip.Shape))
        {
            throw new ArgumentException(
                $"the layers of {Place} give {Check.FormatShape(result.Shape)} for inputs {Check.FormatShape(inputs.Shape)}; they must give {Check.FormatShape(skip.Shape)}, which is added.",
                nameof(inputs));
        }

        Tensor outputs = context.Outputs(result.Shape);
        Sequences.Add(context.Device, skip, result, outputs);
        return outputs;
    }

    /// <summary>Backpropagates through <see cref="ForwardSkip"/>; the container does so through the projection.</summary>
    private protected static void BackwardSkip(
        in BackwardContext context, ReadOnlySpan<Layer> body, Tensor outputGradient, Tensor? inputGradient, bool hasProjection)
    {
        BackwardChain(context, body, outputGradient, inputGradient);
        if (inputGradient is not null && !hasProjection)
        {
            Sequences.Add(context.Device, inputGradient, outputGradient, inputGradient);
        }
    }

    /// <summary>Time steps behind layers that run one after another.</summary>
    private protected static long StepsBehind(ReadOnlySpan<Layer> layers, long steps)
    {
        foreach (Layer layer in layers)
        {
            steps = layer.GetOutputSteps(steps);
        }

        return steps;
    }
}
