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

    /// <summary>Name of the state that is the output, h, among those that are carried.</summary>
    private protected const string StateName = "state";

    // Native calls take all carried vectors as one tensor, [S, B, N].
    private const int InitialStates = 0;
    private const int InitialGradients = 1;
    private const int FinalStates = 2;

    // The last states of samples of different lengths are cut from all states, turned so that the last one comes first.
    private const int AllStates = 3;
    private const int TurnedStates = 4;
    private const int TurnedGradients = 5;
    private const int AllGradients = 6;

    private readonly SequenceOutput _output;
    private readonly string[] _states;

    // Made once, since a pass allocates nothing: their names in the model, and as arguments in messages.
    private readonly string[] _stateNames;
    private readonly string[] _stateArguments;

    /// <summary>The states that the latest pass was given.</summary>
    private readonly bool[] _given;

    /// <param name="inputSize">Number of inputs D at a step.</param>
    /// <param name="hiddenSize">Number of units N.</param>
    /// <param name="output">Which states are the output.</param>
    /// <param name="checkpointing">Which states are kept; null: all.</param>
    /// <param name="filters">The filter of the steps; null: the steps have none.</param>
    /// <param name="states">Names of the vectors that are carried, that of the output first; none: the output alone.</param>
    private protected RecurrentLayer(
        long inputSize, long hiddenSize, SequenceOutput output, Checkpointing? checkpointing, FilterCell? filters, params ReadOnlySpan<string> states)
        : base(hiddenSize, checkpointing, filters)
    {
        Check.InRange(inputSize, 1, MaximumInputSize);
        InputSize = inputSize;
        _output = output;
        _states = states.IsEmpty ? [StateName] : states.ToArray();
        _stateNames = [.. _states];
        _stateArguments = [.. _states];
        _given = new bool[_states.Length];
    }

    /// <inheritdoc/>
    public override long InputSize { get; }

    internal override bool ChecksInputs => true;

    internal SequenceOutput Output => _output;

    /// <summary>Number of vectors that are carried from step to step, the output first.</summary>
    internal int StateCount => _states.Length;

    /// <summary>Their names in the model: the layer's path, a dot, the vector's own.</summary>
    internal ReadOnlySpan<string> StateNames => _stateNames;

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

    /// <inheritdoc/>
    protected internal override bool IsStepwise => _output == SequenceOutput.All;

    /// <inheritdoc/>
    protected internal override Tensor Forward(in ForwardContext context, Tensor inputs)
    {
        RequireTime(inputs);
        ReadOnlySpan<long> shape = inputs.Shape;
        long steps = shape[0];
        long batch = shape[1];
        long outputSteps = _output.StepsOf(steps);
        if (outputSteps > steps)
        {
            throw new ArgumentException($"{InputName} has {steps} time steps; at least {outputSteps} are required for the output {_output}.", nameof(inputs));
        }

        Tensor outputs = _output.HasTime ? context.Outputs(outputSteps, batch, HiddenSize) : context.Outputs(batch, HiddenSize);
        bool cuts = CutsLengths(context.Lengths);
        Tensor states = cuts ? context.Buffer(AllStates, steps, batch, HiddenSize) : outputs;
        Tensor? initialStates = GatherInitial(context, inputs, batch);

        // Of a single vector, the last state of the outputs is the final one, unless these were cut out.
        Tensor? finalStates = _states.Length == 1 && !cuts ? null : context.Buffer(FinalStates, _states.Length, batch, HiddenSize);
        using (BufferScope weight = Weight.Value.Borrow())
        using (BufferScope inputWeight = InputWeight.Value.Borrow())
        using (BufferScope bias = Bias.Value.Borrow())
        using (BufferScope u = inputs.Borrow())
        using (BufferScope initial = Tensor.Borrow(initialStates))
        using (BufferScope x = states.BorrowToWrite())
        using (BufferScope last = Tensor.BorrowToWrite(finalStates))
        using (HandleScope<ortho_chain> chain = Chain.Borrow())
        {
            fixed (int* lengths = context.Lengths)
            {
                ThrowOnFailure(
                    NativeMethods.ortho_chain_forward(
                        chain.Pointer, steps, batch, lengths, null, cuts ? steps : outputSteps, context.Training ? 1 : 0,
                        weight.Address, inputWeight.Address, bias.Address, u.Address, initial.Address, x.Address, last.Address),
                    nameof(inputs));
            }
        }

        Chain.AddStatePressure(StateBytes(steps, batch, context.Training));
        if (cuts)
        {
            Tensor turned = context.Buffer(TurnedStates, steps, batch, HiddenSize);
            Sequences.Reverse(context.Device, states, context.Lengths, turned);
            Sequences.Reverse(context.Device, turned, [], outputs);
        }

        if (_output != SequenceOutput.All)
        {
            context.SetOutputLengths(default);
        }

        return outputs;
    }

    /// <inheritdoc/>
    protected internal override void Backward(in BackwardContext context, Tensor outputGradient, Tensor? inputGradient)
    {
        Tensor inputs = context.Inputs;
        long batch = inputs.Shape[1];
        Tensor stateGradient = outputGradient;
        if (CutsLengths(context.Lengths))
        {
            Tensor turned = context.Buffer(TurnedGradients, inputs.Shape[0], batch, HiddenSize);
            turned.Fill(0);
            Sequences.Reverse(context.Device, outputGradient, [], turned);
            stateGradient = context.Buffer(AllGradients, inputs.Shape[0], batch, HiddenSize);
            Sequences.Reverse(context.Device, turned, context.Lengths, stateGradient);
        }

        Tensor? initialGradients = StartedFromStates ? context.Buffer(InitialGradients, _states.Length, batch, HiddenSize) : null;
        using BufferScope weight = Weight.Value.Borrow();
        using BufferScope inputWeight = InputWeight.Value.Borrow();
        using BufferScope bias = Bias.Value.Borrow();
        using BufferScope u = inputs.Borrow();
        using BufferScope xGradient = stateGradient.Borrow();
        using BufferScope weightGradient = Weight.Gradient.BorrowToWrite();
        using BufferScope inputWeightGradient = InputWeight.Gradient.BorrowToWrite();
        using BufferScope biasGradient = Bias.Gradient.BorrowToWrite();
        using BufferScope uGradient = Tensor.BorrowToWrite(inputGradient);
        using BufferScope initialGradient = Tensor.BorrowToWrite(initialGradients);
        using HandleScope<ortho_chain> chain = Chain.Borrow();
        ThrowOnFailure(
            NativeMethods.ortho_chain_backward(
                chain.Pointer, context.Accumulate ? 1 : 0,
                weight.Address, inputWeight.Address, bias.Address, u.Address, xGradient.Address, null,
                weightGradient.Address, inputWeightGradient.Address, biasGradient.Address, uGradient.Address, initialGradient.Address),
            nameof(outputGradient));
    }

    /// <inheritdoc/>
    protected internal override long GetActivationBytes(long steps, long batch)
    {
        long carried = _states.Length == 1 ? 0 : _states.Length * batch * HiddenSize;
        return GetStateBytes(steps, batch) + (((GetOutputSteps(steps) * batch * OutputSize) + carried) * Owner.DType.Bytes());
    }

    internal override long GradientSumBytes(long steps, long batch) => SumBytes(steps, batch);

    /// <inheritdoc/>
    protected internal override long GetOutputSteps(long steps) => _output.StepsOf(steps);

    /// <summary>Copies the states after the latest pass.</summary>
    /// <param name="states">Takes new tensors by name.</param>
    internal void CopyFinalStates(Dictionary<string, Tensor> states)
    {
        long batch = Memory.Outputs!.Shape[^2];
        for (int i = 0; i < _states.Length; i++)
        {
            (Tensor source, long start) = FinalState(i);
            states.Add(_stateNames[i], Copy(source, batch, start));
        }
    }

    /// <summary>Copies the states after the latest pass without taking memory.</summary>
    /// <param name="states">Has a tensor for each state, <c>[B, N]</c>.</param>
    internal void CopyFinalStatesInto(IReadOnlyDictionary<string, Tensor> states)
    {
        for (int i = 0; i < _states.Length; i++)
        {
            (Tensor source, long start) = FinalState(i);
            Tensor target = states[_stateNames[i]];
            target.CopyFrom(0, source, start, target.Count);
        }
    }

    /// <summary>Copies the gradients at the states that the latest pass was given.</summary>
    /// <param name="gradients">Takes new tensors by name.</param>
    internal void CopyInitialGradients(Dictionary<string, Tensor> gradients)
    {
        long batch = Memory.Inputs!.Shape[1];
        for (int i = 0; i < _states.Length; i++)
        {
            if (_given[i])
            {
                gradients.Add(_stateNames[i], Copy(Memory.Buffer(InitialGradients)!, batch, i * batch * HiddenSize));
            }
        }
    }

    /// <summary>What the first sample of the latest pass started from, all carried vectors; empty: zeros.</summary>
    internal double[] InitialStateOfFirstSample()
    {
        if (!StartedFromStates)
        {
            return [];
        }

        Tensor initial = Memory.Buffer(InitialStates)!;
        int units = (int)HiddenSize;
        var state = new double[_states.Length * units];
        for (int i = 0; i < _states.Length; i++)
        {
            Diagnostics.DenseMath.Widen(initial, i * initial.Shape[1] * units, state.AsSpan(i * units, units));
        }

        return state;
    }

    private protected override void OnAttach(ulong seed, uint filterIndex)
    {
        base.OnAttach(seed, filterIndex);
        for (int i = 0; i < _states.Length; i++)
        {
            _stateNames[i] = $"{Path}.{_states[i]}";
            _stateArguments[i] = $"options.{nameof(ForwardOptions.InitialStates)}['{_stateNames[i]}']";
        }
    }

    private protected override string Describe(in NativeError error)
    {
        if (error.Argument == "initial" && error.Element >= 0)
        {
            long count = Memory.Buffer(InitialStates)!.Count / _states.Length;
            int index = (int)(error.Element / count);
            return $"{Element(_stateArguments[index], error, start: index * count)} {error.Problem}";
        }

        return base.Describe(error);
    }

    private bool StartedFromStates => _given.AsSpan().Contains(true);

    /// <summary>True if the output is some last states of samples of different lengths, which the native code does not cut out.</summary>
    private bool CutsLengths(ReadOnlySpan<int> lengths) => !lengths.IsEmpty && _output.HasTime && _output != SequenceOutput.All;

    /// <summary>Where a state after the latest pass lies, and at which element it starts.</summary>
    private (Tensor Source, long Start) FinalState(int index)
    {
        Tensor outputs = Memory.Outputs!;
        long size = outputs.Shape[^2] * HiddenSize;
        return _states.Length == 1 && !CutsLengths(Memory.Lengths.Span) ? (outputs, outputs.Count - size) : (Memory.Buffer(FinalStates)!, index * size);
    }

    private Tensor Copy(Tensor source, long batch, long start)
    {
        var copy = new Tensor(source.Device, source.DType, batch, HiddenSize);
        copy.CopyFrom(0, source, start, copy.Count);
        return copy;
    }

    /// <summary>What the native chain starts from, <c>[S, B, N]</c>; null: zeros.</summary>
    private Tensor? GatherInitial(in ForwardContext context, Tensor inputs, long batch)
    {
        int count = 0;
        for (int i = 0; i < _states.Length; i++)
        {
            _given[i] = context.InitialStates?.ContainsKey(_stateNames[i]) == true;
            count += _given[i] ? 1 : 0;
        }

        if (count == 0)
        {
            return null;
        }

        Tensor all = context.Buffer(InitialStates, _states.Length, batch, HiddenSize);
        if (count < _states.Length)
        {
            all.Fill(0);
        }

        long size = batch * HiddenSize;
        for (int i = 0; i < _states.Length; i++)
        {
            if (_given[i])
            {
                Tensor state = context.InitialStates![_stateNames[i]];
                string name = _stateArguments[i];
                Check.Compatible(state, context.Device, context.DType, name);
                if (Check.Mismatch(state, [batch, HiddenSize], name) is { } problem)
                {
                    throw new ArgumentException(problem, Check.Parameter(name));
                }

                all.CopyFrom(i * size, state, 0, size);
            }
        }

        return all;
    }
}
