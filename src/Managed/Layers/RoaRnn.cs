using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>
/// The recurrent network of random orthogonal additive filters (roaRNN):
/// x_t = α O x_{t-1} + β φ(W x_{t-1} + V u_t + b).
/// </summary>
/// <remarks>
/// Inputs <c>[T, B, D]</c>; outputs by <see cref="RoaRnnOptions.Output"/>. Parameters: <c>weight</c> W <c>[N, N]</c>,
/// <c>bias</c> b <c>[N]</c> and <c>input_weight</c> V <c>[N, D]</c>. O is orthogonal and fixed.
/// </remarks>
public sealed unsafe class RoaRnn : FilterChainLayer
{
    private const long MaximumInputSize = 1 << 20;

    private readonly RoaRnnOptions _options;
    private Tensor? _outputs;
    private Tensor? _initialGradient;
    private Tensor? _finalState;
    private bool _finalStateIsCurrent;
    private bool _startedFromInitialState;
    private bool _hasInitialGradient;

    /// <summary>Describes a layer; memory comes with the model.</summary>
    /// <param name="inputSize">Number of inputs D at a step, 1 to 1048576.</param>
    /// <param name="hiddenSize">Number of units N, 1 to 65536.</param>
    /// <param name="options">Null: the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size or an option is out of range.</exception>
    /// <exception cref="ArgumentException">α, β or a given filter do not match <paramref name="hiddenSize"/>.</exception>
    public RoaRnn(long inputSize, long hiddenSize, RoaRnnOptions? options = null)
        : base(hiddenSize, options ??= new RoaRnnOptions())
    {
        Check.InRange(inputSize, 1, MaximumInputSize);
        Check.NotNegative(options.InputScale);
        Check.Finite(options.InputOffset);
        Check.NotNegative(options.InputLearningRateScale);
        if (options.Filter.Count > 1)
        {
            throw new ArgumentException($"options.Filter has {options.Filter.Count} matrices; a recurrent layer has 1.", nameof(options));
        }

        InputSize = inputSize;
        _options = options;
    }

    /// <inheritdoc/>
    public override long InputSize { get; }

    /// <summary>
    /// The state before the first step, <c>[B, N]</c>, copied at each forward pass; null, the default: zeros. Belongs to the caller, who may
    /// write or replace it once the forward pass is done. It may be <see cref="FinalState"/>.
    /// </summary>
    public Tensor? InitialState { get; set; }

    /// <summary>
    /// Gradient at the initial state of the latest backward pass, <c>[B, N]</c>; null where that started from zeros or failed, and before the first
    /// one. Belongs to the layer and changes with the next backward pass.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public Tensor? InitialStateGradient
    {
        get
        {
            ThrowIfModelDisposed();
            return _hasInitialGradient ? _initialGradient : null;
        }
    }

    /// <summary>
    /// The state after the last step of the latest forward pass, <c>[B, N]</c>, whatever <see cref="RoaRnnOptions.Output"/> is; null
    /// before the first pass.
    /// </summary>
    /// <remarks>
    /// The first read after a pass copies it into a new tensor, which is the caller's: no later pass or read changes it, and it outlives the model.
    /// With <c>rnn.InitialState = rnn.FinalState</c> after a pass, the next one continues where it ended: for sequences that arrive step by step, or that
    /// are cut for truncated backpropagation, whose gradients then end at the cut.
    /// </remarks>
    /// <exception cref="InvalidOperationException">The latest forward pass failed, or another thread is using the model.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed, or the output of the pass was.</exception>
    public Tensor? FinalState
    {
        get
        {
            if (!HasModel)
            {
                return null;
            }

            using Sequential.Use use = Model.BeginUse();
            if (Model.PassFailed)
            {
                throw new InvalidOperationException($"The latest forward pass failed, so there is no {nameof(FinalState)}. Run {nameof(Sequential.Forward)} again.");
            }

            if (_outputs is null || (_finalStateIsCurrent && !_finalState!.IsDisposed))
            {
                return _finalState;
            }

            long batch = _outputs.Shape[^2];
            long count = batch * HiddenSize;
            var state = new Tensor(_outputs.Device, _outputs.DType, [batch, HiddenSize]);
            state.CopyFrom(_outputs.View(_outputs.Count - count, [batch, HiddenSize]));
            (_finalState, _finalStateIsCurrent) = (state, true);
            return state;
        }
    }

    internal override IReadOnlyList<ParameterDefinition> Definitions =>
    [
        .. ChainDefinitions([HiddenSize, HiddenSize], [HiddenSize]),
        ParameterDefinition.Uniform(
            "input_weight", [HiddenSize, InputSize], _options.InputOffset, _options.InputScale, _options.InputLearningRateScale,
            $"{nameof(RoaRnnOptions.InputOffset)} and {nameof(RoaRnnOptions.InputScale)}"),
    ];

    internal override long FilterStreams => 1;

    internal override bool ChecksInputs => true;

    internal override bool ReadsInputsAgain => true;

    internal SequenceOutput Output => _options.Output;

    private Parameter InputWeight => Parameters[2];

    /// <summary>A copy of the orthogonal matrix O, <c>[N, N]</c>, in double precision as it was drawn.</summary>
    /// <exception cref="InvalidOperationException">The layer is not part of a model yet.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public double[,] GetFilter() => CopyFilter(0);

