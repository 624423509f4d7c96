using static TorchSharp.torch;
using TorchTensor = TorchSharp.torch.Tensor;

namespace OrthoNative.TorchSharp;

/// <summary>
/// The recurrent network of random orthogonal additive filters as a TorchSharp module:
/// x_t = α O x_{t-1} + β φ(W x_{t-1} + V u_t + b).
/// </summary>
/// <remarks>
/// Inputs <c>[T, B, D]</c>, or <c>[B, T, D]</c> with <c>batchFirst</c>; outputs by <see cref="RoaRnnOptions.Output"/>: the last state
/// <c>[B, N]</c>, the default, or the last K states <c>[K, B, N]</c> (<c>[B, K, N]</c>). The same seed and options give the same filter,
/// initial weights and outputs as <see cref="OrthoNative.RoaRnn"/> as the first layer of a model.
/// </remarks>
public sealed class RoaRnn : FilterChainModule
{
    private readonly OrthoNative.RoaRnn _layer;
    private readonly bool _batchFirst;

    /// <summary>Creates a layer.</summary>
    /// <param name="inputSize">Number of inputs D at a step, 1 to 1048576.</param>
    /// <param name="hiddenSize">Number of units N, 1 to 65536.</param>
    /// <param name="options">Null: the defaults. Learning rate factors are not used: the optimizer is torch's.</param>
    /// <param name="seed">Seed of the filter and the initial weights. Default 0.</param>
    /// <param name="batchFirst">True if the batch is the first dimension. Default false: time is.</param>
    /// <param name="dtype">Element type of the parameters, float32 (default) or float64.</param>
    /// <param name="device">Whose threads do the work; null: <see cref="Device.Default"/>.</param>
    /// <exception cref="ArgumentException">A size, an option or the element type is out of range.</exception>
    /// <exception cref="ObjectDisposedException"><paramref name="device"/> was disposed.</exception>
    public RoaRnn(
        long inputSize,
        long hiddenSize,
        RoaRnnOptions? options = null,
        ulong seed = 0,
        bool batchFirst = false,
        ScalarType dtype = ScalarType.Float32,
        Device? device = null)
        : this(new OrthoNative.RoaRnn(inputSize, hiddenSize, options), seed, batchFirst, dtype, device)
    {
    }

    private RoaRnn(OrthoNative.RoaRnn layer, ulong seed, bool batchFirst, ScalarType dtype, Device? device)
        : base(nameof(RoaRnn), layer, seed, dtype, device)
    {
        _layer = layer;
        _batchFirst = batchFirst;
    }

    /// <summary>Creates a module with the weights and the filter of a layer.</summary>
    /// <param name="layer">A layer of a model, on any device.</param>
    /// <param name="batchFirst">True if the batch is the first dimension. Default false: time is.</param>
    /// <returns>A module of the model's element type that computes what the layer does. Later changes of one do not reach the other.</returns>
    /// <exception cref="ArgumentException">The layer is not part of a model yet.</exception>
    /// <exception cref="ObjectDisposedException">The layer's model was disposed.</exception>
    public static RoaRnn FromLayer(OrthoNative.RoaRnn layer, bool batchFirst = false)
    {
        ArgumentNullException.ThrowIfNull(layer);
        var module = new RoaRnn(layer.InputSize, layer.HiddenSize, layer.Options, 0, batchFirst, TensorMemory.DTypeOf(layer));
        module.CopyFrom(layer);
        return module;
    }

    /// <summary>Copies the weights and the filter of a layer into the module, converted to its element type.</summary>
    /// <param name="layer">A layer of a model, of the same sizes, filter, α, β and φ.</param>
    /// <exception cref="ArgumentException">The layer is not part of a model yet, or computes something else with the same weights.</exception>
    /// <exception cref="ObjectDisposedException">The module or the layer's model was disposed.</exception>
    public void CopyFrom(OrthoNative.RoaRnn layer) => CopyWeightsFrom(layer);

    /// <summary>Copies the module's weights and filter into a layer, converted to its model's element type.</summary>
    /// <param name="layer">A layer of a model, of the same sizes, filter, α, β and φ.</param>
    /// <exception cref="ArgumentException">The layer is not part of a model yet, or computes something else with the same weights.</exception>
    /// <exception cref="ObjectDisposedException">The module or the layer's model was disposed.</exception>
    public void CopyTo(OrthoNative.RoaRnn layer) => CopyWeightsTo(layer);

    /// <summary>Number of inputs D at a step.</summary>
    public long InputSize => _layer.InputSize;

    /// <summary>Runs the layer from a zero state.</summary>
    /// <param name="input">The sequences, <c>[T, B, D]</c> or <c>[B, T, D]</c>.</param>
    /// <returns>The output.</returns>
    /// <exception cref="ArgumentException">Shape or element type are not those of the layer.</exception>
    /// <exception cref="NotSupportedException">A tensor is not on the CPU.</exception>
    /// <exception cref="InvalidOperationException">The last backward pass failed, or a filter of another kind was loaded.</exception>
    public override TorchTensor forward(TorchTensor input) => forward(input, null);

    /// <summary>Runs the layer from a given state.</summary>
    /// <param name="input">The sequences, <c>[T, B, D]</c> or <c>[B, T, D]</c>.</param>
    /// <param name="initial">The state before the first step, <c>[B, N]</c>; null: zeros.</param>
    /// <returns>The output.</returns>
    /// <exception cref="ArgumentException">Shape or element type are not those of the layer.</exception>
    /// <exception cref="NotSupportedException">A tensor is not on the CPU.</exception>
    /// <exception cref="InvalidOperationException">The last backward pass failed, or a filter of another kind was loaded.</exception>
    public TorchTensor forward(TorchTensor input, TorchTensor? initial)
    {
        ArgumentNullException.ThrowIfNull(input);
        long[] shape = input.shape;
        if (shape.Length != 3 || shape[2] != InputSize || shape[0] == 0 || shape[1] == 0)
        {
            throw new ArgumentException(
                $"{nameof(input)} has shape {TensorMemory.FormatShape(shape)}; it must be {(_batchFirst ? "[B, T" : "[T, B")}, {InputSize}] without empty dimensions.",
                nameof(input));
        }

        long steps = shape[_batchFirst ? 1 : 0];
        long batch = shape[_batchFirst ? 0 : 1];
        long outputSteps = _layer.Output.StepsOf(steps);
        if (outputSteps > steps)
        {
            throw new ArgumentException($"{nameof(input)} has {steps} time steps; at least {outputSteps} are required for the output {_layer.Output}.", nameof(input));
        }

        if (initial is not null && !initial.shape.SequenceEqual([batch, HiddenSize]))
        {
            throw new ArgumentException($"{nameof(initial)} has shape {TensorMemory.FormatShape(initial.shape)}; it must be [{batch}, {HiddenSize}].", nameof(initial));
        }

        long[] outputShape = _layer.Output.HasTime ? [outputSteps, batch, HiddenSize] : [batch, HiddenSize];
        if (!_batchFirst)
        {
            return Run(input, initial, steps, batch, outputSteps, outputShape);
        }

        using TorchTensor timeMajor = input.transpose(0, 1);
        TorchTensor output = Run(timeMajor, initial, steps, batch, outputSteps, outputShape);
        if (!_layer.Output.HasTime)
        {
            return output;
        }

        using (output)
        {
            return output.transpose(0, 1);
        }
    }
}
