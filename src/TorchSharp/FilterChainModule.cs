using System.Globalization;
using TorchSharp;
using static TorchSharp.torch;
using TorchParameter = TorchSharp.Modules.Parameter;
using TorchTensor = TorchSharp.torch.Tensor;

namespace OrthoNative.TorchSharp;

/// <summary>
/// A layer of random orthogonal additive filters as a TorchSharp module: x ← α O x + β φ(W x + drive), run by the native library on
/// the CPU and differentiated by torch.
/// </summary>
/// <remarks>
/// <para>
/// The state dictionary has <c>weight</c>, <c>bias</c>, in a recurrent layer <c>input_weight</c>, and <c>filter</c>: kind, random stream and
/// seed of the orthogonal matrix, [2] of int64. A dictionary that is loaded decides the filter, too; a filter that was given as a matrix, and the sizes and kinds
/// of blocks, must be given again.
/// </para>
/// <para>
/// Contiguous tensors are used where they lie, others are copied. As in any torch function, <c>backward</c> refuses tensors that were
/// changed in place since the forward pass. A graph may be passed back through any number of times. One thread at a time may use a
/// module.
/// </para>
/// <para>
/// Gradients can be differentiated again (<c>create_graph: true, retain_graph: true</c>). First derivatives are the native library's; higher ones are
/// computed in torch's operations and take the time and memory of a loop over all steps there.
/// </para>
/// <para>
/// A backward pass that fails makes <c>backward</c> throw torch's message that "CSharpNode returned an invalid gradient". In
/// <c>autograd.grad</c>, where TorchSharp cannot throw, gradients are NaN. <see cref="BackwardError"/> has the reason, and the next call of the module
/// throws it.
/// </para>
/// <para>
/// A pass without a backward pass should be made under <c>no_grad</c>, as in any module: otherwise its states are kept. The chain that
/// keeps them serves a later pass.
/// </para>
/// </remarks>
public abstract class FilterChainModule : nn.Module<TorchTensor, TorchTensor>
{
    /// <summary>The argument of the derived constructors that describes the layer.</summary>
    private const string Options = "options";

    private readonly Device _device;
    private ChainPool? _chains;
    private bool _disposed;

    // The names of fields are those of the state dictionary.
    private readonly TorchParameter weight;
    private readonly TorchParameter bias;
    private readonly TorchParameter? input_weight;
    private readonly TorchTensor filter;

    private protected FilterChainModule(string name, ChainLayer layer, ulong seed, ScalarType dtype, Device? device)
        : base(name)
    {
        if (dtype is not (ScalarType.Float32 or ScalarType.Float64))
        {
            throw new ArgumentException($"{nameof(dtype)} is {dtype}; it must be Float32 or Float64.", nameof(dtype));
        }

        _device = device ?? Device.Default;
        _device.ThrowIfDisposed();
        DType elementType = dtype == ScalarType.Float32 ? DType.Float32 : DType.Float64;
        layer.CheckFor(elementType, Options);
        Layer = layer;
        if (layer.Filters!.Filter.Matrices is not null)
        {
            // Only the native library tells whether they are orthogonal. The first pass uses the chain.
            _chains = new ChainPool(layer, _device, new FilterState(layer.Filters.Filter.Kind, seed, 0), elementType);
            _chains.Return(_chains.Rent());
        }

        TorchParameter[] parameters = [.. layer.Definitions.Select((definition, index) => Initial(definition, dtype, seed, (uint)index))];
        weight = parameters[0];
        bias = parameters[1];
        input_weight = parameters.Length > 2 ? parameters[2] : null;
        filter = new FilterState(layer.Filters!.Filter.Kind, seed, 0).ToTensor().DetachFromDisposeScope();
        RegisterComponents();
    }

    /// <summary>Number of units N.</summary>
    public long HiddenSize => Layer.HiddenSize;

    /// <summary>
    /// Why a backward pass failed; null if none did. The next call of the module throws an <see cref="InvalidOperationException"/> with it
    /// and sets it to null.
    /// </summary>
    public Exception? BackwardError { get; private set; }

    /// <summary>The layer as OrthoNative has it.</summary>
    internal ChainLayer Layer { get; }

    /// <summary>The chains that the latest pass ran in; before the first one null, or for given matrices those of the constructor.</summary>
    internal ChainPool? Chains => _chains;

    /// <summary>Copies the weights and the filter of a layer of a model into the module, converted to its element type.</summary>
    /// <param name="layer">Of the same kind.</param>
    private protected void CopyWeightsFrom(ChainLayer layer)
    {
        RequireSameFunction(layer);
        (ulong seed, uint index) = layer.FilterSource;
        using IDisposable inference = no_grad();
        foreach (Parameter parameter in layer.Parameters)
        {
            using TorchTensor values = TensorMemory.Copy(parameter.Value);
            Weight(parameter, layer).copy_(values);
        }

        using TorchTensor source = new FilterState(layer.Filters!.Filter.Kind, seed, index).ToTensor();
        get_buffer(nameof(filter))!.copy_(source);
    }

    /// <summary>Copies the module's weights and filter into a layer of a model, converted to the model's element type.</summary>
    /// <param name="layer">Of the same kind.</param>
    private protected void CopyWeightsTo(ChainLayer layer)
    {
        RequireSameFunction(layer);
        FilterState state = CheckedFilter();
        using Model.Use use = layer.ModelOrNull!.BeginUse();
        layer.ModelOrNull.ThrowIfAveraged();
        using LoadedState? drawn = layer.PrepareFilter(state.Seed, state.Index);
        foreach (Parameter parameter in layer.Parameters)
        {
            TensorMemory.CopyTo(Weight(parameter, layer), parameter.Value);
        }

        drawn?.Apply();
    }

