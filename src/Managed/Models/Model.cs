using System.Globalization;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Layers with parameters and memory on a device: what is run forward, backward and trained.</summary>
/// <remarks>
/// <para>
/// A training step is <see cref="Forward(Tensor)"/>, a loss, <see cref="Backward(Tensor, bool)"/> and the step of an optimizer. All memory is taken
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
public abstract unsafe class Model : Container, IDisposable
{
    private const long MaximumTensorBytes = 1L << 48;
    private const int MaskedGradient = 0;
    private const int FirstMaskedInputs = 1;

    private readonly ModelPass _pass;
    private Layer[] _all = [];
    private Device? _device;
    private Tensor? _parameterData;
    private Tensor? _gradientData;
    private bool _computeInputGradient;
    private DType _dtype;
    private bool _training = true;
    private Tensor[] _inputs = [];
    private long[][] _inputShapes = [];
    private long[] _inputMarks = [];
    private int[] _lengths = [];
    private Tensor? _inputGradient;
    private bool _awaitsBackward;
    private bool _passFailed;
    private bool _hasStateGradients;
    private long _parameterMark;
    private ModelInfo _info = new();
    private bool _disposed;
    private int _inUse;

    /// <summary>Describes a model; <see cref="Create"/> gives it its memory, or a model that it is a part of does.</summary>
    /// <param name="layers">Its layers.</param>
    private protected Model(params ReadOnlySpan<Layer> layers)
        : base(layers) => _pass = new ModelPass(this);

    /// <summary>Where the model lies and runs.</summary>
    /// <exception cref="InvalidOperationException">The model was described without a device, and is not part of a model that has one.</exception>
    public Device Device => Root._device!;

    /// <summary>Element type of parameters, inputs and outputs.</summary>
    /// <exception cref="InvalidOperationException">The model was described without a device, and is not part of a model that has one.</exception>
    public DType DType => Root._dtype;

    /// <summary>All parameters as one flat tensor, in the order of <see cref="Layer.Parameters"/>.</summary>
    /// <exception cref="InvalidOperationException">The model has no device of its own.</exception>
    public Tensor ParameterData => Whole._parameterData!;

    /// <summary>All gradients as one flat tensor, in the order of <see cref="Layer.Parameters"/>.</summary>
    /// <exception cref="InvalidOperationException">The model has no device of its own, or was made without gradients.</exception>
    public Tensor GradientData => Whole._gradientData ?? throw WithoutGradients();

    /// <summary>
    /// Keeps in <see cref="Forward(Tensor)"/> what <see cref="Backward(Tensor, bool)"/> needs. Also turns <see cref="Dropout"/> and <see cref="GaussianNoise"/> on.
    /// Default true, or false in a model without gradients; false takes less memory.
    /// </summary>
    /// <exception cref="InvalidOperationException">True is set, but the model was made without gradients; or the model has no device of its own.</exception>
    public bool Training
    {
        get => Root._training;
        set
        {
            if (value && Whole._gradientData is null)
            {
                throw WithoutGradients();
            }

            Whole._training = value;
        }
    }

    /// <summary>Gradient at the inputs after <see cref="Backward(Tensor, bool)"/>, shaped as they were. Changes with the next backward pass.</summary>
    /// <exception cref="InvalidOperationException">
    /// The model was made without <see cref="SequentialOptions.ComputeInputGradient"/>, there was no backward pass yet, or the last one was refused or failed.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public Tensor InputGradient
    {
        get
        {
            ThrowIfDisposed();
            return Whole._inputGradient ?? throw new InvalidOperationException(_computeInputGradient
                ? "There was no backward pass of one input yet, or the last one was refused or failed."
                : $"The model was made without {nameof(SequentialOptions)}.{nameof(SequentialOptions.ComputeInputGradient)}.");
        }
    }

    /// <summary>Before each layer's forward pass in training: the layer and its inputs.</summary>
    internal event Action<Layer, Tensor>? LayerForward;

    /// <summary>Before each layer's backward pass: the layer and the gradient at its outputs.</summary>
    internal event Action<Layer, Tensor>? LayerBackward;

    /// <summary>After each backward pass that succeeded.</summary>
    internal event Action? BackwardEnded;

    /// <summary>Runs the model.</summary>
    /// <param name="inputs">
    /// The inputs of the first layer: <c>[T, B, D]</c> for layers over time, otherwise <c>[..., inputs]</c>; indices of <see cref="DType.Int32"/> for an
    /// <see cref="Embedding"/>. Must stay as it is until the backward pass is done: <see cref="Backward(Tensor, bool)"/> refuses inputs that were
    /// written since.
    /// </param>
    /// <returns>The output of the last layer; belongs to the model and changes with the next call.</returns>
    /// <exception cref="ArgumentException">Shape, element type or device of <paramref name="inputs"/> do not match.</exception>
    /// <exception cref="NotFiniteNumberException">An input is NaN or infinite; on a GPU the next call that waits says so.</exception>
    /// <exception cref="OutOfMemoryException">There is not enough memory for states; the message says how much is needed and free.</exception>
    /// <exception cref="InvalidOperationException">
    /// Another thread is using the model, it has no device of its own, or a layer returned what is no output of it.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The model or the inputs were disposed.</exception>
    public Tensor Forward(Tensor inputs) => Run([inputs], [], null, 0, samePass: false);

    /// <summary>Runs the model on sequences of different lengths.</summary>
    /// <param name="inputs">As in <see cref="Forward(Tensor)"/>, with time: <c>[T, B, D]</c>. What lies beyond a sample's length is not read.</param>
    /// <param name="lengths">Steps of each sample, <c>[B]</c>, each 0 to T; empty: all are T.</param>
    /// <returns>As <see cref="Forward(Tensor)"/>. <see cref="SequenceOutput.Last"/> is each sample's own last state.</returns>
    /// <exception cref="ArgumentException">There are not B lengths, or the inputs have no dimension of time; or as in <see cref="Forward(Tensor)"/>.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A length is negative or above T.</exception>
    /// <inheritdoc cref="Forward(Tensor)" path="/exception"/>
    public Tensor Forward(Tensor inputs, ReadOnlySpan<int> lengths) => Run([inputs], lengths, null, 0, samePass: false);

    /// <summary>Runs the model with lengths, states that it starts from, or on a part of a batch.</summary>
    /// <param name="inputs">As in <see cref="Forward(Tensor)"/>.</param>
    /// <param name="options">What the pass takes beside the inputs.</param>
    /// <returns>As <see cref="Forward(Tensor, ReadOnlySpan{int})"/>.</returns>
    /// <exception cref="ArgumentException">A state is of no layer, or its shape, element type or device do not match; or as in the other overloads.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A length or <see cref="ForwardOptions.FirstSample"/> is out of range.</exception>
    /// <inheritdoc cref="Forward(Tensor)" path="/exception"/>
    public Tensor Forward(Tensor inputs, ForwardOptions options) => Forward([inputs], options);

