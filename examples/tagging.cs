// Tags every step of a sequence: is the number of ones so far odd or even? Learnt on up to 32 steps, tested on 2,000: dotnet run examples/tagging.cs [-- epochs]
#:project ../src/Managed/OrthoNative.csproj
#:property PublishAot=false
using OrthoNative;

int epochs = args.Length > 0 ? int.Parse(args[0]) : 10;
var training = new ModularSum(modulus: 2, length: 32, count: 6400, seed: 1, shortestLength: 1);
var test = new ModularSum(modulus: 2, length: 2000, count: 50, seed: 1, DataSplit.Test);
using var model = new Sequential(
    Device.Default, seed: 1, new RoaRnn(training.Features, 64, RoaRnnOptions.Computation() with { Output = SequenceOutput.All }), new Dense(64, training.Outputs));
using var loss = new CrossEntropyLoss();
using var adam = new Adam(model, 1e-2) { Schedule = new CosineSchedule(1e-2, epochs * 200) };
var trainer = new Trainer(model, loss, adam, new TrainerOptions { BatchSize = 32, Epochs = epochs, ClipNorm = 1, Metrics = [new Accuracy()] });
trainer.Fit(training);
Console.WriteLine($"{trainer.Evaluate(test)["accuracy"]:P2} of {test.Count * test.Steps:N0} steps are right");
Predictions tags = trainer.Predict(test.Subset([0]));
Console.WriteLine($"the first 20 tags of a sequence: {string.Concat(Enumerable.Range(0, 20).Select(step => tags.ClassOf(0, step)))}");
