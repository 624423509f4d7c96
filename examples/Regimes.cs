// Memory and computation in one layer: two blocks of units, of which one remembers and one computes, with one set of settings for both tasks.
//
//     dotnet run -c Release examples/Regimes.cs -- [option=value ...]
//
// Trains a model to copy ten symbols after a delay, and another one of the same settings to tell parity, on sequences of at most length=32 steps. Prints how
// many of the recalled symbols are right, and how many steps of test sequences that are longer. regime=Memory and regime=Computation give
// all units to one of the two; beta=B takes the place of the preset's β of the units that remember. For a short try: copySteps=20 paritySteps=20.
#:project ../src/Managed/OrthoNative.csproj
#:property PublishAot=false

using System.Diagnostics;
using System.Globalization;
using OrthoNative;

const int Batch = 50;
const double Rate = 3e-3;

Regime regime = Enum.Parse<Regime>(Text("regime", nameof(Regime.Both)), ignoreCase: true);
int hidden = Number("hidden", 128), delay = Number("delay", 200), copySteps = Number("copySteps", 600);
int length = Number("length", 32), testLength = Number("testLength", 512), paritySteps = Number("paritySteps", 1200);
ulong seed = (ulong)Number("seed", 1);
double? beta = Text("beta", "") is { Length: > 0 } given ? double.Parse(given, CultureInfo.InvariantCulture) : null;
string[] known = ["regime", "beta", "hidden", "delay", "copySteps", "length", "testLength", "paritySteps", "seed"];
if (args.FirstOrDefault(argument => !known.Contains(argument.Split('=')[0])) is { } unknown)
{
    Console.Error.WriteLine($"'{unknown}' is no option; options are {string.Join(", ", known)}");
    return 2;
}

var clock = Stopwatch.StartNew();
double copy = TrainAndTest(
    new CopyingMemory(delay, (long)copySteps * Batch, seed), new CopyingMemory(delay, 500, seed, DataSplit.Test), SequenceOutput.LastSteps(CopyingMemory.Recalled));
Report($"copying over {delay} steps", copy, CopyingMemory.Baseline);
var sums = new ModularSum(2, testLength, 64, seed, DataSplit.Test);
clock.Restart();
double parity = TrainAndTest(new ModularSum(2, length, (long)paritySteps * Batch, seed, shortestLength: 1), sums, SequenceOutput.All);
Report($"parity of {testLength} steps, learnt on up to {length}", parity, sums.Baseline);
return 0;

// One set of settings for both tasks. The layer has the preset's; the readout and Adam have theirs but for the rate.
double TrainAndTest(Dataset training, Dataset test, SequenceOutput output)
{
    using var model = new Sequential(
        Device.Default, seed, new RoaRnn(training.Features, hidden, Options() with { Output = output }), new Dense(hidden, training.Outputs));
    using var loss = new CrossEntropyLoss();
    using var batches = new DataLoader(training, Batch);
    using var adam = new Adam(model, Rate) { Schedule = new CosineSchedule(Rate, batches.BatchesPerEpoch) };
    foreach (Batch batch in batches.Epoch(0))
    {
        loss.Forward(model.Forward(batch.Inputs, batch.Lengths), batch);
        model.Backward(loss.Gradient);
        model.ClipGradients(1);
        adam.Step();
        if (adam.StepCount % 200 == 0)
        {
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"step {adam.StepCount}: {loss.Correct / loss.WeightSum:P2} of a batch, {clock.Elapsed.TotalSeconds:F0} s"));
        }
    }

    model.Training = false;
    var accuracy = new Accuracy();
    using var testBatches = new DataLoader(test, Batch);
    foreach (Batch batch in testBatches.Epoch(0))
    {
        accuracy.Add(model.Forward(batch.Inputs, batch.Lengths), batch);
    }

    return accuracy.Value;
}

// The presets, which the layer has its options from.
RoaRnnOptions Options()
{
    RoaRnnOptions preset = regime switch
    {
        Regime.Memory => RoaRnnOptions.Memory(delay),
        Regime.Computation => RoaRnnOptions.Computation(),
        _ => RoaRnnOptions.MemoryAndComputation(hidden, delay),
    };
    return preset with { Beta = beta ?? preset.Beta };
}

void Report(string task, double accuracy, double chance) => Console.WriteLine(string.Create(
    CultureInfo.InvariantCulture, $"{regime}, {task}: {accuracy:P2} of the test, chance {chance:P2}, {clock.Elapsed.TotalSeconds:F0} s"));

string Text(string name, string otherwise) =>
    args.FirstOrDefault(argument => argument.StartsWith($"{name}=", StringComparison.Ordinal)) is { } text ? text[(name.Length + 1)..] : otherwise;

int Number(string name, int otherwise) => int.Parse(Text(name, otherwise.ToString(CultureInfo.InvariantCulture)), CultureInfo.InvariantCulture);

/// <summary>What the units are for.</summary>
internal enum Regime
{
    /// <summary>Of <see cref="RoaRnnOptions.Memory"/>.</summary>
    Memory,

    /// <summary>Of <see cref="RoaRnnOptions.Computation"/>.</summary>
    Computation,

    /// <summary>One block of each.</summary>
    Both,
}
