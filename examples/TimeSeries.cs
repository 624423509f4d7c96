// Classifies time series of the UEA and UCR archive: a stack of blocks over sequences of unequal length.
//
//     dotnet run -c Release examples/TimeSeries.cs -- FOLDER PROBLEM [option=value ...]
//
// FOLDER has PROBLEM_TRAIN.ts and PROBLEM_TEST.ts, in a folder PROBLEM of its own or not. folds=5 validates on the training cases only, without a look at
// the test cases; seeds=5 trains as many models on all training cases and tests each.
#:project ../src/Managed/OrthoNative.csproj
#:property PublishAot=false

using System.Diagnostics;
using System.Globalization;
using OrthoNative;

if (args.Length < 2)
{
    Console.Error.WriteLine("usage: dotnet run -c Release examples/TimeSeries.cs -- FOLDER PROBLEM [option=value ...]");
    Console.Error.WriteLine($"options and their defaults: {new Settings()}");
    return 2;
}

string folder = Directory.Exists(Path.Combine(args[0], args[1])) ? Path.Combine(args[0], args[1]) : args[0];
Settings settings = Settings.Parse(args[2..]);
TimeSeriesFile trainingFile = TimeSeriesFile.Load(folder, args[1], DataSplit.Training);
SequenceData training = SequenceData.FromTimeSeries(trainingFile);
Console.WriteLine($"{args[1]}: {training.Count} training cases, {training.Features} channels, up to {training.Steps} steps, {training.Outputs} classes");
Console.WriteLine(settings);

var clock = Stopwatch.StartNew();
if (settings.Folds > 0)
{
    int[] foldOf = FoldsByClass(trainingFile.Classes, settings.Folds);
    double sum = 0;
    for (int seed = 0; seed < settings.Seeds; seed++)
    {
        double correct = 0;
        for (int fold = 0; fold < settings.Folds; fold++)
        {
            long[] held = [.. Enumerable.Range(0, foldOf.Length).Where(i => foldOf[i] == fold).Select(i => (long)i)];
            long[] kept = [.. Enumerable.Range(0, foldOf.Length).Where(i => foldOf[i] != fold).Select(i => (long)i)];
            correct += held.Length * TrainAndTest(training.Subset(kept), training.Subset(held), settings, (ulong)((seed * settings.Folds) + fold));
        }

        sum += correct;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"seed {seed}: {correct / training.Count:P2} of {settings.Folds} held-out folds, {clock.Elapsed.TotalSeconds:F0} s"));
    }

    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"mean of {settings.Seeds} seeds {sum / training.Count / settings.Seeds:P2}"));
    return 0;
}

SequenceData test = SequenceData.FromTimeSeries(
    TimeSeriesFile.Load(folder, args[1], DataSplit.Test), new SequenceDataOptions { ClassNames = training.ClassNames });
Console.WriteLine(string.Create(
    CultureInfo.InvariantCulture, $"ridge classifier on means and deviations of the channels: {Ridge.Accuracy(training, test):P2} of {test.Count} test cases"));
var accuracies = new List<double>();
for (int seed = 0; seed < settings.Seeds; seed++)
{
    accuracies.Add(TrainAndTest(training, test, settings, (ulong)seed));
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"seed {seed}: {accuracies[^1]:P2} of {test.Count} test cases, {clock.Elapsed.TotalSeconds:F0} s"));
}

Console.WriteLine(string.Create(
    CultureInfo.InvariantCulture, $"mean of {accuracies.Count} seeds {accuracies.Average():P2}, from {accuracies.Min():P2} to {accuracies.Max():P2}"));
return 0;