    /// <summary>Runs a model whose first layer, a <see cref="Branches"/>, takes several inputs.</summary>
    /// <param name="inputs">One tensor for each branch of the first layer, of the same time steps and samples; otherwise as in <see cref="Forward(Tensor)"/>.</param>
    /// <param name="options">What the pass takes beside the inputs.</param>
    /// <returns>As <see cref="Forward(Tensor, ReadOnlySpan{int})"/>. Gradients at several inputs are not computed.</returns>
    /// <exception cref="ArgumentException">The first layer takes another number of inputs; or as in the other overloads.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A length or <see cref="ForwardOptions.FirstSample"/> is out of range.</exception>
    /// <inheritdoc cref="Forward(Tensor)" path="/exception"/>
    public Tensor Forward(ReadOnlySpan<Tensor> inputs, ForwardOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        Check.InRange(options.FirstSample, 0, ForwardOptions.MaximumSamples - 1, "options.FirstSample");
        return Run(inputs, options.Lengths.Span, options.InitialStates, options.FirstSample, options.SamePass, "options.Lengths");
    }

    private Tensor Run(
        ReadOnlySpan<Tensor> inputs, ReadOnlySpan<int> lengths, IReadOnlyDictionary<string, Tensor>? states, long firstSample, bool samePass, string lengthsName = "lengths")
    {
        _ = Whole;
        using Use use = BeginUse();
        Layer first = FirstLayer;
        ReadOnlySpan<Layer> readers = inputs.Length == 1 ? new ReadOnlySpan<Layer>(ref first) : ReadersOf(inputs, first);
        for (int i = 0; i < inputs.Length; i++)
        {
            string name = NameOfInput(i, inputs.Length);
            Check.Compatible(inputs[i], Device, readers[i].TakesIndices ? DType.Int32 : DType, name);
            if (i > 0 && inputs[i].StepsAndBatch != inputs[0].StepsAndBatch)
            {
                throw new ArgumentException(
                    $"{name} has shape {Check.FormatShape(inputs[i].Shape)}; it must have the time steps and samples of inputs[0], {Check.FormatShape(inputs[0].Shape)}.", nameof(inputs));
            }
        }

        for (int i = 0; i < inputs.Length && !lengths.IsEmpty; i++)
        {
            if (inputs[i].Rank < 3 || inputs[i].Shape[0] != inputs[0].Shape[0] || inputs[i].Shape[1] != inputs[0].Shape[1])
            {
                throw new ArgumentException(
                    $"{lengthsName} are given, but {NameOfInput(i, inputs.Length)} has shape {Check.FormatShape(inputs[i].Shape)}; with lengths it must be [T, B, ...], of the same T and B for all inputs.",
                    nameof(inputs));
            }
        }

        // Refused until here, a call changes nothing: the backward pass of the one before may still come.
        CheckStates(states);
        ReadOnlyMemory<int> taken = TakeLengths(inputs[0], lengths, lengthsName);
        EndPass();
        Remember(inputs);
        _hasStateGradients = false;
        _passFailed = true;
        for (int i = 0; i < inputs.Length; i++)
        {
            // Chains and embeddings do not read beyond lengths. Others get zeros there, so that what they compute is finite.
            bool skips = readers[i].ChecksInputs || readers[i].TakesIndices;
            Tensor given = taken.IsEmpty || skips ? inputs[i] : Masked(FirstMaskedInputs + i, inputs[i], taken.Span);

            // On a GPU the host does not look: what is not finite passes through dense layers, noise and dropout to where it is found, a chain or a loss.
            if (!skips && Device.Kind == DeviceKind.Cpu)
            {
                Check.AllFinite(given, NameOfInput(i, inputs.Length));
            }

            _pass.Inputs[i] = given;
        }

        bool training = Training;
        _pass.Training = training;
        _pass.InitialStates = states;
        _pass.FirstSample = firstSample;
        _pass.Number = samePass ? long.Max(TrainingPasses - 1, 0) : TrainingPasses;
        _pass.Stamp++;
        if (training)
        {
            BeginPass();
        }

        try
        {
            Memory.Begin(_pass.Stamp, _pass.Inputs[0], taken);
            Tensor outputs = Forward(new ForwardContext(_pass, this, taken), _pass.Inputs[0]);
            Memory.End(outputs);
            _passFailed = false;
            TrainingPasses += training && !samePass ? 1 : 0;
            return outputs;
        }
        finally
        {
            _pass.InitialStates = null;
            if (_passFailed)
            {
                EndPass();
            }
        }
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
    /// reads them again, or the parameters changed since; a <see cref="GradientAccumulator"/> has not completed its sum; or another thread is using
    /// the model.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The model, the inputs or the gradient were disposed.</exception>
    /// <remarks>
    /// Every write by this library is noticed: a copy, a step of an optimizer, a loaded file, the next batch of a <see cref="DataLoader"/>. So is a
    /// write through a span that was taken after <see cref="Forward(Tensor)"/>. Writes through older spans and by other code that shares the memory are not.
    /// Where the call fails halfway, <see cref="GradientData"/> holds parts of both passes.
    /// </remarks>
    public void Backward(Tensor outputGradient, bool accumulate = false) => Backward(outputGradient, accumulate, null);

    /// <param name="outputGradient">Gradient at the output.</param>
    /// <param name="accumulate">Whether gradients are added to.</param>
    /// <param name="accumulator">Who adds up gradients; null: nobody.</param>
    internal void Backward(Tensor outputGradient, bool accumulate, GradientAccumulator? accumulator)
    {
        _ = Whole;
        using Use use = BeginUse();
        if (accumulator is null)
        {
            ThrowIfAccumulating();
        }

        // Whatever happens now, no gradient of an earlier pass may be taken for one of this.
        _inputGradient = null;
        _hasStateGradients = false;
        ArgumentNullException.ThrowIfNull(outputGradient);
        if (!_awaitsBackward)
        {
            throw new InvalidOperationException(
                $"{nameof(Backward)} needs a {nameof(Forward)} call with {nameof(Training)} = true before it, one for each.");
        }

        Check.Compatible(outputGradient, Device, DType);
        Check.Shape(outputGradient, Memory.Outputs!.Shape);

        // They may be another model's output, which that model's next forward pass resizes.
        for (int i = 0; i < _inputs.Length; i++)
        {
            Tensor inputs = _inputs[i];
            inputs.ThrowIfDisposed();
            if (!inputs.Shape.SequenceEqual(_inputShapes[i]))
            {
                throw new ArgumentException(
                    $"{nameof(outputGradient)} is that of a pass whose {NameOfInput(i, _inputs.Length)} have shape {Check.FormatShape(inputs.Shape)} by now; it must still be {Check.FormatShape(_inputShapes[i])}, as in {nameof(Forward)}.",
                    nameof(outputGradient));
            }
        }

        // Beyond a sample's length gradients are 0, whatever was given there.
        ReadOnlySpan<int> outputLengths = Memory.OutputLengths.Span;
        Tensor gradient = outputLengths.IsEmpty ? outputGradient : Masked(MaskedGradient, outputGradient, outputLengths);
        if (!LastLayer.ChecksOutputGradients)
        {
            CheckFinite(gradient, nameof(outputGradient));
        }

        (int changed, bool sameParameters) = EndPass();
        if (changed >= 0)
        {
            throw Changed($"{NameOfInput(changed, _inputs.Length)}, {_inputs[changed]},");
        }

        if (!sameParameters)
        {
            throw Changed($"{nameof(ParameterData)}, the parameters,");
        }

        _pass.Accumulate = accumulate;
        Tensor? inputGradient = _computeInputGradient && _inputs.Length == 1 ? Memory.InputGradientOf(gradient) : null;
        Backward(new BackwardContext(_pass, this), gradient, inputGradient);
        for (int i = 0; i < Parameters.Count; i++)
        {
            if (Parameters[i].IsFrozen)
            {
                Parameters[i].Gradient.Fill(0);
            }
        }

        _inputGradient = inputGradient;
        _hasStateGradients = true;
        BackwardEnded?.Invoke();
    }

    /// <summary>The states of all recurrent layers after the latest forward pass, each sample's own last ones.</summary>
    /// <returns>
    /// New tensors <c>[B, N]</c>, which are the caller's, by name: the layer's path, a dot, and <c>state</c>, or <c>cell_state</c> for c of an
    /// <see cref="Lstm"/>: <c>0.state</c>. Given as <see cref="ForwardOptions.InitialStates"/>, the next pass continues where this one ended: for
    /// sequences that arrive step by step, or that are cut for truncated backpropagation, whose gradients then end at the cut.
    /// <see cref="SafeTensors.Save"/> keeps them in a file.
    /// </returns>
    /// <exception cref="InvalidOperationException">There was no forward pass yet, the latest one failed, or another thread is using the model.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public Dictionary<string, Tensor> GetFinalStates()
    {
        _ = Whole;
        using Use use = BeginUse();
        if (_inputs.Length == 0 || _passFailed)
        {
            throw new InvalidOperationException(_passFailed
                ? $"The latest forward pass failed, so there are no final states. Run {nameof(Forward)} again."
                : $"There was no forward pass yet, so there are no final states. Run {nameof(Forward)} first.");
        }

        var states = new Dictionary<string, Tensor>();
        foreach (RecurrentLayer layer in _all.OfType<RecurrentLayer>().Where(layer => layer.Memory.Stamp == _pass.Stamp))
        {
            layer.CopyFinalStates(states);
        }

        return states;
    }

    /// <summary>Copies the states of all recurrent layers after the latest forward pass, as <see cref="GetFinalStates"/> does, without taking memory.</summary>
    /// <param name="states">Has a tensor for each state, <c>[B, N]</c>. States of layers that did not run stay as they are.</param>
    internal void CopyFinalStates(IReadOnlyDictionary<string, Tensor> states)
    {
        using Use use = BeginUse();
        foreach (Layer layer in _all)
        {
            if (layer is RecurrentLayer recurrent && layer.Memory.Stamp == _pass.Stamp)
            {
                recurrent.CopyFinalStatesInto(states);
            }
        }
    }

    /// <summary>Gradients at the initial states of the latest backward pass.</summary>
    /// <returns>New tensors <c>[B, N]</c>, which are the caller's, by name: those of the states that the pass was given.</returns>
    /// <exception cref="InvalidOperationException">There was no backward pass since the latest forward pass, it was refused or failed, or another thread is using the model.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public Dictionary<string, Tensor> GetInitialStateGradients()
    {
        _ = Whole;
        using Use use = BeginUse();
        if (!_hasStateGradients)
        {
            throw new InvalidOperationException($"There was no backward pass since the latest {nameof(Forward)}, or it was refused or failed.");
        }

        var gradients = new Dictionary<string, Tensor>();
        foreach (RecurrentLayer layer in _all.OfType<RecurrentLayer>().Where(layer => layer.Memory.Stamp == _pass.Stamp))
        {
            layer.CopyInitialGradients(gradients);
        }

        return gradients;
    }

    /// <summary>Tells what training takes, before it begins: parameters and memory.</summary>
    /// <param name="batch">Samples B in a step, at least 1.</param>
    /// <param name="steps">Time steps T of the inputs, at least 1; 1, the default, for models without recurrent layers.</param>
    /// <param name="optimizer">The optimizer's options, which decide what it keeps for each parameter; null, the default: those of <see cref="Adam"/>.</param>
    /// <returns>A record that prints as a table.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of range.</exception>
    /// <exception cref="OutOfMemoryException">States beyond what a computer can address.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public ModelSummary Summary(long batch, long steps = 1, OptimizerOptions? optimizer = null)
    {
        _ = Whole;
        ThrowIfDisposed();
        Check.AtLeast(batch, 1);
        Check.AtLeast(steps, 1);
        ThrowIfBeyondAddresses(steps, batch);
        var layers = new List<LayerSummary>();
        Summarize(this, batch, steps, hasGradient: _computeInputGradient);
        return new ModelSummary(layers, batch, DType, _gradientData is null ? 0 : 1, (optimizer ?? new AdamOptions()).State.Count);

        void Summarize(Layer layer, long samples, long steps, bool hasGradient)
        {
            long own = layer.GetActivationBytes(steps, samples) + (hasGradient && layer != this ? steps * samples * layer.InputSize * DType.Bytes() : 0);
            if (layer is not Container container)
            {
                Add(layer.Parameters.Sum(parameter => parameter.Value.Count), own, layer.GradientSumBytes(steps, samples));
                return;
            }

            long parameters = layer.Definitions.Sum(definition => (long)definition.Count);
            if (container != this && own + parameters > 0)
            {
                Add(parameters, own, layer.GradientSumBytes(steps, samples));
            }

            for (int i = 0; i < container.Layers.Count; i++)
            {
                Summarize(container.Layers[i], container.SamplesInside(samples), container.StepsBefore(i, steps), container.HasInputGradient(i) || (container == this && hasGradient));
            }

            void Add(long count, long bytes, long sums) => layers.Add(new LayerSummary(layer.Path, layer.ToString()!, count, bytes, sums));
        }
    }

    /// <summary>Scales all gradients down so that their Euclidean norm is at most <paramref name="maximumNorm"/>, and tells it.</summary>
    /// <param name="maximumNorm">Above 0; infinity: only measure.</param>
    /// <returns>The norm before clipping, for which a GPU is waited for; <see cref="ClipGradients(double)"/> does not wait.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="maximumNorm"/> is not above 0.</exception>
    /// <exception cref="NotFiniteNumberException">The norm is NaN or infinite; gradients are then unchanged.</exception>
    /// <exception cref="InvalidOperationException">Another thread is using the model, or a <see cref="GradientAccumulator"/> has not completed its sum.</exception>
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
    /// <exception cref="InvalidOperationException">Another thread is using the model, or a <see cref="GradientAccumulator"/> has not completed its sum.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public void ClipGradients(double maximumNorm) => ClipGradients(maximumNorm, null);

    /// <summary>What the model's user has to know beside its layers: class names, scaling of inputs, notes. Saved and loaded with the model.</summary>
    /// <exception cref="ArgumentNullException">The value is null.</exception>
    /// <exception cref="ArgumentException">Names of classes or scaling do not match the model's outputs or inputs.</exception>
    /// <exception cref="InvalidOperationException">The model has no device of its own.</exception>
    public ModelInfo Info
    {
        get => Whole._info;
        set
        {
            ArgumentNullException.ThrowIfNull(value, nameof(Info));
            value.CheckFor(Whole, nameof(Info));
            _info = value;
        }
    }

#pragma warning disable RS0026 // Overloads with optional parameters: they differ in those that are required, so no call fits two of them.
    /// <summary>
    /// Saves the model whole: all parameters by name, and in the file's metadata its layers with their options, kind and seed of filters, <see cref="Info"/>, and with which random numbers a
    /// <see cref="GaussianNoise"/> or a <see cref="Dropout"/> continues. The file appears, or replaces an older one, once it is written whole.
    /// </summary>
    /// <param name="path">A file of the safetensors format.</param>
    /// <remarks>
    /// <para>An older file's permissions, and a link to it, are kept: see <see cref="SafeTensors"/>.</para>
    /// <para>A model with a layer that does not describe itself (<see cref="Layer.Describe"/>) can be saved, but only be loaded into a model that was created.</para>
    /// </remarks>
    /// <exception cref="ArgumentException">The path is empty or has a null character.</exception>
    /// <exception cref="IOException">The file cannot be written; an older one is then left as it was.</exception>
    /// <exception cref="UnauthorizedAccessException">The file or its folder may not be written, or the path is a folder.</exception>
    /// <exception cref="InvalidOperationException">Another thread is using the model, or it has no device of its own.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public void Save(string path) => Save(path, null, null, CancellationToken.None);

    /// <inheritdoc cref="Save(string)"/>
    /// <param name="path">A file of the safetensors format.</param>
    /// <param name="options">Element type of the parameters; null: that of the model.</param>
    /// <param name="progress">Told the part that is done, 0 to 1; null: nobody.</param>
    /// <param name="cancellationToken">Ends the call; an older file is then left as it was.</param>
    /// <exception cref="ArgumentException">The path is empty or has a null character, or the element type cannot hold a parameter, which the message names.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public void Save(string path, ModelSaveOptions? options, IProgress<double>? progress = null, CancellationToken cancellationToken = default)
    {
        _ = Whole;
        using Use use = BeginUse();
        ArgumentException.ThrowIfNullOrEmpty(path);
        ModelFile.Save(this, options, (tensors, metadata) => SafeTensors.Store(path, tensors, metadata, progress, cancellationToken), cancellationToken);
    }

    /// <summary>Saves the model whole into a stream, as <see cref="Save(string)"/> does into a file.</summary>
    /// <param name="stream">Written from its position on; need not seek. What was written before a failure stays there.</param>
    /// <param name="options">Element type of the parameters; null: that of the model.</param>
    /// <param name="progress">Told the part that is done, 0 to 1; null: nobody.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="ArgumentException">The stream cannot be written, or the element type cannot hold a parameter, which the message names; nothing was written then.</exception>
    /// <exception cref="IOException">The stream cannot be written.</exception>
    /// <exception cref="InvalidOperationException">Another thread is using the model, or it has no device of its own.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public void Save(Stream stream, ModelSaveOptions? options = null, IProgress<double>? progress = null, CancellationToken cancellationToken = default)
    {
        _ = Whole;
        using Use use = BeginUse();
        ArgumentNullException.ThrowIfNull(stream);
        if (!stream.CanWrite)
        {
            throw new ArgumentException($"{nameof(stream)} cannot be written, or was closed; it must be writable.", nameof(stream));
        }

        ModelFile.Save(this, options, (tensors, metadata) => SafeTensors.Store(stream, tensors, metadata, progress, cancellationToken), cancellationToken);
    }

    /// <summary>Makes the model that a file describes, with its parameters, filters and <see cref="Info"/>.</summary>
    /// <param name="path">A file that <see cref="Save(string)"/> wrote.</param>
    /// <param name="device">Where the model lies and runs.</param>
    /// <param name="options">Kinds of layers, element type and what is computed; null: the defaults.</param>
    /// <param name="progress">Told the part that is read, 0 to 1; null: nobody.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <returns>The model, the caller's. It computes what the saved one did, bit for bit on the same instruction set, and can be trained on.</returns>
    /// <exception cref="ArgumentException">The path is empty or has a null character, or an option is out of range.</exception>
    /// <exception cref="IOException">The file is missing or cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read, or is a folder.</exception>
    /// <exception cref="InvalidDataException">
    /// The file is damaged, does not describe its layers, as those of version 0.1, or has one of a kind that is not registered, which the message names; or a number is too large for the element type.
    /// </exception>
    /// <exception cref="OutOfMemoryException">There is not enough memory for parameters or filters.</exception>
    /// <exception cref="ObjectDisposedException">The device was disposed.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    /// <remarks>
    /// Layers are made by <see cref="ModelLoadOptions.Factories"/> alone: no type is looked for by a name in the file. Names and shapes of all parameters are compared with the file's tensors before memory is
    /// taken for any, so a small file does not make a large model. Parameters are read into the model itself, without a second copy.
    /// </remarks>
    public static Sequential Load(
        string path, Device device, ModelLoadOptions? options = null, IProgress<double>? progress = null, CancellationToken cancellationToken = default)
    {
        options = Checked(device, options);
        cancellationToken.ThrowIfCancellationRequested();
        using SafeTensorsReader file = SafeTensorsReader.Open(path);
        return ModelFile.Load(file, device, options, progress, cancellationToken);
    }

    /// <summary>Makes the model that a stream describes, as <see cref="Load(string, Device, ModelLoadOptions?, IProgress{double}?, CancellationToken)"/> does of a file.</summary>
    /// <param name="stream">
    /// Read from its position to the end of the model; what follows stays in it. One that cannot seek is read into memory first, as much as the model takes in the file.
    /// </param>
    /// <param name="device">Where the model lies and runs.</param>
    /// <param name="options">Kinds of layers, element type and what is computed; null: the defaults.</param>
    /// <param name="progress">Told the part that is read, 0 to 1; null: nobody.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <returns>The model, the caller's.</returns>
    /// <exception cref="ArgumentException">The stream cannot be read, or an option is out of range.</exception>
    /// <exception cref="IOException">The stream cannot be read.</exception>
    /// <exception cref="InvalidDataException">As for a file; or the stream ends within the model.</exception>
    /// <exception cref="OutOfMemoryException">There is not enough memory for parameters or filters.</exception>
    /// <exception cref="ObjectDisposedException">The device was disposed.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static Sequential Load(
        Stream stream, Device device, ModelLoadOptions? options = null, IProgress<double>? progress = null, CancellationToken cancellationToken = default)
    {
        options = Checked(device, options);
        cancellationToken.ThrowIfCancellationRequested();
        using SafeTensorsReader file = SafeTensorsReader.Open(stream, cancellationToken);
        Sequential model = ModelFile.Load(file, device, options, progress, cancellationToken);
        file.Leave();
        return model;
    }

