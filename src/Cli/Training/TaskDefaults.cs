namespace OrthoNative.Cli.Training;

/// <summary>The settings of each task and model unless the command line says otherwise; the one place to tune.</summary>
internal static class TaskDefaults
{
    public static readonly TrainSettings Adding = new()
    {
        Length = 1000,
        Hidden = 64,
        Alpha = 1,
        Beta = 1,
        // The sum of what units add survives any number of steps where O has the eigenvalue 1, as the cyclic shift always has.
        Filter = FilterChoice.Cycle,
        // Every unit starts as a closed gate: relu(v + m - 1), which is v where the marker m is 1 and 0 where it is 0, is near.
        Activation = Activation.Relu,
        InputOffset = 0.5,
        InputScale = 0.5,
        BiasOffset = -1,
        BiasScale = 0,
        // The chain starts as a plain sum, and W leaves it slowly.
        WeightScale = 0,
        WeightRate = 0.1,
        LearningRate = 1e-2,
        Schedule = Schedule.Cosine,
        Batch = 64,
        Epochs = 5,
        StepsPerEpoch = 100,
        TestSamples = 10_000,
    };

    public static readonly TrainSettings Copy = new()
    {
        Length = 1000,
        Hidden = 128,
        Alpha = 1,
        // Small, so that thousands of steps change the state little; then the readout has to be as much larger.
        Beta = 0.005,
        ReadoutScale = 10,
        ReadoutRate = 10,
        Filter = FilterChoice.Haar,
        Activation = Activation.Tanh,
        WeightScale = 0.2,
        InputScale = 1,
        BiasScale = 1,
        LearningRate = 1e-3,
        Batch = 50,
        Epochs = 20,
        StepsPerEpoch = 200,
        StopAt = 0.997,
        TestSamples = 2000,
    };

    /// <summary>Half of the state is computed anew at every step, and it is bounded, since α + β = 1. So a counter, once found, runs on without drift.</summary>
    public static readonly TrainSettings Parity = new()
    {
        Length = 32,
        TestLength = 16_384,
        Hidden = 64,
        Alpha = 0.5,
        Beta = 0.5,
        Filter = FilterChoice.Haar,
        Activation = Activation.Tanh,
        // W of full scale: each step has to change the state as a whole.
        WeightScale = 1,
        InputScale = 1,
        BiasScale = 1,
        LearningRate = 1e-2,
        Schedule = Schedule.Cosine,
        Batch = 32,
        Epochs = 10,
        StepsPerEpoch = 200,
        TestSamples = 64,
    };

    /// <summary>With α = β = 1/2, sums modulo 5 have rare errors after thousands of steps for some seeds (docs/experiments.md).</summary>
    public static readonly TrainSettings Modular = Parity with { Modulus = 5, Alpha = 0.1, Beta = 0.9 };

    public static readonly TrainSettings Smnist = new()
    {
        Hidden = 256,
        Alpha = 1,
        Beta = 0.2,
        Filter = FilterChoice.Permutation,
        Activation = Activation.Tanh,
        WeightScale = 0.2,
        InputScale = 1,
        BiasScale = 1,
        LearningRate = 2e-3,
        Schedule = Schedule.Cosine,
        Batch = 32,
        Epochs = 10,
        Data = "data/mnist",
    };

    /// <summary>
    /// Small networks learn the training images by heart: what these settings add is width, and noise, label smoothing and weight
    /// decay against it.
    /// </summary>
    public static readonly TrainSettings Psmnist = Smnist with
    {
        PermutationSeed = PixelSequence.DefaultPermutationSeed,
        Hidden = 512,
        BiasScale = 2,
        InputNoise = 0.6,
        LabelSmoothing = 0.1,
        Warmup = 500,
        Optimizer = OptimizerChoice.AdamW,
        WeightDecay = 0.05,
        LearningRate = 1.5e-3,
        Epochs = 10,
    };

    public static readonly TrainSettings MnistImages = new()
    {
        Model = null,
        Layers = 100,
        Hidden = 64,
        Alpha = 1,
        // Not used: TotalBeta and the number of layers give it.
        Beta = 0,
        TotalBeta = 5,
        Filter = FilterChoice.Permutation,
        Activation = Activation.Tanh,
        WeightScale = 1,
        InputScale = 1,
        BiasScale = 0,
        LearningRate = 3e-3,
        // A layer's gradient is proportional to 1 / L: far below 1e-8 in a deep network, and then Adam would hardly move.
        Epsilon = 1e-16,
        Schedule = Schedule.Cosine,
        Batch = 100,
        Epochs = 5,
        CheckpointEvery = null,
        Data = "data/mnist",
    };

    /// <summary>
    /// The settings of a task with a model: batch, epochs, clipping and regularization are those of roa, weights start as PyTorch's.
    /// </summary>
    /// <param name="task">Name of the task.</param>
    /// <param name="settings">Those of roa.</param>
    /// <param name="model">The model.</param>
    public static TrainSettings Of(string task, TrainSettings settings, ModelChoice model)
    {
        if (model == ModelChoice.Roa)
        {
            return settings;
        }

        // Units for about as many parameters as roa has. Rates by the validation samples of docs/experiments.md; GRU took 1e-2 in psmnist
        // there with a quarter of the units, where LSTM did not learn.
        (int Hidden, double LearningRate) own = (task, model) switch
        {
            ("adding", ModelChoice.Elman) => (64, 1e-3),
            ("adding", ModelChoice.Gru) => (36, 1e-2),
            ("adding", ModelChoice.Lstm) => (31, 1e-2),
            ("copy", ModelChoice.Elman) => (128, 1e-3),
            ("copy", ModelChoice.Gru) => (72, 3e-3),
            ("copy", ModelChoice.Lstm) => (62, 3e-3),
            ("parity" or "modular", ModelChoice.Elman) => (64, 1e-2),
            ("parity", ModelChoice.Gru) => (36, 1e-3),
            ("modular", ModelChoice.Gru) => (36, 1e-2),
            ("parity", ModelChoice.Lstm) => (31, 3e-3),
            ("modular", ModelChoice.Lstm) => (31, 1e-2),
            ("smnist", ModelChoice.Elman) => (256, 1e-3),
            ("smnist", ModelChoice.Gru) => (148, 3e-3),
            ("smnist", ModelChoice.Lstm) => (128, 3e-3),
            ("psmnist", ModelChoice.Elman) => (512, 1e-3),
            ("psmnist", ModelChoice.Gru) => (296, 3e-3),
            ("psmnist", ModelChoice.Lstm) => (256, 3e-3),
            _ => throw new ArgumentException($"{task} has no model {model}", nameof(model)),
        };
        return settings with
        {
            Model = model,
            Hidden = own.Hidden,
            LearningRate = own.LearningRate,
            Alpha = null,
            Beta = null,
            Filter = null,
            Activation = model == ModelChoice.Elman ? Activation.Tanh : null,
            ForgetBias = model == ModelChoice.Lstm ? 1 : null,
            WeightScale = 1,
            InputScale = 1,
            InputOffset = null,
            BiasScale = 1,
            BiasOffset = null,
            WeightRate = 1,
            ReadoutScale = 1,
            ReadoutRate = 1,
        };
    }

    /// <summary>Samples in a test batch: as many as keep the kernels busy, whatever the training batch is.</summary>
    public const int TestBatch = 200;

    /// <summary>Bytes that the inputs of a test batch, and the states and outputs of all steps where these are needed, may take; very long sequences are tested in smaller batches.</summary>
    public const long TestBatchBytes = 64L << 20;
}
