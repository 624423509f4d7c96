// Tells nine speakers apart by two vowels of theirs (JapaneseVowels of the UEA archive): dotnet run examples/vowels.cs -- FOLDER [epochs]
#:project ../src/Managed/OrthoNative.csproj
#:property PublishAot=false
using OrthoNative;

SequenceData all = SequenceData.FromTimeSeries(TimeSeriesFile.Load(args[0], "JapaneseVowels", DataSplit.Training));
SequenceData test = SequenceData.FromTimeSeries(
    TimeSeriesFile.Load(args[0], "JapaneseVowels", DataSplit.Test), new SequenceDataOptions { ClassNames = all.ClassNames });
SequenceData[] parts = Split.Stratified(all, [0.8, 0.2], seed: 1);
ChannelScaling scaling = ChannelScaling.Of(parts[0]);

using var model = new Sequential(
    Device.Default, seed: 1, new GaussianNoise(all.Features, 0.3), new Bidirectional(
        new RoaRnn(all.Features, 64, RoaRnnOptions.Computation() with { Output = SequenceOutput.All }),
        new RoaRnn(all.Features, 64, RoaRnnOptions.Computation() with { Output = SequenceOutput.All })),
    new Pooling(128, PoolingKind.Mean), new Dropout(128, 0.2), new Dense(128, all.Outputs));
using var loss = new CrossEntropyLoss();
using var adam = new AdamW(model, 2e-3);
var trainer = new Trainer(model, loss, adam, new TrainerOptions { BatchSize = 16, Epochs = args.Length > 1 ? int.Parse(args[1]) : 60, ClipNorm = 1, Metrics = [new Accuracy()] });
TrainingResult result = trainer.Fit(parts[0].WithScaling(scaling), parts[1].WithScaling(scaling));
Console.WriteLine($"validation accuracy {result.BestEpoch!.Validation!["accuracy"]:P1}");
Console.WriteLine($"test accuracy {trainer.Evaluate(test.WithScaling(scaling))["accuracy"]:P1} of {test.Count} cases");
