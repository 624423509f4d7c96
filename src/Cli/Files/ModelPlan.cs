using OrthoNative.Cli.Output;
using OrthoNative.Cli.Training;

namespace OrthoNative.Cli.Files;

/// <summary>A convolution over time in front of the recurrent layers.</summary>
/// <param name="Kernel">Steps of a window.</param>
/// <param name="Stride">Steps from a window to the next one.</param>
/// <param name="Units">Outputs of a window.</param>
internal sealed record ConvolutionPlan(int Kernel, int Stride, int Units);

/// <summary>A recurrent layer over samples of sound in front of the others, at one sample a step.</summary>
/// <param name="Units">Its units.</param>
/// <param name="Rate">Steps a second.</param>
/// <param name="Window">Steps whose mean becomes a step of the layers behind.</param>
internal sealed record RecurrencePlan(int Units, double Rate, int Window);

/// <summary>A model and how it is trained: chosen from the data, but for what the command line says. Part of run.json.</summary>
/// <remarks>The rules come from validation data of seven data sets; docs/experiments.md has them.</remarks>
internal sealed record ModelPlan
{
    /// <summary>Sequences from which so many are held out for a validation that choosing the best epoch by them is worth it.</summary>
    public const int ManySamples = 1000;

    /// <summary>Channels from which a step says enough by itself; with fewer, windows of steps are read.</summary>
    private const int ManyChannels = 10;

    /// <summary>Steps below which sequences are too short for windows.</summary>
    private const int ShortSequence = 50;

    /// <summary>Steps behind the windows that are aimed at.</summary>
    private const double StepsBehindWindows = 70;

    /// <summary>Width of a window of a convolution, as a multiple of its stride.</summary>
    private const int KernelOfStride = 4;

    /// <summary>Units of a recurrent layer in front, as <see cref="RoaRnnOptions.Resonators"/> allows them.</summary>
    private const int LeastFrontUnits = 4, MostFrontUnits = 2048;

    /// <summary>Seconds of sound behind the recurrent layer in front that become one step.</summary>
    private const double FrontSeconds = 0.008;

    /// <summary>Training steps of small data, at least.</summary>
    private const int LeastSteps = 600;

    /// <summary>Samples for which <see cref="EpochsOfMany"/> is meant; more take fewer epochs.</summary>
    private const double SamplesOfMany = 2700;

    private const int EpochsOfMany = 40;

    public required ModelChoice Model { get; init; }

    /// <summary>Recurrent layers.</summary>
    public required int Layers { get; init; }

    /// <summary>Units of a layer.</summary>
    public required int Hidden { get; init; }

    /// <summary>Of roa alone.</summary>
    public Regime? Regime { get; init; }

    public bool Bidirectional { get; init; }

    /// <summary>Convolutions in front; empty: there are none. With a forecast: the patches of the look-back.</summary>
    public IReadOnlyList<ConvolutionPlan> Convolutions { get; init; } = [];

    /// <summary>The recurrent layer in front; null: there is none.</summary>
    public RecurrencePlan? FrontRecurrence { get; init; }

    /// <summary>Deviation of the noise on the standardized inputs, or on what the recurrent layer in front gives, in training alone.</summary>
    public double InputNoise { get; init; }

    public double Dropout { get; init; }

    /// <summary>Change of speed of training sequences, as a fraction; 0: none.</summary>
    public double Speed { get; init; }

    /// <summary>Shift of training sequences, in steps; 0: none.</summary>
    public long Shift { get; init; }

    /// <summary>Deviation of a factor of training sequences; 0: none.</summary>
    public double Loudness { get; init; }

    public double LabelSmoothing { get; init; }

    public required int Batch { get; init; }

    public required double LearningRate { get; init; }

    public double WeightDecay { get; init; } = 0.01;

    /// <summary>Largest norm of the gradient; 0: not clipped.</summary>
    public double Clip { get; init; } = 1;

    public required int Epochs { get; init; }

    public required int Patience { get; init; }

