using System.Diagnostics;
using System.Runtime.ExceptionServices;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>One training from its first step, or from where it was saved, to its end, with all that it leaves in its folder.</summary>
internal sealed class TrainingRun : IDisposable
{
    /// <summary>Training batches over which the metric is averaged before it is compared with <see cref="TrainerOptions.StopAt"/>.</summary>
    public const int StopWindow = 20;

    /// <summary>Seconds left that are told at most.</summary>
    private const double LongestRemaining = 1e9;

    /// <summary>Epochs in the record during the run; all are in the file of epochs.</summary>
    private const int EpochsOnTheWay = 100;

    private readonly Trainer _trainer;
    private readonly Model _model;
    private readonly Loss _loss;
    private readonly Optimizer _optimizer;
    private readonly TrainerOptions _options;
    private readonly RunRecord _record;
    private readonly RunFolder? _folder;
    private readonly TrainingCallback[] _callbacks;
    private readonly Metric? _metric;
    private readonly BatchSource _training;
    private readonly BatchSource? _validation;
    private readonly DataLoader _loader;
    private readonly GradientAccumulator? _accumulator;
    private readonly BestModel _best;
    private readonly TrainingState _state;
    private readonly RecentSteps _recent = new(StopWindow);
    private readonly List<EpochResult> _epochs = [];
    private readonly long _stepsPerEpoch;
    private readonly long _stepsPerPass;
    private readonly GrowingFile<(double Loss, double Metric)>? _losses;
    private readonly GrowingFile<EpochResult>? _epochLog;
    private DataLoader.Enumerator _batches;
    private EpochTally? _tally;
    private long _stepsBefore;
    private long _step;
    private long _savedStep;
    private double _earlierSeconds;
    private long _start;

    /// <summary>Takes the memory for batches.</summary>
    /// <param name="trainer">Model, loss, optimizer and options.</param>
    /// <param name="training">Batches to learn from. Disposed with the run.</param>
    /// <param name="validation">Batches to validate on, disposed with the run; null: there are none.</param>
    /// <param name="record">What is particular to who runs it.</param>
    /// <param name="folder">Where the run is saved; null: nowhere.</param>
    public TrainingRun(Trainer trainer, BatchSource training, BatchSource? validation, RunRecord record, RunFolder? folder)
    {
        _trainer = trainer;
        (_model, _loss, _optimizer, _options) = (trainer.Model, trainer.Loss, trainer.Optimizer, trainer.Options);
        _record = record;
        _folder = folder;
        _callbacks = [.. _options.Callbacks];
        _metric = _options.Metrics.Count > 0 ? _options.Metrics[0] : null;
        (_training, _validation, _loader) = (training, validation, training.Loader);
        _accumulator = _options.AccumulateBatches > 1 ? new GradientAccumulator(_model) : null;
        _best = new BestModel(_model, _options);
        _state = new TrainingState(_model, _optimizer, _metric?.Name, message => Warn(message, isOnTheWay: true));
        if (validation is not null && _options.KeepBest)
        {
            // Now, and not in the midst of the run, is the time to find that it does not fit.
            _best.Reserve();
        }

        _stepsPerPass = (_loader.BatchesPerEpoch + _options.AccumulateBatches - 1) / _options.AccumulateBatches;
        _stepsPerEpoch = _options.StepsPerEpoch ?? _stepsPerPass;
        Steps = long.Min(_options.Steps ?? long.MaxValue, _stepsPerEpoch > long.MaxValue / _options.Epochs ? long.MaxValue : _options.Epochs * _stepsPerEpoch);
        _stepsBefore = _optimizer.StepCount;
        _start = Stopwatch.GetTimestamp();
        if (folder is not null)
        {
            _losses = LossLog.Create();
            _epochLog = new GrowingFile<EpochResult>(header: null, (_, epoch) => record.Format(epoch));
        }
    }

    /// <summary>Training steps planned.</summary>
    public long Steps { get; }

    /// <summary>Epochs planned, of which the last may be cut short.</summary>
    public int Epochs => checked((int)(((Steps - 1) / _stepsPerEpoch) + 1));

