using System.Globalization;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>A layer of a <see cref="Sequential"/> model. Its constructor only describes it; the model gives it its parameters and memory.</summary>
/// <remarks>A layer belongs to one model. Not thread-safe, as the model is not.</remarks>
public abstract class Layer
{
    private Sequential? _model;
    private Tensor? _inputGradient;

    private protected Layer() { }

    /// <summary>Name in the model, with which the names of its parameters begin. Default: the layer's index in the model.</summary>
    /// <exception cref="ArgumentException">The name is empty, or has half of a surrogate pair.</exception>
    public string? Name
    {
        get;
        init
        {
            ArgumentException.ThrowIfNullOrEmpty(value, nameof(Name));
            Check.Utf8(value, $"{nameof(Name)} has", nameof(Name));
            field = value;
        }
    }

    /// <summary>Size of the last dimension of the inputs.</summary>
    public abstract long InputSize { get; }

    /// <summary>Size of the last dimension of the outputs.</summary>
    public abstract long OutputSize { get; }

    /// <summary>The layer's parameters; none before it is part of a model.</summary>
    public IReadOnlyList<Parameter> Parameters { get; private set; } = [];

    /// <summary>The definitions of the parameters, in their order.</summary>
    internal abstract IReadOnlyList<ParameterDefinition> Definitions { get; }

    /// <summary>Refuses what the layer's element type, which its model decides, cannot hold.</summary>
    /// <param name="dtype">The element type.</param>
    /// <param name="name">The caller's name of the layer.</param>
    internal virtual void CheckFor(DType dtype, string name) { }

    /// <summary>Number of random filter streams that the layer draws from.</summary>
    internal virtual long FilterStreams => 0;

    /// <summary>True if the native code checks the layer's inputs for NaN and infinity, and calls them inputs.</summary>
    internal virtual bool ChecksInputs => false;

    /// <summary>True if the backward pass reads the inputs of the forward pass once more.</summary>
    internal virtual bool ReadsInputsAgain => false;

    /// <summary>True if the native code checks the gradients at the layer's outputs for NaN and infinity.</summary>
    internal virtual bool ChecksOutputGradients => false;

    /// <summary>The model, once there is one.</summary>
    private protected Sequential Model
    {
        get
        {
            Sequential model = _model ?? throw new InvalidOperationException("The layer is not part of a model yet.");
            model.ThrowIfDisposed();
            return model;
        }
    }

    /// <summary>True if there is a model, disposed or not.</summary>
    private protected bool HasModel => _model is not null;

    /// <summary>Place in the model, from 0 on.</summary>
    private protected int LayerIndex { get; private set; }

    /// <summary>The layer in messages about what is only found out when it runs.</summary>
    private protected string Place => $"layer {LayerIndex} ({GetType().Name})";

    /// <summary>The name of the layer's input in messages.</summary>
    private protected string InputName => $"inputs{InputPlace}";

    /// <summary>The end of the input's name, and of those of its elements: empty for the model's own inputs.</summary>
    private protected string InputPlace { get; private set; } = "";

    /// <summary>Adds the layer to a model.</summary>
    internal void Attach(Sequential model, int index, IReadOnlyList<Parameter> parameters, ulong seed, uint filterIndex)
    {
        _model = model;
        LayerIndex = index;
        Parameters = parameters;
        InputPlace = index == 0 ? "" : $" of {Place}";
        OnAttach(seed, filterIndex);
    }

    /// <summary>Undoes <see cref="Attach"/> when the model cannot be made.</summary>
    internal void Detach()
    {
        Dispose();
        _model = null;
        Parameters = [];
    }

    /// <summary>Reads of what a model left are refused once it is disposed.</summary>
    private protected void ThrowIfModelDisposed() => _model?.ThrowIfDisposed();

    internal void ThrowIfAttached(string name)
    {
        if (_model is not null)
        {
            throw new ArgumentException($"{name} is part of a model already; a layer belongs to one model.", Check.Parameter(name));
        }
    }

    /// <summary>Runs the layer; the output is owned by the layer and changes with the next call.</summary>
    internal abstract Tensor Forward(Tensor inputs, bool training);

    /// <summary>Forgets what only a backward pass gives, before the next one begins.</summary>
    internal virtual void BeginBackward() { }

    /// <summary>Backpropagates through the last forward pass.</summary>
    /// <param name="inputs">The inputs of that pass.</param>
    /// <param name="outputGradient">Gradient at its output.</param>
    /// <param name="inputGradient">Written; null: not wanted.</param>
    /// <param name="accumulate">True to add to gradients of parameters instead of overwriting them.</param>
    internal abstract void Backward(Tensor inputs, Tensor outputGradient, Tensor? inputGradient, bool accumulate);

    /// <summary>Bytes that the layer keeps from a forward pass to its backward pass, its outputs among them.</summary>
    internal abstract long ActivationBytes(long steps, long batch);

    /// <summary>Bytes that the backward pass takes for sums of gradients.</summary>
    internal virtual long GradientSumBytes(long steps, long batch) => 0;

    /// <summary>Time steps of the outputs, where the inputs have so many.</summary>
    internal virtual long OutputSteps(long steps) => steps;

    /// <summary>Memory for the gradient at the inputs.</summary>
    /// <param name="inputs">The inputs, which have its shape.</param>
    /// <param name="outputGradient">The gradient that it is computed from.</param>
    internal Tensor InputGradientFor(Tensor inputs, Tensor outputGradient) =>
        Tensor.Ensure(ref _inputGradient, inputs.Device, inputs.DType, inputs.Shape, source: outputGradient);

    /// <summary>Writes down the state needed to interpret the parameters and to continue training.</summary>
    /// <param name="metadata">Of the file; keys begin with <paramref name="name"/>.</param>
    /// <param name="name">Name of the layer in the model.</param>
    internal virtual void SaveState(IDictionary<string, string> metadata, string name) { }

    /// <summary>Reads what <see cref="SaveState"/> wrote, and changes nothing yet.</summary>
    /// <param name="metadata">Of the file, which has something of the model.</param>
    /// <param name="name">Name of the layer in the model.</param>
    /// <returns>The action that applies it; null: there is nothing to apply.</returns>
    /// <exception cref="InvalidDataException">The file is of a layer that computes something else, or lacks a part of what that one wrote.</exception>
    internal virtual LoadedState? LoadState(IReadOnlyDictionary<string, string> metadata, string name) => null;

    internal void Dispose()
    {
        _inputGradient?.Dispose();
        _inputGradient = null;
        OnDispose();
    }

    private protected virtual void OnAttach(ulong seed, uint filterIndex) { }

    private protected abstract void OnDispose();

    /// <summary>Inputs of two or more dimensions whose last one is <see cref="InputSize"/>; all others count as rows.</summary>
    /// <returns>Number of rows.</returns>
    private protected long RowsOf(Tensor inputs)
    {
        ReadOnlySpan<long> shape = inputs.Shape;
        if (shape.Length < 2 || shape[^1] != InputSize)
        {
            throw new ArgumentException($"{InputName} has shape {Check.FormatShape(shape)}; it must be [..., {InputSize}] with at least 2 dimensions.", nameof(inputs));
        }

        return inputs.Count / InputSize;
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
