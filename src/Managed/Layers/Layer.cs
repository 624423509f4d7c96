using System.Globalization;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>A part of a <see cref="Model"/>. Its constructor only describes it; the model gives it its parameters and memory.</summary>
/// <remarks>
/// <para>
/// Derive from this class for a layer of your own: give <see cref="InputSize"/> and <see cref="OutputSize"/>, the parameters with which it starts
/// (<see cref="Definitions"/>), <see cref="Forward"/> and <see cref="Backward"/>. Everything that a pass needs comes with its context: a layer keeps
/// nothing from one pass to the next. <see cref="Diagnostics.GradientCheck"/> checks it.
/// </para>
/// <para>A layer belongs to one model. Not thread-safe, as the model is not.</para>
/// </remarks>
public abstract class Layer
{
    private Model? _model;
    private string? _name;
    private bool _isFrozen;

    /// <summary>Describes a layer.</summary>
    protected Layer() { }

    /// <summary>Name within the container, with which the names of its parameters begin. Default: the layer's index in the container.</summary>
    /// <exception cref="ArgumentException">The name is empty, or has half of a surrogate pair.</exception>
    public string? Name
    {
        get => _name;
        init => SetName(value!);
    }

    /// <summary>Size of the last dimension of the inputs.</summary>
    public abstract long InputSize { get; }

    /// <summary>Size of the last dimension of the outputs.</summary>
    public abstract long OutputSize { get; }

    /// <summary>The layer's parameters, those of layers inside it among them; none before it is part of a model.</summary>
    public IReadOnlyList<Parameter> Parameters { get; private protected set; } = [];

    /// <summary>
    /// Keeps all parameters of the layer, and of layers inside it, as they are: see <see cref="Parameter.IsFrozen"/>. Setting it sets all of them; what
    /// is set before the layer is part of a model holds once it is. Reads true if all are frozen. Default false. Files do not have it.
    /// </summary>
    public bool IsFrozen
    {
        get => Parameters.Count > 0 ? Parameters.All(parameter => parameter.IsFrozen) : _isFrozen && Children.All(child => child.Value.IsFrozen);
        set
        {
            _isFrozen = value;
            foreach (Parameter parameter in Parameters)
            {
                parameter.IsFrozen = value;
            }

            foreach ((_, Layer child) in Children)
            {
                child.IsFrozen = value;
            }
        }
    }

    /// <summary>The parameters that the layer trains, in their order: names, shapes and how they start. Default: none.</summary>
    /// <remarks>Once the layer is part of a model, <see cref="Parameters"/> has them in the same order.</remarks>
    protected internal virtual IReadOnlyList<ParameterDefinition> Definitions => [];

    /// <summary>True if <see cref="Backward"/> reads the inputs of the forward pass; the model then refuses inputs that changed since. Default true.</summary>
    protected internal virtual bool ReadsInputsAgain => true;

    /// <summary>
    /// True if sequences may be cut: outputs are at the steps of the inputs, and depend on the inputs at their own step and, through the states of recurrent layers inside the
    /// layer, on earlier ones. <see cref="Trainer.FitStream"/> needs it of all layers. A container tells it of itself, its layers tell it too. Default false.
    /// </summary>
    protected internal virtual bool IsStepwise => false;

    /// <summary>
    /// Settings that change what the layer computes with the same parameters, by name. A model's file has them; a file with others is refused.
    /// Default: none.
    /// </summary>
    protected internal virtual IEnumerable<KeyValuePair<string, string>> Settings => [];

    /// <summary>
    /// Describes the layer for a model's file: its kind, and all that its constructor is given. A factory that is registered for the kind
    /// (<see cref="LayerFactories.Register"/>) makes it again. Default: null, the file has no description; it can then be loaded only into a model that was created.
    /// </summary>
    protected internal virtual LayerDescription? Describe() => null;

    /// <summary>The layers inside this one, with their names; none unless it is a container.</summary>
    internal virtual IReadOnlyList<KeyValuePair<string, Layer>> Children => [];