    /// <summary>Training steps done, by an earlier run too.</summary>
    public long StepsDone => _step;

    /// <summary>Wall time so far, of an earlier run too.</summary>
    private double Seconds => _earlierSeconds + Stopwatch.GetElapsedTime(_start).TotalSeconds;

    /// <summary>Trains, saves, and leaves the best weights in the model.</summary>
    /// <param name="progress">Told about every step; null: nobody.</param>
    /// <param name="cancellationToken">Ends the training after the step that is being done.</param>
    /// <exception cref="TrainingDivergedException">The loss or a gradient is not a finite number any more.</exception>
    public TrainingResult Execute(IProgress<TrainingProgress>? progress, CancellationToken cancellationToken)
    {
        ExceptionDispatchInfo? failure = null;
        bool savesEnd = true;
        TrainingStatus status;
        try
        {
            _start = Stopwatch.GetTimestamp();
            status = Train(progress, cancellationToken);
            if (status != TrainingStatus.Interrupted)
            {
                GiveBest();
                status = Conclude(status, cancellationToken);
            }
        }
        catch (Exception exception)
        {
            failure = ExceptionDispatchInfo.Capture(exception);
            status = TrainingStatus.Interrupted;
            if (_tally is { HasNewSteps: true } tally)
            {
                // As after an interruption: where the epoch is at its end, a resumed run makes up its validation.
                _epochs.Add(tally.Result(_step, _optimizer.LearningRate));
            }

            // What was learnt until then is whole as long as the step that failed has changed nothing: it is saved before the failure is told.
            savesEnd = exception is not TrainingDivergedException && _step > 0 && _optimizer.StepCount - _stepsBefore == _step;
        }

        var end = new RunState(status, _epochs, Seconds, _stepsBefore);
        ExceptionDispatchInfo? saveFailure = null;
        if (savesEnd)
        {
            _record.BeforeLastSave(end, _step);
            try
            {
                SaveEnd(end);
            }
            catch (Exception exception)
            {
                saveFailure = ExceptionDispatchInfo.Capture(exception);
            }
        }

        GiveBest();
        var result = new TrainingResult(status, _step, _epochs.AsReadOnly(), _best.HasWeights ? _best.Epoch : null, TimeSpan.FromSeconds(end.Seconds))
        {
            Failure = failure?.SourceException ?? saveFailure?.SourceException,
        };
        ExceptionDispatchInfo? callbackFailure = null;
        Attempt(() => Warn(saveFailure!.SourceException.Message, isOnTheWay: false), failure is not null && saveFailure is not null);
        foreach (TrainingCallback callback in _callbacks)
        {
            Attempt(() => callback.OnEnd(result), true);
        }

        // The first cause first: what a callback throws now must not hide where the model is.
        failure?.Throw();
        saveFailure?.Throw();
        callbackFailure?.Throw();
        return result;

        void Attempt(Action call, bool isDue)
        {
            try
            {
                if (isDue)
                {
                    call();
                }
            }
            catch (Exception exception)
            {
                callbackFailure ??= ExceptionDispatchInfo.Capture(exception);
            }
        }
    }

    private TrainingStatus Conclude(TrainingStatus status, CancellationToken cancellationToken)
    {
        try
        {
            return _record.Conclude(status, _step, cancellationToken);
        }
        catch (NotFiniteNumberException exception)
        {
            throw Diverged(exception, _step, inValidation: true, isInitial: _step == 0);
        }
    }