    /// <summary>Tells how much memory a forward pass would keep, before it is made.</summary>
    /// <param name="steps">Time steps T, at least 1.</param>
    /// <param name="batch">Sequences B, at least 1.</param>
    /// <param name="training">True if a backward pass follows.</param>
    /// <returns>Bytes, outputs not among them.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A size is less than 1.</exception>
    /// <exception cref="InvalidOperationException">The layer is not part of a model yet.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public long GetStateBytes(long steps, long batch, bool training = true)
    {
        Check.AtLeast(steps, 1);
        Check.AtLeast(batch, 1);
        return StateBytes(steps, batch, training);
    }

    /// <summary>The layer in a few words: <c>RoaRnn 10 -> 128 units</c>.</summary>
    public override string ToString() => $"{nameof(RoaRnn)} {InputSize} -> {HiddenSize} units";

    internal override Tensor Forward(Tensor inputs, bool training)
    {
        ReadOnlySpan<long> shape = inputs.Shape;
        if (shape.Length != 3 || shape[2] != InputSize)
        {
            throw new ArgumentException($"{InputName} has shape {Check.FormatShape(shape)}; it must be [T, B, {InputSize}].", nameof(inputs));
        }

        long steps = shape[0];
        long batch = shape[1];
        long outputSteps = _options.Output.StepsOf(steps);
        if (outputSteps > steps)
        {
            throw new ArgumentException($"{InputName} has {steps} time steps; at least {outputSteps} are required for the output {_options.Output}.", nameof(inputs));
        }

        _finalStateIsCurrent = false;
        if (InitialState is Tensor state)
        {
            // The property was set before the call, so it is no argument of it.
            state.ThrowIfDisposed();
            string? problem = Check.Mismatch(state, inputs.Device, inputs.DType, nameof(InitialState)) ?? Check.Mismatch(state, [batch, HiddenSize], nameof(InitialState));
            if (problem is not null)
            {
                throw new InvalidOperationException(problem);
            }
        }

        Tensor outputs = _options.Output.HasTime
            ? Tensor.Ensure(ref _outputs, inputs.Device, inputs.DType, [outputSteps, batch, HiddenSize], source: inputs)
            : Tensor.Ensure(ref _outputs, inputs.Device, inputs.DType, [batch, HiddenSize], source: inputs);

        using BufferScope weight = Weight.Value.Borrow();
        using BufferScope inputWeight = InputWeight.Value.Borrow();
        using BufferScope bias = Bias.Value.Borrow();
        using BufferScope u = inputs.Borrow();
        using BufferScope initial = Tensor.Borrow(InitialState);
        using BufferScope x = outputs.BorrowToWrite();
        using HandleScope<ortho_chain> chain = Chain.Borrow();
        ThrowOnFailure(
            NativeMethods.ortho_chain_forward(
                chain.Pointer, steps, batch, null, null, outputSteps, training ? 1 : 0,
                weight.Address, inputWeight.Address, bias.Address, u.Address, initial.Address, x.Address, null),
            nameof(inputs));
        Chain.AddStatePressure(StateBytes(steps, batch, training));
        _startedFromInitialState = InitialState is not null;
        return outputs;
    }

    internal override void Backward(Tensor inputs, Tensor outputGradient, Tensor? inputGradient, bool accumulate)
    {
        _hasInitialGradient = false;
        Tensor? initialStateGradient = _startedFromInitialState
            ? Tensor.Ensure(ref _initialGradient, inputs.Device, inputs.DType, [inputs.Shape[1], HiddenSize])
            : null;

        using BufferScope weight = Weight.Value.Borrow();
        using BufferScope inputWeight = InputWeight.Value.Borrow();
        using BufferScope bias = Bias.Value.Borrow();
        using BufferScope u = inputs.Borrow();
        using BufferScope xGradient = outputGradient.Borrow();
        using BufferScope weightGradient = Weight.Gradient.BorrowToWrite();
        using BufferScope inputWeightGradient = InputWeight.Gradient.BorrowToWrite();
        using BufferScope biasGradient = Bias.Gradient.BorrowToWrite();
        using BufferScope uGradient = Tensor.BorrowToWrite(inputGradient);
        using BufferScope initialGradient = Tensor.BorrowToWrite(initialStateGradient);
        using HandleScope<ortho_chain> chain = Chain.Borrow();
        ThrowOnFailure(
            NativeMethods.ortho_chain_backward(
                chain.Pointer, accumulate ? 1 : 0,
                weight.Address, inputWeight.Address, bias.Address, u.Address, xGradient.Address, null,
                weightGradient.Address, inputWeightGradient.Address, biasGradient.Address, uGradient.Address, initialGradient.Address),
            nameof(outputGradient));
        _hasInitialGradient = _startedFromInitialState;
    }

    internal override long ActivationBytes(long steps, long batch) =>
        GetStateBytes(steps, batch) + (OutputSteps(steps) * batch * OutputSize * Model.DType.Bytes());

    internal override long GradientSumBytes(long steps, long batch) => SumBytes(steps, batch);

    internal override long OutputSteps(long steps) => _options.Output.StepsOf(steps);

    private protected override ortho_chain_options Kind => new() { model = (int)ortho_chain_model.ORTHO_RECURRENT, input_size = InputSize };

    private protected override void OnDispose()
    {
        base.OnDispose();
        _outputs?.Dispose();
        _outputs = null;
        _initialGradient?.Dispose();
        _initialGradient = null;
    }
}
