using System.Diagnostics;
using System.Numerics.Tensors;
using System.Runtime.ExceptionServices;
using OrthoNative.Cli.Output;
using OrthoNative.Interop;

namespace OrthoNative.Cli.Training;

/// <summary>Trains a model on a task, step by step, and measures it on the test samples.</summary>
internal sealed class Trainer : IDisposable
{
    /// <summary>Seconds left that are told at most.</summary>
    private const double LongestRemaining = 1e9;

    private readonly TrainingTask _task;
    private readonly TrainSettings _settings;
    private readonly Device _device;
    private readonly Dataset _test;
    private readonly double _baseline;
    private readonly DataLoader _loader;
    private readonly TaskLoss _loss;
    private readonly Optimizer _optimizer;
    private readonly long _stepsPerEpoch;
    private readonly RecentSteps _recent = new(TaskDefaults.StopWindow);
    private readonly List<EpochReport> _epochs = [];
    private DataLoader.Enumerator _batches;
    private int _pass;
    private long _savedSteps;
    private double _earlierSeconds;

    /// <summary>Loads the data and makes the model.</summary>
    public Trainer(TrainingTask task, TrainSettings settings, Device device)
    {
        _task = task;
        _device = device;
        bool endless = task.Generated && settings.Limit is null;
        Dataset training = task.OpenTraining(settings, endless ? FreshSamples(settings) : settings.Limit ?? 0);
        (_test, _baseline) = task.OpenTest(settings);
        if (!task.Generated)
        {
            RequireSameShape(settings, training, _test);
        }

        long most = DataLoader.GetLargestBatchSize(training);
        int batch = (int)Math.Min(settings.Batch, training.Count);
        if (batch > most)
        {
            throw CliException.Usage(Texts.Format($"--batch is {settings.Batch}; it must be at most {most} with sequences of {training.Steps} steps"));
        }

        _loader = new DataLoader(
            training,
            batch,
            // A small batch at the end would count as much as the others.
            new DataLoaderOptions { Shuffle = !endless, Seed = settings.Seed, DropLast = true, Device = device });
        _batches = _loader.Epoch(0).GetEnumerator();
        _stepsPerEpoch = endless ? settings.StepsPerEpoch!.Value : _loader.BatchesPerEpoch;
        Steps = Math.Min(settings.Steps ?? long.MaxValue, settings.Epochs * _stepsPerEpoch ?? long.MaxValue);
        Epochs = checked((int)((Steps + _stepsPerEpoch - 1) / _stepsPerEpoch));
        _settings = settings with { Batch = batch, Warmup = (int)Math.Min(settings.Warmup, Steps / 10) };
        Model = CreateModel(training);
        Summary = Model.Summary(batch, training.Steps, OptimizerOptions);
        RequireMemory();
        _loss = new TaskLoss(training, settings.LabelSmoothing);
        ChanceLoss = task.ChanceLoss(training.Outputs);
        _optimizer = CreateOptimizer();
    }

    /// <summary>The settings as they are used: a batch holds no more samples than there are, and a warm-up is part of the run.</summary>
    public TrainSettings Settings => _settings;

    /// <summary>Training steps planned.</summary>
    public long Steps { get; }

    /// <summary>Training steps done, by an earlier run too.</summary>
    public long StepsDone => Losses.Count;

    /// <summary>Loss and metric of every step.</summary>
    public GrowingFile<(double Loss, double Metric)> Losses { get; } = LossLog.Create();

    /// <summary>Epochs as they are logged during the run.</summary>
    public GrowingFile<EpochReport> EpochLog { get; } = Output.EpochLog.Create();

    /// <summary>The losses as they are drawn.</summary>
    public LossCurve Curve { get; } = new();

    /// <summary>Loss in training of a model that ignores its inputs.</summary>
    public double ChanceLoss { get; }

    /// <summary>Epochs planned, of which the last may be cut short.</summary>
    public int Epochs { get; }

    /// <summary>The model.</summary>
    public Sequential Model { get; }

    /// <summary>The model's parameters, and the memory that training it takes.</summary>
    public ModelSummary Summary { get; }