    /// <summary>Continues a run where it was saved; every further step is the one that the run would have made.</summary>
    /// <param name="state">What was saved beside the files of the folder.</param>
    /// <exception cref="InvalidDataException">A file is damaged, of another model, or does not belong to the steps.</exception>
    public void Resume(RunState state)
    {
        RunFolder folder = _folder!;
        string weights = folder.PathOf(RunFolder.Weights), optimizer = folder.PathOf(RunFolder.OptimizerState), losses = folder.PathOf(RunFolder.Losses);
        long line = 0;
        FileMark read = LossLog.Load(losses, _record.ProblemOfMetric, state.LossLog, (loss, metric) =>
        {
            _record.OnLoss(loss);

            // All of them: a mean whose terms are in another order may differ in its last bit, and with it the end.
            _recent.Add(loss, metric);
            if (line % _stepsPerEpoch == 0)
            {
                _tally = new EpochTally((int)(line / _stepsPerEpoch) + 1);
            }

            _tally!.AddEarlier(SamplesOf(line), loss, metric);
            (_state.Loss, _state.Metric) = (loss, metric);
            line++;
        });
        LoadWeights(weights);
        _optimizer.Load(optimizer);
        _stepsBefore = state.StepsBefore;
        if (_optimizer.StepCount - _stepsBefore != read.Lines)
        {
            throw new InvalidDataException(FormattableString.Invariant(
                $"'{ForeignText.CleanPath(optimizer)}' is of step {_optimizer.StepCount - _stepsBefore} and the losses are of {read.Lines} steps."));
        }

        if (state.LossLog is { } mark && read != mark)
        {
            throw new InvalidDataException(FormattableString.Invariant(
                $"'{ForeignText.CleanPath(losses)}' has {read.Lines} steps in {read.Bytes} bytes; expected: {mark.Lines} in {mark.Bytes}, as {RunFolder.Report} says in lossLog."));
        }

        if (read.Lines < 1 || read.Lines > Steps)
        {
            throw new InvalidDataException(FormattableString.Invariant(
                $"'{ForeignText.CleanPath(optimizer)}' is of step {read.Lines}; it must be from 1 to {Steps}, the steps of the run."));
        }

        for (int i = 0; i < state.Epochs.Count; i++)
        {
            EpochResult epoch = state.Epochs[i];
            if (epoch.Step > read.Lines || epoch.Epoch != ((epoch.Step - 1) / _stepsPerEpoch) + 1)
            {
                throw new InvalidDataException(FormattableString.Invariant(
                    $"epochs[{i}] is epoch {epoch.Epoch} up to step {epoch.Step}; it must end at step {read.Lines} or before, in epochs of {_stepsPerEpoch} steps."));
            }

            ObserveEarlier(epoch, i);
        }

        if (_best.Epoch is not null && _options.KeepBest)
        {
            LoadWeights(folder.PathOf(RunFolder.BestWeights));
            _best.Keep();
            _best.HasChanged = false;
            LoadWeights(weights);
        }

        _losses!.Continue(losses, read, appendable: state.LossLog is not null);
        _step = _savedStep = read.Lines;
        if (_training.States is { HasStates: true } states && !IsPassStart)
        {
            states.Load(folder.PathOf(RunFolder.States));
        }

        _earlierSeconds = state.Seconds;
        bool trained = _step == Steps || IsGoalReached();
        _epochs.AddRange(state.Epochs.Where(epoch => epoch.Step % _stepsPerEpoch == 0 || (trained && epoch.Step == _step)));
        _tally = _step % _stepsPerEpoch == 0 ? null : _tally;
    }

    /// <summary>Loads the model of a run that has ended.</summary>
    public TrainingResult LoadEnded(RunState state)
    {
        for (int i = 0; i < state.Epochs.Count; i++)
        {
            ObserveEarlier(state.Epochs[i], i);
        }

        LoadWeights(_folder!.PathOf(RunFolder.Weights));
        return new TrainingResult(
            state.Status, state.Epochs.Count > 0 ? state.Epochs[^1].Step : 0, state.Epochs, _options.KeepBest ? _best.Epoch : null, TimeSpan.FromSeconds(state.Seconds));
    }

    public void Dispose()
    {
        _losses?.Dispose();
        _epochLog?.Dispose();
        _accumulator?.Dispose();
        _best.Dispose();
        _validation?.Dispose();
        _training.Dispose();
    }

