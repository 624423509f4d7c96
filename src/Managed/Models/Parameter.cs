namespace OrthoNative;

/// <summary>A trained tensor of a model: a named, shaped view onto the model's flat buffers.</summary>
public sealed class Parameter
{
    private readonly Tensor? _gradient;
    private double _learningRateScale;

    internal Parameter(string name, Tensor value, Tensor? gradient, long offset, ParameterRole role, double learningRateScale)
    {
        Name = name;
        Value = value;
        _gradient = gradient;
        Offset = offset;
        Role = role;
        _learningRateScale = learningRateScale;
    }

    /// <summary>Name in the model: the layer's path, a dot, the parameter's own: <c>0.input_weight</c>, <c>2.forward.bias</c>.</summary>
    public string Name { get; }

    /// <summary>Sizes; weights are [out, in].</summary>
    public ReadOnlySpan<long> Shape => Value.Shape;

    /// <summary>The numbers; writing to them changes the model.</summary>
    public Tensor Value { get; }

    /// <summary>The gradient of the last <see cref="Model.Backward(Tensor, bool)"/>.</summary>
    /// <exception cref="InvalidOperationException">The model was made without gradients.</exception>
    public Tensor Gradient => _gradient ?? throw Model.WithoutGradients();

    /// <summary>What the parameter is for.</summary>
    public ParameterRole Role { get; }

    /// <summary>
    /// Keeps the parameter as it is: no optimizer changes it, and its decay and the optimizer's state for it rest. Its gradient is 0 after
    /// <see cref="Model.Backward(Tensor, bool)"/>, so that it does not count where gradients are clipped. Default false. Files do not have it.
    /// </summary>
    public bool IsFrozen { get; set; }

    /// <summary>Factor of the optimizer's learning rate for this parameter, not negative. With 0 the optimizer's state still follows the gradient.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is negative, infinite or not a number.</exception>
    public double LearningRateScale
    {
        get => _learningRateScale;
        set
        {
            Check.NotNegative(value, nameof(LearningRateScale));
            _learningRateScale = value;
        }
    }

    /// <summary>First element in the model's flat buffers.</summary>
    internal long Offset { get; }

    /// <summary>Name and shape: <c>0.weight [128, 128]</c>.</summary>
    public override string ToString() => $"{Name} {Check.FormatShape(Shape)}";
}