    /// <summary>Bytes of the weights and of the optimizer's state.</summary>
    public long SavedBytes => Summary.WeightBytes + Summary.OptimizerBytes;

    /// <summary>Those of the optimizer that was chosen.</summary>
    private OptimizerOptions OptimizerOptions => _settings.Optimizer == OptimizerChoice.Sgd
        ? new SgdOptions { WeightDecay = _settings.WeightDecay, Momentum = _settings.Momentum }
        : new AdamOptions { WeightDecay = _settings.WeightDecay, Epsilon = _settings.Epsilon };

    /// <summary>Trains and tests.</summary>
    /// <param name="view">Told about every step.</param>
    /// <param name="save">Called from time to time with what there is so far; tells whether it was saved.</param>
    /// <param name="cancellationToken">Ends the training after the step that is being done.</param>
    /// <exception cref="CliException">The loss or a gradient is not a finite number any more.</exception>
    public TrainingOutcome Run(ITrainingView view, Func<TrainingOutcome, bool> save, CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        long lastSave = start;
        long first = StepsDone;
        long step = first;
        // An earlier run may have been interrupted in its last test.
        RunStatus status = IsGoalReached() ? RunStatus.GoalReached : RunStatus.Completed;
        TrainingOutcome Outcome(RunStatus at, TestResult? test) =>
            new(at, StepsDone, _epochs, test, _baseline, _earlierSeconds + Stopwatch.GetElapsedTime(start).TotalSeconds);
        void SaveIfDue()
        {
            if (_settings.SaveEvery > 0 && Stopwatch.GetElapsedTime(lastSave).TotalMinutes >= _settings.SaveEvery)
            {
                _savedSteps = save(Outcome(RunStatus.Running, null)) ? step : 0;
                lastSave = Stopwatch.GetTimestamp();
            }
        }

        TestResult? Train()
        {
            // Or in, or just before, that of the epoch that it had done.
            if (_settings.TestEveryEpoch && _epochs is [.., { TestMetric: null } untested] && untested.Step == step)
            {
                EpochReport tested = untested with { TestMetric = Test(step, cancellationToken)?.Metric };
                if (tested.TestMetric is null)
                {
                    status = RunStatus.Interrupted;
                }

                _epochs[^1] = tested;
                view.Epoch(tested);
            }

            while (step < Steps && status == RunStatus.Completed)
            {
                var epoch = new EpochTally((int)(step / _stepsPerEpoch) + 1);
                long end = Math.Min(Steps, ((step / _stepsPerEpoch) + 1) * _stepsPerEpoch);
                while (step < end && status == RunStatus.Completed)
                {
                    StepResult result = Learn(NextBatch(), ++step);
                    Losses.Add((result.Loss, result.Metric));
                    Curve.Add(result.Loss);
                    epoch.Add(result);
                    _recent.Add(result);
                    double remaining = Stopwatch.GetElapsedTime(start).TotalSeconds / (step - first) * (Steps - step);
                    view.Step(new TrainingProgress(
                        epoch.Number, Epochs, step, Steps, _recent.Loss, _recent.Metric, epoch.SamplesPerSecond, TimeSpan.FromSeconds(Math.Min(remaining, LongestRemaining))));
                    if (cancellationToken.IsCancellationRequested)
                    {
                        status = RunStatus.Interrupted;
                    }
                    else if (IsGoalReached())
                    {
                        status = RunStatus.GoalReached;
                    }
                    else if (step < end)
                    {
                        SaveIfDue();
                    }
                }

                EpochReport report = epoch.Report(step, _optimizer.LearningRate);
                if (_settings.TestEveryEpoch && status != RunStatus.Interrupted)
                {
                    report = report with { TestMetric = Test(step, cancellationToken)?.Metric };
                    if (report.TestMetric is null)
                    {
                        status = RunStatus.Interrupted;
                    }
                }

                _epochs.Add(report);
                view.Epoch(report);
                if (step < Steps && status == RunStatus.Completed)
                {
                    SaveIfDue();
                }
            }

            if (status == RunStatus.Interrupted)
            {
                return null;
            }

            view.Note(Texts.Format($"testing on {_test.Count:#,0} samples") + (_settings.TestLength is { } length ? Texts.Format($" of {length:#,0} steps") : ""));
            return Test(step, cancellationToken);
        }

        try
        {
            TestResult? result = Train();
            return Outcome(result is null ? RunStatus.Interrupted : status, result);
        }
        // What was learnt until then is whole as long as the step that failed has changed nothing: it is saved before the failure is told.
        catch (Exception exception) when (exception is not CliException && StepsDone > 0 && _optimizer.StepCount == StepsDone)
        {
            return Outcome(RunStatus.Interrupted, null) with { Failure = ExceptionDispatchInfo.Capture(exception) };
        }
    }

