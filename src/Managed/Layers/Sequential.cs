using System.Globalization;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Options of a <see cref="Sequential"/> model.</summary>
public sealed record SequentialOptions
{
    /// <summary>Seed of filters and initial weights. Default 0.</summary>
    public ulong Seed { get; init; }

    /// <summary>Element type of parameters, inputs and outputs. Default <see cref="DType.Float32"/>.</summary>
    public DType DType { get; init; } = DType.Float32;

    /// <summary>Also computes <see cref="Sequential.InputGradient"/> in <see cref="Sequential.Backward"/>. Default false.</summary>
    public bool ComputeInputGradient { get; init; }
}

/// <summary>Layers one after another: a model that is run forward, backward and trained.</summary>
/// <remarks>
/// <para>
/// A training step is <see cref="Forward"/>, a loss, <see cref="Backward"/> and the step of an optimizer. All memory is taken
/// at the first step and kept: further steps of the same or a smaller batch allocate nothing.
/// </para>
/// <para>
/// Same seed, same inputs and same processor or GPU: the same bits, whatever the number of threads. One thread at a time may use a
/// model; a second one gets an <see cref="InvalidOperationException"/>.
/// </para>
/// <para>
/// On a GPU nothing here waits for it but <see cref="ClipGradientNorm"/>, and values that are not finite are reported by the next call
/// that waits: see <see cref="OrthoNative.Device"/>.
/// </para>
/// </remarks>
public sealed unsafe class Sequential : IDisposable
{
    private const long MaximumTensorBytes = 1L << 48;

    private readonly Layer[] _layers;
    private readonly Tensor[] _inputs;
    private readonly bool _computeInputGradient;
    private long[] _inputShape = [];
    private Tensor? _outputs;
    private Tensor? _inputGradient;
    private bool _awaitsBackward;
    private bool _passFailed;
    private long _inputMark;
    private long _parameterMark;
    private bool _disposed;
    private int _inUse;

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
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(options);
        device.ThrowIfDisposed();
        Check.Defined(options.DType);
        CheckLayers(layers, options.DType);
        Device = device;
        DType = options.DType;
        _computeInputGradient = options.ComputeInputGradient;
        _layers = layers.ToArray();
        _inputs = new Tensor[_layers.Length];

        IReadOnlyList<ParameterDefinition>[] definitions = [.. _layers.Select(layer => layer.Definitions)];
        long count = CountWithinMemory(definitions, device, DType);
        if (count == 0)
        {
            throw new ArgumentException($"{nameof(layers)} have no parameters; at least one parameter is required.", nameof(layers));
        }

