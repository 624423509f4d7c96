using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>A recurrent layer: one step for all time steps, with a state that is carried from step to step.</summary>
/// <remarks>
/// Inputs <c>[T, B, D]</c>, row-major and time-major; outputs are states, <c>[B, N]</c> or <c>[T', B, N]</c> by the layer's options
/// (<see cref="SequenceOutput"/>).
/// </remarks>
public abstract unsafe class RecurrentLayer : ChainLayer
{
    private const long MaximumInputSize = 1 << 20;

    private readonly SequenceOutput _output;
    private readonly CarriedState[] _carried;
    private Tensor? _outputs;

    // Native calls take several carried vectors as one tensor, [S, B, N]; a single one is taken where it lies.
    private Tensor? _initialStates;
    private Tensor? _initialGradients;
    private Tensor? _finalStates;

    /// <param name="inputSize">Number of inputs D at a step.</param>
    /// <param name="hiddenSize">Number of units N.</param>
    /// <param name="output">Which states are the output.</param>
    /// <param name="checkpointing">Which states are kept; null: all.</param>
    /// <param name="filters">The filter of the steps; null: the steps have none.</param>
    /// <param name="others">Vectors that are carried beside the output.</param>
    private protected RecurrentLayer(
        long inputSize, long hiddenSize, SequenceOutput output, Checkpointing? checkpointing, FilterCell? filters, params ReadOnlySpan<CarriedState> others)
        : base(hiddenSize, checkpointing, filters)
    {
        Check.InRange(inputSize, 1, MaximumInputSize);
        InputSize = inputSize;
        _output = output;
        _carried = [new CarriedState(nameof(InitialState), nameof(FinalState)), .. others];
    }

    /// <inheritdoc/>
    public override long InputSize { get; }

    /// <summary>
    /// The state before the first step, <c>[B, N]</c>, copied at each forward pass; null, the default: zeros. Belongs to the caller, who may
    /// write or replace it once the forward pass is done. It may be <see cref="FinalState"/>.
    /// </summary>
    public Tensor? InitialState
    {
        get => _carried[0].Initial;
        set => _carried[0].Initial = value;
    }

    /// <summary>
    /// Gradient at the initial state of the latest backward pass, <c>[B, N]</c>; null where that started from zeros, was refused or failed, and
    /// before the first one. Belongs to the layer and changes with the next backward pass, which overwrites it, also where it accumulates.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public Tensor? InitialStateGradient => GradientOf(_carried[0]);

    /// <summary>
    /// The state after the last step of the latest forward pass, <c>[B, N]</c>, whatever the options' output is; null before the first pass.
    /// </summary>
    /// <remarks>
    /// The first read after a pass copies it into a new tensor, which is the caller's: no later pass or read changes it, and it outlives the model.
    /// With <c>rnn.InitialState = rnn.FinalState</c> after a pass, the next one continues where it ended: for sequences that arrive step by step, or that
    /// are cut for truncated backpropagation, whose gradients then end at the cut.
    /// </remarks>
    /// <exception cref="InvalidOperationException">The latest forward pass failed, or another thread is using the model.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed, or the output of the pass was.</exception>
    public Tensor? FinalState => FinalOf(0);

    internal override bool ChecksInputs => true;

    internal override bool ReadsInputsAgain => true;

    internal SequenceOutput Output => _output;

    /// <summary>The vectors that are carried from step to step, the output first.</summary>
    internal IReadOnlyList<CarriedState> Carried => _carried;

    private Parameter Weight => Parameters[0];

    private Parameter Bias => Parameters[1];

    private Parameter InputWeight => Parameters[2];

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
    public override string ToString() => $"{GetType().Name} {InputSize} -> {HiddenSize} units";

