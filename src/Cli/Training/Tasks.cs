using System.Globalization;

namespace OrthoNative.Cli.Training;

/// <summary>The tasks that can be trained.</summary>
internal static class Tasks
{
    public static IReadOnlyList<TrainingTask> All { get; } = [new AddingTask(), new CopyTask(), new SumTask(parity: true), new SumTask(parity: false), new PixelTask(permuted: false), new PixelTask(permuted: true), new ImageTask()];
}

/// <summary>The adding problem.</summary>
internal sealed class AddingTask : TrainingTask
{
    public override string Name => "adding";

    public override string Summary => "The adding problem: add two marked numbers of a long sequence";

    public override string LengthHelp => "Length of a sequence";

    public override int ShortestLength => 2;

    public override TrainSettings Defaults => TaskDefaults.Adding;

    public override int StepsOf(TrainSettings settings) => settings.Length!.Value;

    public override string Metric => Metrics.MeanSquaredError;

    /// <summary>Variance of the sum of two numbers from U(0, 1).</summary>
    public override double ChanceLoss(long outputs) => 1.0 / 6;

    public override bool Generated => true;

    public override string Describe(TrainSettings settings) =>
        string.Create(CultureInfo.InvariantCulture, $"adding problem, length {settings.Length}");

    public override Dataset OpenTraining(TrainSettings settings, long count) =>
        new AddingProblem(settings.Length!.Value, count, settings.Seed);

    public override (Dataset Samples, double Baseline) OpenTest(TrainSettings settings)
    {
        var samples = new AddingProblem(settings.Length!.Value, settings.TestSamples!.Value, settings.Seed, DataSplit.Test);
        return (samples, samples.Baseline());
    }
}

/// <summary>The copying-memory task.</summary>
internal sealed class CopyTask : TrainingTask
{
    public override string Name => "copy";

    public override string Summary => "Copying memory: repeat ten symbols after a long delay; loss and accuracy are those of the ten recalled symbols";

    public override string LengthHelp => "Delay between the symbols and their recall; a sequence is 20 steps longer";

    public override TrainSettings Defaults => TaskDefaults.Copy;

    public override int StepsOf(TrainSettings settings) => settings.Length!.Value + (2 * CopyingMemory.Recalled);

    public override string Metric => Metrics.Accuracy;

    public override double ChanceLoss(long outputs) => Math.Log(CopyingMemory.Symbols);

    public override bool Generated => true;

    public override string Describe(TrainSettings settings) =>
        string.Create(CultureInfo.InvariantCulture, $"copying memory, delay {settings.Length}");

    public override Dataset OpenTraining(TrainSettings settings, long count) =>
        new CopyingMemory(settings.Length!.Value, count, settings.Seed);

    public override (Dataset Samples, double Baseline) OpenTest(TrainSettings settings) =>
        (new CopyingMemory(settings.Length!.Value, settings.TestSamples!.Value, settings.Seed, DataSplit.Test), CopyingMemory.Baseline);
}

/// <summary>Running sums modulo m: learnt on short sequences, tested on long ones.</summary>
/// <param name="parity">True: m is 2; false: the settings have it.</param>
internal sealed class SumTask(bool parity) : TrainingTask
{
    public override string Name => parity ? "parity" : "modular";

    public override string Summary => parity
        ? "Parity: tell at every step whether the ones so far are even or odd in number; learnt on short sequences, tested on long ones"
        : "Modular sums: tell at every step the sum of all digits so far modulo m; learnt on short sequences, tested on long ones";

    public override string LengthHelp => "Longest length of a training sequence; lengths are uniform from 1 to this";

    public override TrainSettings Defaults => parity ? TaskDefaults.Parity : TaskDefaults.Modular;

    public override int StepsOf(TrainSettings settings) => settings.Length!.Value;

    public override string Metric => Metrics.Accuracy;

    public override double ChanceLoss(long outputs) => Math.Log(outputs);

    public override bool Generated => true;

    public override bool TargetsEveryStep => true;

    public override string Describe(TrainSettings settings) => string.Create(
        CultureInfo.InvariantCulture, $"{(parity ? "parity" : $"sums modulo {ModulusOf(settings)}")}, lengths from 1 to {settings.Length}");

    public override Dataset OpenTraining(TrainSettings settings, long count) =>
        new ModularSum(ModulusOf(settings), settings.Length!.Value, count, settings.Seed, shortestLength: 1);

    public override (Dataset Samples, double Baseline) OpenTest(TrainSettings settings)
    {
        var samples = new ModularSum(ModulusOf(settings), settings.TestLength!.Value, settings.TestSamples!.Value, settings.Seed, DataSplit.Test);
        return (samples, samples.Baseline);
    }

    private int ModulusOf(TrainSettings settings) => parity ? 2 : settings.Modulus!.Value;
}

/// <summary>Images of digits in MNIST's files.</summary>
internal abstract class MnistTask : TrainingTask
{
    public override string Metric => Metrics.Accuracy;

    public override double ChanceLoss(long outputs) => Math.Log(outputs);

    public override bool Generated => false;

    public override Dataset OpenTraining(TrainSettings settings, long count) => Open(settings, DataSplit.Training, settings.Limit);

    public override (Dataset Samples, double Baseline) OpenTest(TrainSettings settings)
    {
        PixelSequence samples = Open(settings, DataSplit.Test, limit: null);
        return (samples, samples.Baseline());
    }

    /// <summary>True if an image is one input, instead of a sequence of its pixels.</summary>
    protected abstract bool Whole { get; }

    private PixelSequence Open(TrainSettings settings, DataSplit split, long? limit)
    {
        var images = Mnist.Load(settings.Data!, split);
        return new PixelSequence(images, new PixelSequenceOptions
        {
            PermutationSeed = settings.PermutationSeed,
            PixelsPerStep = Whole ? images.Rows * images.Columns : 1,
            Limit = limit,
        });
    }
}

/// <summary>Images of digits as vectors, for feedforward networks of any depth.</summary>
internal sealed class ImageTask : MnistTask
{
    public override string Name => "mnist";

    public override string Summary => "MNIST images as vectors, through a feedforward network of any depth";

    public override TrainSettings Defaults => TaskDefaults.MnistImages;

    public override int StepsOf(TrainSettings settings) => settings.Layers!.Value;

    public override string Describe(TrainSettings settings) => string.Create(CultureInfo.InvariantCulture, $"MNIST, {settings.Layers:#,0} layers");

    protected override bool Whole => true;
}

/// <summary>Images of digits, pixel by pixel.</summary>
internal sealed class PixelTask(bool permuted) : MnistTask
{
    public override string Name => permuted ? "psmnist" : "smnist";

    public override string Summary => permuted
        ? "Permuted sequential MNIST: tell the digit after reading its pixels in one fixed random order"
        : "Sequential MNIST: tell the digit after reading its pixels one by one";

    public override TrainSettings Defaults => permuted ? TaskDefaults.Psmnist : TaskDefaults.Smnist;

    public override int StepsOf(TrainSettings settings) => checked((int)OpenTraining(settings, count: 0).Steps);

    public override string Describe(TrainSettings settings) => permuted ? "permuted sequential MNIST" : "sequential MNIST";

    protected override bool Whole => false;
}