    private void ObserveEarlier(EpochResult epoch, int index)
    {
        if (epoch.Validation is not { } validation)
        {
            return;
        }

        if (!_best.IsIn(validation))
        {
            throw new InvalidDataException(FormattableString.Invariant($"epochs[{index}] has no value of the metric '{_best.Name}'."));
        }

        _best.Observe(epoch);
    }

    /// <summary>Loads weights, and refuses those that no run can have left: later it would look as if the training had diverged.</summary>
    private void LoadWeights(string path)
    {
        _model.Load(path);
        if (_model.DType == DType.Float32)
        {
            RequireFinite(path, (ReadOnlySpan<float>)_model.ParameterData.ToArray<float>());
        }
        else
        {
            RequireFinite(path, (ReadOnlySpan<double>)_model.ParameterData.ToArray<double>());
        }
    }

    private static void RequireFinite<T>(string path, ReadOnlySpan<T> weights) where T : System.Numerics.INumberBase<T>
    {
        for (int i = 0; i < weights.Length; i++)
        {
            if (!T.IsFinite(weights[i]))
            {
                throw new InvalidDataException(FormattableString.Invariant(
                    $"'{ForeignText.CleanPath(path)}': a weight is {weights[i]} at element {i}; it must be finite."));
            }
        }
    }

    /// <summary>Samples that a step learns from.</summary>
    /// <param name="step">Number of the step, from 0.</param>
    private long SamplesOf(long step)
    {
        long first = step % _stepsPerPass * _options.AccumulateBatches;
        long behind = long.Min(first + _options.AccumulateBatches, _loader.BatchesPerEpoch);
        return long.Min(behind * _loader.BatchSize, _loader.SamplesPerEpoch) - (first * _loader.BatchSize);
    }

    private TrainingStatus Train(IProgress<TrainingProgress>? progress, CancellationToken cancellationToken)
    {
        long lastSave = Stopwatch.GetTimestamp();
        long first = _step;
        BeginPass();

        // An earlier run may have been interrupted in, or just before, the validation of the epoch that it had done.
        bool wasLast = _step == Steps || IsGoalReached();
        if (_epochs is [.., { Validation: null } unvalidated] && unvalidated.Step == _step && IsValidated(unvalidated.Epoch, wasLast))
        {
            SetState(unvalidated.Epoch);
            (_state.LearningRate, _state.GradientNorm) = (unvalidated.LearningRate, unvalidated.GradientNorm);
            _epochs.RemoveAt(_epochs.Count - 1);
            TrainingStatus? ending = EndEpoch(unvalidated, wasLast, cancellationToken);
            Report(_epochs[^1]);
            if (ending is { } status)
            {
                return status;
            }
        }
        else if (_best.IsStuck)
        {
            return TrainingStatus.StoppedEarly;
        }

        while (_step < Steps && !IsGoalReached())
        {
            int number = (int)(_step / _stepsPerEpoch) + 1;
            _tally ??= new EpochTally(number);
            long end = long.Min(Steps, number * _stepsPerEpoch);
            TrainingStatus? ending = null;
            while (_step < end && ending is null)
            {
                SetState(number);
                long start = Stopwatch.GetTimestamp();
                LearnStep();
                _losses?.Add((_state.Loss, _state.Metric));
                _record.OnLoss(_state.Loss);
                _tally.Add(_state);
                _recent.Add(_state.Loss, _state.Metric);
                TrainingMeter.Add(_state, Stopwatch.GetElapsedTime(start).TotalSeconds);
                foreach (TrainingCallback callback in _callbacks)
                {
                    callback.OnStep(_state);
                }

                Report(null);
                ending = cancellationToken.IsCancellationRequested ? TrainingStatus.Interrupted
                    : IsGoalReached() ? TrainingStatus.GoalReached
                    : _state.StopRequested ? TrainingStatus.StoppedEarly
                    : null;
                if (_step < end && ending is null)
                {
                    SaveIfDue();
                }
            }

            Settle();
            EpochResult epoch = _tally.Result(_step, _optimizer.LearningRate);
            _tally = null;
            if (ending == TrainingStatus.Interrupted)
            {
                _epochs.Add(epoch);
            }
            else
            {
                TrainingStatus? validated = EndEpoch(epoch, ending is not null || _step == Steps, cancellationToken);
                ending = validated == TrainingStatus.Interrupted ? validated : ending ?? validated;
            }

            Report(_epochs[^1]);
            if (ending is { } status)
            {
                return status;
            }

            if (_step < Steps)
            {
                SaveIfDue();
            }
        }

        return IsGoalReached() ? TrainingStatus.GoalReached : TrainingStatus.Completed;

        void SaveIfDue()
        {
            bool isRequested = _state.SaveRequested;
            _state.SaveRequested = false;
            if (_folder is not null &&
                (isRequested || (_options.SaveInterval != Timeout.InfiniteTimeSpan && Stopwatch.GetElapsedTime(lastSave) >= _options.SaveInterval)))
            {
                Settle();
                if (SaveOnTheWay(_folder))
                {
                    _savedStep = _step;
                    if (isRequested)
                    {
                        _record.AfterRequestedSave(_step);
                    }
                }

                lastSave = Stopwatch.GetTimestamp();
            }
        }

        void Report(EpochResult? epoch)
        {
            if (progress is null)
            {
                return;
            }

            double remaining = Stopwatch.GetElapsedTime(_start).TotalSeconds / long.Max(_step - first, 1) * (Steps - _step);
            progress.Report(new TrainingProgress(
                _state.Epoch, Epochs, _step, Steps, _recent.Loss, _recent.Metric, epoch?.SamplesPerSecond ?? _tally!.SamplesPerSecond,
                TimeSpan.FromSeconds(double.Min(remaining, LongestRemaining)), epoch));
        }
    }

