using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Options of a <see cref="Conv1D"/> layer.</summary>
public sealed record Conv1DOptions
{
    /// <summary>Steps from an output to the next one, at least 1. Default 1.</summary>
    public long Stride { get; init; } = 1;

    /// <summary>Steps of zeros before and after each sample, 0 to the kernel's size - 1. Default 0.</summary>
    public long Padding { get; init; }

    /// <summary>How weight and bias start and learn. Default: those of a <see cref="Dense"/> layer.</summary>
    public DenseOptions Weights { get; init; } = new();
}

/// <summary>A convolution over time, y_t = c + Σ_k A_k x_{t s + k - p} with stride s and padding p: a front end that makes long raw signals shorter.</summary>
/// <remarks>
/// <para>
/// Inputs <c>[T, B, inputs]</c> give outputs <c>[(T + 2 p - kernel) / s + 1, B, outputs]</c>, rounded down. Each sample is padded and cut at its own length l, and so has
/// (l + 2 p - kernel) / s + 1 outputs, 0 if that is negative or l is 0; what lies beyond is padding.
/// </para>
/// <para>
/// Parameters: <c>weight</c> A <c>[outputs, inputs, kernel]</c>, as PyTorch's <c>nn.Conv1d</c> has it, and, unless turned off, <c>bias</c> c <c>[outputs]</c>. For the backward pass the
/// layer keeps the inputs of every window, kernel / s times the inputs.
/// </para>
/// </remarks>
public sealed unsafe class Conv1D : Layer
{
    private const long MaximumSize = 1 << 20;
    private const int Windows = 0;
    private const int WindowGradients = 1;

    private readonly Conv1DOptions _options;
    private int[] _lengths = [];

    /// <summary>Describes a layer; memory comes with the model.</summary>
    /// <param name="inputs">Number of inputs at a step, 1 to 1048576.</param>
    /// <param name="outputs">Number of outputs at a step, 1 to 1048576.</param>
    /// <param name="kernel">Steps of a window, at least 1; inputs times kernel is at most 1048576.</param>
    /// <param name="options">Null: the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size or an option is out of range.</exception>
    public Conv1D(long inputs, long outputs, long kernel, Conv1DOptions? options = null)
    {
        Check.InRange(inputs, 1, MaximumSize);
        Check.InRange(outputs, 1, MaximumSize);
        Check.InRange(kernel, 1, MaximumSize / inputs);
        options ??= new Conv1DOptions();
        Check.AtLeast(options.Stride, 1);
        Check.InRange(options.Padding, 0, kernel - 1);
        Check.NotNull(options.Weights);
        DenseOptions.Check(options.Weights);
        InputSize = inputs;
        OutputSize = outputs;
        Kernel = kernel;
        _options = options;
    }

    /// <summary>Steps of a window.</summary>
    public long Kernel { get; }

    /// <summary>Steps from an output to the next one.</summary>
    public long Stride => _options.Stride;

    /// <summary>Steps of zeros before and after each sample.</summary>
    public long Padding => _options.Padding;

    /// <inheritdoc/>
    public override long InputSize { get; }

    /// <inheritdoc/>
    public override long OutputSize { get; }

    /// <inheritdoc/>
    protected internal override IReadOnlyList<ParameterDefinition> Definitions => _options.Weights.Definitions(OutputSize, InputSize, Kernel);

    /// <inheritdoc/>
    protected internal override bool ReadsInputsAgain => false;

    /// <inheritdoc/>
    protected internal override IEnumerable<KeyValuePair<string, string>> Settings =>
        [new("stride", FormattableString.Invariant($"{Stride}")), new("padding", FormattableString.Invariant($"{Padding}"))];

    private Parameter Weight => Parameters[0];

    private Parameter? Bias => _options.Weights.Bias ? Parameters[1] : null;

    /// <inheritdoc/>
    protected internal override LayerDescription Describe() => _options.Weights.Describe(new LayerDescription(nameof(Conv1D))
        .Add("inputs", InputSize).Add("outputs", OutputSize).Add("kernel", Kernel).Add("stride", Stride).Add("padding", Padding));

