using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Looks up a trained vector for each index: the first layer of a model of symbols.</summary>
/// <remarks>
/// Inputs <c>[T, B, 1]</c> are indices of <see cref="DType.Int32"/>, each 0 to entries - 1; outputs <c>[T, B, size]</c>. Indices beyond a sample's length are not read, and outputs
/// there are 0. Parameter: <c>weight</c> <c>[entries, size]</c>, which starts normal with standard deviation 1 / √size.
/// </remarks>
public sealed unsafe class Embedding : Layer
{
    private const long MaximumSize = 1 << 20;

    /// <summary>Describes a layer; memory comes with the model.</summary>
    /// <param name="entries">Number of vectors, 1 to 2147483647.</param>
    /// <param name="size">Size of a vector, 1 to 1048576.</param>
    /// <exception cref="ArgumentOutOfRangeException">An argument is out of range.</exception>
    public Embedding(long entries, long size)
    {
        Check.InRange(entries, 1, int.MaxValue);
        Check.InRange(size, 1, MaximumSize);
        Entries = entries;
        OutputSize = size;
    }

    /// <summary>Number of vectors.</summary>
    public long Entries { get; }

    /// <inheritdoc/>
    public override long InputSize => 1;

    /// <inheritdoc/>
    public override long OutputSize { get; }

    /// <inheritdoc/>
    protected internal override IReadOnlyList<ParameterDefinition> Definitions =>
        [ParameterDefinition.Normal("weight", [Entries, OutputSize], 1 / Math.Sqrt(OutputSize))];

    internal override bool TakesIndices => true;

    private Parameter Weight => Parameters[0];

    /// <inheritdoc/>
    protected internal override LayerDescription Describe() => new LayerDescription(nameof(Embedding)).Add("entries", Entries).Add("size", OutputSize);

    internal static Embedding Read(LayerReader reader) => new(reader.GetInt64("entries"), reader.GetInt64("size"));

    /// <summary>The layer in a few words: <c>Embedding 1000 -> 64</c>.</summary>
    public override string ToString() => $"{nameof(Embedding)} {Entries} -> {OutputSize}";

    /// <inheritdoc/>
    protected internal override bool IsStepwise => true;

    /// <inheritdoc/>
    protected internal override Tensor Forward(in ForwardContext context, Tensor inputs)
    {
        RequireTime(inputs);
        Check.Compatible(inputs, context.Device, DType.Int32);
        long steps = inputs.Shape[0];
        long batch = inputs.Shape[1];
        Tensor outputs = context.Outputs(steps, batch, OutputSize);
        using BufferScope table = Weight.Value.Borrow();
        using BufferScope indices = inputs.Borrow();
        using BufferScope y = outputs.BorrowToWrite();
        using HandleScope<ortho_device> device = context.Device.Handle.Borrow();
        fixed (int* lengths = context.Lengths)
        {
            ThrowOnFailure(
                NativeMethods.ortho_embedding_forward(
                    device.Pointer, context.DType.ToNative(), steps, batch, lengths, Entries, OutputSize, table.Address, (int*)indices.Address, y.Address));
        }

        return outputs;
    }

    /// <inheritdoc/>
    protected internal override void Backward(in BackwardContext context, Tensor outputGradient, Tensor? inputGradient)
    {
        using BufferScope indices = context.Inputs.Borrow();
        using BufferScope yGradient = outputGradient.Borrow();
        using BufferScope tableGradient = Weight.Gradient.BorrowToWrite();
        using HandleScope<ortho_device> device = context.Device.Handle.Borrow();
        fixed (int* lengths = context.Lengths)
        {
            ThrowOnFailure(
                NativeMethods.ortho_embedding_backward(
                    device.Pointer, context.DType.ToNative(), null, context.Accumulate ? 1 : 0, context.Inputs.Shape[0], context.Inputs.Shape[1], lengths,
                    Entries, OutputSize, (int*)indices.Address, yGradient.Address, tableGradient.Address));
        }
    }

    /// <summary>Indices have the name of the layer's inputs.</summary>
    private void ThrowOnFailure(ortho_status status)
    {
        if (status != ortho_status.ORTHO_OK && NativeError.Last() is { Argument: "indices", Element: >= 0 } error)
        {
            throw error.ToException(FormattableString.Invariant($"inputs[{error.Element}]{InputPlace} {error.Problem}"), "inputs");
        }

        status.ThrowOnFailure("inputs");
    }
}