    private void SetState(int epoch)
    {
        _state.Epoch = epoch;
        _state.Steps = Steps;
        _state.Step = _step;
    }

    private bool IsValidated(int epoch, bool isLast) => _validation is not null && (isLast || epoch % _options.ValidationInterval == 0);

    /// <summary>Adds an epoch to the results, validates it and tells callbacks.</summary>
    /// <param name="epoch">The epoch.</param>
    /// <param name="isLast">True if the training ends with it.</param>
    /// <param name="cancellationToken">Ends the validation early; the epoch is then not validated.</param>
    /// <returns>How the training ends; null: it goes on.</returns>
    private TrainingStatus? EndEpoch(EpochResult epoch, bool isLast, CancellationToken cancellationToken)
    {
        // First: where the validation fails, the epoch is done all the same.
        _epochs.Add(epoch);
        if (IsValidated(epoch.Epoch, isLast))
        {
            EvaluationResult? validation;
            if (!IsPassStart)
            {
                // The validation may read the same data set: one thread at a time, and of another epoch.
                _loader.Pause();
            }

            try
            {
                validation = _trainer.Measure(_validation!, cancellationToken);
            }
            catch (NotFiniteNumberException exception)
            {
                throw Diverged(exception, _step, inValidation: true, isInitial: _step == 0);
            }

            if (validation is null)
            {
                return TrainingStatus.Interrupted;
            }

            if (!IsPassStart)
            {
                BeginPass();
            }

            // In the results last: where something throws before, a resumed run makes up the validation.
            epoch = epoch with { Validation = validation };
            if (_best.Observe(epoch) && _options.KeepBest)
            {
                _best.Keep();
            }

            _optimizer.Schedule?.OnValidation(_best.ValueOf(epoch));
            _epochs[^1] = epoch;
        }

        foreach (TrainingCallback callback in _callbacks)
        {
            callback.OnEpochEnd(_state, epoch);
        }

        return _best.IsStuck || _state.StopRequested ? TrainingStatus.StoppedEarly : null;
    }

    private bool IsGoalReached() =>
        _options.StopAt is { } goal && _recent.IsFull && (_metric?.HigherIsBetter == true ? _recent.Metric >= goal : _recent.Metric <= goal);

    private bool IsPassStart => _step % _stepsPerPass == 0;

