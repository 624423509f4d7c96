using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Adds independent normal noise to its inputs in training, against overfitting; passes them on unchanged otherwise.</summary>
/// <remarks>
/// Inputs and outputs <c>[..., size]</c>, no parameters. Every training pass draws other noise; the n-th pass of a model of the
/// same seed draws the same, and a model that was saved and loaded continues counting. Layers of different index in their model, and
/// models of different seed, draw different noise. The gradient passes through unchanged.
/// While <see cref="Sequential.Training"/> is false the outputs are the inputs' own tensor.
/// </remarks>
public sealed unsafe class GaussianNoise : Layer
{
    private const long MaximumSize = 1 << 20;

    private Tensor? _outputs;
    private PassNumbers _numbers;

    /// <summary>Describes a layer; memory comes with the model.</summary>
    /// <param name="size">Size of the last dimension, 1 to 1048576.</param>
    /// <param name="standardDeviation">Of the noise, in the units of the inputs; finite, not negative.</param>
    /// <exception cref="ArgumentOutOfRangeException">An argument is out of range.</exception>
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

    internal override void CheckFor(DType dtype, string name)
    {
        // No normal number that is drawn lies farther from 0 than 8.6.
        const double Farthest = 8.6;
        Check.That(
            Check.IsFinite(Farthest * StandardDeviation, dtype), StandardDeviation, $"so small that noise is finite in {dtype}", $"{name}.{nameof(StandardDeviation)}");
    }

    /// <summary>The layer in a few words: <c>GaussianNoise 0.3</c>.</summary>
    public override string ToString() => FormattableString.Invariant($"{nameof(GaussianNoise)} {StandardDeviation}");

    internal override Tensor Forward(Tensor inputs, bool training)
    {
        RowsOf(inputs);
        if (!training || StandardDeviation == 0)
        {
            return inputs;
        }

        Tensor outputs = Tensor.Ensure(ref _outputs, inputs.Device, inputs.DType, inputs.Shape, source: inputs);
        using BufferScope x = inputs.Borrow();
        using BufferScope y = outputs.BorrowToWrite();
        using HandleScope<ortho_device> device = inputs.Device.Handle.Borrow();
        NativeMethods.ortho_add_normal_noise(
            device.Pointer, inputs.DType.ToNative(), _numbers.Seed, _numbers.Source, _numbers.Passes, StandardDeviation, inputs.Count, x.Address, y.Address)
            .ThrowOnFailure(nameof(inputs));
        _numbers.Advance();
        return outputs;
    }

    internal override void Backward(Tensor inputs, Tensor outputGradient, Tensor? inputGradient, bool accumulate) =>
        inputGradient?.CopyFrom(outputGradient);

    internal override long ActivationBytes(long steps, long batch) => StandardDeviation == 0 ? 0 : steps * batch * InputSize * Model.DType.Bytes();

    internal override void SaveState(IDictionary<string, string> metadata, string name) => _numbers.Save(metadata, name);

    internal override LoadedState? LoadState(IReadOnlyDictionary<string, string> metadata, string name) =>
        PassNumbers.Load(metadata, name, fromVersion01: true, numbers => _numbers = numbers);

    private protected override void OnAttach(ulong seed, uint filterIndex) => _numbers = new PassNumbers(seed, LayerIndex);

    private protected override void OnDispose()
    {
        _outputs?.Dispose();
        _outputs = null;
    }
}