    /// <summary>Refuses what the layer's element type, which its model decides, cannot hold.</summary>
    /// <param name="dtype">The element type.</param>
    /// <param name="name">The caller's name of the layer.</param>
    internal virtual void CheckFor(DType dtype, string name) { }

    /// <summary>Number of random filter streams that the layer draws from.</summary>
    internal virtual long FilterStreams => 0;

    /// <summary>True if the native code checks the layer's inputs for NaN and infinity up to the samples' lengths, reads none beyond, and calls them inputs.</summary>
    internal virtual bool ChecksInputs => false;

    /// <summary>True if the native code checks the gradients at the layer's outputs for NaN and infinity.</summary>
    internal virtual bool ChecksOutputGradients => false;

    /// <summary>True if the layer takes indices, <see cref="DType.Int32"/>, instead of numbers.</summary>
    internal virtual bool TakesIndices => false;

    /// <summary>The model, once there is one.</summary>
    /// <exception cref="InvalidOperationException">The layer is not part of a model yet.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    private protected Model Owner
    {
        get
        {
            Model model = _model ?? throw new InvalidOperationException("The layer is not part of a model yet.");
            model.ThrowIfDisposed();
            return model;
        }
    }

    /// <summary>The model that the layer is part of, disposed or not; null: none yet.</summary>
    internal Model? ModelOrNull => _model;

    /// <summary>The container that the layer is in; null: it is a model, or part of none yet.</summary>
    internal Container? Parent { get; set; }

    /// <summary>The names from the model to the layer, joined by dots: "2.forward". Empty for the model itself.</summary>
    internal string Path { get; private set; } = "";

    /// <summary>The layer in messages about the arguments of the model's constructor: "layers[2].Layers[0]".</summary>
    private protected string ArgumentPlace { get; private set; } = "";

    /// <summary>Number of the layer among those of the model that are no containers.</summary>
    private protected int LeafIndex { get; private set; }

    /// <summary>The layer in messages about what is only found out when it runs.</summary>
    private protected string Place => $"layer {Path} ({GetType().Name})";

    /// <summary>The name of the layer's inputs in messages; the model's own are plain "inputs".</summary>
    private protected string InputName => $"inputs{InputPlace}";

    /// <summary>The end of the inputs' name, and of those of its elements: empty for the model's own inputs.</summary>
    private protected string InputPlace => _model is { } model && model.IsFirst(this) ? "" : $" of {Place}";

    /// <summary>What the layer has in the model: its tensors of the latest pass.</summary>
    internal LayerMemory Memory => _memory ?? throw new InvalidOperationException("The layer is not part of a model yet.");

    private LayerMemory? _memory;

    /// <summary>The layer in a few words: kind and sizes.</summary>
    public override string ToString() => $"{GetType().Name} {InputSize} -> {OutputSize}";

    /// <summary>Runs the layer.</summary>
    /// <param name="context">The pass: lengths, training or not, and memory for the outputs (<see cref="ForwardContext.Outputs(ReadOnlySpan{long})"/>).</param>
    /// <param name="inputs"><c>[T, B, InputSize]</c> or <c>[B, InputSize]</c>; must not be written.</param>
    /// <returns>The outputs; they may be the inputs themselves.</returns>
    protected internal abstract Tensor Forward(in ForwardContext context, Tensor inputs);

    /// <summary>Backpropagates through the latest forward pass, which was one in training: writes the gradients of parameters and of the inputs.</summary>
    /// <param name="context">The pass: its inputs and outputs, and whether gradients of parameters are added to (<see cref="BackwardContext.Accumulate"/>).</param>
    /// <param name="outputGradient">Gradient at the outputs, shaped as they were; must not be written. 0 beyond lengths.</param>
    /// <param name="inputGradient">Shaped as the inputs; every element must be written, 0 beyond lengths. Null: not wanted.</param>
    protected internal abstract void Backward(in BackwardContext context, Tensor outputGradient, Tensor? inputGradient);