    private void BeginPass()
    {
        _batches = _loader.Epoch(checked((int)(_step / _stepsPerPass))).GetEnumerator();
        _batches.Skip(_step % _stepsPerPass * _options.AccumulateBatches);
        if (IsPassStart)
        {
            _training.States?.Reset();
        }
    }

    private void LearnStep()
    {
        if (IsPassStart)
        {
            BeginPass();
        }

        bool updates = false;
        long passes = _model.TrainingPasses, updatesBefore = _optimizer.StepCount;
        try
        {
            _metric?.Reset();
            _state.Samples = 0;
            double loss = _accumulator is null ? LearnBatch() : LearnBatches(_accumulator);
            double norm = _model.ClipGradientNorm(_options.ClipNorm ?? double.PositiveInfinity);
            double metric = _metric?.Value ?? loss;
            updates = true;
            _optimizer.Step();

            // Not before the step is done: where it fails, the run is saved as it was before.
            _training.States?.Advance();
            _step++;
            _state.Step = _step;
            _state.Loss = loss;
            _state.Metric = metric;
            _state.GradientNorm = norm;
            _state.LearningRate = _optimizer.LearningRate;
        }
        catch (NotFiniteNumberException exception)
        {
            // The library's word for NaN and infinity.
            throw Diverged(exception, _step + 1, inValidation: false, isInitial: _step == 0 && !updates);
        }
        catch when (_optimizer.StepCount == updatesBefore)
        {
            // Noise and dropout draw by the number of the pass: the step that failed is done again by a resumed run.
            _model.TrainingPasses = passes;
            throw;
        }
    }

    /// <summary>Waits for a GPU, which tells of what is not finite only then; a CPU has told already.</summary>
    private void Settle()
    {
        try
        {
            _model.Device.Synchronize();
        }
        catch (NotFiniteNumberException exception)
        {
            throw Diverged(exception, _step, inValidation: false, isInitial: false);
        }
    }

    private double LearnBatch()
    {
        double loss = Differentiate(NextBatch());
        _model.Backward(_loss.Gradient);
        return loss;
    }

    private double LearnBatches(GradientAccumulator accumulator)
    {
        double sum = 0;
        long batches = long.Min(_options.AccumulateBatches, _loader.BatchesPerEpoch - (_step % _stepsPerPass * _options.AccumulateBatches));
        for (long i = 0; i < batches; i++)
        {
            double loss = Differentiate(NextBatch());
            accumulator.Backward(_loss.Gradient, _loss.WeightSum);
            sum += loss * _loss.WeightSum;
        }

        return sum / accumulator.Complete();
    }

    private double Differentiate(Batch batch)
    {
        Tensor outputs = _training.Forward(_model, batch);
        double loss = _loss.Forward(outputs, batch);
        if (!double.IsFinite(loss))
        {
            throw new NotFiniteNumberException(FormattableString.Invariant($"The loss is {loss}; it must be finite."), loss);
        }

        if (_metric is not null && (_metric is not Accuracy accuracy || !accuracy.TryAdd(_loss, batch, wasEvaluated: true)))
        {
            _metric.Add(outputs, batch);
        }

        _state.Samples += batch.Size;
        return loss;
    }

    private Batch NextBatch()
    {
        _batches.MoveNext();
        return _batches.Current;
    }

    /// <summary>The end of a run whose numbers are not finite any more.</summary>
    private TrainingDivergedException Diverged(NotFiniteNumberException exception, long step, bool inValidation, bool isInitial)
    {
        // Before the first update neither the learning rate nor the clipping has done anything.
        string advice = isInitial
            ? InitialAdvice(_model)
            : _options.ClipNorm is null ? "a lower learning rate may help, or ClipNorm, which is off" : "a lower learning rate or ClipNorm may help";
        string saved = _savedStep > 0 ? FormattableString.Invariant($"the run is saved as it was after step {_savedStep}") : "nothing is saved";
        return new TrainingDivergedException(step, _step == 0 ? double.NaN : _state.Loss, inValidation, isInitial, advice, saved, _savedStep, exception);
    }