    internal override Tensor Forward(Tensor inputs, bool training)
    {
        ReadOnlySpan<long> shape = inputs.Shape;
        if (shape.Length != 3 || shape[2] != InputSize)
        {
            throw new ArgumentException($"{InputName} has shape {Check.FormatShape(shape)}; it must be [T, B, {InputSize}].", nameof(inputs));
        }

        long steps = shape[0];
        long batch = shape[1];
        long outputSteps = _output.StepsOf(steps);
        if (outputSteps > steps)
        {
            throw new ArgumentException($"{InputName} has {steps} time steps; at least {outputSteps} are required for the output {_output}.", nameof(inputs));
        }

        foreach (CarriedState state in _carried)
        {
            state.Begin();
            state.CheckInitial(inputs, [batch, HiddenSize]);
        }

        Tensor outputs = _output.HasTime
            ? Tensor.Ensure(ref _outputs, inputs.Device, inputs.DType, [outputSteps, batch, HiddenSize], source: inputs)
            : Tensor.Ensure(ref _outputs, inputs.Device, inputs.DType, [batch, HiddenSize], source: inputs);
        Tensor? initialStates = GatherInitial(inputs, batch);
        Tensor? finalStates = _carried.Length == 1
            ? null
            : Tensor.Ensure(ref _finalStates, inputs.Device, inputs.DType, [_carried.Length, batch, HiddenSize]);

        using BufferScope weight = Weight.Value.Borrow();
        using BufferScope inputWeight = InputWeight.Value.Borrow();
        using BufferScope bias = Bias.Value.Borrow();
        using BufferScope u = inputs.Borrow();
        using BufferScope initial = Tensor.Borrow(initialStates);
        using BufferScope x = outputs.BorrowToWrite();
        using BufferScope last = Tensor.BorrowToWrite(finalStates);
        using HandleScope<ortho_chain> chain = Chain.Borrow();
        ThrowOnFailure(
            NativeMethods.ortho_chain_forward(
                chain.Pointer, steps, batch, null, null, outputSteps, training ? 1 : 0,
                weight.Address, inputWeight.Address, bias.Address, u.Address, initial.Address, x.Address, last.Address),
            nameof(inputs));
        Chain.AddStatePressure(StateBytes(steps, batch, training));
        foreach (CarriedState state in _carried)
        {
            state.StartedFromInitial = state.Initial is not null;
        }

        return outputs;
    }

    internal override void BeginBackward()
    {
        foreach (CarriedState state in _carried)
        {
            state.HasGradient = false;
        }
    }

    internal override void Backward(Tensor inputs, Tensor outputGradient, Tensor? inputGradient, bool accumulate)
    {
        long batch = inputs.Shape[1];
        bool wanted = false;
        foreach (CarriedState state in _carried)
        {
            wanted |= state.StartedFromInitial;
        }

        Tensor? initialGradients = !wanted ? null
            : _carried.Length == 1 ? _carried[0].EnsureGradient(inputs, [batch, HiddenSize])
            : Tensor.Ensure(ref _initialGradients, inputs.Device, inputs.DType, [_carried.Length, batch, HiddenSize]);

        using (BufferScope weight = Weight.Value.Borrow())
        using (BufferScope inputWeight = InputWeight.Value.Borrow())
        using (BufferScope bias = Bias.Value.Borrow())
        using (BufferScope u = inputs.Borrow())
        using (BufferScope xGradient = outputGradient.Borrow())
        using (BufferScope weightGradient = Weight.Gradient.BorrowToWrite())
        using (BufferScope inputWeightGradient = InputWeight.Gradient.BorrowToWrite())
        using (BufferScope biasGradient = Bias.Gradient.BorrowToWrite())
        using (BufferScope uGradient = Tensor.BorrowToWrite(inputGradient))
        using (BufferScope initialGradient = Tensor.BorrowToWrite(initialGradients))
        using (HandleScope<ortho_chain> chain = Chain.Borrow())
        {
            ThrowOnFailure(
                NativeMethods.ortho_chain_backward(
                    chain.Pointer, accumulate ? 1 : 0,
                    weight.Address, inputWeight.Address, bias.Address, u.Address, xGradient.Address, null,
                    weightGradient.Address, inputWeightGradient.Address, biasGradient.Address, uGradient.Address, initialGradient.Address),
                nameof(outputGradient));
        }

        if (wanted)
        {
            HandOutGradients(inputs, batch);
        }
    }