    /// <summary>
    /// Loads all parameters by name from a file that <see cref="Save(string)"/> wrote, and its <see cref="Info"/>. Nothing changes if the file is not as expected.
    /// </summary>
    /// <param name="path">A file of the safetensors format.</param>
    /// <exception cref="ArgumentException">The path is empty or has a null character.</exception>
    /// <exception cref="IOException">The file is missing or cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read, or is a folder.</exception>
    /// <exception cref="InvalidDataException">
    /// The file is damaged, its tensors are not those of this model by name, shape and element type, they were saved by a model
    /// with another kind of layer, cell or filter, α, β or φ, or it tells this of some layers only, or of layers that are not in the model.
    /// </exception>
    /// <exception cref="OutOfMemoryException">There is not enough memory for a copy of the parameters, or for filters of another seed.</exception>
    /// <exception cref="InvalidOperationException">Another thread is using the model, or a <see cref="WeightAverage"/> is applied to it.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    /// <remarks>
    /// Drawn filters are not saved: they follow from their seed. A model of another seed gets the filters of the seed in the file, and
    /// computes what the saved one did; noise and dropout continue where it was. <see cref="Backward(Tensor, bool)"/> needs a new forward pass. A file without
    /// metadata, as other programs write it, must be of a model of the same seed.
    /// </remarks>
    public void Load(string path) => Load(path, null, false, null, CancellationToken.None);