    /// <summary>What may help where nothing has been updated yet.</summary>
    public static string InitialAdvice(Model model) => $"the initial model is beyond {model.DType}: smaller initial weights may help";

    private void GiveBest()
    {
        if (_best.HasWeights)
        {
            _best.Restore();
        }
    }

    private void Warn(string message, bool isOnTheWay)
    {
        _record.OnWarning(message, isOnTheWay);
        foreach (TrainingCallback callback in _callbacks)
        {
            callback.OnWarning(message);
        }
    }

    /// <returns>True: it is saved.</returns>
    private bool SaveOnTheWay(RunFolder folder)
    {
        string? problem;
        try
        {
            problem = folder.TryWrite(Files(folder, new RunState(TrainingStatus.Running, _epochs, Seconds, _stepsBefore)));
        }
        catch (Exception exception)
        {
            problem = $"the run cannot be saved ({FileErrors.Cause(exception)})";
        }

        if (problem is not null)
        {
            // There may be room again by the end.
            Warn($"{ForeignText.CleanMessage(problem)}; the run continues unsaved", isOnTheWay: true);
            return false;
        }

        _best.HasChanged = false;
        WarnOfPicture(folder.TryWritePictures([.. _record.Pictures]));
        return true;
    }

    private void SaveEnd(RunState end)
    {
        if (_folder is not { } folder)
        {
            return;
        }

        (string Name, Action<string> Write)[] essential = [(RunFolder.Weights, _model.Save), (RunFolder.Report, path => _record.Write(path, end))];
        WarnOfPicture(folder.Write(target => Files(target, end), essential, [.. _record.Pictures]));
        folder.Remove(RunFolder.Epochs);
        if (end.HasEnded)
        {
            folder.Remove(RunFolder.OptimizerState);
            folder.Remove(RunFolder.States);
            folder.Remove(RunFolder.BestWeights);
            folder.Remove(RunFolder.Losses);
        }

        _record.AfterLastSave(end);
    }

    /// <summary>Warns of a problem beside a save, which is done.</summary>
    private void WarnOfPicture(string? problem)
    {
        if (problem is not null)
        {
            Warn($"{problem}; the run is saved without it", isOnTheWay: false);
        }
    }

    /// <summary>
    /// The files of a save: name, and what writes the file. Until the run ends, only what is new is written of that which grows with the steps.
    /// </summary>
    private (string Name, Action<string> Write)[] Files(RunFolder target, RunState state)
    {
        var files = new List<(string Name, Action<string> Write)> { (RunFolder.Weights, _model.Save) };
        if (!state.HasEnded)
        {
            files.Add((RunFolder.OptimizerState, _optimizer.Save));
            if (_training.States is { HasStates: true } states)
            {
                files.Add((RunFolder.States, states.Save));
            }

            if (_best.HasWeights && (_best.HasChanged || !File.Exists(target.PathOf(RunFolder.BestWeights))))
            {
                files.Add((RunFolder.BestWeights, _best.Save));
            }

            if (!target.TryAppend(RunFolder.Losses, _losses!))
            {
                files.Add((RunFolder.Losses, _losses!.WriteWhole));
            }
        }

        if (state.Status == TrainingStatus.Running)
        {
            for (long i = _epochLog!.Count; i < state.Epochs.Count; i++)
            {
                _epochLog.Add(state.Epochs[(int)i]);
            }

            if (!target.TryAppend(RunFolder.Epochs, _epochLog))
            {
                files.Add((RunFolder.Epochs, _epochLog.WriteWhole));
            }
        }

        // The marks are known once the files before are written.
        files.Add((RunFolder.Report, path => _record.Write(path, state.Status switch
        {
            TrainingStatus.Running => state with
            {
                Epochs = [.. state.Epochs.Skip(state.Epochs.Count - EpochsOnTheWay)],
                LossLog = _losses!.Mark,
                EpochLog = _epochLog!.Mark,
            },
            TrainingStatus.Interrupted => state with { LossLog = _losses!.Mark },
            _ => state,
        })));
        return [.. files];
    }
}
