using System.Globalization;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Options of a <see cref="ReduceOnPlateauSchedule"/>.</summary>
public sealed record ReduceOnPlateauOptions
{
    /// <summary>Factor of a reduction, above 0 and below 1. Default 0.1.</summary>
    public double Factor { get; init; } = 0.1;

    /// <summary>Metrics in a row that may be no better; the next one reduces the learning rate. Not negative. Default 10.</summary>
    public int Patience { get; init; } = 10;

    /// <summary>The part of the best metric by which one must be better to count, not negative. Default 0.0001.</summary>
    public double Threshold { get; init; } = 1e-4;

    /// <summary>Metrics after a reduction that are not counted, not negative. Default 0.</summary>
    public int Cooldown { get; init; }

    /// <summary>Learning rate below which it is not reduced, not negative. Default 0.</summary>
    public double LowestLearningRate { get; init; }

    /// <summary>True, the default, for a loss; false for an accuracy.</summary>
    public bool LowerIsBetter { get; init; } = true;
}

/// <summary>
/// Multiplies the learning rate by a factor where a metric no longer gets better. It is told the metric, after each epoch, say, by
/// <see cref="Observe"/>. The rules are those of PyTorch's <c>ReduceLROnPlateau</c> with its relative threshold, which counts from the size of the best metric, and without its <c>eps</c>.
/// </summary>
/// <remarks>
/// Its state, learning rate, best metric and counts, is in the file of the optimizer whose <see cref="Optimizer.Schedule"/> it is. The
/// options are not: those of this object apply.
/// </remarks>
public sealed class ReduceOnPlateauSchedule : LearningRateSchedule
{
    private readonly ReduceOnPlateauOptions _options;
    private double _best;
    private int _notBetter;
    private int _cooldownLeft;

    /// <summary>Creates a schedule.</summary>
    /// <param name="learningRate">To begin with, not negative.</param>
    /// <param name="options">When and by how much it is reduced. Null: the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of range.</exception>
    public ReduceOnPlateauSchedule(double learningRate, ReduceOnPlateauOptions? options = null)
    {
        options ??= new ReduceOnPlateauOptions();
        Check.NotNegative(learningRate);
        Check.That(options.Factor is > 0 and < 1, options.Factor, "above 0 and below 1", "options.Factor");
        Check.AtLeast((long)options.Patience, 0, "options.Patience");
        Check.NotNegative(options.Threshold);
        Check.AtLeast((long)options.Cooldown, 0, "options.Cooldown");
        Check.NotNegative(options.LowestLearningRate);
        LearningRate = learningRate;
        _options = options;
        _best = options.LowerIsBetter ? double.PositiveInfinity : double.NegativeInfinity;
    }

    /// <summary>The learning rate of the next step.</summary>
    public double LearningRate { get; private set; }

    /// <inheritdoc/>
    public override double At(long stepsDone) => LearningRate;

    /// <summary>Takes note of a metric, and reduces the learning rate where it was not better for longer than the patience.</summary>
    /// <param name="metric">The metric; infinity is never better.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="metric"/> is NaN.</exception>
    public void Observe(double metric)
    {
        Check.That(!double.IsNaN(metric), metric, "a number", nameof(metric));
        double margin = double.IsFinite(_best) ? _options.Threshold * Math.Abs(_best) : 0;
        if (double.IsFinite(metric) && (_options.LowerIsBetter ? metric < _best - margin : metric > _best + margin))
        {
            _best = metric;
            _notBetter = 0;
        }
        else
        {
            _notBetter++;
        }

        if (_cooldownLeft > 0)
        {
            _cooldownLeft--;
            _notBetter = 0;
        }

        if (_notBetter > _options.Patience)
        {
            // One that is below the lowest from the beginning is not raised.
            LearningRate = double.Min(LearningRate, double.Max(LearningRate * _options.Factor, _options.LowestLearningRate));
            _cooldownLeft = _options.Cooldown;
            _notBetter = 0;
        }
    }

    /// <summary>Observes the value, unless it is NaN.</summary>
    /// <param name="value">The value by which a <see cref="Trainer"/> compares epochs.</param>
    protected internal override void OnValidation(double value)
    {
        if (!double.IsNaN(value))
        {
            Observe(value);
        }
    }

    /// <inheritdoc/>
    protected internal override IEnumerable<KeyValuePair<string, string>> SaveState() =>
    [
        new("learning_rate", LearningRate.ToString("R", CultureInfo.InvariantCulture)),
        new("best", _best.ToString("R", CultureInfo.InvariantCulture)),
        new("not_better", _notBetter.ToString(CultureInfo.InvariantCulture)),
        new("cooldown_left", _cooldownLeft.ToString(CultureInfo.InvariantCulture)),
    ];

    /// <inheritdoc/>
    protected internal override void LoadState(IReadOnlyDictionary<string, string> state)
    {
        double learningRate = Number("learning_rate", value => double.IsFinite(value) && value >= 0, "a number that is finite and not negative");
        double best = Number("best", value => !double.IsNaN(value), "a number");
        int notBetter = (int)Number("not_better", IsCount, "a whole number");
        int cooldownLeft = (int)Number("cooldown_left", IsCount, "a whole number");
        (LearningRate, _best, _notBetter, _cooldownLeft) = (learningRate, best, notBetter, cooldownLeft);

        static bool IsCount(double value) => value is >= 0 and <= int.MaxValue && double.IsInteger(value);

        double Number(string key, Func<double, bool> isValid, string expected)
        {
            string? text = state.GetValueOrDefault(key);
            return double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value) && isValid(value)
                ? value
                : throw new InvalidDataException($"{key} is {(text is null ? "missing" : $"'{ForeignText.Clean(text)}'")}; {expected} is expected.");
        }
    }
}
