using OrthoNative.Cli.Output;
using OrthoNative.Interop;

namespace OrthoNative.Cli.Training;

/// <summary>The library's objects for a task and its settings: data, model, loss, optimizer and trainer.</summary>
internal sealed class TaskModel : IDisposable
{
    private readonly TrainingTask _task;
    private readonly Device _device;
    private readonly long _stepsPerEpoch;

    /// <summary>Loads the data and creates the model.</summary>
    /// <param name="task">The task.</param>
    /// <param name="settings">Its settings.</param>
    /// <param name="device">Where the model lies.</param>
    /// <param name="callbacks">Called in the training.</param>
    public TaskModel(TrainingTask task, TrainSettings settings, Device device, params IReadOnlyList<TrainingCallback> callbacks)
    {
        _task = task;
        _device = device;
        bool endless = task.Generated && settings.Limit is null;
        TrainingData = task.OpenTraining(settings, endless ? FreshSamples(settings) : settings.Limit ?? 0);
        (TestData, Baseline) = task.OpenTest(settings);
        if (!task.Generated)
        {
            RequireSameShape(settings);
        }

        long most = DataLoader.GetLargestBatchSize(TrainingData);
        int batch = (int)Math.Min(settings.Batch, TrainingData.Count);
        if (batch > most)
        {
            throw CliException.Usage(Texts.Format($"--batch is {settings.Batch}; it must be at most {most} with sequences of {TrainingData.Steps} steps"));
        }

        _stepsPerEpoch = endless ? settings.StepsPerEpoch!.Value : TrainingData.Count / batch;
        Steps = Math.Min(settings.Steps ?? long.MaxValue, settings.Epochs * _stepsPerEpoch ?? long.MaxValue);
        Settings = settings with { Batch = batch, Warmup = (int)Math.Min(settings.Warmup, Steps / 10) };
        Model = CreateModel();
        Summary = Model.Summary(batch, TrainingData.Steps, OptimizerOptions);
        RequireMemory();
        Loss = TrainingData.IsClassification
            ? new CrossEntropyLoss(new CrossEntropyOptions { LabelSmoothing = settings.LabelSmoothing })
            : new MeanSquaredErrorLoss();
        Optimizer = CreateOptimizer();
        Trainer = new Trainer(Model, Loss, Optimizer, new TrainerOptions
        {
            BatchSize = batch,
            EvaluationBatchSize = TestBatch,
            Epochs = settings.Epochs ?? int.MaxValue,
            Steps = Steps,
            StepsPerEpoch = endless ? _stepsPerEpoch : null,
            // A small batch at the end would count as much as the others.
            Loading = new DataLoaderOptions { Shuffle = !endless, Seed = settings.Seed, DropLast = true },
            ClipNorm = settings.Clip > 0 ? settings.Clip : null,
            Metrics = !TrainingData.IsClassification ? [] : task.TargetsEveryStep ? [new Accuracy(), Answers] : [new Accuracy()],
            // The result is that of the last step.
            KeepBest = false,
            StopAt = settings.StopAt,
            SaveInterval = settings.SaveEvery > 0 ? TimeSpan.FromMinutes(settings.SaveEvery) : Timeout.InfiniteTimeSpan,
            Callbacks = callbacks,
        });
    }

    /// <summary>The settings as they are used: a batch holds no more samples than there are, and a warm-up is part of the run.</summary>
    public TrainSettings Settings { get; }

    /// <summary>Samples to learn from.</summary>
    public Dataset TrainingData { get; }

    /// <summary>Samples to test on.</summary>
    public Dataset TestData { get; }

    /// <summary>The metric on them of a model that has learnt nothing.</summary>
    public double Baseline { get; }

    /// <summary>Training steps planned.</summary>
    public long Steps { get; }

    /// <summary>Epochs planned, of which the last may be cut short.</summary>
    public int Epochs => checked((int)((Steps + _stepsPerEpoch - 1) / _stepsPerEpoch));

    /// <summary>Trains the model.</summary>
    public Trainer Trainer { get; }

    /// <summary>The model.</summary>
    public Sequential Model { get; }

    /// <summary>The model's parameters, and the memory that training it takes.</summary>
    public ModelSummary Summary { get; }

    /// <summary>Counts the right answers where every step has a target.</summary>
    public AnswerCount Answers { get; } = new();

    private Loss Loss { get; }

    private Optimizer Optimizer { get; }

    /// <summary>Samples of a test batch: where every step has a target, there are states and outputs of all steps.</summary>
    private int TestBatch
    {
        get
        {
            long width = TestData.Features + (_task.TargetsEveryStep ? Settings.Hidden + TestData.Outputs : 0);
            return (int)Math.Clamp(TaskDefaults.TestBatchBytes / (TestData.Steps * width * sizeof(float)), 1, TaskDefaults.TestBatch);
        }
    }

    /// <summary>Those of the optimizer that was chosen.</summary>
    private OptimizerOptions OptimizerOptions => Settings.Optimizer == OptimizerChoice.Sgd
        ? new SgdOptions { WeightDecay = Settings.WeightDecay, Momentum = Settings.Momentum }
        : new AdamOptions { WeightDecay = Settings.WeightDecay, Epsilon = Settings.Epsilon };

