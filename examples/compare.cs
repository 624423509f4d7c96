// Compares models of about as many parameters on one task, by one trainer: dotnet run examples/compare.cs [-- length steps]
#:project ../src/Managed/OrthoNative.csproj
#:property PublishAot=false
using OrthoNative;

int length = args.Length > 0 ? int.Parse(args[0]) : 100, steps = args.Length > 1 ? int.Parse(args[1]) : 600;
var training = new CopyingMemory(length, count: 50 * steps, seed: 1);
var test = new CopyingMemory(length, count: 500, seed: 1, DataSplit.Test);
SequenceOutput recalled = SequenceOutput.LastSteps(training.TargetSteps);
(string Name, RecurrentLayer Layer, double LearningRate, double ReadoutScale)[] models =
[
    ("RoaRnn", new RoaRnn(training.Features, 128, RoaRnnOptions.Memory(length) with { Output = recalled }), 1e-3, 10),
    ("GRU", new Gru(training.Features, 72, new GruOptions { Output = recalled }), 3e-3, 1),
    ("LSTM", new Lstm(training.Features, 62, new LstmOptions { Output = recalled }), 3e-3, 1),
];
foreach ((string name, RecurrentLayer layer, double learningRate, double readoutScale) in models)
{
    using var model = new Sequential(
        Device.Default, seed: 1, layer, new Dense(layer.OutputSize, training.Outputs, new DenseOptions { WeightScale = readoutScale, WeightLearningRateScale = readoutScale }));
    using var loss = new CrossEntropyLoss();
    using var adam = new Adam(model, learningRate);
    var trainer = new Trainer(model, loss, adam, new TrainerOptions { BatchSize = 50, Epochs = 1, ClipNorm = 1, Metrics = [new Accuracy()] });
    TrainingResult result = trainer.Fit(training);
    Console.WriteLine($"{name,-7} {model.ParameterData.Count,7:N0} parameters: {trainer.Evaluate(test)["accuracy"],6:P1} of the symbols recalled after {length} steps, {result.Duration.TotalSeconds:F1} s");
}
