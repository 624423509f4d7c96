using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>One step, as an optimizer sees it: the parameters that it changes, their gradients and its state.</summary>
/// <remarks>
/// Tensors are flat, all of one size: an element of a gradient or of the state belongs to the parameter at the same place. They lie on the model's
/// device; on a CPU device <see cref="Tensor.AsSpan{T}()"/> reads and writes them.
/// </remarks>
public readonly ref struct StepContext
{
    private readonly Optimizer _optimizer;

    internal StepContext(Optimizer optimizer, ReadOnlySpan<StepGroup> groups, ReadOnlySpan<ortho_parameter_group> nativeGroups)
    {
        _optimizer = optimizer;
        Groups = groups;
        NativeGroups = nativeGroups;
    }

    /// <summary>Number of this step, from 1.</summary>
    public long Number => _optimizer.StepCount + 1;

    /// <summary>All parameters of the model; only those of <see cref="Groups"/> may be changed.</summary>
    public Tensor Parameters => _optimizer.Model.ParameterData;

    /// <summary>Their gradients; must not be written.</summary>
    public Tensor Gradients => _optimizer.Model.GradientData;

    /// <summary>The parameters that are stepped, with their rates. Frozen ones are left out.</summary>
    public ReadOnlySpan<StepGroup> Groups { get; }

    /// <summary>The same for native calls.</summary>
    internal ReadOnlySpan<ortho_parameter_group> NativeGroups { get; }

    /// <summary>A tensor of the optimizer's state.</summary>
    /// <param name="index">Place in the options' <see cref="OptimizerOptions.State"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such place.</exception>
    public Tensor State(int index) => _optimizer.StateAt(index);

    /// <summary>A tensor of the optimizer's state.</summary>
    /// <param name="name">Its name.</param>
    /// <exception cref="ArgumentException">The state has no tensor of that name.</exception>
    public Tensor State(string name) => _optimizer.StateAt(name);
}

/// <summary>A parameter in a step of an optimizer: a range of the flat tensors, and its rates.</summary>
/// <param name="Parameter">The parameter.</param>
/// <param name="Offset">First element in the flat tensors.</param>
/// <param name="Count">Number of elements.</param>
/// <param name="LearningRate">That of this step, times the factors of the parameter and of its group; finite, not negative.</param>
/// <param name="WeightDecay">Finite, not negative.</param>
public readonly record struct StepGroup(Parameter Parameter, long Offset, long Count, double LearningRate, double WeightDecay);