    /// <summary>Bytes that the layer keeps from a forward pass to its backward pass, the outputs among them, for <see cref="Model.Summary"/>.</summary>
    /// <param name="steps">Time steps T of the inputs.</param>
    /// <param name="batch">Samples B.</param>
    /// <returns>Default: the outputs.</returns>
    protected internal virtual long GetActivationBytes(long steps, long batch) => GetOutputSteps(steps) * batch * OutputSize * Owner.DType.Bytes();

    /// <summary>Time steps of the outputs, where the inputs have so many. Default: as many.</summary>
    /// <param name="steps">Time steps T of the inputs; 1 where there is no dimension of time.</param>
    protected internal virtual long GetOutputSteps(long steps) => steps;

    /// <summary>Lengths of the outputs of samples of these lengths.</summary>
    /// <param name="lengths">Lengths of the inputs; empty: there are none.</param>
    /// <param name="memory">Where they go; grows with the batch and belongs to the layer.</param>
    internal ReadOnlyMemory<int> GetOutputLengths(ReadOnlySpan<int> lengths, ref int[] memory)
    {
        if (memory.Length < lengths.Length)
        {
            memory = new int[lengths.Length];
        }

        for (int i = 0; i < lengths.Length; i++)
        {
            memory[i] = (int)GetOutputSteps(lengths[i]);
        }

        return memory.AsMemory(0, lengths.Length);
    }

    /// <summary>Bytes that the backward pass takes for sums of gradients.</summary>
    internal virtual long GradientSumBytes(long steps, long batch) => 0;

    /// <summary>Adds the layer to a model.</summary>
    /// <param name="model">The model.</param>
    /// <param name="path">Names from the model to the layer.</param>
    /// <param name="place">The layer as an argument of the model's constructor.</param>
    /// <param name="parameters">Those of the definitions.</param>
    /// <param name="leafIndex">Number among layers that are no containers.</param>
    /// <param name="seed">Of the model.</param>
    /// <param name="filterIndex">The first filter stream of the layer.</param>
    internal void Attach(Model model, string path, string place, IReadOnlyList<Parameter> parameters, int leafIndex, ulong seed, uint filterIndex)
    {
        _model = model;
        Path = path;
        ArgumentPlace = place;
        LeafIndex = leafIndex;
        Parameters = parameters;
        foreach (Parameter parameter in parameters)
        {
            parameter.IsFrozen = _isFrozen;
        }

        _memory = new LayerMemory(this);
        OnAttach(seed, filterIndex);
    }

    /// <summary>Refuses a layer that is part of a model.</summary>
    /// <param name="name">The caller's name of the layer.</param>
    internal void ThrowIfAttached(string name)
    {
        if (_model is not null)
        {
            throw new ArgumentException($"{name} is part of a model already; a layer belongs to one model.", Check.Parameter(name));
        }
    }

    /// <summary>Undoes <see cref="Attach"/> when the model cannot be made.</summary>
    internal void Detach()
    {
        Release();
        _model = null;
        _memory = null;
        Parent = null;
        Parameters = [];
    }

    /// <summary>Writes down the state needed to interpret the parameters and to continue training.</summary>
    /// <param name="metadata">Of the file; keys begin with <paramref name="name"/>.</param>
    /// <param name="name">Name of the layer in the model.</param>
    internal virtual void SaveState(IDictionary<string, string> metadata, string name)
    {
        foreach ((string key, string value) in Settings)
        {
            metadata[$"{name}.{key}"] = value;
        }
    }

    /// <summary>Reads what <see cref="SaveState"/> wrote, and changes nothing yet.</summary>
    /// <param name="metadata">Of the file, which has something of the model.</param>
    /// <param name="name">Name of the layer in the model.</param>
    /// <returns>The action that applies it; null: there is nothing to apply.</returns>
    /// <exception cref="InvalidDataException">The file is of a layer that computes something else, or lacks a part of what that one wrote.</exception>
    internal virtual LoadedState? LoadState(IReadOnlyDictionary<string, string> metadata, string name)
    {
        RequireSettings(metadata, name);
        return null;
    }

