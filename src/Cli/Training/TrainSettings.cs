using System.Text.Json.Serialization;

namespace OrthoNative.Cli.Training;

/// <summary>Everything that a training run depends on; written to run.json as it is used.</summary>
internal sealed record TrainSettings
{
    /// <summary>adding: length of a sequence; copy: delay; parity and modular: longest length in training; pixel tasks: null, the images tell.</summary>
    public int? Length { get; init; }

    /// <summary>Length of a test sequence; null where it is that of training.</summary>
    public int? TestLength { get; init; }

    /// <summary>m of sums modulo m; null where the task has none of its own choice.</summary>
    public int? Modulus { get; init; }

    /// <summary>The recurrent model; null where the model is feedforward.</summary>
    public ModelChoice? Model { get; init; } = ModelChoice.Roa;

    /// <summary>Layers L of a feedforward chain; null: the model is recurrent.</summary>
    public int? Layers { get; init; }

    public required int Hidden { get; init; }

    /// <summary>Of roa; null with other models.</summary>
    public required double? Alpha { get; init; }

    /// <summary>Of roa; null with other models.</summary>
    public required double? Beta { get; init; }

    /// <summary>c of β = c / L in a feedforward chain; null where β was given or the model is recurrent.</summary>
    public double? TotalBeta { get; init; }

    /// <summary>Of roa; null with other models.</summary>
    public required FilterChoice? Filter { get; init; }

    /// <summary>Of roa and elman; null with other models.</summary>
    public required Activation? Activation { get; init; }

    /// <summary>Mean of the initial bias of the forget gate of lstm; null with other models.</summary>
    public double? ForgetBias { get; init; }

    /// <summary>g of W ~ N(0, g^2 / N) in roa; s of W ~ U(-s, s) / sqrt(N) in other models.</summary>
    public required double WeightScale { get; init; }

    /// <summary>s of V ~ U(-s, s), in other models than roa U(-s, s) / sqrt(N); of the dense input layer of a feedforward model ~ U(-s, s) / sqrt(inputs).</summary>
    public required double InputScale { get; init; }

    /// <summary>Added to every element of V at the start, of roa; null with other models.</summary>
    public double? InputOffset { get; init; } = 0;

    /// <summary>Standard deviation of the normal noise added to the inputs in training.</summary>
    public double InputNoise { get; init; }

    /// <summary>s of b ~ U(-s, s); in other models than roa U(-s, s) / sqrt(N).</summary>
    public required double BiasScale { get; init; }

    /// <summary>Added to every element of b at the start, of roa; null with other models.</summary>
    public double? BiasOffset { get; init; } = 0;

    /// <summary>Factor of the learning rate for W.</summary>
    public double WeightRate { get; init; } = 1;

    /// <summary>Factor of the learning rate for V.</summary>
    public double InputRate { get; init; } = 1;

    /// <summary>Factor of the learning rate for b.</summary>
    public double BiasRate { get; init; } = 1;

    /// <summary>s of the readout's weights ~ U(-s, s) / sqrt(N).</summary>
    public double ReadoutScale { get; init; } = 1;

    /// <summary>s of the readout's bias ~ U(-s, s) / sqrt(N); null: that of its weights.</summary>
    public double? ReadoutBiasScale { get; init; }

    /// <summary>Factor of the learning rate for the readout's weights.</summary>
    public double ReadoutRate { get; init; } = 1;

    /// <summary>Factor of the learning rate for the readout's bias; null: that for its weights.</summary>
    public double? ReadoutBiasRate { get; init; }

    public OptimizerChoice Optimizer { get; init; } = OptimizerChoice.Adam;

    public required double LearningRate { get; init; }

    /// <summary>Of Adam and AdamW alone.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>Of SGD alone.</summary>
    public double Momentum { get; init; } = 0.9;

    public double WeightDecay { get; init; }

    public Schedule Schedule { get; init; } = Schedule.Constant;

    /// <summary>Steps over which the learning rate rises linearly to its value, but at most a tenth of all.</summary>
    public int Warmup { get; init; }

    /// <summary>Largest norm of the gradient of all parameters; 0: not clipped.</summary>
    public double Clip { get; init; } = 1;

    /// <summary>Of the cross-entropy loss in training.</summary>
    public double LabelSmoothing { get; init; }

    public required int Batch { get; init; }

    /// <summary>Passes over the training samples, or, where these are generated without end, over StepsPerEpoch.</summary>
    public int? Epochs { get; init; }

    /// <summary>Training steps at most.</summary>
    public long? Steps { get; init; }

    /// <summary>Steps that count as an epoch where training samples are generated without end.</summary>
    public int? StepsPerEpoch { get; init; }

    /// <summary>Training ends early once the metric of the latest batches is at least as good; null: it never does.</summary>
    public double? StopAt { get; init; }

    /// <summary>Training samples at most; null: all there are.</summary>
    public long? Limit { get; init; }

    /// <summary>Generated test samples; null where the task brings its own.</summary>
    public int? TestSamples { get; init; }

    /// <summary>Of the pixel order; null where pixels are read in order or there are none.</summary>
    public ulong? PermutationSeed { get; init; }

    /// <summary>Steps between states that are kept for the backward pass; 0: all are kept; null: as the depth suggests.</summary>
    public int? CheckpointEvery { get; init; } = 0;

    /// <summary>Measures the test samples after every epoch too. The result is always that of the last step.</summary>
    public bool TestEveryEpoch { get; init; }

    public ulong Seed { get; init; } = 1;

    /// <summary>Named in run.json by the machine.</summary>
    [JsonIgnore]
    public DeviceChoice Device { get; init; } = DeviceChoice.Cpu;

    /// <summary>Of a GPU's products, but those with the filter.</summary>
    public MatrixPrecision MatrixPrecision { get; init; }

    /// <summary>Of the CPU; 0: the default of <see cref="OrthoNative.Device.Cpu"/>.</summary>
    public int Threads { get; init; }

    /// <summary>Folder of the data; null where samples are generated.</summary>
    public string? Data { get; init; }

    [JsonIgnore]
    public bool Download { get; init; }

    [JsonIgnore]
    public Uri? Mirror { get; init; }

    [JsonIgnore]
    public string? Out { get; init; }

    /// <summary>Minutes between saves during a run; 0: it is saved only at its end.</summary>
    [JsonIgnore]
    public double SaveEvery { get; init; } = 10;

    /// <summary>Resumes the run in <see cref="Out"/>.</summary>
    [JsonIgnore]
    public bool Resume { get; init; }

    /// <summary>Replaces a run that is in <see cref="Out"/>.</summary>
    [JsonIgnore]
    public bool Overwrite { get; init; }

    /// <summary>Writes TensorBoard event files.</summary>
    [JsonIgnore]
    public bool TensorBoard { get; init; }

    /// <summary>
    /// The convex form of a recurrent model, α = 1 - β. States are sums of terms β φ, so they shrink with β: what reads them, W and the weights of
    /// the readout, starts larger and learns faster by the same factor.
    /// </summary>
    /// <param name="beta">β.</param>
    public TrainSettings ToConvex(double beta)
    {
        double gain = Beta!.Value / beta;
        return this with
        {
            Alpha = 1 - beta,
            Beta = beta,
            WeightScale = WeightScale * gain,
            WeightRate = WeightRate * gain,
            ReadoutScale = ReadoutScale * gain,
            ReadoutBiasScale = ReadoutBiasScale ?? ReadoutScale,
            ReadoutRate = ReadoutRate * gain,
            ReadoutBiasRate = ReadoutBiasRate ?? ReadoutRate,
        };
    }
}
