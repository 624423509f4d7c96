// Trains a stack of four blocks on a slice of permuted sequential MNIST, and records the norm of the gradient at each block.
//
//     dotnet run -c Release examples/BlockStack.cs -- MNIST-FOLDER OUTPUT-FOLDER [images=5000] [epochs=1] [batch=50]
//
// OUTPUT-FOLDER gets gradients.csv and gradients.png. Prints what Model.Summary predicts of the memory, and what the process took.
#:project ../src/Managed/OrthoNative.csproj
#:package ScottPlot
#:property PublishAot=false

using System.Diagnostics;
using System.Globalization;
using OrthoNative;
using OrthoNative.Diagnostics;

if (args.Length < 2)
{
    Console.Error.WriteLine("usage: dotnet run -c Release examples/BlockStack.cs -- MNIST-FOLDER OUTPUT-FOLDER [images=5000] [epochs=1] [batch=50]");
    return 2;
}

int images = Option("images", 5000), epochs = Option("epochs", 1), batchSize = Option("batch", 50);
Directory.CreateDirectory(args[1]);
var all = new PixelSequence(Mnist.Load(args[0], DataSplit.Training), new PixelSequenceOptions { PermutationSeed = PixelSequence.DefaultPermutationSeed });
Dataset training = all.Subset([.. Enumerable.Range(0, images).Select(i => (long)i)]);
Dataset held = all.Subset([.. Enumerable.Range(50_000, 2000).Select(i => (long)i)]);

const int Width = 128;
const int Blocks = 4;
var layers = new List<Layer> { new Dense(1, Width) { Name = "input" } };
for (int i = 0; i < Blocks; i++)
{
    // The range of memory by block: a part of the state is filtered alone, so gradients pass all 784 steps.
    layers.Add(new RoaBlock(Width, new RoaBlockOptions { Recurrence = new RoaRnnOptions { Alpha = 1, Beta = 0.05 }, Dropout = 0.1 }) { Name = $"block{i + 1}" });
}

layers.Add(new LayerNorm(Width) { Name = "norm" });
layers.Add(new Pooling(Width, PoolingKind.Mean) { Name = "pool" });
layers.Add(new Dense(Width, 10) { Name = "readout" });

long before = Resident();
using var model = new Sequential(Device.Default, seed: 1, [.. layers]);
ModelSummary summary = model.Summary(batchSize, steps: 784);
Console.WriteLine(summary);

using var recorder = new LayerGradientRecorder(model, interval: 10);
using var loss = new CrossEntropyLoss();
using var adam = new AdamW(model, 2e-3, new AdamOptions { WeightDecay = 0.01 });
using var batches = new DataLoader(training, batchSize, new DataLoaderOptions { Shuffle = true, Seed = 1 });
long steps = epochs * batches.BatchesPerEpoch;
adam.Schedule = new WarmupSchedule(long.Max(1, steps / 20), new CosineSchedule(2e-3, steps));
var clock = Stopwatch.StartNew();
TimeSpan processorTime = Process.GetCurrentProcess().TotalProcessorTime;
for (int epoch = 0; epoch < epochs; epoch++)
{
    double sum = 0;
    long correct = 0, seen = 0;
    foreach (Batch batch in batches.Epoch(epoch))
    {
        sum += loss.Forward(model.Forward(batch.Inputs), batch) * batch.Size;
        correct += loss.Correct;
        seen += batch.Size;
        model.Backward(loss.Gradient);
        model.ClipGradients(1);
        adam.Step();
        if (seen == batchSize)
        {
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"memory taken after the first step: {(Resident() - before) / 1048576.0:F0} MiB"));
        }
    }

    Console.WriteLine(string.Create(
        CultureInfo.InvariantCulture, $"epoch {epoch + 1}: loss {sum / seen:F3}, accuracy {(double)correct / seen:P2}, {clock.Elapsed.TotalSeconds:F0} s, {(Process.GetCurrentProcess().TotalProcessorTime - processorTime).TotalMilliseconds / (seen * (epoch + 1)):F1} ms of processor time an image"));
}

model.Training = false;
long right = 0;
using var heldBatches = new DataLoader(held, batchSize);
foreach (Batch batch in heldBatches.Epoch(0))
{
    loss.Evaluate(model.Forward(batch.Inputs), batch);
    right += loss.Correct;
}

Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"held-out accuracy {(double)right / held.Count:P2} of {held.Count} images"));
Write(args[1], recorder);
return 0;

// One line for each recorded pass, and a picture of them.
static void Write(string folder, LayerGradientRecorder recorder)
{
    string[] shown = ["input", .. Enumerable.Range(1, Blocks).Select(i => $"block{i}")];
    using var table = new StreamWriter(Path.Combine(folder, "gradients.csv"));
    table.WriteLine($"pass,{string.Join(',', shown)}");
    foreach (LayerGradientRecord record in recorder.Records)
    {
        table.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{record.Pass},{string.Join(',', shown.Select(path => Norm(record, path).ToString("E4", CultureInfo.InvariantCulture)))}"));
    }

    using var plot = new ScottPlot.Plot();
    foreach (string path in shown)
    {
        double[] passes = [.. recorder.Records.Select(record => (double)record.Pass)], norms = [.. recorder.Records.Select(record => Math.Log10(Norm(record, path)))];
        var line = plot.Add.ScatterLine(passes, norms);
        line.LineWidth = 2;
        line.LegendText = path == "input" ? "at the first block's input" : $"at the output of {path}";
    }

    plot.Title("Norm of the gradient at each block during training");
    plot.XLabel("training step");
    plot.YLabel("decimal logarithm of the norm");
    plot.ShowLegend(ScottPlot.Alignment.UpperLeft);
    plot.SavePng(Path.Combine(folder, "gradients.png"), 900, 500);

    static double Norm(LayerGradientRecord record, string path) => record.Norms.First(norm => norm.Key == path).Value;
}

int Option(string name, int otherwise) =>
    args.FirstOrDefault(argument => argument.StartsWith($"{name}=", StringComparison.Ordinal)) is { } text
        ? int.Parse(text[(name.Length + 1)..], CultureInfo.InvariantCulture)
        : otherwise;

static long Resident()
{
    using Process process = Process.GetCurrentProcess();
    return process.WorkingSet64;
}
