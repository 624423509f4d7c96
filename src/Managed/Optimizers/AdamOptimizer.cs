using System.Globalization;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>The part that <see cref="Adam"/> and <see cref="AdamW"/> share.</summary>
public abstract unsafe class AdamOptimizer : Optimizer
{
    private readonly AdamOptions _options;
    private readonly bool _decoupled;

    private protected AdamOptimizer(Model model, double learningRate, AdamOptions options, bool decoupled)
        : base(model, learningRate, Checked(model, options), "first_moment", "second_moment")
    {
        _options = options;
        _decoupled = decoupled;
    }

    private protected override IEnumerable<(string Key, string Value)> StateOptions =>
    [
        ("beta1", _options.Beta1.ToString("R", CultureInfo.InvariantCulture)),
        ("beta2", _options.Beta2.ToString("R", CultureInfo.InvariantCulture)),
    ];

    private static AdamOptions Checked(Model model, AdamOptions options)
    {
        ArgumentNullException.ThrowIfNull(model);
        Check.Fraction(options.Beta1);
        Check.Fraction(options.Beta2);
        Check.Positive(options.Epsilon);
        Check.Finite(options.Epsilon, model.DType);
        // Squares below the smallest normal number are lost; with this epsilon they do not count (smallest_epsilon in the native sources).
        Check.AtLeast(options.Epsilon, 2 * Math.Sqrt(Math.ScaleB(1, model.DType == DType.Float32 ? -126 : -1022) / (1 - options.Beta2)));
        return options;
    }

    private protected override void Update(long step, void* parameters, void* gradients, ortho_parameter_group* groups, long groupCount)
    {
        using BufferScope firstMoment = BorrowState(0);
        using BufferScope secondMoment = BorrowState(1);
        using HandleScope<ortho_device> device = Model.Device.Handle.Borrow();
        ThrowOnFailure(NativeMethods.ortho_adam_step(
            device.Pointer, Model.DType.ToNative(), Model.ParameterData.Count, parameters, gradients,
            firstMoment.Address, secondMoment.Address, null, step,
            _options.Beta1, _options.Beta2, _options.Epsilon, _decoupled ? 1 : 0, groups, groupCount));
    }
}