    /// <summary>Refuses a file of a layer that computes something else with the same parameters.</summary>
    /// <param name="metadata">Of the file.</param>
    /// <param name="name">Name of the layer in the model.</param>
    /// <exception cref="InvalidDataException">Its settings are others.</exception>
    internal void RequireSettings(IReadOnlyDictionary<string, string> metadata, string name)
    {
        foreach ((string key, string expected) in Settings)
        {
            if (!metadata.TryGetValue($"{name}.{key}", out string? value) || value != expected)
            {
                throw new InvalidDataException(
                    $"__metadata__.{ForeignText.Clean(name)}.{key} is {(value is null ? "missing" : $"'{ForeignText.Clean(value)}'")}; '{expected}', as in the model, is expected.");
            }
        }
    }

    /// <summary>Names a layer that was made of a file.</summary>
    internal void SetName(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name, nameof(Name));
        Check.Utf8(name, $"{nameof(Name)} has", nameof(Name));
        _name = name;
    }

    /// <summary>Frees what the layer has in its model.</summary>
    internal void Release()
    {
        _memory?.Release();
        OnRelease();
    }

    private protected virtual void OnAttach(ulong seed, uint filterIndex) { }

    private protected virtual void OnRelease() { }

    /// <summary>Refuses inputs whose last dimension is not <see cref="InputSize"/>, or that have but one.</summary>
    /// <returns>Number of rows: all dimensions but the last.</returns>
    private protected long RowsOf(Tensor inputs)
    {
        ReadOnlySpan<long> shape = inputs.Shape;
        if (shape.Length < 2 || shape[^1] != InputSize)
        {
            throw new ArgumentException($"{InputName} has shape {Check.FormatShape(shape)}; it must be [..., {InputSize}] with at least 2 dimensions.", nameof(inputs));
        }

        return inputs.Count / InputSize;
    }

    /// <summary>Refuses sequences that are shorter than the steps that the layer needs.</summary>
    private protected void RequireWholeSequences(ReadOnlySpan<int> lengths, Tensor inputs, long steps)
    {
        if (inputs.Shape[0] != steps)
        {
            throw new ArgumentException($"{InputName} has shape {Check.FormatShape(inputs.Shape)}; it must have {steps} steps.", nameof(inputs));
        }

        for (int i = 0; i < lengths.Length; i++)
        {
            if (lengths[i] != steps)
            {
                throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"lengths[{i}] is {lengths[i]}; it must be {steps} for {Place}, which needs whole sequences."), nameof(inputs));
            }
        }
    }

    /// <summary>Refuses inputs that are not <c>[T, B, InputSize]</c>.</summary>
    private protected void RequireTime(Tensor inputs)
    {
        ReadOnlySpan<long> shape = inputs.Shape;
        if (shape.Length != 3 || shape[2] != InputSize)
        {
            throw new ArgumentException($"{InputName} has shape {Check.FormatShape(shape)}; it must be [T, B, {InputSize}].", nameof(inputs));
        }
    }
}

/// <summary>State of a layer from a file: applied once the whole file has been read, or else thrown away.</summary>
internal abstract class LoadedState : IDisposable
{
    /// <summary>Gives the state to the layer.</summary>
    public abstract void Apply();

    /// <summary>Frees what was not applied.</summary>
    public virtual void Dispose() { }

    /// <summary>The number that a file has under a key.</summary>
    /// <exception cref="InvalidDataException">It is missing, no whole number, or too large.</exception>
    public static ulong Number(IReadOnlyDictionary<string, string> metadata, string key, ulong maximum) =>
        metadata.TryGetValue(key, out string? text) &&
        ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out ulong value) && value <= maximum
            ? value
            : throw new InvalidDataException($"__metadata__.{ForeignText.Clean(key)} is {(text is null ? "missing" : $"'{ForeignText.Clean(text)}'")}; a whole number of at most {maximum} is expected.");
}
