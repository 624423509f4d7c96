// Forecasts the next 96 hours of seven series from 336 (ETTh1): dotnet run examples/forecast.cs -- ETTh1.csv [epochs]
#:project ../src/Data/OrthoNative.Data.csproj
#:property PublishAot=false
using OrthoNative;
using OrthoNative.Data;

SequenceData series = CsvSequences.Read(args[0], new CsvOptions { TimeColumn = "date" });
const int Training = 12 * 30 * 24, Part = 4 * 30 * 24;
series = series.WithScaling(ChannelScaling.Of(series.Range(0, Training)));
var window = new WindowOptions { Length = 336, Horizon = 96 };
WindowDataset training = series.Windows(window with { To = Training });
WindowDataset validation = series.Windows(window with { From = Training, To = Training + Part });
WindowDataset test = series.Windows(window with { From = Training + Part, To = Training + (2 * Part) });

using var model = new Sequential(Device.Default, seed: 1, new WindowScaling(
    new WindowScalingOptions { Mode = WindowScalingMode.RevIn, TargetChannels = training.TargetChannels },
    new RoaRnn(training.Features, 128, RoaRnnOptions.Memory(336)), new Dense(128, training.Outputs)));
using var loss = new MeanSquaredErrorLoss();
using var adam = new Adam(model, 1e-3);
var options = new TrainerOptions { BatchSize = 64, ClipNorm = 1, Metrics = [new MeanAbsoluteError()], Monitor = "loss", EarlyStopping = new EarlyStopping { Patience = 3 } };
options = options with { Epochs = args.Length > 1 ? int.Parse(args[1]) : 10, StepsPerEpoch = args.Length > 2 ? int.Parse(args[2]) : null, Callbacks = [new EpochWriter(Console.Out)] };
var trainer = new Trainer(model, loss, adam, options);
trainer.Fit(training, validation);
EvaluationResult result = trainer.Evaluate(test);
Console.WriteLine($"test: mean squared error {result.Loss:F3}, mean absolute error {result["mean_absolute_error"]:F3}");
