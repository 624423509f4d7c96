// Classifies the gestures of a hand-held accelerometer, read from a CSV file: dotnet run examples/gestures.cs [-- epochs]
#:project ../src/Data/OrthoNative.Data.csproj
#:property PublishAot=false
using OrthoNative;
using OrthoNative.Data;

int epochs = args.Length > 0 ? int.Parse(args[0]) : 60;
SequenceData data = CsvSequences.Read(
    "examples/data/gestures.csv", new CsvOptions { SequenceColumn = "sequence", TimeColumn = "time", LabelColumn = "gesture" });
SequenceData[] parts = Split.Stratified(data, [0.6, 0.2, 0.2], seed: 1);
ChannelScaling scaling = ChannelScaling.Of(parts[0]);
parts = [.. parts.Select(part => part.WithScaling(scaling))];

using var model = new Sequential(
    Device.Default, seed: 1, new RoaRnn(data.Features, 64, RoaRnnOptions.Computation() with { Output = SequenceOutput.All }), new Pooling(64, PoolingKind.Max), new Dense(64, data.Outputs));
using var loss = new CrossEntropyLoss();
using var adam = new Adam(model, 3e-3);
var confusion = new ConfusionMatrix(data.ClassNames);
var trainer = new Trainer(model, loss, adam, new TrainerOptions { BatchSize = 9, Epochs = epochs, ClipNorm = 1, Metrics = [new MacroF1(), confusion] });
TrainingResult result = trainer.Fit(parts[0].Augment(new AugmentationOptions { MaximumShift = 3, NoiseDeviation = [0.1] }, seed: 1), parts[1]);
EvaluationResult test = trainer.Evaluate(parts[2]);
Console.WriteLine($"best epoch {result.BestEpoch!.Epoch} of {result.Epochs.Count}; test macro F1 {test["macro_f1"]:F3}");
Console.WriteLine(confusion);
model.Info = ModelInfo.Of(parts[0]);
model.Save("gestures.safetensors");
