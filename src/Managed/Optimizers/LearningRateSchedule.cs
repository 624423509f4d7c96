namespace OrthoNative;

/// <summary>A learning rate for each step. Derive from it for a schedule of your own.</summary>
/// <remarks>
/// Most schedules are a pure function of the step's number. One that depends on more, on a metric, say, has a state, which
/// <see cref="Optimizer.Save"/> keeps, so that training goes on as it would have.
/// </remarks>
public abstract class LearningRateSchedule
{
    /// <summary>The learning rate of a step.</summary>
    /// <param name="stepsDone">Steps done before, from 0.</param>
    public abstract double At(long stepsDone);

    /// <summary>The state beside the number of steps, by name. Default: none.</summary>
    protected internal virtual IEnumerable<KeyValuePair<string, string>> SaveState() => [];

    /// <summary>Takes over a state that <see cref="SaveState"/> of a schedule of the same class gave. Default: does nothing.</summary>
    /// <param name="state">The state by name.</param>
    /// <exception cref="InvalidDataException">
    /// A value is missing or wrong, which the message tells beginning with its name; nothing has changed.
    /// </exception>
    protected internal virtual void LoadState(IReadOnlyDictionary<string, string> state) { }

    /// <summary>Called by a <see cref="Trainer"/> after each validation. Default: does nothing.</summary>
    /// <param name="value">The value by which epochs are compared; it may be NaN.</param>
    protected internal virtual void OnValidation(double value) { }

    /// <summary>The schedule's class under a name, and its state behind that name and a dot; nothing where it has no state.</summary>
    internal IEnumerable<KeyValuePair<string, string>> SaveStateAs(string name)
    {
        KeyValuePair<string, string>[] state = [.. SaveState()];
        return state.Length == 0 ? [] : [new(name, GetType().Name), .. state.Select(pair => KeyValuePair.Create($"{name}.{pair.Key}", pair.Value))];
    }

    /// <summary>Takes over what <see cref="SaveStateAs"/> gave, if it is of the same class; does nothing otherwise.</summary>
    /// <exception cref="InvalidDataException">A value is missing or wrong; nothing has changed.</exception>
    internal void LoadStateFrom(IReadOnlyDictionary<string, string> all, string name)
    {
        if (all.GetValueOrDefault(name) != GetType().Name)
        {
            return;
        }

        string prefix = $"{name}.";
        try
        {
            LoadState(all.Where(pair => pair.Key.StartsWith(prefix, StringComparison.Ordinal)).ToDictionary(pair => pair.Key[prefix.Length..], pair => pair.Value));
        }
        catch (InvalidDataException exception)
        {
            throw new InvalidDataException($"{prefix}{exception.Message}", exception);
        }
    }
}

/// <summary>The same learning rate at every step.</summary>
public sealed class ConstantSchedule : LearningRateSchedule
{
    private readonly double _learningRate;

    /// <summary>Creates a schedule.</summary>
    /// <param name="learningRate">Not negative.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="learningRate"/> is out of range.</exception>
    public ConstantSchedule(double learningRate)
    {
        Check.NotNegative(learningRate);
        _learningRate = learningRate;
    }

    /// <inheritdoc/>
    public override double At(long stepsDone) => _learningRate;
}

/// <summary>Falls along half a cosine from a first to a last learning rate, and stays there.</summary>
public sealed class CosineSchedule : LearningRateSchedule
{
    private readonly double _first;
    private readonly double _last;
    private readonly long _steps;

    /// <summary>Creates a schedule.</summary>
    /// <param name="learningRate">At step 0, not negative.</param>
    /// <param name="steps">Steps until the last learning rate, at least 1.</param>
    /// <param name="finalLearningRate">From then on, not negative. Default 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">An argument is out of range.</exception>
    public CosineSchedule(double learningRate, long steps, double finalLearningRate = 0)
    {
        Check.NotNegative(learningRate);
        Check.AtLeast(steps, 1);
        Check.NotNegative(finalLearningRate);
        _first = learningRate;
        _last = finalLearningRate;
        _steps = steps;
    }

    /// <inheritdoc/>
    public override double At(long stepsDone) =>
        _last + ((_first - _last) * (1 + Math.Cos(Math.PI * long.Min(stepsDone, _steps) / _steps)) / 2);
}

/// <summary>Multiplies the learning rate by a factor after every so many steps.</summary>
public sealed class StepDecaySchedule : LearningRateSchedule
{
    private readonly double _learningRate;
    private readonly long _interval;
    private readonly double _factor;

    /// <summary>Creates a schedule.</summary>
    /// <param name="learningRate">At step 0, not negative.</param>
    /// <param name="interval">Steps between changes, at least 1.</param>
    /// <param name="factor">Above 0. Default 0.1.</param>
    /// <exception cref="ArgumentOutOfRangeException">An argument is out of range.</exception>
    public StepDecaySchedule(double learningRate, long interval, double factor = 0.1)
    {
        Check.NotNegative(learningRate);
        Check.AtLeast(interval, 1);
        Check.Positive(factor);
        _learningRate = learningRate;
        _interval = interval;
        _factor = factor;
    }

    /// <inheritdoc/>
    public override double At(long stepsDone) => _learningRate * Math.Pow(_factor, stepsDone / _interval);
}

/// <summary>Multiplies the learning rate by a factor at every step.</summary>
public sealed class ExponentialDecaySchedule : LearningRateSchedule
{
    private readonly double _learningRate;
    private readonly double _factor;

    /// <summary>Creates a schedule.</summary>
    /// <param name="learningRate">At step 0, not negative.</param>
    /// <param name="factor">Above 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">An argument is out of range.</exception>
    public ExponentialDecaySchedule(double learningRate, double factor)
    {
        Check.NotNegative(learningRate);
        Check.Positive(factor);
        _learningRate = learningRate;
        _factor = factor;
    }

    /// <inheritdoc/>
    public override double At(long stepsDone) => _learningRate * Math.Pow(_factor, stepsDone);
}

/// <summary>Rises in a straight line to another schedule's first learning rate, and follows that schedule from then on.</summary>
public sealed class WarmupSchedule : LearningRateSchedule
{
    private const string NextKey = "next";

    private readonly long _steps;
    private readonly LearningRateSchedule _next;

    /// <summary>Creates a schedule.</summary>
    /// <param name="steps">Steps of the rise, at least 1: step i has (i + 1) / steps of the next schedule's first learning rate.</param>
    /// <param name="next">The schedule afterwards, which counts its steps from 0.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="steps"/> is less than 1.</exception>
    public WarmupSchedule(long steps, LearningRateSchedule next)
    {
        Check.AtLeast(steps, 1);
        ArgumentNullException.ThrowIfNull(next);
        _steps = steps;
        _next = next;
    }

    /// <inheritdoc/>
    public override double At(long stepsDone) => stepsDone < _steps ? _next.At(0) * (stepsDone + 1) / _steps : _next.At(stepsDone - _steps);

    /// <inheritdoc/>
    protected internal override IEnumerable<KeyValuePair<string, string>> SaveState() => _next.SaveStateAs(NextKey);

    /// <inheritdoc/>
    protected internal override void LoadState(IReadOnlyDictionary<string, string> state) => _next.LoadStateFrom(state, NextKey);

    /// <inheritdoc/>
    protected internal override void OnValidation(double value) => _next.OnValidation(value);
}
