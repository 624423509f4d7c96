using System.Globalization;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Adds independent normal noise to its inputs in training, against overfitting; passes them on unchanged otherwise.</summary>
/// <remarks>
/// Inputs and outputs <c>[..., size]</c>, no parameters. Every training pass draws other noise; the n-th pass of a model of the
/// same seed draws the same, and a model that was saved and loaded goes on counting. The gradient passes through unchanged.
/// While <see cref="Sequential.Training"/> is false the outputs are the inputs' own tensor.
/// </remarks>
public sealed unsafe class GaussianNoise : Layer
{
    private const long MaximumSize = 1 << 20;

    private const string SeedKey = "seed";
    private const string PassesKey = "training_passes";

    private Tensor? _outputs;
    private ulong _seed;
    private uint _passes;

    /// <summary>Describes a layer; memory comes with the model.</summary>
    /// <param name="size">Size of the last dimension, 1 to 1048576.</param>
    /// <param name="standardDeviation">Of the noise, in the units of the inputs; finite, not negative.</param>
    /// <exception cref="ArgumentOutOfRangeException">An argument is outside what is allowed.</exception>
    public GaussianNoise(long size, double standardDeviation)
    {
        Check.InRange(size, 1, MaximumSize);
        Check.NotNegative(standardDeviation);
        InputSize = size;
        StandardDeviation = standardDeviation;
    }

    /// <summary>Standard deviation of the noise.</summary>
    public double StandardDeviation { get; }

    /// <inheritdoc/>
    public override long InputSize { get; }

    /// <inheritdoc/>
    public override long OutputSize => InputSize;

    internal override IReadOnlyList<ParameterDefinition> Definitions => [];

    /// <summary>The layer in a few words: <c>GaussianNoise 0.3</c>.</summary>
    public override string ToString() => FormattableString.Invariant($"{nameof(GaussianNoise)} {StandardDeviation}");

    internal override Tensor Forward(Tensor inputs, bool training)
    {
        RowsOf(inputs);
        if (!training || StandardDeviation == 0)
        {
            return inputs;
        }

        Tensor outputs = Tensor.Ensure(ref _outputs, inputs.Device, inputs.DType, inputs.Shape);
        using BufferScope x = inputs.Borrow();
        using BufferScope y = outputs.Borrow();
        using HandleScope<ortho_device> device = inputs.Device.Handle.Borrow();
        NativeMethods.ortho_add_normal_noise(
            device.Pointer, inputs.DType.ToNative(), _seed, _passes, StandardDeviation, inputs.Count, x.Address, y.Address)
            .ThrowOnFailure();
        _passes = unchecked(_passes + 1);
        return outputs;
    }

    internal override void Backward(Tensor inputs, Tensor outputGradient, Tensor? inputGradient, bool accumulate) =>
        inputGradient?.CopyFrom(outputGradient);

    internal override long ActivationBytes(long steps, long batch) => steps * batch * InputSize * Model.DType.Bytes();

    internal override void SaveState(IDictionary<string, string> metadata, string name)
    {
        metadata[$"{name}.{SeedKey}"] = _seed.ToString(CultureInfo.InvariantCulture);
        metadata[$"{name}.{PassesKey}"] = _passes.ToString(CultureInfo.InvariantCulture);
    }

    // A model that was trained without noise may go on with it.
    internal override LoadedState? LoadState(IReadOnlyDictionary<string, string> metadata, string name) =>
        metadata.ContainsKey($"{name}.{SeedKey}") || metadata.ContainsKey($"{name}.{PassesKey}")
            ? new Noise(
                this,
                LoadedState.Number(metadata, $"{name}.{SeedKey}", ulong.MaxValue),
                (uint)LoadedState.Number(metadata, $"{name}.{PassesKey}", uint.MaxValue))
            : null;

    // Two noise layers of a model must not draw the same numbers: the high half of the seed tells them apart.
    private protected override void OnAttach(ulong seed, uint filterIndex) => _seed = seed ^ ((ulong)LayerIndex << 32);

    private protected override void OnDispose()
    {
        _outputs?.Dispose();
        _outputs = null;
    }

    private sealed class Noise(GaussianNoise layer, ulong seed, uint passes) : LoadedState
    {
        public override void Apply() => (layer._seed, layer._passes) = (seed, passes);
    }
}