    public required ulong Seed { get; init; }

    /// <summary>True if training sequences are varied.</summary>
    public bool Augments => Speed > 0 || Shift > 0 || Loudness > 0;

    /// <summary>Chooses what the command line does not say.</summary>
    /// <param name="settings">What it says.</param>
    /// <param name="data">How the data were read.</param>
    /// <param name="training">What the model learns from.</param>
    public static ModelPlan Choose(FileSettings settings, DataSettings data, Dataset training)
    {
        ModelPlan plan = data.Goal == Goal.Forecast ? Forecast(settings, training) : Sequences(settings, data, training);
        ModelPlan chosen = plan with
        {
            Layers = settings.Layers ?? plan.Layers,
            Hidden = settings.Hidden ?? plan.Hidden,
            Regime = settings.Model == ModelChoice.Roa ? settings.Regime ?? plan.Regime : null,
            Bidirectional = settings.Bidirectional ?? plan.Bidirectional,
            Dropout = settings.Dropout ?? plan.Dropout,
            Batch = (int)Math.Min(settings.Batch ?? plan.Batch, training.Count),
            LearningRate = settings.LearningRate ?? plan.LearningRate,
            Epochs = settings.Epochs ?? plan.Epochs,
            Patience = settings.Patience ?? plan.Patience,
        };
        if (settings.Front is { } front && !IsRawSound(data, training))
        {
            throw CliException.Usage($"--front is {front.ToName()} and the inputs are no samples of sound; it requires a folder of WAV files and --mel 0 --frame 1 --hop 1");
        }

        if (data.Goal == Goal.Forecast && settings.Augment == true)
        {
            throw CliException.Usage("--augment is yes and the goal is a forecast; it must be no");
        }

        return settings.Augment switch
        {
            true when !chosen.Augments => chosen with { Speed = 0.1, Shift = Math.Max(1, training.Steps / 50) },
            false => chosen with { Speed = 0, Shift = 0, Loudness = 0 },
            _ => chosen,
        };
    }

    /// <summary>One line.</summary>
    public override string ToString()
    {
        string front = Convolutions.Count == 0 ? "" : Texts.Format($"windows of {string.Join(", ", Convolutions.Select(each => Texts.Format($"{each.Kernel} steps every {each.Stride}")))}, then ");
        front += FrontRecurrence is { } first ? Texts.Format($"1 {Model.ToName()} layer of {first.Units} units at every step, means over {first.Window} steps, then ") : "";
        string regime = Regime is { } kind ? $" ({kind.ToName()})" : "";
        return front + Texts.Format($"{Layers} {(Bidirectional ? "bidirectional " : "")}{Model.ToName()} {(Layers == 1 ? "layer" : "layers")} of {Hidden} units{regime}, ") +
            Texts.Format($"dropout {Dropout}{(Augments ? ", varied sequences" : "")}, batches of {Batch}, learning rate {LearningRate}, {Epochs} epochs");
    }

    private static ModelPlan Sequences(FileSettings settings, DataSettings data, Dataset training)
    {
        const int Hidden = 64, Batch = 16, LargeBatch = 32;
        bool ofSteps = data.Goal is Goal.ClassifySteps or Goal.PredictSteps, isSound = data.Format == DataFormat.Sound, isMany = training.Count >= ManySamples;
        int batch = isMany ? LargeBatch : Batch;
        long perEpoch = (training.Count + batch - 1) / batch;
        int hidden = settings.Hidden ?? Hidden;
        var plan = new ModelPlan
        {
            Model = settings.Model,
            Layers = 2,
            Hidden = hidden,
            Regime = Training.Regime.MultiScale,
            Dropout = 0.1,
            LabelSmoothing = training.IsClassification && !ofSteps ? 0.1 : 0,
            Batch = batch,
            LearningRate = 2e-3,
            Epochs = isMany
                ? (int)Math.Clamp(Math.Round(EpochsOfMany * SamplesOfMany / training.Count), 5, EpochsOfMany)
                : (int)Math.Clamp((LeastSteps + perEpoch - 1) / perEpoch, 10, 1000),
            Patience = 0,
            Seed = settings.Seed,
        };
        plan = ofSteps ? plan
            : IsRawSound(data, training) ? (settings.Front == Front.Recurrence ? RecurrentSound(plan, data, hidden) : RawSound(plan, hidden))
            : isSound && data.Mel > 0 ? plan with { InputNoise = 0.3, Speed = 0.1, Shift = 3 }
            : training.Features >= ManyChannels || MedianSteps(training) < ShortSequence ? plan with { InputNoise = 0.3, Dropout = 0.2 }
            : plan with { Convolutions = [Window(MedianSteps(training), hidden)] };
        int epochs = settings.Epochs ?? plan.Epochs;
        return plan with { Patience = Math.Max(10, epochs / 2) };
    }