    /// <summary>The module's tensor for a parameter of a layer.</summary>
    private TorchParameter Weight(Parameter parameter, ChainLayer layer) => get_parameter(parameter.Name[(layer.Path.Length + 1)..])!;

    /// <summary>Refuses a layer that computes something else with the same weights.</summary>
    private void RequireSameFunction(ChainLayer layer)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        ArgumentNullException.ThrowIfNull(layer);
        if (layer.Parameters.Count == 0)
        {
            throw new ArgumentException($"{nameof(layer)} is not part of a model yet; it must be, for it to have weights.", nameof(layer));
        }

        if (layer.ToString() != Layer.ToString())
        {
            throw new ArgumentException($"{nameof(layer)} is {layer}; it must be {Layer}, as the module is.", nameof(layer));
        }

        foreach (((string key, string theirs), (_, string ours)) in layer.Settings.Zip(Layer.Settings))
        {
            if (theirs != ours)
            {
                throw new ArgumentException($"{nameof(layer)} has {key} '{theirs}'; it must be '{ours}', as that of the module is.", nameof(layer));
            }
        }
    }

    /// <summary>Runs the chain.</summary>
    /// <param name="input">Inputs of a recurrent layer, or what enters a feedforward one.</param>
    /// <param name="initial">State before the first step of a recurrent layer.</param>
    /// <param name="steps">T of a recurrent layer, otherwise 0.</param>
    /// <param name="rows">Samples.</param>
    /// <param name="outputSteps">States that are the output.</param>
    /// <param name="outputShape">Shape of the output.</param>
    private protected TorchTensor Run(TorchTensor input, TorchTensor? initial, long steps, long rows, long outputSteps, long[] outputShape)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (BackwardError is Exception failure)
        {
            BackwardError = null;
            throw new InvalidOperationException($"The last backward pass of the module failed: {failure.Message}", failure);
        }

        // As they are now: `to` and loading replace them.
        TorchTensor w = get_parameter(nameof(weight))!;
        TorchTensor b = get_parameter(nameof(bias))!;
        TorchTensor? v = input_weight is null ? null : get_parameter(nameof(input_weight));
        CheckPlace(w, nameof(weight), w.dtype);
        CheckPlace(b, nameof(bias), w.dtype);
        if (v is not null)
        {
            CheckPlace(v, nameof(input_weight), w.dtype);
        }

        CheckPlace(input, nameof(input), w.dtype);
        if (initial is not null)
        {
            CheckPlace(initial, nameof(initial), w.dtype);
        }

        TorchTensor?[] arguments = [input, initial, w, b, v];
        var call = new ChainCall(this, ChainsOf(TensorMemory.DTypeOf(w, nameof(weight))), arguments, steps, rows, outputSteps, outputShape);
        bool keepsStates = is_grad_enabled() && call.Needed.Contains(true);
        TorchTensor output = call.Forward(arguments, keepsStates);
        return keepsStates ? FilterChainFunction.Connect(call, output, arguments) : output;
    }

    /// <summary>Keeps what a backward pass failed with, the first one until it is thrown.</summary>
    internal void KeepBackwardError(Exception error) => BackwardError ??= error;

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _disposed = true;
            _chains?.Dispose();
        }

        base.Dispose(disposing);
    }

    private static TorchParameter Initial(ParameterDefinition definition, ScalarType dtype, ulong seed, uint stream)
    {
        // Drawn as the layers of OrthoNative draw theirs, so that the same seed gives the same bits.
        using var values = new OrthoNative.Tensor(Device.Default, dtype == ScalarType.Float32 ? DType.Float32 : DType.Float64, definition.Shape);
        definition.Initialize(values, seed, stream, null);
        return new TorchParameter(TensorMemory.Copy(values).DetachFromDisposeScope());
    }

    private static void CheckPlace(TorchTensor tensor, string name, ScalarType dtype)
    {
        if (tensor.device_type != DeviceType.CPU)
        {
            throw new NotSupportedException($"{name} lies on {tensor.device}; it must lie on the CPU, where the layer runs.");
        }

        if (tensor.dtype != dtype)
        {
            throw new ArgumentException($"{name} has the element type {tensor.dtype}; it must be {dtype}, that of the weight.", name);
        }

        if (tensor.is_sparse)
        {
            throw new ArgumentException($"{name} is sparse; it must be dense.", name);
        }

        _ = TensorMemory.DTypeOf(tensor, name);
    }

    /// <summary>The entry <c>filter</c>, which a loaded dictionary decides.</summary>
    /// <exception cref="InvalidOperationException">It is of another kind than the module.</exception>
    private FilterState CheckedFilter()
    {
        FilterState state = FilterState.Of(get_buffer(nameof(filter))!);
        return state.Kind == Layer.Filters!.Filter.Kind
            ? state
            : throw new InvalidOperationException(string.Create(
                CultureInfo.InvariantCulture,
                $"filter, loaded with the state dictionary, is of kind {(long)state.Kind}; the module was made with kind {(long)Layer.Filters!.Filter.Kind} ({Layer.Filters.Filter})."));
    }

    /// <summary>The chains of the filter that the state dictionary names.</summary>
    private ChainPool ChainsOf(DType dtype)
    {
        FilterState state = CheckedFilter();
        if (_chains is null || state != _chains.Filter || dtype != _chains.DType)
        {
            _chains?.Dispose();
            _chains = new ChainPool(Layer, _device, state, dtype, state == _chains?.Filter ? _chains.Matrix : null);
        }

        return _chains;
    }
}
