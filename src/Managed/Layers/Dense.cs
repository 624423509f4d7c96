using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>A linear layer, y = A x + c, over the last dimension of its inputs.</summary>
/// <remarks>
/// Inputs <c>[..., inputs]</c> give outputs <c>[..., outputs]</c>. Parameters: <c>weight</c> A <c>[outputs, inputs]</c> and,
/// unless turned off, <c>bias</c> c <c>[outputs]</c>.
/// </remarks>
public sealed unsafe class Dense : Layer
{
    private const long MaximumSize = 1 << 20;

    private readonly DenseOptions _options;
    private Tensor? _outputs;

    /// <summary>Describes a layer; memory comes with the model.</summary>
    /// <param name="inputs">Number of inputs, 1 to 1048576.</param>
    /// <param name="outputs">Number of outputs, 1 to 1048576.</param>
    /// <param name="options">Null: the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size or an option is out of range.</exception>
    public Dense(long inputs, long outputs, DenseOptions? options = null)
    {
        Check.InRange(inputs, 1, MaximumSize);
        Check.InRange(outputs, 1, MaximumSize);
        options ??= new DenseOptions();
        Check.NotNegative(options.WeightScale);
        Check.NotNegative(options.BiasScale);
        Check.NotNegative(options.WeightLearningRateScale);
        Check.NotNegative(options.BiasLearningRateScale);
        InputSize = inputs;
        OutputSize = outputs;
        _options = options;
    }

    /// <inheritdoc/>
    public override long InputSize { get; }

    /// <inheritdoc/>
    public override long OutputSize { get; }

    internal override IReadOnlyList<ParameterDefinition> Definitions
    {
        get
        {
            double unit = 1 / Math.Sqrt(InputSize);
            var weight = ParameterDefinition.Uniform("weight", [OutputSize, InputSize], 0, _options.WeightScale * unit, _options.WeightLearningRateScale, nameof(DenseOptions.WeightScale));
            return _options.Bias
                ? [weight, ParameterDefinition.Uniform("bias", [OutputSize], 0, _options.BiasScale * unit, _options.BiasLearningRateScale, nameof(DenseOptions.BiasScale)) with { IsBias = true }]
                : [weight];
        }
    }

    /// <summary>The layer in a few words: <c>Dense 784 -> 64</c>.</summary>
    public override string ToString() => $"{nameof(Dense)} {InputSize} -> {OutputSize}";

    private Parameter Weight => Parameters[0];

    private Parameter? Bias => _options.Bias ? Parameters[1] : null;

    internal override Tensor Forward(Tensor inputs, bool training)
    {
        long rows = RowsOf(inputs);
        Span<long> shape = stackalloc long[inputs.Rank];
        inputs.Shape.CopyTo(shape);
        shape[^1] = OutputSize;
        Tensor outputs = Tensor.Ensure(ref _outputs, inputs.Device, inputs.DType, shape, source: inputs);

        using BufferScope weight = Weight.Value.Borrow();
        using BufferScope bias = Tensor.Borrow(Bias?.Value);
        using BufferScope x = inputs.Borrow();
        using BufferScope y = outputs.BorrowToWrite();
        using HandleScope<ortho_device> device = inputs.Device.Handle.Borrow();
        NativeMethods.ortho_dense_forward(
            device.Pointer, inputs.DType.ToNative(), rows, InputSize, OutputSize,
            weight.Address, bias.Address, x.Address, y.Address).ThrowOnFailure(nameof(inputs));
        return outputs;
    }

    internal override bool ReadsInputsAgain => true;

    internal override void Backward(Tensor inputs, Tensor outputGradient, Tensor? inputGradient, bool accumulate)
    {
        (long steps, long batch) = inputs.StepsAndBatch;
        using BufferScope weight = Weight.Value.Borrow();
        using BufferScope x = inputs.Borrow();
        using BufferScope yGradient = outputGradient.Borrow();
        using BufferScope weightGradient = Weight.Gradient.BorrowToWrite();
        using BufferScope biasGradient = Tensor.BorrowToWrite(Bias?.Gradient);
        using BufferScope xGradient = Tensor.BorrowToWrite(inputGradient);
        using HandleScope<ortho_device> device = inputs.Device.Handle.Borrow();
        NativeMethods.ortho_dense_backward(
            device.Pointer, inputs.DType.ToNative(), null, accumulate ? 1 : 0, steps, batch, InputSize, OutputSize,
            weight.Address, x.Address, yGradient.Address, weightGradient.Address, biasGradient.Address, xGradient.Address)
            .ThrowOnFailure(nameof(outputGradient));
    }

    internal override long ActivationBytes(long steps, long batch) => steps * batch * OutputSize * Model.DType.Bytes();

    private protected override void OnDispose()
    {
        _outputs?.Dispose();
        _outputs = null;
    }
}
