using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>How the steps of a sequence become one.</summary>
public enum PoolingKind
{
    /// <summary>The last step of each sample.</summary>
    Last = (int)ortho_pooling.ORTHO_POOL_LAST,

    /// <summary>The mean over the steps.</summary>
    Mean = (int)ortho_pooling.ORTHO_POOL_MEAN,

    /// <summary>The largest value of each unit over the steps.</summary>
    Max = (int)ortho_pooling.ORTHO_POOL_MAX,
}

/// <summary>Pools over time: one row for each sequence, from its steps up to its length.</summary>
/// <remarks>Inputs <c>[T, B, size]</c> give outputs <c>[B, size]</c>; a sample of length 0 gives zeros. No parameters.</remarks>
public sealed unsafe class Pooling : Layer
{
    private const long MaximumSize = 1 << 20;

    /// <summary>Describes a layer; memory comes with the model.</summary>
    /// <param name="size">Size of the last dimension, 1 to 1048576.</param>
    /// <param name="kind">How steps become one.</param>
    /// <exception cref="ArgumentOutOfRangeException">An argument is out of range.</exception>
    public Pooling(long size, PoolingKind kind)
    {
        Check.InRange(size, 1, MaximumSize);
        Check.Defined(kind);
        InputSize = size;
        Kind = kind;
    }

    /// <summary>How steps become one.</summary>
    public PoolingKind Kind { get; }

    /// <inheritdoc/>
    public override long InputSize { get; }

    /// <inheritdoc/>
    public override long OutputSize => InputSize;

    /// <inheritdoc/>
    protected internal override bool ReadsInputsAgain => Kind == PoolingKind.Max;

    /// <inheritdoc/>
    protected internal override IEnumerable<KeyValuePair<string, string>> Settings => [new("pooling", Kind.ToString())];

    /// <inheritdoc/>
    protected internal override LayerDescription Describe() => new LayerDescription(nameof(Pooling)).Add("size", InputSize).Add("pooling", Kind.ToString());

    internal static Pooling Read(LayerReader reader) => new(reader.GetInt64("size"), reader.GetEnum<PoolingKind>("pooling"));

    /// <summary>The layer in a few words: <c>Pooling Mean</c>.</summary>
    public override string ToString() => $"{nameof(Pooling)} {Kind}";

    /// <inheritdoc/>
    protected internal override long GetOutputSteps(long steps) => 1;

    /// <inheritdoc/>
    protected internal override Tensor Forward(in ForwardContext context, Tensor inputs)
    {
        RequireTime(inputs);
        Tensor outputs = context.Outputs(inputs.Shape[1], InputSize);
        using BufferScope x = inputs.Borrow();
        using BufferScope y = outputs.BorrowToWrite();
        using HandleScope<ortho_device> device = context.Device.Handle.Borrow();
        fixed (int* lengths = context.Lengths)
        {
            NativeMethods.ortho_pool_forward(
                device.Pointer, context.DType.ToNative(), (int)Kind, inputs.Shape[0], inputs.Shape[1], InputSize, lengths, x.Address, y.Address)
                .ThrowOnFailure(nameof(inputs));
        }

        context.SetOutputLengths(default);
        return outputs;
    }

    /// <inheritdoc/>
    protected internal override void Backward(in BackwardContext context, Tensor outputGradient, Tensor? inputGradient)
    {
        if (inputGradient is null)
        {
            return;
        }

        ReadOnlySpan<long> shape = context.Inputs.Shape;
        using BufferScope x = context.Inputs.Borrow();
        using BufferScope yGradient = outputGradient.Borrow();
        using BufferScope xGradient = inputGradient.BorrowToWrite();
        using HandleScope<ortho_device> device = context.Device.Handle.Borrow();
        fixed (int* lengths = context.Lengths)
        {
            NativeMethods.ortho_pool_backward(
                device.Pointer, context.DType.ToNative(), (int)Kind, shape[0], shape[1], InputSize, lengths, x.Address, yGradient.Address, xGradient.Address)
                .ThrowOnFailure(nameof(outputGradient));
        }
    }
}
