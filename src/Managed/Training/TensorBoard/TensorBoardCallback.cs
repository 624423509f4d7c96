using System.Text;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Writes a training to event files that TensorBoard shows. One of <see cref="TrainerOptions.Callbacks"/>.</summary>
/// <remarks>
/// <para>Series, with the number of the training step:</para>
/// <list type="table">
/// <item><term><c>train/loss</c>, <c>train/METRIC</c>, <c>train/learning_rate</c>, <c>train/gradient_norm</c></term><description>Of single steps, every <see cref="TensorBoardOptions.StepInterval"/> steps. METRIC is the name of the first metric.</description></item>
/// <item><term><c>epoch/loss</c>, <c>epoch/METRIC</c>, <c>epoch/learning_rate</c>, <c>epoch/gradient_norm</c>, <c>epoch/samples_per_second</c></term><description>Of <see cref="EpochResult"/>, at the epoch's last step.</description></item>
/// <item><term><c>validation/loss</c>, <c>validation/METRIC</c></term><description>Loss and all metrics on the validation data, at the epoch's last step.</description></item>
/// </list>
/// <para>
/// A run that is resumed writes a further file, which begins with a mark of its first step. TensorBoard drops what earlier files of the folder have from this step on, so no step is shown twice, also where the
/// program was killed after its last save. Give each run a folder of its own.
/// </para>
/// <para>
/// Files are written in pieces, and at the end of each epoch and of the training; a killed program leaves a readable file. Where a file cannot be written, <see cref="TrainingCallback.OnWarning"/> of all callbacks is
/// called, the training continues, and the end of the next epoch begins a new file. A step allocates nothing. One training at a time uses a callback.
/// </para>
/// <example><code>
/// using var board = new TensorBoardCallback("runs/gestures");
/// var trainer = new Trainer(model, loss, adam, new TrainerOptions { Callbacks = [board] });
/// </code></example>
/// </remarks>
public sealed class TensorBoardCallback : TrainingCallback, IDisposable
{
    private const string LearningRate = "learning_rate";
    private const string GradientNorm = "gradient_norm";
    private const string SamplesPerSecond = "samples_per_second";

    /// <summary>Seconds after which a step is written to the disk, so that TensorBoard shows a long epoch as it goes.</summary>
    private const double LongestDelay = 30;

    private static readonly byte[] s_loss = Encode("train", EvaluationResult.LossName);
    private static readonly byte[] s_learningRate = Encode("train", LearningRate);
    private static readonly byte[] s_gradientNorm = Encode("train", GradientNorm);

    private readonly string _folder;
    private readonly TensorBoardOptions _options;
    private readonly TimeProvider _clock;
    private TrainingState? _state;
    private EventFile? _file;
    private string? _metric;
    private byte[] _metricTag = [];
    private double _lastFlush;
    private bool _isBroken;
    private bool _hasWarned;
    private bool _disposed;

    /// <summary>Creates a callback. The file is created at the first step.</summary>
    /// <param name="folder">Folder of the files, which is created if there is none: what <c>tensorboard --logdir</c> is given, or below it.</param>
    /// <param name="options">Null: the defaults.</param>
    /// <exception cref="ArgumentException"><paramref name="folder"/> is empty or has a null character, or an option is out of range.</exception>
    public TensorBoardCallback(string folder, TensorBoardOptions? options = null)
        : this(folder, options, TimeProvider.System) { }

    internal TensorBoardCallback(string folder, TensorBoardOptions? options, TimeProvider clock)
    {
        ArgumentNullException.ThrowIfNull(folder);
        if (folder.Length == 0 || folder.Contains('\0', StringComparison.Ordinal))
        {
            throw new ArgumentException($"{nameof(folder)} {(folder.Length == 0 ? "is empty" : "has a null character")}; it must be a path.", nameof(folder));
        }

        (_folder, _options, _clock) = (folder, options ?? new TensorBoardOptions(), clock);
        _options.Validate();
    }

    private double Now => (_clock.GetUtcNow() - DateTimeOffset.UnixEpoch).TotalSeconds;