    /// <summary>Saves what a resumed run needs besides the weights.</summary>
    /// <param name="path">Path of the file.</param>
    public void SaveOptimizer(string path) => _optimizer.Save(path);

    /// <summary>Continues a run where it was saved; every further step is the one that the run would have made.</summary>
    /// <param name="weights">File of the weights.</param>
    /// <param name="optimizer">File of the optimizer's state.</param>
    /// <param name="losses">File of the training loss and the metric of every step that was done.</param>
    /// <param name="mark">The part of that file that counts; null: all.</param>
    /// <param name="epochs">Reports of the epochs; one that was cut short by an interruption is reported again, of the steps that it lacked.</param>
    /// <param name="seconds">Wall time that these took.</param>
    /// <exception cref="InvalidDataException">A file is damaged, of another model, or does not belong to the steps.</exception>
    public void Resume(
        string weights, string optimizer, string losses, FileMark? mark, IReadOnlyList<EpochReport> epochs, double seconds)
    {
        Model.Load(weights);
        RequireFinite(weights, Model.ParameterData.ToArray<float>());
        _optimizer.Load(optimizer);
        FileMark read = LossLog.Load(losses, _task.Metric, mark, (loss, metric) =>
        {
            Curve.Add(loss);
            // All of them: a mean whose terms are in another order may differ in its last bit, and with it the end.
            _recent.Add(new StepResult(_settings.Batch, loss, metric, 0));
        });
        if (_optimizer.StepCount != read.Lines)
        {
            throw new InvalidDataException(Texts.Format($"'{ForeignText.CleanPath(optimizer)}' is of step {_optimizer.StepCount} and the losses are of {read.Lines} steps."));
        }

        if (mark is not null && read != mark)
        {
            throw new InvalidDataException(Texts.Format(
                $"'{ForeignText.CleanPath(losses)}' has {read.Lines} steps in {read.Bytes} bytes; expected: {mark.Lines} in {mark.Bytes}, as run.json says in lossLog."));
        }

        if (read.Lines < 1 || read.Lines > Steps)
        {
            throw new InvalidDataException(Texts.Format($"'{ForeignText.CleanPath(optimizer)}' is of step {read.Lines}; it must be from 1 to {Steps}, the steps of the run."));
        }

        for (int i = 0; i < epochs.Count; i++)
        {
            long number = ((epochs[i].Step - 1) / _stepsPerEpoch) + 1;
            if (epochs[i].Step > read.Lines || epochs[i].Epoch != number)
            {
                throw new InvalidDataException(Texts.Format(
                    $"epochs[{i}] is epoch {epochs[i].Epoch} up to step {epochs[i].Step}; it must end at step {read.Lines} or before, in epochs of {_stepsPerEpoch} steps."));
            }
        }

        Losses.Continue(losses, read, appendable: mark is not null);
        _savedSteps = read.Lines;
        _earlierSeconds = seconds;
        bool trained = read.Lines == Steps || IsGoalReached();
        _epochs.AddRange(epochs.Where(epoch => epoch.Step % _stepsPerEpoch == 0 || (trained && epoch.Step == read.Lines)));
        _pass = checked((int)(read.Lines / _loader.BatchesPerEpoch));
        _batches = _loader.Epoch(_pass).GetEnumerator();
        _batches.Skip(read.Lines % _loader.BatchesPerEpoch);
    }

