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
/// The state dictionary has <c>weight</c>, <c>bias</c>, in a recurrent layer <c>input_weight</c>, and <c>filter</c>: kind and seed of
/// the orthogonal matrix, [2] of int64. A dictionary that is loaded decides the filter, too; a filter that was given as a matrix must
/// be given again.
/// </para>
/// <para>
/// Contiguous tensors are used where they lie, others are copied. Parameters must not change between a forward pass and its backward
/// pass. One thread at a time may use a module.
/// </para>
/// </remarks>
public abstract class FilterChainModule : nn.Module<TorchTensor, TorchTensor>
{
    private readonly Device _device;
    private readonly FilterChainLayer _layer;
    private ChainPool _chains;

    // The names of fields are those of the state dictionary.
    private readonly TorchParameter weight;
    private readonly TorchParameter bias;
    private readonly TorchParameter? input_weight;
    private readonly TorchTensor filter;

    private protected FilterChainModule(string name, FilterChainLayer layer, ulong seed, ScalarType dtype, Device? device)
        : base(name)
    {
        if (dtype is not (ScalarType.Float32 or ScalarType.Float64))
        {
            throw new ArgumentException($"{nameof(dtype)} is {dtype}; Float32 and Float64 are allowed.", nameof(dtype));
        }

        _device = device ?? Device.Default;
        _device.ThrowIfDisposed();
        _layer = layer;
        _chains = new ChainPool(layer, _device, seed);
        TorchParameter[] parameters = [.. layer.Definitions.Select((definition, index) => Initial(definition, dtype, seed, (uint)index))];
        weight = parameters[0];
        bias = parameters[1];
        input_weight = parameters.Length > 2 ? parameters[2] : null;
        filter = tensor([(long)layer.Filter.Kind, unchecked((long)seed)]).DetachFromDisposeScope();
        RegisterComponents();
    }

    /// <summary>Number of units N.</summary>
    public long HiddenSize => _layer.HiddenSize;

    /// <summary>What the last backward pass failed with; thrown at the next call.</summary>
    internal Exception? Failure { get; set; }

    /// <summary>Runs the chain.</summary>
    /// <param name="input">Inputs of a recurrent layer, or what enters a feedforward one.</param>
    /// <param name="initial">State before the first step of a recurrent layer.</param>
    /// <param name="steps">T of a recurrent layer, otherwise 0.</param>
    /// <param name="rows">Samples.</param>
    /// <param name="outputSteps">States that are the output.</param>
    /// <param name="outputShape">Shape of the output.</param>
    private protected TorchTensor Run(TorchTensor input, TorchTensor? initial, long steps, long rows, long outputSteps, long[] outputShape)
    {
        if (Failure is Exception failure)
        {
            Failure = null;
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

        FollowFilter();
        bool keepsStates = is_grad_enabled()
            && (input.requires_grad || (initial?.requires_grad ?? false) || w.requires_grad || b.requires_grad || (v?.requires_grad ?? false));
        var call = new ChainCall(this, _chains, steps, rows, outputSteps, outputShape, keepsStates);
        return FilterChainFunction.apply(call, input, initial!, w, b, v!);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _chains.Dispose();
        }

        base.Dispose(disposing);
    }

    private static TorchParameter Initial(ParameterDefinition definition, ScalarType dtype, ulong seed, uint stream)
    {
        // Drawn as the layers of OrthoNative draw theirs, so that the same seed gives the same bits.
        using var values = new OrthoNative.Tensor(Device.Default, dtype == ScalarType.Float32 ? DType.Float32 : DType.Float64, definition.Shape);
        definition.Initialize(values, seed, stream);
        TorchTensor tensor = empty(definition.Shape, dtype: dtype);
        CopyTo(values, tensor);
        return new TorchParameter(tensor.DetachFromDisposeScope());
    }

    private static unsafe void CopyTo(OrthoNative.Tensor values, TorchTensor tensor)
    {
        using Interop.BufferScope memory = values.Borrow();
        long bytes = values.Count * values.DType.Bytes();
        Buffer.MemoryCopy(memory.Address, TensorMemory.Address(tensor), bytes, bytes);
    }

    private static void CheckPlace(TorchTensor tensor, string name, ScalarType dtype)
    {
        if (tensor.device_type != DeviceType.CPU)
        {
            throw new NotSupportedException($"{name} lies on {tensor.device}; the layer runs on the CPU.");
        }

        if (tensor.dtype != dtype)
        {
            throw new ArgumentException($"{name} has the element type {tensor.dtype}; {dtype}, that of the weight, is allowed.", name);
        }

        _ = TensorMemory.DTypeOf(tensor, name);
    }

    /// <summary>Makes the chains those of the filter that the state dictionary names.</summary>
    private void FollowFilter()
    {
        using TorchTensor values = get_buffer(nameof(filter))!.to(ScalarType.Int64);
        long[] state = values.data<long>().ToArray();
        if (state[0] != (long)_layer.Filter.Kind)
        {
            throw new InvalidOperationException(string.Create(
                CultureInfo.InvariantCulture,
                $"filter, loaded with the state dictionary, is of kind {state[0]}; the module was made with kind {(long)_layer.Filter.Kind} ({_layer.Filter})."));
        }

        ulong seed = unchecked((ulong)state[1]);
        if (seed != _chains.Seed)
        {
            _chains.Dispose();
            _chains = new ChainPool(_layer, _device, seed);
        }
    }
}