        try
        {
            ParameterData = new Tensor(device, DType, count);
            GradientData = new Tensor(device, DType, count);
            Parameters = AttachLayers(layers, definitions, options.Seed);
        }
        catch
        {
            foreach (Layer layer in _layers)
            {
                layer.Detach();
            }

            GradientData?.Dispose();
            ParameterData?.Dispose();
            throw;
        }
    }

    /// <inheritdoc cref="Sequential(Device, SequentialOptions, ReadOnlySpan{Layer})"/>
    /// <remarks>For languages without <c>params</c> spans, as C# 12 is, the default in projects for .NET 8.</remarks>
    public Sequential(Device device, SequentialOptions options, params Layer[] layers)
        : this(device, options, new ReadOnlySpan<Layer>(layers))
    {
    }

    /// <summary>Where the model lies and runs.</summary>
    public Device Device { get; }

    /// <summary>Element type of parameters, inputs and outputs.</summary>
    public DType DType { get; }

    /// <summary>The layers in their order.</summary>
    public IReadOnlyList<Layer> Layers => _layers;

    /// <summary>All parameters, layer by layer.</summary>
    public IReadOnlyList<Parameter> Parameters { get; }

    /// <summary>All parameters as one flat tensor, in the order of <see cref="Parameters"/>.</summary>
    public Tensor ParameterData { get; }

    /// <summary>All gradients as one flat tensor, in the order of <see cref="Parameters"/>.</summary>
    public Tensor GradientData { get; }

    /// <summary>
    /// Keeps in <see cref="Forward"/> what <see cref="Backward"/> needs. Also turns <see cref="Dropout"/> and <see cref="GaussianNoise"/> on.
    /// Default true; false takes less memory.
    /// </summary>
    public bool Training { get; set; } = true;

    /// <summary>Gradient at the inputs after <see cref="Backward"/>, shaped as they were. Changes with the next backward pass.</summary>
    /// <exception cref="InvalidOperationException">
    /// The model was made without <see cref="SequentialOptions.ComputeInputGradient"/>, there was no backward pass yet, or the last one was refused or failed.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public Tensor InputGradient
    {
        get
        {
            ThrowIfDisposed();
            return _inputGradient ?? throw new InvalidOperationException(_computeInputGradient
                ? "There was no backward pass yet, or the last one was refused or failed."
                : $"The model was made without {nameof(SequentialOptions)}.{nameof(SequentialOptions.ComputeInputGradient)}.");
        }
    }

    /// <summary>True if the last forward pass began and failed, so that layers hold parts of it.</summary>
    internal bool PassFailed => _passFailed;

    /// <summary>Before each layer's forward pass in training: the layer and its inputs.</summary>
    internal event Action<Layer, Tensor>? LayerForward;

    /// <summary>Before each layer's backward pass: the layer and the gradient at its outputs.</summary>
    internal event Action<Layer, Tensor>? LayerBackward;

    /// <summary>Runs the model.</summary>
    /// <param name="inputs">
    /// The inputs of the first layer: <c>[T, B, D]</c> for a <see cref="RecurrentLayer"/>, otherwise <c>[..., inputs]</c>. Must stay as it is
    /// until the backward pass is done: <see cref="Backward"/> refuses inputs that were written since.
    /// </param>
    /// <returns>The output of the last layer; belongs to the model and changes with the next call.</returns>
    /// <exception cref="ArgumentException">Shape, element type or device of <paramref name="inputs"/> do not match.</exception>
    /// <exception cref="NotFiniteNumberException">An input is NaN or infinite; on a GPU the next call that waits says so.</exception>
    /// <exception cref="OutOfMemoryException">There is not enough memory for states; the message says how much is needed and free.</exception>
    /// <exception cref="InvalidOperationException">
    /// Another thread is using the model, or shape, element type or device of a <see cref="RecurrentLayer.InitialState"/> or <see cref="Lstm.InitialCellState"/> do not match.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The model or the inputs were disposed.</exception>
    public Tensor Forward(Tensor inputs)
    {
        using Use use = BeginUse();
        Check.Compatible(inputs, Device, DType);

        // On a GPU the host does not look: what is not finite passes through dense layers, noise and dropout to where it is found, a chain or a loss.
        if (!_layers[0].ChecksInputs && Device.Kind == DeviceKind.Cpu)
        {
            Check.AllFinite(inputs);
        }

        EndPass();
        if (_inputShape.Length != inputs.Shape.Length)
        {
            _inputShape = new long[inputs.Shape.Length];
        }

        inputs.Shape.CopyTo(_inputShape);
        bool training = Training;
        Tensor current = inputs;
        _inputs[0] = inputs;
        _passFailed = true;
        if (training)
        {
            BeginPass(inputs);
        }

        try
        {
            for (int i = 0; i < _layers.Length; i++)
            {
                _inputs[i] = current;
                if (training)
                {
                    LayerForward?.Invoke(_layers[i], current);
                }

                current = _layers[i].Forward(current, training);
            }

            _passFailed = false;
        }
        finally
        {
            if (_passFailed)
            {
                EndPass();
            }
        }

        _outputs = current;
        return current;
    }

    /// <summary>Backpropagates through the last forward pass, once for each.</summary>
    /// <param name="outputGradient">Gradient at the output, shaped as it was; a loss's <c>Gradient</c>.</param>
    /// <param name="accumulate">True: add to <see cref="GradientData"/>; false, the default: overwrite it. All other gradients are overwritten.</param>
    /// <exception cref="ArgumentException">
    /// Shape, element type or device of <paramref name="outputGradient"/> do not match, or the inputs have another shape by now.
    /// </exception>
    /// <exception cref="NotFiniteNumberException">A gradient at an output is NaN or infinite; on a GPU the next call that waits says so.</exception>
    /// <exception cref="InvalidOperationException">
    /// There was no forward pass in <see cref="Training"/> mode since the last backward pass, or the last one failed; the inputs, where a layer
    /// reads them again, or the parameters changed since; or another thread is using the model.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The model, the inputs or the gradient were disposed.</exception>
    /// <remarks>
    /// Every write by this library is noticed: a copy, a step of an optimizer, a loaded file, the next batch of a <see cref="DataLoader"/>. So is a
    /// write through a span that was taken after <see cref="Forward"/>. Writes through older spans and by other code that shares the memory are not.
    /// Where the call fails halfway, <see cref="GradientData"/> holds parts of both passes.
    /// </remarks>
    public void Backward(Tensor outputGradient, bool accumulate = false)
    {
        using Use use = BeginUse();

        // Whatever happens now, no gradient of an earlier pass may be taken for one of this.
        _inputGradient = null;
        foreach (Layer layer in _layers)
        {
            layer.BeginBackward();
        }

        ArgumentNullException.ThrowIfNull(outputGradient);
        if (!_awaitsBackward)
        {
            throw new InvalidOperationException(
                $"{nameof(Backward)} needs a {nameof(Forward)} call with {nameof(Training)} = true before it, one for each.");
        }

        Check.Compatible(outputGradient, Device, DType);
        Check.Shape(outputGradient, _outputs!.Shape);

        // They may be another model's output, which that model's next forward pass resizes.
        Tensor inputs = _inputs[0];
        inputs.ThrowIfDisposed();
        if (!inputs.Shape.SequenceEqual(_inputShape))
        {
            throw new ArgumentException(
                $"{nameof(outputGradient)} is that of a pass whose inputs have shape {Check.FormatShape(inputs.Shape)} by now; it must still be {Check.FormatShape(_inputShape)}, as in {nameof(Forward)}.",
                nameof(outputGradient));
        }

        if (!_layers[^1].ChecksOutputGradients)
        {
            CheckFinite(outputGradient);
        }

        (bool sameInputs, bool sameParameters) = EndPass();
        if (!sameInputs && ReadsInputsAgain())
        {
            throw Changed($"inputs, {inputs},");
        }

        if (!sameParameters)
        {
            throw Changed($"{nameof(ParameterData)}, the parameters,");
        }

        Tensor gradient = outputGradient;
        for (int i = _layers.Length - 1; i >= 0; i--)
        {
            Tensor? inputGradient = i > 0 || _computeInputGradient ? _layers[i].InputGradientFor(_inputs[i], gradient) : null;
            LayerBackward?.Invoke(_layers[i], gradient);
            _layers[i].Backward(_inputs[i], gradient, inputGradient, accumulate);
            gradient = inputGradient!;
        }

        _inputGradient = gradient;
    }

    /// <summary>Tells what training takes, before it begins: parameters and memory.</summary>
    /// <param name="batch">Samples B in a step, at least 1.</param>
    /// <param name="steps">Time steps T of the inputs, at least 1; 1, the default, for models without recurrent layers.</param>
    /// <param name="optimizerValues">
    /// Numbers that the optimizer keeps for each parameter: 2, the default, for Adam and AdamW; 1 for SGD with momentum; 0 for SGD.
    /// </param>
    /// <returns>A record that prints as a table.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of range.</exception>
    /// <exception cref="OutOfMemoryException">States beyond what a computer can address.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public ModelSummary Summary(long batch, long steps = 1, int optimizerValues = 2)
    {
        ThrowIfDisposed();
        Check.AtLeast(batch, 1);
        Check.AtLeast(steps, 1);
        Check.InRange(optimizerValues, 0, 2);
        ThrowIfBeyondAddresses(steps, batch);
        var layers = new LayerSummary[_layers.Length];
        for (int i = 0; i < layers.Length; i++)
        {
            Layer layer = _layers[i];
            long gradient = i > 0 || _computeInputGradient ? steps * batch * layer.InputSize * DType.Bytes() : 0;
            layers[i] = new LayerSummary(
                NameOf(layer, i),
                layer.ToString()!,
                layer.Parameters.Sum(parameter => parameter.Value.Count),
                layer.ActivationBytes(steps, batch) + gradient,
                layer.GradientSumBytes(steps, batch));
            steps = layer.OutputSteps(steps);
        }

        return new ModelSummary(layers, batch, DType, optimizerValues);
    }

    /// <summary>Scales all gradients down so that their Euclidean norm is at most <paramref name="maximumNorm"/>, and tells it.</summary>
    /// <param name="maximumNorm">Above 0; infinity: only measure.</param>
    /// <returns>The norm before clipping, for which a GPU is waited for; <see cref="ClipGradients(double)"/> does not wait.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="maximumNorm"/> is not above 0.</exception>
    /// <exception cref="NotFiniteNumberException">The norm is NaN or infinite; gradients are then unchanged.</exception>
    /// <exception cref="InvalidOperationException">Another thread is using the model.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public double ClipGradientNorm(double maximumNorm)
    {
        double norm;
        ClipGradients(maximumNorm, &norm);
        return norm;
    }

    /// <summary>Scales all gradients down so that their Euclidean norm is at most <paramref name="maximumNorm"/>, without waiting for a GPU.</summary>
    /// <param name="maximumNorm">Above 0; infinity: only check that the norm is finite.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="maximumNorm"/> is not above 0.</exception>
    /// <exception cref="NotFiniteNumberException">
    /// The norm is NaN or infinite; gradients are then unchanged. On a GPU the next call that waits says so: see <see cref="OrthoNative.Device"/>.
    /// </exception>
    /// <exception cref="InvalidOperationException">Another thread is using the model.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public void ClipGradients(double maximumNorm) => ClipGradients(maximumNorm, null);

    /// <summary>
    /// Saves all parameters by name, and in the file's metadata the state needed to interpret them: kind of cell, kind and seed of filters, α, β and φ,
    /// and with which random numbers a <see cref="GaussianNoise"/> or a <see cref="Dropout"/> continues. The file appears, or replaces an older
    /// one, once it is written whole.
    /// </summary>
    /// <param name="path">A file of the safetensors format.</param>
    /// <remarks>An older file's permissions, and a link to it, are kept: see <see cref="SafeTensors.Save"/>.</remarks>
    /// <exception cref="ArgumentException">The path is empty or has a null character.</exception>
    /// <exception cref="IOException">The file cannot be written; an older one is then left as it was.</exception>
    /// <exception cref="UnauthorizedAccessException">The file or its folder may not be written, or the path is a folder.</exception>
    /// <exception cref="InvalidOperationException">Another thread is using the model.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public void Save(string path)
    {
        using Use use = BeginUse();
        var metadata = new Dictionary<string, string>();
        for (int i = 0; i < _layers.Length; i++)
        {
            _layers[i].SaveState(metadata, NameOf(_layers[i], i));
        }

        SafeTensors.Save(path, Parameters.Select(parameter => KeyValuePair.Create(parameter.Name, parameter.Value)), metadata);
    }

    /// <summary>
    /// Loads all parameters by name from a file that <see cref="Save"/> wrote. Nothing changes if the file is not as expected.
    /// </summary>
    /// <param name="path">A file of the safetensors format.</param>
    /// <exception cref="ArgumentException">The path is empty or has a null character.</exception>
    /// <exception cref="IOException">The file is missing or cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read, or is a folder.</exception>
    /// <exception cref="InvalidDataException">
    /// The file is damaged, its tensors are not those of this model by name, shape and element type, they were saved by a model
    /// with another kind of cell or filter, α, β or φ, or it tells this of some layers only, or of layers that are not in the model.
    /// </exception>
    /// <exception cref="OutOfMemoryException">There is not enough memory for filters of another seed.</exception>
    /// <exception cref="InvalidOperationException">Another thread is using the model.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    /// <remarks>
    /// Filters are not saved: they follow from their seed. A model of another seed gets the filters of the seed in the file, and
    /// computes what the saved one did; noise and dropout continue where it was. <see cref="Backward"/> needs a new forward pass. A file without
    /// metadata, as other programs write it, must be of a model of the same seed.
    /// </remarks>
    public void Load(string path)
    {
        using Use use = BeginUse();
        using SafeTensorsReader reader = SafeTensorsReader.Open(path);
        (string Name, Tensor Value)[] parameters = [.. Parameters.Select(parameter => (parameter.Name, parameter.Value))];
        reader.RequireSame(parameters);
        var states = new List<LoadedState>();
        try
        {
            try
            {
                LoadStates(reader.Metadata, states);
            }
            catch (InvalidDataException exception)
            {
                throw new InvalidDataException($"'{ForeignText.CleanPath(path)}': {exception.Message}", exception);
            }

            reader.ReadInto(parameters);
            states.ForEach(state => state.Apply());
            EndPass();
        }
        finally
        {
            states.ForEach(state => state.Dispose());
        }
    }

    /// <summary>Reads the layers' states, unless the file has none at all.</summary>
    /// <param name="metadata">Of the file.</param>
    /// <param name="states">Filled, also if this fails.</param>
    /// <exception cref="InvalidDataException">They are of other layers, or those of some filter chains are missing.</exception>
    private void LoadStates(IReadOnlyDictionary<string, string> metadata, List<LoadedState> states)
    {
        var keys = new Dictionary<string, string>();
        for (int i = 0; i < _layers.Length; i++)
        {
            _layers[i].SaveState(keys, NameOf(_layers[i], i));
        }

        // Weights of a filter chain in a layer of another kind or name would compute something else.
        if (metadata.Keys.FirstOrDefault(key => key.EndsWith($".{ChainLayer.SeedKey}", StringComparison.Ordinal) && !keys.ContainsKey(key)) is { } other)
        {
            throw new InvalidDataException($"__metadata__.{ForeignText.Clean(other)} is of a filter chain that the model does not have; those of the model are expected.");
        }

        if (!metadata.Keys.Any(keys.ContainsKey))
        {
            // As another program writes it.
            return;
        }

        for (int i = 0; i < _layers.Length; i++)
        {
            if (_layers[i].LoadState(metadata, NameOf(_layers[i], i)) is { } state)
            {
                states.Add(state);
            }
        }
    }

    /// <summary>Frees the memory of the model: parameters, outputs and gradients.</summary>
    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        EndPass();
        _disposed = true;
        foreach (Layer layer in _layers)
        {
            layer.Dispose();
        }

        GradientData.Dispose();
        ParameterData.Dispose();
    }

    /// <summary>Reserves the model for the calling thread.</summary>
    internal Use BeginUse()
    {
        ThrowIfDisposed();
        if (Interlocked.CompareExchange(ref _inUse, 1, 0) != 0)
        {
            throw new InvalidOperationException("Another thread is using the model; only one thread at a time may use it.");
        }

        return new Use(this);
    }

    internal void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(_disposed, this);

    /// <summary>Remembers what the backward pass needs as the forward pass found it.</summary>
    private void BeginPass(Tensor inputs)
    {
        _inputMark = inputs.Watch.BeginPass();
        _parameterMark = ParameterData.Watch.BeginPass();
        _awaitsBackward = true;
    }

    /// <summary>Ends what <see cref="BeginPass"/> began, if that was not done yet.</summary>
    /// <returns>The part that is as the forward pass found it.</returns>
    private (bool Inputs, bool Parameters) EndPass()
    {
        if (!_awaitsBackward)
        {
            return (true, true);
        }

        _awaitsBackward = false;
        return (_inputs[0].Watch.EndPass(_inputMark), ParameterData.Watch.EndPass(_parameterMark));
    }

    /// <summary>Tells whether a layer that takes the model's inputs, passed on by others or not, reads them in its backward pass.</summary>
    private bool ReadsInputsAgain()
    {
        for (int i = 0; i < _layers.Length && _inputs[i] == _inputs[0]; i++)
        {
            if (_layers[i].ReadsInputsAgain)
            {
                return true;
            }
        }

        return false;
    }

    private static InvalidOperationException Changed(string what) => new(
        $"{what} changed since {nameof(Forward)}; {nameof(Backward)} needs them as {nameof(Forward)} found them. Run {nameof(Forward)} again.");

    /// <summary>No element of a gradient may be NaN or infinite; a GPU finds out by its norm, which nothing waits for.</summary>
    private void CheckFinite(Tensor outputGradient)
    {
        if (Device.Kind == DeviceKind.Cpu)
        {
            Check.AllFinite(outputGradient);
        }
        else
        {
            Clip(outputGradient, double.PositiveInfinity, null);
        }
    }

    private void ClipGradients(double maximumNorm, double* norm)
    {
        if (!(maximumNorm > 0))
        {
            Check.That(false, maximumNorm, "above 0, or infinity", nameof(maximumNorm));
        }

        using Use use = BeginUse();
        Clip(GradientData, maximumNorm, norm);
    }

    /// <param name="gradients">Scaled down where their norm is larger.</param>
    /// <param name="maximumNorm">Above 0; infinity: they stay as they are.</param>
    /// <param name="norm">Written; null: not wanted.</param>
    private void Clip(Tensor gradients, double maximumNorm, double* norm)
    {
        using BufferScope memory = double.IsPositiveInfinity(maximumNorm) ? gradients.Borrow() : gradients.BorrowToWrite();
        using HandleScope<ortho_device> device = Device.Handle.Borrow();
        NativeMethods.ortho_clip_gradient_norm(device.Pointer, DType.ToNative(), gradients.Count, memory.Address, maximumNorm, norm).ThrowOnFailure();
    }

    private static void CheckLayers(ReadOnlySpan<Layer> layers, DType dtype)
    {
        if (layers.IsEmpty)
        {
            throw new ArgumentException($"{nameof(layers)} is empty; at least one is required.", nameof(layers));
        }

        var names = new HashSet<string>();
        for (int i = 0; i < layers.Length; i++)
        {
            string argument = $"{nameof(layers)}[{i}]";
            Check.NotNull(layers[i], argument);
            layers[i].ThrowIfAttached(argument);
            layers[i].CheckFor(dtype, argument);
            for (int k = 0; k < i; k++)
            {
                if (layers[k] == layers[i])
                {
                    throw new ArgumentException($"{argument} is the same object as {nameof(layers)}[{k}]; a layer occurs once.", nameof(layers));
                }
            }

            if (!names.Add(NameOf(layers[i], i)))
            {
                throw new ArgumentException($"{argument} has the same name, '{ForeignText.Clean(NameOf(layers[i], i))}', as a layer before it; names must be unique.", nameof(layers));
            }

            if (i > 0 && layers[i].InputSize != layers[i - 1].OutputSize)
            {
                throw new ArgumentException(
                    $"{argument} takes {layers[i].InputSize} inputs, but {nameof(layers)}[{i - 1}] has {layers[i - 1].OutputSize} outputs; the sizes must be equal.",
                    nameof(layers));
            }
        }
    }

    /// <summary>The number of parameters, if they and their gradients fit into memory.</summary>
    private static long CountWithinMemory(IReadOnlyList<ParameterDefinition>[] definitions, Device device, DType dtype)
    {
        IEnumerable<ParameterDefinition> all = definitions.SelectMany(list => list);
        Int128 count = all.Aggregate(Int128.Zero, (sum, definition) => sum + definition.Count);
        Int128 bytes = 2 * count * dtype.Bytes();
        long available = device.FreeMemory;
        if (bytes > available)
        {
            ParameterDefinition largest = all.MaxBy(definition => definition.Count)!;
#pragma warning disable CA2201 // the standard exception for a lack of memory
            throw new OutOfMemoryException(
                string.Create(CultureInfo.InvariantCulture, $"out of memory: {ModelSummary.Bytes(bytes)} needed for {count:#,0} parameters (the largest is {largest.Name}, {string.Join(" x ", largest.Shape)}) ") +
                string.Create(CultureInfo.InvariantCulture, $"and as many gradients of {dtype.Bytes()} bytes each, {ModelSummary.Bytes(available)} free{device.LimitThatRefuses(bytes)}"));
#pragma warning restore CA2201
        }

        return (long)count;
    }

    /// <summary>No tensor of a pass may be larger than what 48 bits address, so that no sum of sizes overflows.</summary>
    private void ThrowIfBeyondAddresses(long steps, long batch)
    {
        long widest = _layers.Max(layer => long.Max(layer.InputSize, layer.OutputSize));
        if ((double)steps * batch * widest * DType.Bytes() > MaximumTensorBytes)
        {
#pragma warning disable CA2201 // the standard exception for a lack of memory
            throw new OutOfMemoryException(string.Create(CultureInfo.InvariantCulture,
                $"{nameof(steps)} is {steps} and {nameof(batch)} is {batch}; tensors of {widest} values for each must take at most {ModelSummary.Bytes(MaximumTensorBytes)}."));
#pragma warning restore CA2201
        }
    }

    private static string NameOf(Layer layer, int index) =>
        layer.Name ?? index.ToString(CultureInfo.InvariantCulture);

    private Parameter[] AttachLayers(ReadOnlySpan<Layer> layers, IReadOnlyList<ParameterDefinition>[] definitions, ulong seed)
    {
        var all = new List<Parameter>();
        long offset = 0;
        uint filterIndex = 0;
        for (int i = 0; i < layers.Length; i++)
        {
            var parameters = new Parameter[definitions[i].Count];
            for (int k = 0; k < parameters.Length; k++)
            {
                ParameterDefinition definition = definitions[i][k];
                Tensor value = ParameterData.View(offset, definition.Shape);
                Tensor gradient = GradientData.View(offset, definition.Shape);
                try
                {
                    definition.Initialize(value, seed, (uint)all.Count);
                }
                catch (ArgumentException exception)
                {
                    throw new ArgumentException(
                        $"{nameof(layers)}[{i}] has {definition.Options} that {DType} cannot hold; its parameters must not be empty, and their initial values must be finite in {DType}.",
                        nameof(layers),
                        exception);
                }

                parameters[k] = new Parameter(
                    $"{NameOf(layers[i], i)}.{definition.Name}", value, gradient, offset, definition.IsBias, definition.LearningRateScale);
                all.Add(parameters[k]);
                offset += value.Count;
            }

            layers[i].Attach(this, i, parameters, seed, filterIndex);
            filterIndex = checked(filterIndex + (uint)layers[i].FilterStreams);
        }

        return [.. all];
    }

    /// <summary>The time during which one thread uses the model.</summary>
    internal readonly ref struct Use(Sequential model)
    {
        public void Dispose() => Volatile.Write(ref model._inUse, 0);
    }
}
