using System.Globalization;
using System.Runtime.InteropServices;
using OrthoNative.Cli.Output;

namespace OrthoNative.Cli.Files;

/// <summary>The library's objects for a file of data: parts, model, loss, optimizer and trainer.</summary>
internal sealed class FileModel : IDisposable
{
    /// <summary>Rows of a batch that is only measured: enough to keep the processor busy.</summary>
    private const int EvaluationBatch = 256;

    /// <summary>Bytes of activations of such a batch at most.</summary>
    private const long EvaluationBytes = 256L << 20;

    private readonly Loss _loss;
    private readonly Optimizer _optimizer;

    /// <summary>Divides and scales the data and creates the model.</summary>
    /// <param name="content">The data.</param>
    /// <param name="settings">What the command line says.</param>
    /// <param name="device">Where the model lies.</param>
    /// <param name="learnsAll">True: the model learns from the validation data, too, and keeps the weights of the last step.</param>
    /// <param name="callbacks">Called in the training.</param>
    public FileModel(DataContent content, FileSettings settings, Device device, bool learnsAll, IReadOnlyList<TrainingCallback> callbacks)
    {
        (Content, LearnsAll) = (content, learnsAll);
        Goal goal = content.Settings.Goal;
        Parts = DataParts.Of(content, settings);
        SequenceData learntFrom = learnsAll ? Parts.All : Parts.Training;
        var scaling = ChannelScaling.Of(learntFrom);
        ChannelScaling? targets = goal is Goal.PredictSequences or Goal.PredictSteps ? ChannelScaling.OfTargets(learntFrom) : null;
        SequenceData Scaled(SequenceData data) => data.WithScaling(scaling).WithTargetScaling(targets);
        DataSettings read = content.Settings;
        if (goal == Goal.Forecast)
        {
            SequenceData series = Scaled(Parts.Validation);
            long test = Parts.TrainingSteps + Parts.ValidationSteps;
            WindowOptions window = TrainedModel.WindowsOf(read);
            Training = TrainedModel.Windows(series, window with { To = Parts.TrainingSteps }, "training part");
            Validation = TrainedModel.Windows(series, window with { From = Parts.TrainingSteps, To = test }, "validation part");
            Test = content.Test is { } file
                ? TrainedModel.Windows(Scaled(file), window, "test file")
                : TrainedModel.Windows(series, window with { From = test, To = test + Parts.TestSteps }, "test part");
        }
        else
        {
            (Training, Validation, Test) = (Scaled(learntFrom), Scaled(Parts.Validation), Parts.Test is { } test ? Scaled(test) : null);
        }

        Plan = ModelPlan.Choose(settings, read, Training);
        long most = DataLoader.GetLargestBatchSize(Training);
        if (Plan.Batch > most)
        {
            Plan = settings.Batch is null
                ? Plan with { Batch = (int)most }
                : throw CliException.Usage(Texts.Format($"--batch is {Plan.Batch}; it must be at most {most} with sequences of {Training.Steps} steps"));
        }

        Learnt = Plan.Augments ? Training.Augment(Variation(Plan), settings.Seed) : Training;
        Model = ModelBuilder.Create(Plan, goal, Training, device);
        Summary = Model.Summary(Plan.Batch, Training.Steps, new AdamOptions());
        Model.Info = TrainedModel.Describe(Training, read, interval: null);
        _loss = Training.IsClassification ? new CrossEntropyLoss(new CrossEntropyOptions { LabelSmoothing = Plan.LabelSmoothing }) : new MeanSquaredErrorLoss();
        _optimizer = new AdamW(Model, Plan.LearningRate, new AdamOptions { WeightDecay = Plan.WeightDecay });
        long perEpoch = (Training.Count + Plan.Batch - 1) / Plan.Batch;
        _optimizer.Schedule = new CosineSchedule(Plan.LearningRate, Plan.Epochs * perEpoch);
        Confusion = Training.IsClassification ? new ConfusionMatrix(content.Data.ClassNames) : null;
        Trainer = new Trainer(Model, _loss, _optimizer, new TrainerOptions
        {
            BatchSize = Plan.Batch,
            EvaluationBatchSize = (int)Math.Clamp(EvaluationBytes / Math.Max(1, Training.Steps * Plan.Hidden * sizeof(float) * 4L), 1, EvaluationBatch),
            Epochs = Plan.Epochs,
            Loading = new DataLoaderOptions { Shuffle = true, Seed = settings.Seed, BucketBatches = Training.HasLengths && Training.Count >= ModelPlan.ManySamples ? 16 : 1 },
            ClipNorm = Plan.Clip > 0 ? Plan.Clip : null,
            Metrics = Confusion is { } confusion
                ? [new Accuracy(), new BalancedAccuracy(), new MacroF1(), confusion]
                : [new MeanAbsoluteError(), new RSquared()],
            Monitor = learnsAll ? null : EvaluationResult.LossName,
            EarlyStopping = learnsAll ? null : new EarlyStopping { Patience = Plan.Patience },
            SaveInterval = settings.SaveEvery > 0 ? TimeSpan.FromMinutes(settings.SaveEvery) : Timeout.InfiniteTimeSpan,
            Callbacks = callbacks,
        });
    }

