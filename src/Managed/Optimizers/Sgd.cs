using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>
/// Stochastic gradient descent with momentum: g ← g + decay·p; v ← momentum·v + g; p ← p - rate·v, or, Nesterov's,
/// p ← p - rate·(g + momentum·v).
/// </summary>
public sealed unsafe class Sgd : Optimizer
{
    private readonly SgdOptions _options;

    /// <summary>Creates an optimizer.</summary>
    /// <param name="model">The model whose parameters are changed.</param>
    /// <param name="learningRate">Learning rate, not negative.</param>
    /// <param name="options">Null: the defaults.</param>
    /// <exception cref="ArgumentException">
    /// A number is out of range, Nesterov's momentum is asked for without momentum, or a group has a parameter that is not the model's.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public Sgd(Model model, double learningRate, SgdOptions? options = null)
        : base(model, learningRate, options = Checked(options)) => _options = options;

    private static SgdOptions Checked(SgdOptions? options)
    {
        options ??= new SgdOptions();
        Check.Fraction(options.Momentum);
        if (options.Nesterov && options.Momentum == 0)
        {
            throw new ArgumentException("options.Nesterov is true and options.Momentum 0; Nesterov's momentum is one above 0.", nameof(options));
        }

        return options;
    }

    /// <inheritdoc/>
    protected override void Update(in StepContext context)
    {
        using BufferScope parameters = context.Parameters.Borrow();
        using BufferScope gradients = context.Gradients.Borrow();
        using BufferScope velocity = _options.Momentum > 0 ? context.State("velocity").Borrow() : default;
        using HandleScope<ortho_device> device = Model.Device.Handle.Borrow();
        fixed (ortho_parameter_group* groups = context.NativeGroups)
        {
            ThrowOnFailure(NativeMethods.ortho_sgd_step(
                device.Pointer, Model.DType.ToNative(), context.Parameters.Count, parameters.Address, gradients.Address, velocity.Address,
                _options.Momentum, _options.Nesterov ? 1 : 0, groups, context.NativeGroups.Length));
        }
    }
}