    /// <summary>Refuses weights that no run can have left: later it would look as if the training had diverged.</summary>
    private static void RequireFinite(string path, ReadOnlySpan<float> weights)
    {
        for (int i = 0; i < weights.Length; i++)
        {
            if (!float.IsFinite(weights[i]))
            {
                throw new InvalidDataException(Texts.Format(
                    $"'{ForeignText.CleanPath(path)}': a weight is {weights[i]} at element {i}; it must be finite."));
            }
        }
    }

    public void Dispose()
    {
        Losses.Dispose();
        EpochLog.Dispose();
        _optimizer.Dispose();
        _loss.Dispose();
        Model.Dispose();
        _loader.Dispose();
    }

    /// <summary>Samples for as many steps as the settings allow for, none of them twice.</summary>
    private static long FreshSamples(TrainSettings settings)
    {
        long steps = Math.Min(settings.Steps ?? long.MaxValue, (long?)settings.Epochs * settings.StepsPerEpoch ?? long.MaxValue);
        long most = (1L << 31) / settings.Batch;
        if (steps > most)
        {
            throw CliException.Usage(Texts.Format(
                $"{(settings.Epochs is null ? "--steps" : "--epochs")} asks for {steps} steps; at most {most} are possible with --batch {settings.Batch}"));
        }

        return steps * settings.Batch;
    }

    /// <summary>Refuses, before the rest is allocated, what would fill the memory in the midst of the first step.</summary>
    private void RequireMemory()
    {
        // The weights have been drawn. The memory of their gradients a GPU has taken, the CPU only takes once it is written.
        long taken = Summary.WeightBytes + (_device.Kind == DeviceKind.Cuda ? Summary.GradientBytes : 0);
        long available = _device.FreeMemory;
        if (Summary.TotalBytes - taken > available)
        {
            throw CliException.Failure(
                $"out of memory: the model needs {Summary.Arithmetic}, {Texts.Bytes(available + taken)} free; " +
                $"less memory is needed with a smaller {(_settings.Layers is null ? "--hidden or --batch" : "--hidden, --layers or --batch")}" +
                (Summary.OptimizerBytes > 0 ? ", or with --optimizer sgd --momentum 0" : ""));
        }
    }

    /// <summary>Files of images may come from anywhere; a network reads those of one size alone.</summary>
    private static void RequireSameShape(TrainSettings settings, Dataset training, Dataset test)
    {
        if (training.Steps != test.Steps || training.Features != test.Features)
        {
            throw CliException.Failure(Texts.Format(
                $"--data is '{ForeignText.CleanPath(settings.Data)}', where a training image has {training.Steps * training.Features} pixels and a test image {test.Steps * test.Features}; they must be of one size"));
        }
    }

    private Sequential CreateModel(Dataset data)
    {
        var layers = new List<Layer>();
        if (_settings.InputNoise > 0)
        {
            layers.Add(new GaussianNoise(data.Features, _settings.InputNoise) { Name = "noise" });
        }

        if (_settings.Layers is { } depth)
        {
            layers.Add(CreateInput(data));
            layers.Add(CreateFeedforward(depth));
        }
        else
        {
            layers.Add(CreateRecurrent(data));
        }

        layers.Add(CreateReadout(data));
        return new Sequential(_device, _settings.Seed, [.. layers]);
    }

    private Checkpointing? KeptStates => _settings.CheckpointEvery switch
    {
        null => null,
        0 => Checkpointing.None,
        int every => Checkpointing.Every(every),
    };

    private Dense CreateInput(Dataset data) =>
        new(data.Features, _settings.Hidden, new DenseOptions
        {
            WeightScale = _settings.InputScale,
            BiasScale = _settings.InputScale,
            WeightLearningRateScale = _settings.InputRate,
            BiasLearningRateScale = _settings.InputRate,
        })
        {
            Name = "input",
        };

    private RoaFnn CreateFeedforward(int layers) =>
        new(_settings.Hidden, layers, new RoaFnnOptions
        {
            Alpha = _settings.Alpha!.Value,
            Beta = _settings.Beta!.Value,
            Filter = _settings.Filter!.Value.ToFilter(),
            Activation = _settings.Activation!.Value.ToActivation(),
            WeightScale = _settings.WeightScale,
            BiasScale = _settings.BiasScale,
            BiasOffset = _settings.BiasOffset ?? 0,
            WeightLearningRateScale = _settings.WeightRate,
            BiasLearningRateScale = _settings.BiasRate,
            Checkpointing = KeptStates,
        })
        {
            Name = "fnn",
        };

