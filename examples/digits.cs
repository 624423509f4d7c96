// Recognizes spoken digits from log-mel frames of 32 ms (Free Spoken Digit Dataset): dotnet run examples/digits.cs -- FOLDER-OF-RECORDINGS [epochs]
#:project ../src/Managed/OrthoNative.csproj
#:property PublishAot=false
using OrthoNative;

SequenceData all = SequenceData.FromWavFolder(args[0], new WavFolderOptions { Pattern = "{label}_{speaker:group}_{index}", MelBands = 40, Hop = 128 });
bool IsTest(int sample) => all.Ids[sample].Split('_', '.')[2].Length == 1 && all.Ids[sample].Split('_', '.')[2][0] < '5';
SequenceData test = all.Select([.. Enumerable.Range(0, (int)all.Count).Where(IsTest)]);
SequenceData[] parts = Split.Stratified(all.Select([.. Enumerable.Range(0, (int)all.Count).Where(sample => !IsTest(sample))]), [0.9, 0.1], seed: 1);
ChannelScaling scaling = ChannelScaling.Of(parts[0]);

var recurrence = RoaRnnOptions.Computation() with { Output = SequenceOutput.All };
using var model = new Sequential(
    Device.Default, seed: 1, new Dense(40, 64), new RoaBlock(64, new RoaBlockOptions { Recurrence = recurrence, Dropout = 0.1 }),
    new RoaBlock(64, new RoaBlockOptions { Recurrence = recurrence, Dropout = 0.1 }), new Pooling(64, PoolingKind.Mean), new Dense(64, 10));
using var loss = new CrossEntropyLoss(new CrossEntropyOptions { LabelSmoothing = 0.1 });
using var adam = new AdamW(model, 2e-3);
var options = new TrainerOptions { BatchSize = 32, Epochs = args.Length > 1 ? int.Parse(args[1]) : 15, ClipNorm = 1, Metrics = [new Accuracy()], Callbacks = [new EpochWriter(Console.Out)] };
var trainer = new Trainer(model, loss, adam, options with { Loading = new DataLoaderOptions { Shuffle = true, BucketBatches = 16, Prefetch = 2 } });
trainer.Fit(parts[0].WithScaling(scaling).Augment(new AugmentationOptions { MinimumSpeed = 0.9, MaximumSpeed = 1.1, MaximumShift = 3 }, seed: 1), parts[1].WithScaling(scaling));
Console.WriteLine($"test accuracy {trainer.Evaluate(test.WithScaling(scaling))["accuracy"]:P1} of {test.Count} recordings");
