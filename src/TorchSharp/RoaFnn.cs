using static TorchSharp.torch;
using TorchTensor = TorchSharp.torch.Tensor;

namespace OrthoNative.TorchSharp;

/// <summary>
/// The feedforward network of random orthogonal additive filters as a TorchSharp module, all of its layers:
/// x_l = α O_l x_{l-1} + β φ(W_l x_{l-1} + b_l).
/// </summary>
/// <remarks>
/// Inputs and outputs <c>[..., N]</c>. The same seed and options give the same filter, initial weights and outputs as
/// <see cref="OrthoNative.RoaFnn"/> as the first layer of a model.
/// </remarks>
public sealed class RoaFnn : FilterChainModule
{
    private readonly OrthoNative.RoaFnn _layer;

    /// <summary>Creates the layers.</summary>
    /// <param name="hiddenSize">Number of units N of a layer, 1 to 65536.</param>
    /// <param name="layers">Number of layers L, 1 to 2147483647.</param>
    /// <param name="options">Null: the defaults, β = 1 / L. Learning rate factors are not used: the optimizer is torch's.</param>
    /// <param name="seed">Seed of the filters and the initial weights. Default 0.</param>
    /// <param name="dtype">Element type of the parameters, float32 (default) or float64.</param>
    /// <param name="device">Whose threads do the work; null: <see cref="Device.Default"/>.</param>
    /// <exception cref="ArgumentException">A size, an option or the element type is out of range.</exception>
    /// <exception cref="ObjectDisposedException"><paramref name="device"/> was disposed.</exception>
    public RoaFnn(
        long hiddenSize,
        long layers,
        RoaFnnOptions? options = null,
        ulong seed = 0,
        ScalarType dtype = ScalarType.Float32,
        Device? device = null)
        : this(new OrthoNative.RoaFnn(hiddenSize, layers, options), seed, dtype, device)
    {
    }

    private RoaFnn(OrthoNative.RoaFnn layer, ulong seed, ScalarType dtype, Device? device)
        : base(nameof(RoaFnn), layer, seed, dtype, device) => _layer = layer;

    /// <summary>Creates a module with the weights and the filter of a layer.</summary>
    /// <param name="layer">A layer of a model, on any device.</param>
    /// <returns>A module of the model's element type that computes what the layer does. Later changes of one do not reach the other.</returns>
    /// <exception cref="ArgumentException">The layer is not part of a model yet.</exception>
    /// <exception cref="ObjectDisposedException">The layer's model was disposed.</exception>
    public static RoaFnn FromLayer(OrthoNative.RoaFnn layer)
    {
        ArgumentNullException.ThrowIfNull(layer);
        var module = new RoaFnn(layer.HiddenSize, layer.Layers, layer.Options, 0, TensorMemory.DTypeOf(layer));
        module.CopyFrom(layer);
        return module;
    }

    /// <summary>Copies the weights and the filter of a layer into the module, converted to its element type.</summary>
    /// <param name="layer">A layer of a model, of the same sizes, filter, α, β and φ.</param>
    /// <exception cref="ArgumentException">The layer is not part of a model yet, or computes something else with the same weights.</exception>
    /// <exception cref="ObjectDisposedException">The module or the layer's model was disposed.</exception>
    public void CopyFrom(OrthoNative.RoaFnn layer) => CopyWeightsFrom(layer);

    /// <summary>Copies the module's weights and filter into a layer, converted to its model's element type.</summary>
    /// <param name="layer">A layer of a model, of the same sizes, filter, α, β and φ.</param>
    /// <exception cref="ArgumentException">The layer is not part of a model yet, or computes something else with the same weights.</exception>
    /// <exception cref="ObjectDisposedException">The module or the layer's model was disposed.</exception>
    public void CopyTo(OrthoNative.RoaFnn layer) => CopyWeightsTo(layer);

    /// <summary>Number of layers L.</summary>
    public long Layers => _layer.Layers;

    /// <summary>Runs all layers.</summary>
    /// <param name="input">The input of the first layer, <c>[..., N]</c>.</param>
    /// <returns>The output of the last one, shaped as the input.</returns>
    /// <exception cref="ArgumentException">Shape or element type are not those of the layer.</exception>
    /// <exception cref="NotSupportedException">A tensor is not on the CPU.</exception>
    /// <exception cref="InvalidOperationException">The last backward pass failed, or a filter of another kind was loaded.</exception>
    public override TorchTensor forward(TorchTensor input)
    {
        ArgumentNullException.ThrowIfNull(input);
        long[] shape = input.shape;
        if (shape.Length == 0 || shape[^1] != HiddenSize || input.numel() == 0)
        {
            throw new ArgumentException(
                $"{nameof(input)} has shape {TensorMemory.FormatShape(shape)}; it must be [..., {HiddenSize}] without empty dimensions.", nameof(input));
        }

        return Run(input, null, 0, input.numel() / HiddenSize, 1, shape);
    }
}
