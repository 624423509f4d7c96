namespace OrthoNative;

/// <summary>A vector that a recurrent layer carries from step to step: what it starts from, ends in, and the gradient at its start.</summary>
/// <param name="initialName">Name of the property that it starts from.</param>
/// <param name="finalName">Name of the property that it ends in.</param>
internal sealed class CarriedState(string initialName, string finalName)
{
    private Tensor? _gradient;

    /// <summary>Name of the property that it starts from.</summary>
    public string InitialName { get; } = initialName;

    /// <summary>Name of the property that it ends in.</summary>
    public string FinalName { get; } = finalName;

    /// <summary>Before the first step, <c>[B, N]</c>, the caller's; null: zeros.</summary>
    public Tensor? Initial { get; set; }

    /// <summary>True if the latest forward pass started from <see cref="Initial"/>.</summary>
    public bool StartedFromInitial { get; set; }

    /// <summary>True once a backward pass has written the gradient at <see cref="Initial"/>.</summary>
    public bool HasGradient { get; set; }

    /// <summary>The gradient at <see cref="Initial"/>, <c>[B, N]</c>; null: the latest backward pass gave none.</summary>
    public Tensor? Gradient => HasGradient ? _gradient : null;

    /// <summary>After the last step, <c>[B, N]</c>, as it was read last; the reader's.</summary>
    public Tensor? Final { get; private set; }

    /// <summary>True if <see cref="Final"/> is that of the latest forward pass.</summary>
    public bool FinalIsCurrent { get; private set; }

    /// <summary>Refuses an initial state that does not match the inputs.</summary>
    /// <exception cref="InvalidOperationException">Shape, element type or device differ.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed.</exception>
    public void CheckInitial(Tensor inputs, ReadOnlySpan<long> shape)
    {
        if (Initial is Tensor state)
        {
            // The property was set before the call, so it is no argument of it.
            state.ThrowIfDisposed();
            string? problem = Check.Mismatch(state, inputs.Device, inputs.DType, InitialName) ?? Check.Mismatch(state, shape, InitialName);
            if (problem is not null)
            {
                throw new InvalidOperationException(problem);
            }
        }
    }

    /// <summary>A new forward pass begins.</summary>
    public void Begin() => FinalIsCurrent = false;

    /// <summary>Memory for the gradient at <see cref="Initial"/>.</summary>
    public Tensor EnsureGradient(Tensor inputs, ReadOnlySpan<long> shape) => Tensor.Ensure(ref _gradient, inputs.Device, inputs.DType, shape);

    /// <summary>The state after the latest pass as a tensor of the caller's.</summary>
    /// <param name="source">Has the state.</param>
    /// <param name="start">Its first element there.</param>
    /// <param name="shape">Its shape.</param>
    public Tensor ReadFinal(Tensor source, long start, ReadOnlySpan<long> shape)
    {
        var state = new Tensor(source.Device, source.DType, shape);
        state.CopyFrom(0, source, start, state.Count);
        (Final, FinalIsCurrent) = (state, true);
        return state;
    }

    /// <summary>Frees the gradient.</summary>
    public void Dispose()
    {
        _gradient?.Dispose();
        _gradient = null;
    }
}