// Trains on one set of cases and gives the accuracy on another; channels are scaled by the training cases.
static double TrainAndTest(Dataset training, Dataset test, Settings settings, ulong seed)
{
    ChannelScaling scaling = ChannelScaling.Of(training);
    training = scaling.Apply(training);
    test = scaling.Apply(test);
    using Sequential model = Build(training.Features, training.Outputs, settings, seed);
    using var loss = new CrossEntropyLoss(new CrossEntropyOptions { LabelSmoothing = settings.Smoothing });
    using var adam = new AdamW(model, settings.Rate, new AdamOptions { WeightDecay = settings.Decay });
    using var batches = new DataLoader(training, (int)long.Min(settings.Batch, training.Count), new DataLoaderOptions { Shuffle = true, Seed = seed });
    long steps = settings.Epochs * batches.BatchesPerEpoch;
    adam.Schedule = new WarmupSchedule(long.Max(1, steps / 10), new CosineSchedule(settings.Rate, steps));
    for (int epoch = 0; epoch < settings.Epochs; epoch++)
    {
        foreach (Batch batch in batches.Epoch(epoch))
        {
            loss.Forward(model.Forward(batch.Inputs, batch.Lengths), batch);
            model.Backward(loss.Gradient);
            model.ClipGradients(1);
            adam.Step();
        }
    }

    model.Training = false;
    long correct = 0;
    using var testBatches = new DataLoader(test, (int)long.Min(settings.Batch, test.Count));
    foreach (Batch batch in testBatches.Epoch(0))
    {
        loss.Evaluate(model.Forward(batch.Inputs, batch.Lengths), batch);
        correct += loss.Correct;
    }

    return (double)correct / test.Count;
}

static Sequential Build(long channels, long classes, Settings settings, ulong seed)
{
    var recurrence = new RoaRnnOptions { Alpha = 1 - settings.Beta, Beta = settings.Beta, WeightScale = settings.Weights, Filter = Filter.Haar };
    var layers = new List<Layer> { new GaussianNoise(channels, settings.Noise) };
    layers.Add(settings.Kernel > 1 || settings.Stride > 1
        ? new Conv1D(channels, settings.Width, settings.Kernel, new Conv1DOptions { Stride = settings.Stride, Padding = settings.Kernel / 2 })
        : new Dense(channels, settings.Width));
    for (int i = 0; i < settings.Blocks; i++)
    {
        layers.Add(new RoaBlock(
            settings.Width, new RoaBlockOptions { Recurrence = recurrence, Bidirectional = settings.Both, HiddenSize = settings.Hidden, Dropout = settings.Dropout }));
    }

    layers.Add(new LayerNorm(settings.Width));
    layers.Add(new Pooling(settings.Width, settings.Pool));
    layers.Add(new Dropout(settings.Width, settings.Dropout));
    layers.Add(new Dense(settings.Width, classes));
    return new Sequential(Device.Default, seed, [.. layers]);
}

// Deals the cases of each class to the folds in turn, so that each fold has all classes.
static int[] FoldsByClass(ReadOnlySpan<int> classes, int folds)
{
    var seen = new Dictionary<int, int>();
    var result = new int[classes.Length];
    for (int i = 0; i < classes.Length; i++)
    {
        int number = seen.GetValueOrDefault(classes[i]);
        seen[classes[i]] = number + 1;
        result[i] = number % folds;
    }

    return result;
}

/// <summary>What a model of sequences has to beat: a linear classifier that knows the mean and the standard deviation of each channel alone.</summary>
internal static class Ridge
{
    private const double Regularization = 1;

    public static double Accuracy(Dataset training, Dataset test)
    {
        (double[][] x, int[] y) = Features(training);
        (double[][] z, int[] expected) = Features(test);
        int n = x[0].Length;
        for (int k = 0; k < n - 1; k++)
        {
            double mean = x.Average(row => row[k]), deviation = Math.Sqrt(x.Average(row => (row[k] - mean) * (row[k] - mean)));
            foreach (double[] row in x.Concat(z))
            {
                row[k] = deviation > 0 ? (row[k] - mean) / deviation : 0;
            }
        }

        double[][] weights = [.. Enumerable.Range(0, (int)training.Outputs).Select(c => Solve(x, [.. y.Select(label => label == c ? 1.0 : -1)]))];
        int correct = z.Where((row, i) => expected[i] == ArgMax(weights, row)).Count();
        return (double)correct / z.Length;
    }

