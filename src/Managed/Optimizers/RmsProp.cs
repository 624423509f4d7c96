using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>
/// RMSprop (Tieleman and Hinton, 2012), as PyTorch has it: g ← g + decay·p; s is the running mean of g², m that of g; d = √s + ε, or, centered,
/// √(s - m²) + ε; v ← momentum·v + g / d; p ← p - rate·v. A variance that rounding makes negative counts as 0.
/// </summary>
public sealed unsafe class RmsProp : Optimizer
{
    private readonly RmsPropOptions _options;

    /// <summary>Creates an optimizer.</summary>
    /// <param name="model">The model whose parameters are changed.</param>
    /// <param name="learningRate">Learning rate, not negative. Default 0.01.</param>
    /// <param name="options">Null: the defaults.</param>
    /// <exception cref="ArgumentException">A number is out of range, or a group has a parameter that is not the model's.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public RmsProp(Model model, double learningRate = 1e-2, RmsPropOptions? options = null)
        : base(model, learningRate, options = Checked(model, options)) => _options = options;

    private static RmsPropOptions Checked(Model model, RmsPropOptions? options)
    {
        ArgumentNullException.ThrowIfNull(model);
        options ??= new RmsPropOptions();
        Check.Fraction(options.SquareDecay);
        Check.Fraction(options.Momentum);
        CheckEpsilon(options.Epsilon, options.SquareDecay, model.DType);
        return options;
    }

    /// <inheritdoc/>
    protected override void Update(in StepContext context)
    {
        using BufferScope parameters = context.Parameters.Borrow();
        using BufferScope gradients = context.Gradients.Borrow();
        using BufferScope squareMean = context.State("square_mean").Borrow();
        using BufferScope gradientMean = _options.Centered ? context.State("gradient_mean").Borrow() : default;
        using BufferScope velocity = _options.Momentum > 0 ? context.State("velocity").Borrow() : default;
        using HandleScope<ortho_device> device = Model.Device.Handle.Borrow();
        fixed (ortho_parameter_group* groups = context.NativeGroups)
        {
            ThrowOnFailure(NativeMethods.ortho_rmsprop_step(
                device.Pointer, Model.DType.ToNative(), context.Parameters.Count, parameters.Address, gradients.Address, squareMean.Address,
                gradientMean.Address, velocity.Address, _options.SquareDecay, _options.Momentum, _options.Epsilon, groups, context.NativeGroups.Length));
        }
    }
}