    /// <summary>True if there are so few sequences that the model that is kept learns from the validation data, too. The figure on them is then that of a second model, which does not.</summary>
    public static bool IsSmall(DataContent content, FileSettings settings) =>
        content.Settings.Goal is Goal.ClassifySequences or Goal.PredictSequences && settings.Patience is null && content.Data.Count < ModelPlan.ManySamples;

    /// <summary>True if the model learns from the validation data, too.</summary>
    public bool LearnsAll { get; }

    /// <summary>The data that were read.</summary>
    public DataContent Content { get; }

    /// <summary>Their parts.</summary>
    public DataParts Parts { get; }

    /// <summary>Training samples, as they are.</summary>
    public Dataset Training { get; }

    /// <summary>Training samples, varied where the plan says so.</summary>
    public Dataset Learnt { get; }

    /// <summary>Samples that choose the best epoch.</summary>
    public Dataset Validation { get; }

    /// <summary>Samples that the result is measured on; null: there are none.</summary>
    public Dataset? Test { get; }

    /// <summary>The model and its training.</summary>
    public ModelPlan Plan { get; }

    /// <summary>The model.</summary>
    public Sequential Model { get; }

    /// <summary>Its parameters, and the memory that training it takes.</summary>
    public ModelSummary Summary { get; }

    /// <summary>Trains the model.</summary>
    public Trainer Trainer { get; }

    /// <summary>Counts of the latest measurement; null: there are no classes.</summary>
    public ConfusionMatrix? Confusion { get; }

    /// <summary>Training loss and gradient of a batch, for the norms by layer.</summary>
    public Loss Loss => _loss;

    /// <summary>Name of the first metric.</summary>
    public string Metric => Trainer.Options.Metrics[0].Name;

    /// <summary>A checksum of the parts, with the names of their sequences: a run is resumed on the same parts alone.</summary>
    public string Fingerprint
    {
        get
        {
            uint checksum = 0;
            foreach (SequenceData? data in (SequenceData?[])[Parts.Training, Parts.Validation, Parts.Test])
            {
                for (int sample = 0; sample < (data?.Count ?? 0); sample++)
                {
                    checksum = Crc32.Gzip.Append(checksum, MemoryMarshal.AsBytes(data!.Ids[sample].AsSpan()));
                    checksum = Crc32.Gzip.Append(checksum, MemoryMarshal.AsBytes(data.Values(sample)));
                    checksum = Crc32.Gzip.Append(checksum, MemoryMarshal.AsBytes(data.Targets(sample)));
                    checksum = Crc32.Gzip.Append(checksum, MemoryMarshal.AsBytes(data.Classes(sample)));
                }
            }

            return checksum.ToString("x8", CultureInfo.InvariantCulture);
        }
    }

    public void Dispose()
    {
        _optimizer.Dispose();
        _loss.Dispose();
        Model.Dispose();
    }

    private static AugmentationOptions Variation(ModelPlan plan) => new()
    {
        MinimumSpeed = 1 - plan.Speed,
        MaximumSpeed = 1 + plan.Speed,
        MaximumShift = plan.Shift,
        ScaleDeviation = plan.Loudness > 0 ? [plan.Loudness] : [],
    };
}