    internal override long ActivationBytes(long steps, long batch)
    {
        long carried = _carried.Length == 1 ? 0 : _carried.Length * batch * HiddenSize;
        return GetStateBytes(steps, batch) + (((OutputSteps(steps) * batch * OutputSize) + carried) * Model.DType.Bytes());
    }

    internal override long GradientSumBytes(long steps, long batch) => SumBytes(steps, batch);

    internal override long OutputSteps(long steps) => _output.StepsOf(steps);

    /// <summary>The gradient at what a carried vector starts from.</summary>
    private protected Tensor? GradientOf(CarriedState state)
    {
        ThrowIfModelDisposed();
        return state.Gradient;
    }

    /// <summary>A carried vector after the last step.</summary>
    /// <param name="index">Which one.</param>
    private protected Tensor? FinalOf(int index)
    {
        if (!HasModel)
        {
            return null;
        }

        using Sequential.Use use = Model.BeginUse();
        CarriedState state = _carried[index];
        if (Model.PassFailed)
        {
            throw new InvalidOperationException($"The latest forward pass failed, so there is no {state.FinalName}. Run {nameof(Sequential.Forward)} again.");
        }

        if (_outputs is null || (state.FinalIsCurrent && !state.Final!.IsDisposed))
        {
            return state.Final;
        }

        // The first carried vector is the output.
        long batch = _outputs.Shape[^2];
        long count = batch * HiddenSize;
        return index == 0
            ? state.ReadFinal(_outputs, _outputs.Count - count, [batch, HiddenSize])
            : state.ReadFinal(_finalStates!, index * count, [batch, HiddenSize]);
    }

    private protected override string Describe(in NativeError error)
    {
        if (error.Argument == "initial" && error.Element >= 0 && _carried.Length > 1)
        {
            long count = _outputs!.Shape[^2] * HiddenSize;
            long index = error.Element / count;
            return $"{Element(_carried[index].InitialName, error, start: index * count)} {error.Problem}";
        }

        return base.Describe(error);
    }

    private protected override void OnDispose()
    {
        base.OnDispose();
        _outputs?.Dispose();
        _outputs = null;
        _initialStates?.Dispose();
        _initialStates = null;
        _initialGradients?.Dispose();
        _initialGradients = null;
        _finalStates?.Dispose();
        _finalStates = null;
        foreach (CarriedState state in _carried)
        {
            state.Dispose();
        }
    }

    /// <summary>What the native chain starts from, <c>[S, B, N]</c>; null: zeros.</summary>
    private Tensor? GatherInitial(Tensor inputs, long batch)
    {
        if (_carried.Length == 1)
        {
            return InitialState;
        }

        int given = 0;
        foreach (CarriedState state in _carried)
        {
            given += state.Initial is null ? 0 : 1;
        }

        if (given == 0)
        {
            return null;
        }

        Tensor all = Tensor.Ensure(ref _initialStates, inputs.Device, inputs.DType, [_carried.Length, batch, HiddenSize]);
        if (given < _carried.Length)
        {
            all.Fill(0);
        }

        long count = batch * HiddenSize;
        for (int i = 0; i < _carried.Length; i++)
        {
            if (_carried[i].Initial is Tensor initial)
            {
                all.CopyFrom(i * count, initial, 0, count);
            }
        }

        return all;
    }

    /// <summary>Gives each carried vector that started from a tensor the gradient there.</summary>
    private void HandOutGradients(Tensor inputs, long batch)
    {
        long count = batch * HiddenSize;
        for (int i = 0; i < _carried.Length; i++)
        {
            CarriedState state = _carried[i];
            if (_carried.Length > 1 && state.StartedFromInitial)
            {
                state.EnsureGradient(inputs, [batch, HiddenSize]).CopyFrom(0, _initialGradients!, i * count, count);
            }

            state.HasGradient = state.StartedFromInitial;
        }
    }
}