    /// <inheritdoc/>
    /// <exception cref="ObjectDisposedException">The callback is disposed.</exception>
    public override void OnStep(TrainingState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        ObjectDisposedException.ThrowIf(_disposed, this);
        _state = state;
        if (_isBroken)
        {
            return;
        }

        try
        {
            // Also for a step that is not written: what follows replaces what an earlier run wrote from here on.
            double now = Now;
            _file ??= Begin(now, state.Step);
            if (_options.StepInterval == 0 || state.Step % _options.StepInterval != 0)
            {
                return;
            }

            _file.Add(s_loss, state.Loss);
            if (state.MetricName is { } metric)
            {
                _file.Add(TagOf(metric), state.Metric);
            }

            if (state.MetricName != LearningRate)
            {
                _file.Add(s_learningRate, state.LearningRate);
            }

            if (state.MetricName != GradientNorm)
            {
                _file.Add(s_gradientNorm, state.GradientNorm);
            }

            _file.End(now, state.Step);
            if (now - _lastFlush >= LongestDelay)
            {
                _file.Flush();
                _lastFlush = now;
            }
        }
        catch (Exception exception) when (FileErrors.Is(exception))
        {
            Fail(exception);
        }
    }

    /// <inheritdoc/>
    /// <exception cref="ObjectDisposedException">The callback is disposed.</exception>
    public override void OnEpochEnd(TrainingState state, EpochResult epoch)
    {
        ArgumentNullException.ThrowIfNull(state);
        ArgumentNullException.ThrowIfNull(epoch);
        ObjectDisposedException.ThrowIf(_disposed, this);
        _state = state;
        _isBroken = false;
        try
        {
            // Without a step before, a resumed run makes up a validation: the step itself is in an earlier file.
            double now = Now;
            _file ??= Begin(now, epoch.Step + 1);
            Add("epoch", EvaluationResult.LossName, epoch.Loss);
            if (state.MetricName is { } metric)
            {
                Add("epoch", metric, epoch.Metric);
            }

            foreach ((string name, double value) in (ReadOnlySpan<(string, double)>)[(LearningRate, epoch.LearningRate), (GradientNorm, epoch.GradientNorm), (SamplesPerSecond, epoch.SamplesPerSecond)])
            {
                if (name != state.MetricName)
                {
                    Add("epoch", name, value);
                }
            }

            if (epoch.Validation is { } validation)
            {
                Add("validation", EvaluationResult.LossName, validation.Loss);
                foreach ((string name, double value) in validation.Metrics)
                {
                    Add("validation", name, value);
                }
            }

            _file.End(now, epoch.Step);
            Flush(_file);
            _lastFlush = now;
            _hasWarned = false;
        }
        catch (Exception exception) when (FileErrors.Is(exception))
        {
            Fail(exception);
        }
    }

    /// <inheritdoc/>
    public override void OnEnd(TrainingResult result)
    {
        Close();
        (_state, _isBroken, _hasWarned) = (null, false, false);
    }

    /// <summary>Writes what is not yet written, and closes the file.</summary>
    public void Dispose()
    {
        _disposed = true;
        Close();
        _state = null;
    }

    private static byte[] Encode(string group, string name) => Encoding.UTF8.GetBytes($"{group}/{name}");

    private EventFile Begin(double now, long firstStep)
    {
        _lastFlush = now;
        return EventFile.Create(_folder, now, firstStep);
    }

    private void Add(string group, string name, double value) => _file!.Add(Encode(group, name), value);

    private byte[] TagOf(string metric)
    {
        if (!ReferenceEquals(metric, _metric))
        {
            (_metric, _metricTag) = (metric, Encode("train", metric));
        }

        return _metricTag;
    }

    private static void Flush(EventFile file)
    {
        file.Flush();
        if (!File.Exists(file.Path))
        {
            // Unix writes to a file that is removed without an error.
            throw new FileNotFoundException("the file was removed");
        }
    }

    private void Close()
    {
        if (_file is null)
        {
            return;
        }

        try
        {
            Flush(_file);
        }
        catch (Exception exception) when (FileErrors.Is(exception))
        {
            Fail(exception);
        }

        _file?.Dispose();
        _file = null;
    }

    private void Fail(Exception exception)
    {
        _file?.Dispose();
        _file = null;
        _isBroken = true;
        if (!_hasWarned)
        {
            _hasWarned = true;
            _state?.Warn($"the events for TensorBoard in '{ForeignText.CleanPath(_folder)}' cannot be written ({FileErrors.Reason(exception)}); the training continues without them");
        }
    }
}