    /// <inheritdoc cref="Load(string)"/>
    /// <summary>Loads some layers of a file, or all, with their filters. Nothing changes if the file is not as expected.</summary>
    /// <param name="path">A file of the safetensors format.</param>
    /// <param name="layers">
    /// Paths of layers, which the file must have under the same paths, of the same kind, shapes and settings; a container stands for all layers inside it. Other layers, and <see cref="Info"/>,
    /// stay as they are, and what else the file has does not matter. Null: all layers, as <see cref="Load(string)"/> does.
    /// </param>
    /// <param name="convert">True: numbers of another element type, Float32, Float64, F16 or BF16, are rounded to that of the model. False: they are refused.</param>
    /// <param name="progress">Told the part that is done, 0 to 1; null: nobody.</param>
    /// <param name="cancellationToken">Ends the call; nothing is then changed.</param>
    /// <exception cref="ArgumentException">The path is empty or has a null character, or <paramref name="layers"/> is empty or has a path that is no layer of the model.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public void Load(
        string path, IReadOnlyList<string>? layers, bool convert = false, IProgress<double>? progress = null, CancellationToken cancellationToken = default)
    {
        _ = Whole;
        using Use use = BeginUse();
        ThrowIfAveraged();
        using SafeTensorsReader file = SafeTensorsReader.Open(path);
        ModelFile.LoadInto(this, file, layers, convert, progress, cancellationToken);
        EndPass();
    }

    /// <summary>Loads some layers of a stream, or all, as <see cref="Load(string, IReadOnlyList{string}?, bool, IProgress{double}?, CancellationToken)"/> does of a file.</summary>
    /// <param name="stream">
    /// Read from its position to the end of the model; what follows stays in it. One that cannot seek is read into memory first, as much as the model takes in the file.
    /// </param>
    /// <param name="layers">Paths of layers; null: all.</param>
    /// <param name="convert">True: numbers of another element type are rounded to that of the model. False: they are refused.</param>
    /// <param name="progress">Told the part that is done, 0 to 1; null: nobody.</param>
    /// <param name="cancellationToken">Ends the call; nothing is then changed.</param>
    /// <exception cref="ArgumentException">The stream cannot be read, or <paramref name="layers"/> is empty or has a path that is no layer of the model.</exception>
    /// <exception cref="IOException">The stream cannot be read.</exception>
    /// <exception cref="InvalidDataException">As for a file; or the stream ends within the model.</exception>
    /// <exception cref="OutOfMemoryException">There is not enough memory for a copy of the parameters, or for filters of another seed.</exception>
    /// <exception cref="InvalidOperationException">Another thread is using the model.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public void Load(
        Stream stream, IReadOnlyList<string>? layers = null, bool convert = false, IProgress<double>? progress = null, CancellationToken cancellationToken = default)
    {
        _ = Whole;
        using Use use = BeginUse();
        ThrowIfAveraged();
        using SafeTensorsReader file = SafeTensorsReader.Open(stream, cancellationToken);
        ModelFile.LoadInto(this, file, layers, convert, progress, cancellationToken);
        EndPass();
        file.Leave();
    }

