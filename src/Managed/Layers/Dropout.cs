using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>
/// Sets elements of its inputs to 0 in training, each with probability <see cref="Rate"/>, and divides the others by 1 - <see cref="Rate"/>,
/// against overfitting (Srivastava et al., JMLR 15, 2014); passes its inputs on unchanged otherwise.
/// </summary>
/// <inheritdoc cref="RandomLayer" path="/remarks"/>
public sealed unsafe class Dropout : RandomLayer
{
    /// <summary>Describes a layer; memory comes with the model.</summary>
    /// <param name="size">Size of the last dimension, 1 to 1048576.</param>
    /// <param name="rate">Probability with which an element is dropped, 0 to 1, 1 excluded.</param>
    /// <param name="sameForAllSteps">
    /// True: all time steps of a sample drop the same units (Gal and Ghahramani, arXiv 1512.05287). False, the default: each step draws anew.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">An argument is out of range.</exception>
    public Dropout(long size, double rate, bool sameForAllSteps = false)
        : base(size)
    {
        Check.Fraction(rate);
        Rate = rate;
        SameForAllSteps = sameForAllSteps;
    }

    /// <summary>Probability with which an element is dropped.</summary>
    public double Rate { get; }

    /// <summary>True if all time steps of a sample drop the same units.</summary>
    public bool SameForAllSteps { get; }

    private protected override bool IsIdle => Rate == 0;

    /// <inheritdoc/>
    protected internal override LayerDescription Describe() =>
        new LayerDescription(nameof(Dropout)).Add("size", InputSize).Add("rate", Rate).Add("same_for_all_steps", SameForAllSteps);

    internal static Dropout Read(LayerReader reader) =>
        new(reader.GetInt64("size"), reader.GetDouble("rate"), reader.GetBoolean("same_for_all_steps"));

    /// <summary>The layer in a few words: <c>Dropout 0.3</c>.</summary>
    public override string ToString() => FormattableString.Invariant($"{nameof(Dropout)} {Rate}{(SameForAllSteps ? ", the same for all steps" : "")}");

    /// <inheritdoc/>
    protected internal override void Backward(in BackwardContext context, Tensor outputGradient, Tensor? inputGradient)
    {
        if (IsIdle || inputGradient is null)
        {
            base.Backward(context, outputGradient, inputGradient);
            return;
        }

        Draw(context.Device, context.Pass, context.FirstSample, outputGradient, inputGradient, nameof(outputGradient));
    }

    private protected override ortho_status Draw(
        ortho_device* device, int dtype, in PassNumbers numbers, ulong pass, long firstSample, long steps, long batch, void* x, void* y) =>
        NativeMethods.ortho_dropout(
            device, dtype, numbers.Seed, numbers.Source, pass, Rate, SameForAllSteps ? 1 : 0, firstSample, steps, batch, InputSize, x, y);
}
