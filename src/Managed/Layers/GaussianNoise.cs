using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Adds independent normal noise to its inputs in training, against overfitting; passes them on unchanged otherwise. The gradient passes through unchanged.</summary>
/// <inheritdoc cref="RandomLayer" path="/remarks"/>
public sealed unsafe class GaussianNoise : RandomLayer
{
    /// <summary>Describes a layer; memory comes with the model.</summary>
    /// <param name="size">Size of the last dimension, 1 to 1048576.</param>
    /// <param name="standardDeviation">Of the noise, in the units of the inputs; finite, not negative.</param>
    /// <exception cref="ArgumentOutOfRangeException">An argument is out of range.</exception>
    public GaussianNoise(long size, double standardDeviation)
        : base(size)
    {
        Check.NotNegative(standardDeviation);
        StandardDeviation = standardDeviation;
    }

    /// <summary>Standard deviation of the noise.</summary>
    public double StandardDeviation { get; }

    private protected override bool IsIdle => StandardDeviation == 0;

    private protected override bool IsOfVersion01 => true;

    internal override void CheckFor(DType dtype, string name)
    {
        // No normal number that is drawn lies farther from 0 than 8.6.
        const double Farthest = 8.6;
        Check.That(
            Check.IsFinite(Farthest * StandardDeviation, dtype), StandardDeviation, $"so small that noise is finite in {dtype}", $"{name}.{nameof(StandardDeviation)}");
    }

    /// <inheritdoc/>
    protected internal override LayerDescription Describe() => new LayerDescription(nameof(GaussianNoise)).Add("size", InputSize).Add("standard_deviation", StandardDeviation);

    internal static GaussianNoise Read(LayerReader reader) => new(reader.GetInt64("size"), reader.GetDouble("standard_deviation"));

    /// <summary>The layer in a few words: <c>GaussianNoise 0.3</c>.</summary>
    public override string ToString() => FormattableString.Invariant($"{nameof(GaussianNoise)} {StandardDeviation}");

    private protected override ortho_status Draw(
        ortho_device* device, int dtype, in PassNumbers numbers, ulong pass, long firstSample, long steps, long batch, void* x, void* y) =>
        NativeMethods.ortho_add_normal_noise(
            device, dtype, numbers.Seed, numbers.Source, pass, StandardDeviation, firstSample, steps, batch, InputSize, x, y);
}
