using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>
/// Lion (Chen et al., arXiv 2302.06675): p ← p - rate·decay·p - rate·sign(β₁·m + (1 - β₁)·g); m ← β₂·m + (1 - β₂)·g. All elements of a parameter
/// change by the same amount, so learning rates are 3 to 10 times smaller than those of <see cref="AdamW"/>, and weight decays as much larger.
/// </summary>
public sealed unsafe class Lion : Optimizer
{
    private readonly LionOptions _options;

    /// <summary>Creates an optimizer.</summary>
    /// <param name="model">The model whose parameters are changed.</param>
    /// <param name="learningRate">Learning rate, not negative. Default 0.0001.</param>
    /// <param name="options">Null: the defaults.</param>
    /// <exception cref="ArgumentException">A number is out of range, or a group has a parameter that is not the model's.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public Lion(Model model, double learningRate = 1e-4, LionOptions? options = null)
        : base(model, learningRate, options = Checked(options)) => _options = options;

    private static LionOptions Checked(LionOptions? options)
    {
        options ??= new LionOptions();
        Check.Fraction(options.Beta1);
        Check.Fraction(options.Beta2);
        return options;
    }

    /// <inheritdoc/>
    protected override void Update(in StepContext context)
    {
        using BufferScope parameters = context.Parameters.Borrow();
        using BufferScope gradients = context.Gradients.Borrow();
        using BufferScope firstMoment = context.State("first_moment").Borrow();
        using HandleScope<ortho_device> device = Model.Device.Handle.Borrow();
        fixed (ortho_parameter_group* groups = context.NativeGroups)
        {
            ThrowOnFailure(NativeMethods.ortho_lion_step(
                device.Pointer, Model.DType.ToNative(), context.Parameters.Count, parameters.Address, gradients.Address, firstMoment.Address,
                _options.Beta1, _options.Beta2, groups, context.NativeGroups.Length));
        }
    }
}