    public void Dispose()
    {
        Optimizer.Dispose();
        Loss.Dispose();
        Model.Dispose();
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
                $"less memory is needed with a smaller {(Settings.Layers is null ? "--hidden or --batch" : "--hidden, --layers or --batch")}" +
                (Summary.OptimizerBytes > 0 ? ", or with --optimizer sgd --momentum 0" : ""));
        }
    }

    /// <summary>Files of images may come from anywhere; a network reads those of one size alone.</summary>
    private void RequireSameShape(TrainSettings settings)
    {
        (Dataset training, Dataset test) = (TrainingData, TestData);
        if (training.Steps != test.Steps || training.Features != test.Features)
        {
            throw CliException.Failure(Texts.Format(
                $"--data is '{ForeignText.CleanPath(settings.Data)}', where a training image has {training.Steps * training.Features} pixels and a test image {test.Steps * test.Features}; they must be of one size"));
        }
    }

    private Sequential CreateModel()
    {
        Dataset data = TrainingData;
        var layers = new List<Layer>();
        if (Settings.InputNoise > 0)
        {
            layers.Add(new GaussianNoise(data.Features, Settings.InputNoise) { Name = "noise" });
        }

        if (Settings.Layers is { } depth)
        {
            layers.Add(CreateInput(data));
            layers.Add(CreateFeedforward(depth));
        }
        else
        {
            layers.Add(CreateRecurrent(data));
        }

        layers.Add(CreateReadout(data));
        return new Sequential(_device, Settings.Seed, [.. layers]);
    }

    private Checkpointing? KeptStates => Settings.CheckpointEvery switch
    {
        null => null,
        0 => Checkpointing.None,
        int every => Checkpointing.Every(every),
    };

    private Dense CreateInput(Dataset data) =>
        new(data.Features, Settings.Hidden, new DenseOptions
        {
            WeightScale = Settings.InputScale,
            BiasScale = Settings.InputScale,
            WeightLearningRateScale = Settings.InputRate,
            BiasLearningRateScale = Settings.InputRate,
        })
        {
            Name = "input",
        };

    private RoaFnn CreateFeedforward(int layers) =>
        new(Settings.Hidden, layers, new RoaFnnOptions
        {
            Alpha = Settings.Alpha!.Value,
            Beta = Settings.Beta!.Value,
            Filter = Settings.Filter!.Value.ToFilter(),
            Activation = Settings.Activation!.Value,
            WeightScale = Settings.WeightScale,
            BiasScale = Settings.BiasScale,
            BiasOffset = Settings.BiasOffset ?? 0,
            WeightLearningRateScale = Settings.WeightRate,
            BiasLearningRateScale = Settings.BiasRate,
            Checkpointing = KeptStates,
        })
        {
            Name = "fnn",
        };

    private RecurrentLayer CreateRecurrent(Dataset data)
    {
        SequenceOutput output = _task.TargetsEveryStep ? SequenceOutput.All : data.TargetSteps == 1 ? SequenceOutput.Last : SequenceOutput.LastSteps(data.TargetSteps);
        return Settings.Model switch
        {
            ModelChoice.Elman => new Elman(data.Features, Settings.Hidden, WithShared(
                new ElmanOptions { Activation = Settings.Activation!.Value }, output))
            {
                Name = "elman",
            },
            ModelChoice.Gru => new Gru(data.Features, Settings.Hidden, WithShared(new GruOptions(), output)) { Name = "gru" },
            ModelChoice.Lstm => new Lstm(data.Features, Settings.Hidden, WithShared(
                new LstmOptions { ForgetBias = Settings.ForgetBias!.Value }, output))
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
        WeightScale = Settings.WeightScale,
        InputScale = Settings.InputScale,
        BiasScale = Settings.BiasScale,
        WeightLearningRateScale = Settings.WeightRate,
        InputLearningRateScale = Settings.InputRate,
        BiasLearningRateScale = Settings.BiasRate,
        Checkpointing = KeptStates,
    };

    private RoaRnn CreateRoa(Dataset data, SequenceOutput output) =>
        new(data.Features, Settings.Hidden, new RoaRnnOptions
        {
            Alpha = Settings.Alpha!.Value,
            Beta = Settings.Beta!.Value,
            Filter = Settings.Filter!.Value.ToFilter(),
            Activation = Settings.Activation!.Value,
            Output = output,
            WeightScale = Settings.WeightScale,
            InputScale = Settings.InputScale,
            InputOffset = Settings.InputOffset ?? 0,
            BiasScale = Settings.BiasScale,
            BiasOffset = Settings.BiasOffset ?? 0,
            WeightLearningRateScale = Settings.WeightRate,
            InputLearningRateScale = Settings.InputRate,
            BiasLearningRateScale = Settings.BiasRate,
            Checkpointing = KeptStates,
        })
        {
            Name = "rnn",
        };

    private Dense CreateReadout(Dataset data) =>
        new(Settings.Hidden, data.Outputs, new DenseOptions
        {
            WeightScale = Settings.ReadoutScale,
            BiasScale = Settings.ReadoutBiasScale ?? Settings.ReadoutScale,
            WeightLearningRateScale = Settings.ReadoutRate,
            BiasLearningRateScale = Settings.ReadoutBiasRate ?? Settings.ReadoutRate,
        })
        {
            Name = "readout",
        };

    private Optimizer CreateOptimizer()
    {
        double rate = Settings.LearningRate;
        Optimizer optimizer = Settings.Optimizer switch
        {
            OptimizerChoice.Sgd => new Sgd(Model, rate, (SgdOptions)OptimizerOptions),
            OptimizerChoice.AdamW => new AdamW(Model, rate, (AdamOptions)OptimizerOptions),
            _ => new Adam(Model, rate, (AdamOptions)OptimizerOptions),
        };
        LearningRateSchedule schedule = Settings.Schedule == Schedule.Cosine
            ? new CosineSchedule(rate, Math.Max(1, Steps - Settings.Warmup))
            : new ConstantSchedule(rate);
        optimizer.Schedule = Settings.Warmup == 0 ? schedule : new WarmupSchedule(Settings.Warmup, schedule);
        return optimizer;
    }
}