    private static int ArgMax(double[][] weights, double[] row) =>
        Enumerable.Range(0, weights.Length).MaxBy(c => weights[c].Zip(row, (w, value) => w * value).Sum());

    /// <summary>Minimizes the squared error plus the weights' squares, by elimination on the normal equations.</summary>
    private static double[] Solve(double[][] x, double[] y)
    {
        int n = x[0].Length;
        var a = new double[n, n + 1];
        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j < n; j++)
            {
                a[i, j] = x.Sum(row => row[i] * row[j]) + (i == j ? Regularization : 0);
            }

            a[i, n] = x.Zip(y, (row, value) => row[i] * value).Sum();
        }

        // The matrix is positive definite, so no pivot is 0.
        for (int i = 0; i < n; i++)
        {
            for (int k = 0; k < n; k++)
            {
                double factor = k == i ? 0 : a[k, i] / a[i, i];
                for (int j = i; j <= n && factor != 0; j++)
                {
                    a[k, j] -= factor * a[i, j];
                }
            }
        }

        return [.. Enumerable.Range(0, n).Select(i => a[i, n] / a[i, i])];
    }

    private static (double[][] Features, int[] Classes) Features(Dataset data)
    {
        var features = new List<double[]>();
        var classes = new List<int>();
        using var batches = new DataLoader(data, 1);
        foreach (Batch batch in batches.Epoch(0))
        {
            float[] values = batch.Inputs.ToArray<float>();
            int channels = (int)data.Features, steps = values.Length / channels;
            var row = new double[(2 * channels) + 1];
            for (int k = 0; k < channels; k++)
            {
                double mean = Enumerable.Range(0, steps).Average(t => values[(t * channels) + k]);
                row[2 * k] = mean;
                row[(2 * k) + 1] = Math.Sqrt(Enumerable.Range(0, steps).Average(t => (values[(t * channels) + k] - mean) * (values[(t * channels) + k] - mean)));
            }

            row[^1] = 1;
            features.Add(row);
            classes.Add(batch.Classes[0]);
        }

        return ([.. features], [.. classes]);
    }
}

/// <summary>What can be chosen on the command line, as name=value.</summary>
internal sealed record Settings
{
    public int Folds { get; set; }
    public int Seeds { get; set; } = 1;
    public int Epochs { get; set; } = 60;
    public int Batch { get; set; } = 32;
    public double Rate { get; set; } = 3e-3;
    public double Decay { get; set; } = 0.01;
    public double Smoothing { get; set; } = 0.1;
    public int Width { get; set; } = 128;
    public int Hidden { get; set; } = 128;
    public int Blocks { get; set; } = 2;
    public bool Both { get; set; } = true;
    public double Beta { get; set; } = 0.3;
    public double Weights { get; set; } = 0.5;
    public double Dropout { get; set; } = 0.2;
    public double Noise { get; set; } = 0.3;
    public int Kernel { get; set; } = 1;
    public int Stride { get; set; } = 1;
    public PoolingKind Pool { get; set; } = PoolingKind.Max;

    public static Settings Parse(IEnumerable<string> arguments)
    {
        var settings = new Settings();
        foreach (string argument in arguments)
        {
            string[] parts = argument.Split('=', 2);
            System.Reflection.PropertyInfo property =
                typeof(Settings).GetProperties().FirstOrDefault(item => item.CanWrite && item.Name.Equals(parts[0], StringComparison.OrdinalIgnoreCase))
                ?? throw new ArgumentException($"'{argument}' is no option; options are {settings}.");
            string text = parts.Length == 2 ? parts[1] : "true";
            property.SetValue(settings, property.PropertyType.IsEnum
                ? Enum.Parse(property.PropertyType, text, ignoreCase: true)
                : Convert.ChangeType(text, property.PropertyType, CultureInfo.InvariantCulture));
        }

        return settings;
    }

    public override string ToString() => string.Join(' ', typeof(Settings).GetProperties()
        .Where(property => property.CanWrite)
        .Select(property => string.Create(CultureInfo.InvariantCulture, $"{property.Name.ToLowerInvariant()}={property.GetValue(this)}")));
}
