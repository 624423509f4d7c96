using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Pools over windows of time: one step for every window of steps, so layers behind it have fewer.</summary>
/// <remarks>
/// Inputs <c>[T, B, size]</c> give outputs <c>[T / window, B, size]</c>, rounded up. Windows do not overlap. Each sample is cut at its own length, and so its last window may have fewer steps.
/// No parameters.
/// </remarks>
public sealed unsafe class WindowPooling : Layer
{
    private const long MaximumSize = 1 << 20;

    private int[] _lengths = [];
    private int[] _windowLengths = [];

    /// <summary>Describes a layer; memory comes with the model.</summary>
    /// <param name="size">Size of the last dimension, 1 to 1048576.</param>
    /// <param name="window">Steps of a window, 1 to 1048576.</param>
    /// <param name="kind">How the steps of a window become one.</param>
    /// <exception cref="ArgumentOutOfRangeException">An argument is out of range.</exception>
    public WindowPooling(long size, long window, PoolingKind kind)
    {
        Check.InRange(size, 1, MaximumSize);
        Check.InRange(window, 1, MaximumSize);
        Check.Defined(kind);
        InputSize = size;
        Window = window;
        Kind = kind;
    }

    /// <summary>Steps of a window.</summary>
    public long Window { get; }

    /// <summary>How the steps of a window become one.</summary>
    public PoolingKind Kind { get; }

    /// <inheritdoc/>
    public override long InputSize { get; }

    /// <inheritdoc/>
    public override long OutputSize => InputSize;

    /// <inheritdoc/>
    protected internal override bool ReadsInputsAgain => Kind == PoolingKind.Max;

    /// <inheritdoc/>
    protected internal override IEnumerable<KeyValuePair<string, string>> Settings =>
        [new("pooling", Kind.ToString()), new("window", FormattableString.Invariant($"{Window}"))];

    /// <inheritdoc/>
    protected internal override LayerDescription Describe() =>
        new LayerDescription(nameof(WindowPooling)).Add("size", InputSize).Add("window", Window).Add("pooling", Kind.ToString());

    internal static WindowPooling Read(LayerReader reader) => new(reader.GetInt64("size"), reader.GetInt64("window"), reader.GetEnum<PoolingKind>("pooling"));

    /// <summary>The layer in a few words: <c>WindowPooling Mean, 64 steps</c>.</summary>
    public override string ToString() => FormattableString.Invariant($"{nameof(WindowPooling)} {Kind}, {Window} steps");

    /// <inheritdoc/>
    protected internal override bool IsStepwise => Window == 1;

    /// <inheritdoc/>
    protected internal override long GetOutputSteps(long steps) => (steps / Window) + (steps % Window == 0 ? 0 : 1);

    /// <inheritdoc/>
    protected internal override Tensor Forward(in ForwardContext context, Tensor inputs)
    {
        RequireTime(inputs);
        long steps = inputs.Shape[0], batch = inputs.Shape[1];
        Tensor outputs = context.Outputs(GetOutputSteps(steps), batch, InputSize);
        long rowBytes = batch * InputSize * context.DType.Bytes();
        using (BufferScope x = inputs.Borrow())
        using (BufferScope y = outputs.BorrowToWrite())
        using (HandleScope<ortho_device> device = context.Device.Handle.Borrow())
        {
            byte* source = (byte*)x.Address, target = (byte*)y.Address;
            for (long first = 0; first < steps; first += Window, source += Window * rowBytes, target += rowBytes)
            {
                fixed (int* lengths = LengthsFrom(context.Lengths, first))
                {
                    NativeMethods.ortho_pool_forward(
                        device.Pointer, context.DType.ToNative(), (int)Kind, long.Min(Window, steps - first), batch, InputSize, lengths, source, target)
                        .ThrowOnFailure(nameof(inputs));
                }
            }
        }

        context.SetOutputLengths(GetOutputLengths(context.Lengths, ref _lengths));
        return outputs;
    }

    /// <inheritdoc/>
    protected internal override void Backward(in BackwardContext context, Tensor outputGradient, Tensor? inputGradient)
    {
        if (inputGradient is null)
        {
            return;
        }

        long steps = context.Inputs.Shape[0], batch = context.Inputs.Shape[1];
        long rowBytes = batch * InputSize * context.DType.Bytes();
        using BufferScope x = context.Inputs.Borrow();
        using BufferScope yGradient = outputGradient.Borrow();
        using BufferScope xGradient = inputGradient.BorrowToWrite();
        using HandleScope<ortho_device> device = context.Device.Handle.Borrow();
        byte* inputs = (byte*)x.Address, source = (byte*)yGradient.Address, target = (byte*)xGradient.Address;
        for (long first = 0; first < steps; first += Window, inputs += Window * rowBytes, source += rowBytes, target += Window * rowBytes)
        {
            fixed (int* lengths = LengthsFrom(context.Lengths, first))
            {
                NativeMethods.ortho_pool_backward(
                    device.Pointer, context.DType.ToNative(), (int)Kind, long.Min(Window, steps - first), batch, InputSize, lengths, inputs, source, target)
                    .ThrowOnFailure(nameof(outputGradient));
            }
        }
    }

    /// <summary>The steps that each sample has in a window.</summary>
    /// <param name="lengths">Lengths of the samples; empty: all steps.</param>
    /// <param name="first">First step of the window.</param>
    private ReadOnlySpan<int> LengthsFrom(ReadOnlySpan<int> lengths, long first)
    {
        if (_windowLengths.Length < lengths.Length)
        {
            _windowLengths = new int[lengths.Length];
        }

        Span<int> own = _windowLengths.AsSpan(0, lengths.Length);
        for (int i = 0; i < own.Length; i++)
        {
            own[i] = (int)Math.Clamp(lengths[i] - first, 0, Window);
        }

        return own;
    }
}
