namespace OrthoNative.Tests.Training;

/// <summary>A small model with its loss, optimizer and data, as trainers of tests use them.</summary>
internal sealed class TrainingSetup : IDisposable
{
    public const int Classes = 3;

    public TrainingSetup(TrainerOptions options, ulong seed = 1, DType dtype = DType.Float32, double learningRate = 0.02, LearningRateSchedule? schedule = null, Device? device = null, double dropout = 0.1)
    {
        Model = new Sequential(
            device ?? Device.Default,
            new SequentialOptions { Seed = seed, DType = dtype },
            new GaussianNoise(2, 0.05),
            new RoaRnn(2, 8, new RoaRnnOptions { Alpha = 0.5, Beta = 0.5, Output = SequenceOutput.Last }),
            new Dropout(8, dropout),
            new Dense(8, Classes));
        Loss = new CrossEntropyLoss();
        Optimizer = new Adam(Model, learningRate) { Schedule = schedule };
        Trainer = new Trainer(Model, Loss, Optimizer, options);
    }

    public Sequential Model { get; }

    public CrossEntropyLoss Loss { get; }

    public Adam Optimizer { get; }

    public Trainer Trainer { get; }

    /// <summary>Parameters as they are.</summary>
    public float[] Weights => Model.ParameterData.ToArray<float>();

    /// <summary>Sequences of unequal length whose class is that of the channel and sign that is largest on average.</summary>
    public static ArrayDataset Data(int count, int seed)
    {
        var random = new Random(seed);
        var sequences = new List<float[]>();
        int[] classes = new int[count];
        for (int i = 0; i < count; i++)
        {
            classes[i] = random.Next(Classes);
            float[] sequence = new float[2 * random.Next(4, 9)];
            for (int j = 0; j < sequence.Length; j++)
            {
                double mean = classes[i] switch { 0 => j % 2, 1 => 1 - (j % 2), _ => -1 };
                sequence[j] = (float)(mean + random.NextDouble() - 0.5);
            }

            sequences.Add(sequence);
        }

        return ArrayDataset.Classification(sequences, 2, classes, Classes);
    }

    public void Dispose()
    {
        Optimizer.Dispose();
        Loss.Dispose();
        Model.Dispose();
    }
}

/// <summary>Progress that is told at once, in the thread that trains.</summary>
internal sealed class DirectProgress(Action<TrainingProgress> report) : IProgress<TrainingProgress>
{
    public void Report(TrainingProgress value) => report(value);
}

/// <summary>A callback of delegates.</summary>
internal sealed class Callback : TrainingCallback
{
    public Action<TrainingState>? Step { get; init; }

    public Action<TrainingState, EpochResult>? Epoch { get; init; }

    public Action<TrainingResult>? End { get; init; }

    public Action<string>? Warning { get; init; }

    public override void OnStep(TrainingState state) => Step?.Invoke(state);

    public override void OnEpochEnd(TrainingState state, EpochResult epoch) => Epoch?.Invoke(state, epoch);

    public override void OnEnd(TrainingResult result) => End?.Invoke(result);

    public override void OnWarning(string message) => Warning?.Invoke(message);
}

/// <summary>Another data set, and code that is called before a batch of it is read, with its first sample.</summary>
internal sealed class WatchedData(Dataset inner, Action<long> beforeRead) : WrappedDataset(inner)
{
    public override void Read(ReadOnlySpan<long> samples, Span<float> inputs, Span<int> classes, Span<float> values)
    {
        beforeRead(samples[0]);
        base.Read(samples, inputs, classes, values);
    }
}