    internal static Conv1D Read(LayerReader reader) => new(
        reader.GetInt64("inputs"), reader.GetInt64("outputs"), reader.GetInt64("kernel"),
        new Conv1DOptions { Stride = reader.GetInt64("stride"), Padding = reader.GetInt64("padding"), Weights = DenseOptions.Read(reader) });

    /// <summary>The layer in a few words: <c>Conv1D 1 -> 64, kernel 16, stride 4</c>.</summary>
    public override string ToString() => $"{nameof(Conv1D)} {InputSize} -> {OutputSize}, kernel {Kernel}, stride {Stride}";

    /// <inheritdoc/>
    protected internal override bool IsStepwise => Kernel == 1 && Stride == 1;

    /// <inheritdoc/>
    protected internal override long GetOutputSteps(long steps) => steps == 0 ? 0 : long.Max(0, ((steps + (2 * Padding) - Kernel) / Stride) + (steps + (2 * Padding) >= Kernel ? 1 : 0));

    /// <inheritdoc/>
    protected internal override Tensor Forward(in ForwardContext context, Tensor inputs)
    {
        RequireTime(inputs);
        long steps = inputs.Shape[0];
        long batch = inputs.Shape[1];
        long outputSteps = GetOutputSteps(steps);
        if (outputSteps == 0)
        {
            throw new ArgumentException(
                $"{InputName} has {steps} time steps; with a kernel of {Kernel} and a padding of {Padding} at least {Kernel - (2 * Padding)} are required.", nameof(inputs));
        }

        Tensor windows = context.Buffer(Windows, outputSteps, batch, InputSize * Kernel);
        using (BufferScope x = inputs.Borrow())
        using (BufferScope y = windows.BorrowToWrite())
        using (HandleScope<ortho_device> device = context.Device.Handle.Borrow())
        {
            fixed (int* lengths = context.Lengths)
            {
                NativeMethods.ortho_windows_forward(
                    device.Pointer, context.DType.ToNative(), steps, batch, InputSize, lengths, Kernel, Stride, Padding, x.Address, y.Address)
                    .ThrowOnFailure(nameof(inputs));
            }
        }

        context.SetOutputLengths(GetOutputLengths(context.Lengths, ref _lengths));
        Tensor outputs = context.Outputs(outputSteps, batch, OutputSize);
        DenseProducts.Forward(context.Device, windows, Weight, Bias, outputs);
        return outputs;
    }

    /// <inheritdoc/>
    protected internal override void Backward(in BackwardContext context, Tensor outputGradient, Tensor? inputGradient)
    {
        Tensor windows = context.Buffer(Windows);
        Tensor? gradients = inputGradient is null ? null : context.Buffer(WindowGradients, windows.Shape);
        DenseProducts.Backward(context, windows, outputGradient, Weight, Bias, gradients);
        if (inputGradient is null)
        {
            return;
        }

        ReadOnlySpan<long> shape = context.Inputs.Shape;
        using BufferScope yGradient = gradients!.Borrow();
        using BufferScope xGradient = inputGradient.BorrowToWrite();
        using HandleScope<ortho_device> device = context.Device.Handle.Borrow();
        fixed (int* lengths = context.Lengths)
        {
            NativeMethods.ortho_windows_backward(
                device.Pointer, context.DType.ToNative(), shape[0], shape[1], InputSize, lengths, Kernel, Stride, Padding, yGradient.Address, xGradient.Address)
                .ThrowOnFailure(nameof(outputGradient));
        }
    }

    /// <inheritdoc/>
    protected internal override long GetActivationBytes(long steps, long batch) =>
        base.GetActivationBytes(steps, batch) + (GetOutputSteps(steps) * batch * InputSize * Kernel * Owner.DType.Bytes() * (Owner.IsFirst(this) ? 1 : 2));
}