    private RecurrentLayer CreateRecurrent(Dataset data)
    {
        SequenceOutput output = _task.TargetsEveryStep ? SequenceOutput.All : data.TargetSteps == 1 ? SequenceOutput.Last : SequenceOutput.LastSteps(data.TargetSteps);
        return _settings.Model switch
        {
            ModelChoice.Elman => new Elman(data.Features, _settings.Hidden, WithShared(
                new ElmanOptions { Activation = _settings.Activation!.Value.ToActivation() }, output))
            {
                Name = "elman",
            },
            ModelChoice.Gru => new Gru(data.Features, _settings.Hidden, WithShared(new GruOptions(), output)) { Name = "gru" },
            ModelChoice.Lstm => new Lstm(data.Features, _settings.Hidden, WithShared(
                new LstmOptions { ForgetBias = _settings.ForgetBias!.Value }, output))
            {
                Name = "lstm",
            },
            _ => CreateRoa(data, output),
        };
    }

    /// <summary>Puts the settings that elman, gru and lstm share into their options.</summary>
    private T WithShared<T>(T options, SequenceOutput output) where T : RecurrentCellOptions => options with
    {
        Output = output,
        WeightScale = _settings.WeightScale,
        InputScale = _settings.InputScale,
        BiasScale = _settings.BiasScale,
        WeightLearningRateScale = _settings.WeightRate,
        InputLearningRateScale = _settings.InputRate,
        BiasLearningRateScale = _settings.BiasRate,
        Checkpointing = KeptStates,
    };

    private RoaRnn CreateRoa(Dataset data, SequenceOutput output) =>
        new(data.Features, _settings.Hidden, new RoaRnnOptions
        {
            Alpha = _settings.Alpha!.Value,
            Beta = _settings.Beta!.Value,
            Filter = _settings.Filter!.Value.ToFilter(),
            Activation = _settings.Activation!.Value.ToActivation(),
            Output = output,
            WeightScale = _settings.WeightScale,
            InputScale = _settings.InputScale,
            InputOffset = _settings.InputOffset ?? 0,
            BiasScale = _settings.BiasScale,
            BiasOffset = _settings.BiasOffset ?? 0,
            WeightLearningRateScale = _settings.WeightRate,
            InputLearningRateScale = _settings.InputRate,
            BiasLearningRateScale = _settings.BiasRate,
            Checkpointing = KeptStates,
        })
        {
            Name = "rnn",
        };

    private Dense CreateReadout(Dataset data) =>
        new(_settings.Hidden, data.Outputs, new DenseOptions
        {
            WeightScale = _settings.ReadoutScale,
            BiasScale = _settings.ReadoutBiasScale ?? _settings.ReadoutScale,
            WeightLearningRateScale = _settings.ReadoutRate,
            BiasLearningRateScale = _settings.ReadoutBiasRate ?? _settings.ReadoutRate,
        })
        {
            Name = "readout",
        };

    private Optimizer CreateOptimizer()
    {
        double rate = _settings.LearningRate;
        Optimizer optimizer = _settings.Optimizer switch
        {
            OptimizerChoice.Sgd => new Sgd(Model, rate, (SgdOptions)OptimizerOptions),
            OptimizerChoice.AdamW => new AdamW(Model, rate, (AdamOptions)OptimizerOptions),
            _ => new Adam(Model, rate, (AdamOptions)OptimizerOptions),
        };
        LearningRateSchedule schedule = _settings.Schedule == Schedule.Cosine
            ? new CosineSchedule(rate, Math.Max(1, Steps - _settings.Warmup))
            : new ConstantSchedule(rate);
        optimizer.Schedule = _settings.Warmup == 0 ? schedule : new WarmupSchedule(_settings.Warmup, schedule);
        return optimizer;
    }

    private Batch NextBatch()
    {
        if (!_batches.MoveNext())
        {
            _batches = _loader.Epoch(++_pass).GetEnumerator();
            _batches.MoveNext();
        }

        return _batches.Current;
    }