    /// <summary>Samples of sound: 64 of them become a step of the recurrent layers.</summary>
    private static ModelPlan RawSound(ModelPlan plan, int hidden) => plan with
    {
        Convolutions = [new ConvolutionPlan(16, 4, Math.Max(1, hidden / 2)), new ConvolutionPlan(8, 4, hidden), new ConvolutionPlan(8, 4, hidden)],
        LearningRate = 3e-3,
        Speed = 0.1,
        Shift = 100,
        Loudness = 0.2,
        Epochs = Math.Max(1, plan.Epochs / 2),
    };

    /// <summary>Samples of sound, one a step of a small recurrent layer; the mean of 8 ms of them becomes a step of the others.</summary>
    private static ModelPlan RecurrentSound(ModelPlan plan, DataSettings data, int hidden)
    {
        double rate = (double)data.SampleRate! / (int)data.Hop!;
        return plan with
        {
            FrontRecurrence = new RecurrencePlan(Math.Clamp(hidden, LeastFrontUnits, MostFrontUnits), rate, Math.Max(1, (int)Math.Round(FrontSeconds * rate))),
            LearningRate = 6e-3,
            InputNoise = 0.2,
            Speed = 0.1,
            Shift = 100,
            Loudness = 0.2,
            Epochs = Math.Max(1, plan.Epochs / 2),
        };
    }

    private static bool IsRawSound(DataSettings data, Dataset training) => data.Format == DataFormat.Sound && data.Mel == 0 && training.Features < ManyChannels;

    private static long MedianSteps(Dataset training)
    {
        long[] lengths = new long[training.Count];
        for (long sample = 0; sample < lengths.Length; sample++)
        {
            lengths[sample] = training.LengthOf(sample);
        }

        Array.Sort(lengths);
        return lengths[lengths.Length / 2];
    }

    private static ConvolutionPlan Window(long steps, int hidden)
    {
        int stride = (int)Math.Clamp(Math.Pow(2, Math.Round(Math.Log2(steps / StepsBehindWindows))), 1, 64);
        return new ConvolutionPlan(KernelOfStride * stride, stride, hidden);
    }

    private static ModelPlan Forecast(FileSettings settings, Dataset training)
    {
        // A fourteenth of the look-back: a day, of two weeks by the hour. What is left over belongs to the first patch, whose kernel all have.
        int patch = (int)Math.Clamp(training.Steps / 14, 1, 24);
        return new ModelPlan
        {
            Model = settings.Model,
            Layers = 1,
            Hidden = 64,
            Regime = Training.Regime.Memory,
            Convolutions = [new ConvolutionPlan(patch + (int)(training.Steps % patch), patch, settings.Hidden ?? 64)],
            Dropout = 0.5,
            Batch = 32,

            // Beside a linear path that is fitted and stays, the recurrence has little left to learn, and a higher rate learns noise.
            LearningRate = training is WindowDataset windows && LinearStart.Fits(windows) ? 1e-4 : 1e-3,
            WeightDecay = 0,
            Clip = 0,
            Epochs = 6,
            Patience = 3,
            Seed = settings.Seed,
        };
    }
}
