using System.Globalization;
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
        : base(model, learningRate, options = Checked(options), options.Momentum > 0 ? ["velocity"] : [])
    {
        _options = options;
    }

    private protected override IEnumerable<(string Key, string Value)> StateOptions =>
    [
        ("momentum", _options.Momentum.ToString("R", CultureInfo.InvariantCulture)),
        ("nesterov", _options.Nesterov ? "true" : "false"),
    ];

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

    private protected override void Update(long step, void* parameters, void* gradients, ortho_parameter_group* groups, long groupCount)
    {
        using BufferScope velocity = _options.Momentum > 0 ? BorrowState(0) : default;
        using HandleScope<ortho_device> device = Model.Device.Handle.Borrow();
        ThrowOnFailure(NativeMethods.ortho_sgd_step(
            device.Pointer, Model.DType.ToNative(), Model.ParameterData.Count, parameters, gradients, velocity.Address,
            _options.Momentum, _options.Nesterov ? 1 : 0, groups, groupCount));
    }
}