    private bool IsGoalReached() => _settings.StopAt is { } goal && _recent.IsFull && _task.Reaches(_recent.Metric, goal);

    private StepResult Learn(Batch batch, long step)
    {
        try
        {
            double loss = _loss.Forward(Model.Forward(batch.Inputs, batch.Lengths), batch);
            Model.Backward(_loss.Gradient);
            double norm = Model.ClipGradientNorm(_settings.Clip > 0 ? _settings.Clip : double.PositiveInfinity);
            _optimizer.Step();
            return new StepResult(batch.Size, loss, _loss.Metric, norm);
        }
        catch (NotFiniteNumberException exception)
        {
            // The library's word for NaN and infinity.
            throw Diverged(exception, step - 1, Texts.Format($"at step {step}"));
        }
    }

    /// <summary>The end of a run whose numbers are not finite any more.</summary>
    /// <param name="exception">The library's word for it.</param>
    /// <param name="updates">Training steps done before.</param>
    /// <param name="when">When it was found.</param>
    private CliException Diverged(NotFiniteNumberException exception, long updates, string when)
    {
        // Before the first update neither the learning rate nor the clipping has done anything.
        string remedy = updates == 0
            ? $"the initial model is beyond float32: a smaller {(_settings.Model is null or ModelChoice.Roa ? "--alpha, --beta, " : "")}--weight-scale or --input-scale may help"
            : _settings.Clip > 0 ? "a lower --lr or --clip may help" : "a lower --lr may help, or --clip, which is off";
        string saved = _savedSteps > 0 ? Texts.Format($"the run is saved as it was after step {_savedSteps}") : "nothing is saved";
        return CliException.Failure($"training diverged {when} ({exception.Message.TrimEnd('.')}); {saved}; {remedy}");
    }

    /// <summary>Measures all test samples; null if it was cancelled.</summary>
    /// <exception cref="CliException">Outputs are not finite.</exception>
    private TestResult? Test(long step, CancellationToken cancellationToken)
    {
        // Where every step has a target, there are states and outputs of all steps.
        long width = _test.Features + (_task.TargetsEveryStep ? _settings.Hidden + _test.Outputs : 0);
        long fitting = TaskDefaults.TestBatchBytes / (_test.Steps * width * sizeof(float));
        using var loader = new DataLoader(_test, (int)Math.Clamp(fitting, 1, TaskDefaults.TestBatch), new DataLoaderOptions { Device = _device });
        Model.Training = false;
        try
        {
            double total = 0;
            long correct = 0, correctLast = 0;
            foreach (Batch batch in loader.Epoch(0))
            {
                if (cancellationToken.IsCancellationRequested)
                {
                    return null;
                }

                Tensor outputs = Model.Forward(batch.Inputs, batch.Lengths);
                total += _loss.Evaluate(outputs, batch) * batch.Size;
                if (_task.TargetsEveryStep)
                {
                    correct += _loss.Correct;
                    correctLast += CountCorrectLast(outputs, batch);
                }
            }

            return new TestResult(
                total / _test.Count,
                _task.TargetsEveryStep ? new TestAnswers(_test.Count * _test.Steps, correct, _test.Count, correctLast) : null);
        }
        catch (NotFiniteNumberException exception)
        {
            throw Diverged(exception, step, Texts.Format($"by step {step}, seen in testing"));
        }
        finally
        {
            Model.Training = true;
        }
    }

    /// <summary>Samples with the right answer at the last step; all have one length.</summary>
    /// <param name="outputs">[T, B, classes].</param>
    /// <param name="batch">Has the classes.</param>
    private static int CountCorrectLast(Tensor outputs, Batch batch)
    {
        int rows = (int)batch.Size, classes = (int)outputs.Shape[2];
        float[] last = new float[rows * classes];
        outputs.CopyTo<float>(outputs.Count - last.Length, last);
        int correct = 0;
        for (int row = 0; row < rows; row++)
        {
            ReadOnlySpan<float> logits = last.AsSpan(row * classes, classes);
            correct += TensorPrimitives.IndexOfMax(logits) == batch.Classes[^rows..][row] ? 1 : 0;
        }

        return correct;
    }
}