#pragma warning restore RS0026

    private static ModelLoadOptions Checked(Device device, ModelLoadOptions? options)
    {
        ArgumentNullException.ThrowIfNull(device);
        device.ThrowIfDisposed();
        options ??= new ModelLoadOptions();
        Check.NotNull(options.Factories);
        Check.FloatingPoint(options.DType ?? DType.Float32, $"{nameof(options)}.{nameof(options.DType)}");
        return options;
    }

    /// <summary>Sets all gradients to 0; nothing where the model was disposed.</summary>
    internal void ClearGradients()
    {
        if (!_disposed)
        {
            GradientData.Fill(0);
        }
    }

    /// <summary>Frees the memory of the model: parameters, outputs and gradients. A part of another model stays as it is.</summary>
    public void Dispose()
    {
        if (_disposed || (ModelOrNull is not null && ModelOrNull != this))
        {
            return;
        }

        EndPass();
        _disposed = true;
        foreach (Layer layer in _all)
        {
            layer.Release();
        }

        Release();
        _gradientData?.Release();
        _parameterData?.Release();
        GC.SuppressFinalize(this);
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

    internal bool IsDisposed => _disposed;

    internal void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(_disposed, this);

    /// <summary>Remembers what the backward pass needs as the forward pass found it.</summary>
    private void BeginPass()
    {
        for (int i = 0; i < _inputs.Length; i++)
        {
            _inputMarks[i] = _inputs[i].Watch.BeginPass();
        }

        _parameterMark = _parameterData!.Watch.BeginPass();
        _awaitsBackward = true;
    }

    /// <summary>Ends what <see cref="BeginPass"/> began, if that was not done yet.</summary>
    /// <returns>Number of an input that changed since and that a layer reads again, or -1; and whether parameters are as the forward pass found them.</returns>
    private (int ChangedInput, bool SameParameters) EndPass()
    {
        if (!_awaitsBackward)
        {
            return (-1, true);
        }

        _awaitsBackward = false;
        int changed = -1;
        for (int i = 0; i < _inputs.Length; i++)
        {
            bool same = _inputs[i].Watch.EndPass(_inputMarks[i]);
            changed = !same && ReadsAgain(_inputs[i]) ? i : changed;
        }

        return (changed, _parameterData!.Watch.EndPass(_parameterMark));
    }

    /// <summary>Keeps the inputs and their shapes.</summary>
    private void Remember(ReadOnlySpan<Tensor> inputs)
    {
        if (_inputs.Length != inputs.Length)
        {
            _inputs = new Tensor[inputs.Length];
            _inputShapes = new long[inputs.Length][];
            _inputMarks = new long[inputs.Length];
            _pass.Inputs = new Tensor[inputs.Length];
        }

        for (int i = 0; i < inputs.Length; i++)
        {
            _inputs[i] = inputs[i];
            if (_inputShapes[i] is null || _inputShapes[i].Length != inputs[i].Rank)
            {
                _inputShapes[i] = new long[inputs[i].Rank];
            }

            inputs[i].Shape.CopyTo(_inputShapes[i]);
        }
    }

    /// <summary>The layers that are given the model's inputs, one for each of several.</summary>
    private static ReadOnlySpan<Layer> ReadersOf(ReadOnlySpan<Tensor> inputs, Layer first)
    {
        return first is Branches branches && branches.Layers.Count == inputs.Length
            ? branches.All
            : throw new ArgumentException(
                $"{nameof(inputs)} has {inputs.Length} tensors; it must have {(first is Branches several ? $"1 or {several.Layers.Count}" : "1")} for the first layer, {first}.", nameof(inputs));
    }

    /// <summary>Made once, since every pass checks its inputs.</summary>
    private static readonly string[] s_inputNames = [.. Enumerable.Range(0, 64).Select(i => string.Create(CultureInfo.InvariantCulture, $"inputs[{i}]"))];

    private static string NameOfInput(int index, int count) =>
        count == 1 ? "inputs" : index < s_inputNames.Length ? s_inputNames[index] : string.Create(CultureInfo.InvariantCulture, $"inputs[{index}]");

    /// <summary>Tells whether a layer that takes an input of the model, passed on by others or not, reads it in its backward pass.</summary>
    private bool ReadsAgain(Tensor inputs)
    {
        foreach (Layer layer in _all)
        {
            if (layer.Memory.Inputs == inputs && layer.ReadsInputsAgain)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>A copy with zeros beyond the samples' lengths.</summary>
    private Tensor Masked(int buffer, Tensor source, ReadOnlySpan<int> lengths)
    {
        Tensor masked = Memory.Buffer(buffer, source.Shape);
        using BufferScope x = source.Borrow();
        using BufferScope y = masked.BorrowToWrite();
        using HandleScope<ortho_device> device = Device.Handle.Borrow();
        fixed (int* steps = lengths)
        {
            NativeMethods.ortho_mask(
                device.Pointer, DType.ToNative(), source.Shape[0], source.Shape[1], source.Count / (source.Shape[0] * source.Shape[1]), steps, x.Address, y.Address)
                .ThrowOnFailure();
        }

        return masked;
    }

    /// <summary>Checks lengths, and keeps them until the pass is over.</summary>
    /// <returns>Empty: all are T.</returns>
    private ReadOnlyMemory<int> TakeLengths(Tensor inputs, ReadOnlySpan<int> lengths, string name)
    {
        if (lengths.IsEmpty)
        {
            return default;
        }

        ReadOnlySpan<long> shape = inputs.Shape;
        if (lengths.Length != shape[1])
        {
            throw new ArgumentException($"{name} has {lengths.Length} elements; it must have {shape[1]}, one for each sample.", Check.Parameter(name));
        }

        bool allAreFull = true;
        for (int i = 0; i < lengths.Length; i++)
        {
            if (lengths[i] < 0 || lengths[i] > shape[0])
            {
                Check.InRange(lengths[i], 0, shape[0], string.Create(CultureInfo.InvariantCulture, $"{name}[{i}]"));
            }

            allAreFull &= lengths[i] == shape[0];
        }

        if (allAreFull)
        {
            return default;
        }

        if (_lengths.Length < lengths.Length)
        {
            _lengths = new int[lengths.Length];
        }

        lengths.CopyTo(_lengths);
        return _lengths.AsMemory(0, lengths.Length);
    }

    /// <summary>Refuses states that no layer has.</summary>
    private void CheckStates(IReadOnlyDictionary<string, Tensor>? states)
    {
        if (states is null || states.Count == 0)
        {
            return;
        }

        int known = 0;
        foreach (Layer layer in _all)
        {
            if (layer is RecurrentLayer recurrent)
            {
                foreach (string name in recurrent.StateNames)
                {
                    known += states.ContainsKey(name) ? 1 : 0;
                }
            }
        }

        if (known < states.Count)
        {
            string[] names = [.. _all.OfType<RecurrentLayer>().SelectMany(layer => layer.StateNames.ToArray())];
            string other = states.Keys.Except(names).First();
            throw new ArgumentException(
                $"options.InitialStates has '{ForeignText.Clean(other)}'; {(names.Length == 0 ? "the model has no states" : $"the model's states are {ForeignText.Clean(string.Join(", ", names))}")}.",
                Check.Parameter("options.InitialStates"));
        }
    }

    /// <summary>The accumulator whose sum of gradients is not complete; null: none.</summary>
    internal GradientAccumulator? Accumulator { get; set; }

    /// <summary>The averages that have taken the place of the parameters; null: none.</summary>
    internal WeightAverage? AppliedAverage { get; set; }

    /// <summary>Refuses to use gradients that are a sum that an accumulator has not completed.</summary>
    internal void ThrowIfAccumulating()
    {
        if (Accumulator is { } accumulator)
        {
            throw new InvalidOperationException(string.Create(CultureInfo.InvariantCulture,
                $"The gradients are a sum over {accumulator.BatchCount} batches so far; {nameof(GradientAccumulator)}.{nameof(GradientAccumulator.Complete)} must make it their mean first."));
        }
    }

    /// <summary>Refuses to change parameters while averages are in their place.</summary>
    internal void ThrowIfAveraged()
    {
        if (AppliedAverage is not null)
        {
            throw new InvalidOperationException(
                $"The parameters are those of a {nameof(WeightAverage)}; what {nameof(WeightAverage)}.{nameof(WeightAverage.Apply)} returned must be disposed before they change.");
        }
    }

    internal static InvalidOperationException WithoutGradients() =>
        new($"The model was made without gradients ({nameof(SequentialOptions)}.{nameof(SequentialOptions.Gradients)} = false), for inference only.");

    private static InvalidOperationException Changed(string what) => new(
        $"{what} changed since {nameof(Forward)}; {nameof(Backward)} needs them as {nameof(Forward)} found them. Run {nameof(Forward)} again.");

    /// <summary>No element of a gradient may be NaN or infinite; a GPU finds out by its norm, which nothing waits for.</summary>
    private void CheckFinite(Tensor outputGradient, string name)
    {
        if (Device.Kind == DeviceKind.Cpu)
        {
            Check.AllFinite(outputGradient, name);
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
        ThrowIfAccumulating();
        Clip(GradientData, maximumNorm, norm);
    }

    /// <summary>The Euclidean norm of a tensor on the model's device, for which a GPU is waited for.</summary>
    internal double NormOf(Tensor tensor)
    {
        double norm;
        Clip(tensor, double.PositiveInfinity, &norm);
        return norm;
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

    /// <summary>Gives the model its parameters and memory.</summary>
    /// <param name="device">Where it lies and runs.</param>
    /// <param name="options">Seed, element type and what is computed.</param>
    /// <param name="source">Has parameters and the seeds of filters; null: they are drawn.</param>
    /// <param name="progress">Told the part of the parameters that is initialized, 0 to 1; null: nobody.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    internal void Create(Device device, SequentialOptions options, ModelFile.ModelSource? source, IProgress<double>? progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(options);
        device.ThrowIfDisposed();
        Check.FloatingPoint(options.DType);
        var layers = new List<(Layer Layer, string Path, string Place, IReadOnlyList<ParameterDefinition> Definitions)>();
        CheckTree(this, "", "layers", options.DType, layers, new HashSet<Layer>(ReferenceEqualityComparer.Instance), [], []);
        if (options.ComputeInputGradient && TakesIndices)
        {
            throw new ArgumentException($"options.{nameof(options.ComputeInputGradient)} is true, but the first layer takes indices, which have no gradient.", nameof(options));
        }

        ParameterDefinition[] definitions = [.. layers.SelectMany(item => item.Definitions)];
        if (definitions.Length == 0)
        {
            throw new ArgumentException($"{nameof(layers)} have no parameters; at least one parameter is required.", Check.Parameter(nameof(layers)));
        }

        source?.Check(layers);
        long count = CountWithinMemory(definitions, device, options);
        _device = device;
        _dtype = options.DType;
        _computeInputGradient = options.ComputeInputGradient;
        _all = [.. layers.Select(item => item.Layer)];
        try
        {
            _parameterData = Tensor.CreateOwned(device, _dtype, count);
            _gradientData = options.Gradients ? Tensor.CreateOwned(device, _dtype, count) : null;
            _training = options.Gradients;
            Attach(this, "", "", [], 0, options.Seed, 0);
            foreach ((_, Layer child) in Children)
            {
                child.Parent = this;
            }

            AttachLayers(layers, options.Seed, source, progress, cancellationToken);
        }
        catch
        {
            foreach (Layer layer in _all)
            {
                layer.Detach();
            }

            Detach();
            _gradientData?.Release();
            _parameterData?.Release();
            throw;
        }
    }

    /// <summary>Refuses a tree of layers that a model cannot hold, and lists it, containers before what is in them.</summary>
    private static void CheckTree(
        Container container, string path, string argument, DType dtype, List<(Layer Layer, string Path, string Place, IReadOnlyList<ParameterDefinition> Definitions)> all, HashSet<Layer> seen, HashSet<string> paths, HashSet<string> parameters)
    {
        for (int i = 0; i < container.Children.Count; i++)
        {
            (string name, Layer layer) = container.Children[i];
            string place = string.Create(CultureInfo.InvariantCulture, $"{argument}[{i}]");
            layer.ThrowIfAttached(place);
            layer.CheckFor(dtype, place);
            if (!seen.Add(layer))
            {
                throw new ArgumentException($"{place} occurs in the model a second time; a layer occurs once.", Check.Parameter(argument));
            }

            string whole = path.Length == 0 ? name : $"{path}.{name}";
            if (!paths.Add(whole))
            {
                throw new ArgumentException($"{place} has the same name, '{ForeignText.Clean(whole)}', as another layer of the model; names must be unique.", Check.Parameter(argument));
            }

            // Asked for once: a layer of a user's may answer otherwise the next time.
            IReadOnlyList<ParameterDefinition> definitions = [.. layer.Definitions];
            foreach (ParameterDefinition definition in definitions)
            {
                if (!parameters.Add($"{whole}.{definition.Name}"))
                {
                    throw new ArgumentException(
                        $"{place} has a second parameter '{ForeignText.Clean($"{whole}.{definition.Name}")}'; names must be unique.", Check.Parameter(argument));
                }
            }

            all.Add((layer, whole, place, definitions));
            if (layer is Container inner)
            {
                CheckTree(inner, whole, $"{place}.{nameof(Layers)}", dtype, all, seen, paths, parameters);
            }
        }
    }

    private void AttachLayers(
        List<(Layer Layer, string Path, string Place, IReadOnlyList<ParameterDefinition> Definitions)> layers, ulong seed, ModelFile.ModelSource? source, IProgress<double>? progress,
        CancellationToken cancellationToken)
    {
        var all = new List<Parameter>();
        long offset = 0;
        uint filterIndex = 0;
        int leaves = 0;
        for (int i = 0; i < layers.Count; i++)
        {
            (Layer layer, string path, string place, IReadOnlyList<ParameterDefinition> definitions) = layers[i];
            int first = all.Count;
            foreach (ParameterDefinition definition in definitions)
            {
                cancellationToken.ThrowIfCancellationRequested();
                Tensor value = _parameterData!.View(offset, definition.Shape);
                Tensor? gradient = _gradientData?.View(offset, definition.Shape);
                source?.Fill($"{path}.{definition.Name}", value);
                try
                {
                    if (source is null)
                    {
                        definition.Initialize(value, seed, (uint)all.Count, filled =>
                        {
                            cancellationToken.ThrowIfCancellationRequested();
                            progress?.Report((double)(offset + filled) / _parameterData!.Count);
                        });
                    }
                }
                catch (ArgumentException exception)
                {
                    throw new ArgumentException(
                        $"{place} has {definition.Options} that {_dtype} cannot hold; its parameters must not be empty, and their initial values must be finite in {_dtype}.",
                        nameof(layers),
                        exception);
                }

                all.Add(new Parameter($"{path}.{definition.Name}", value, gradient, offset, definition.Role, definition.LearningRateScale));
                offset += value.Count;
            }

            if (layer is Container inner)
            {
                foreach ((_, Layer child) in inner.Children)
                {
                    child.Parent = inner;
                }
            }

            (ulong filterSeed, uint stream) = source?.FilterOf(path) ?? (seed, filterIndex);
            layer.Attach(this, path, place, [.. all[first..]], leaves, filterSeed, stream);
            filterIndex = checked(filterIndex + (uint)layer.FilterStreams);
            leaves += layer is Container ? 0 : 1;
        }

        // A container's are its own and those of all layers inside it, which come behind it in the list.
        Parameters = [.. all];
        for (int i = layers.Count - 1; i >= 0; i--)
        {
            if (layers[i].Layer is Container container)
            {
                container.SetParameters([.. container.Parameters, .. container.Children.SelectMany(child => child.Value.Parameters)]);
            }
        }
    }

    /// <summary>The number of parameters, if they and their gradients fit into memory.</summary>
    private static long CountWithinMemory(ParameterDefinition[] definitions, Device device, SequentialOptions options)
    {
        Int128 count = definitions.Aggregate(Int128.Zero, (sum, definition) => sum + definition.Count);
        Int128 bytes = (options.Gradients ? 2 : 1) * count * options.DType.Bytes();
        long available = device.FreeMemory;
        if (bytes > available)
        {
            ParameterDefinition largest = definitions.MaxBy(definition => definition.Count)!;
#pragma warning disable CA2201 // the standard exception for a lack of memory
            throw new OutOfMemoryException(
                string.Create(CultureInfo.InvariantCulture, $"out of memory: {ModelSummary.Bytes(bytes)} needed for {count:#,0} parameters (the largest is {largest.Name}, {string.Join(" x ", largest.Shape.ToArray())}) ") +
                string.Create(CultureInfo.InvariantCulture, $"{(options.Gradients ? "and as many gradients " : "")}of {options.DType.Bytes()} bytes each, {ModelSummary.Bytes(available)} free{device.LimitThatRefuses(bytes)}"));
#pragma warning restore CA2201
        }

        return (long)count;
    }

    /// <summary>No tensor of a pass may be larger than what 48 bits address, so that no sum of sizes overflows.</summary>
    private void ThrowIfBeyondAddresses(long steps, long batch)
    {
        long widest = _all.Max(layer => long.Max(layer.InputSize, layer.OutputSize));
        if ((double)steps * batch * widest * DType.Bytes() > MaximumTensorBytes)
        {
#pragma warning disable CA2201 // the standard exception for a lack of memory
            throw new OutOfMemoryException(string.Create(CultureInfo.InvariantCulture,
                $"{nameof(steps)} is {steps} and {nameof(batch)} is {batch}; tensors of {widest} values for each must take at most {ModelSummary.Bytes(MaximumTensorBytes)}."));
#pragma warning restore CA2201
        }
    }

    /// <summary>The model whose device and memory this one uses: itself, or the one that it is part of.</summary>
    private Model Root => ModelOrNull ?? throw new InvalidOperationException(
        $"The {GetType().Name} was made without a device, so it is a description: give its constructor a device, or make it part of a model.");

    /// <summary>This model, which is no part of another one.</summary>
    private Model Whole => Root == this
        ? this
        : throw new InvalidOperationException($"The {GetType().Name} is part of a model, layer {Path}; call this member of the whole model.");

    /// <summary>The layer that is given the model's inputs.</summary>
    private Layer FirstLayer
    {
        get
        {
            Layer layer = this;
            while (layer is Container { IsChain: true } container)
            {
                layer = container.Layers[0];
            }

            return layer;
        }
    }

    /// <summary>The layer that gives the model's outputs.</summary>
    private Layer LastLayer
    {
        get
        {
            Layer layer = this;
            while (layer is Container { IsChain: true } container)
            {
                layer = container.Layers[^1];
            }

            return layer;
        }
    }

    /// <summary>True if a tensor is one of the inputs of the latest pass.</summary>
    internal bool IsInput(Tensor tensor) => Array.IndexOf(_inputs, tensor) >= 0;

    /// <summary>True if a layer is given the model's inputs.</summary>
    internal bool IsFirst(Layer layer) => FirstLayer == layer;

    /// <summary>True if a layer gives the model's outputs.</summary>
    internal bool IsLast(Layer layer) => LastLayer == layer;

    /// <summary>The layers of the model, containers before what is in them.</summary>
    internal IReadOnlyList<Layer> AllLayers => _all;

    /// <summary>True if <see cref="Backward(Tensor, bool)"/> computes the gradient at the inputs.</summary>
    internal bool ComputesInputGradient => _computeInputGradient;

    /// <summary>Steps of each sample at the output of the latest pass; empty: all have those of the output.</summary>
    internal ReadOnlySpan<int> OutputLengths => Memory.OutputLengths.Span;

    /// <summary>Number of training passes so far.</summary>
    internal long TrainingPasses { get; set; }

    /// <summary>Sets <see cref="Info"/> to what was checked.</summary>
    internal void SetInfo(ModelInfo info) => _info = info;

    internal void OnLayerForward(Layer layer, Tensor inputs)
    {
        if (_pass.Training)
        {
            LayerForward?.Invoke(layer, inputs);
        }
    }

    internal void OnLayerBackward(Layer layer, Tensor outputGradient) => LayerBackward?.Invoke(layer, outputGradient);

    /// <summary>The time during which one thread uses the model.</summary>
    internal readonly ref struct Use(Model model)
    {
        public void Dispose() => Volatile.Write(ref model._inUse, 0);
    }
}
