using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>The part that <see cref="Adam"/> and <see cref="AdamW"/> share.</summary>
public abstract unsafe class AdamOptimizer : Optimizer
{
    private readonly AdamOptions _options;
    private readonly bool _decoupled;

    private protected AdamOptimizer(Model model, double learningRate, AdamOptions options, bool decoupled)
        : base(model, learningRate, Checked(model, options))
    {
        _options = options;
        _decoupled = decoupled;
    }

    private static AdamOptions Checked(Model model, AdamOptions options)
    {
        ArgumentNullException.ThrowIfNull(model);
        Check.Fraction(options.Beta1);
        Check.Fraction(options.Beta2);
        CheckEpsilon(options.Epsilon, options.Beta2, model.DType);
        return options;
    }

    /// <inheritdoc/>
    protected sealed override void Update(in StepContext context)
    {
        using BufferScope parameters = context.Parameters.Borrow();
        using BufferScope gradients = context.Gradients.Borrow();
        using BufferScope firstMoment = context.State("first_moment").Borrow();
        using BufferScope secondMoment = context.State("second_moment").Borrow();
        using BufferScope largestSecondMoment = _options.AmsGrad ? context.State("largest_second_moment").Borrow() : default;
        using HandleScope<ortho_device> device = Model.Device.Handle.Borrow();
        fixed (ortho_parameter_group* groups = context.NativeGroups)
        {
            ThrowOnFailure(NativeMethods.ortho_adam_step(
                device.Pointer, Model.DType.ToNative(), context.Parameters.Count, parameters.Address, gradients.Address, firstMoment.Address,
                secondMoment.Address, largestSecondMoment.Address, context.Number, _options.Beta1, _options.Beta2, _options.Epsilon,
                _decoupled ? 1 : 0, groups, context.NativeGroups.Length));
        }
    }
}
