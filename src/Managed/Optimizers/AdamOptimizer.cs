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

    /// <summary>
    /// The correction of the moments' bias by the steps of a parameter, where it was frozen in others: the native step corrects by the optimizer's. ε is then
    /// larger by the root of the ratio of both corrections of the second moment, at most 1 / √(1 - β₂).
    /// </summary>
    private protected sealed override (double Rate, double Decay) FactorsAfter(long steps)
    {
        long all = StepCount + 1;
        if (steps == all)
        {
            return (1, 1);
        }

        double rate = Bias(_options.Beta1, all) / Bias(_options.Beta1, steps) * Math.Sqrt(Bias(_options.Beta2, steps) / Bias(_options.Beta2, all));
        return (rate, _decoupled ? 1 / rate : 1);

        static double Bias(double beta, long steps) => 1 - Math.Pow(beta, steps);
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
