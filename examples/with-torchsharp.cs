// A layer that was trained in OrthoNative as a module of TorchSharp: dotnet run examples/with-torchsharp.cs
// On Linux, TorchSharp needs the C++ runtime of GCC 13 or later. On other systems, name the libtorch package of that system.
#:project ../src/TorchSharp/OrthoNative.TorchSharp.csproj
#:package libtorch-cpu-linux-x64
#:property PublishAot=false
using OrthoNative;
using TorchSharp;

var data = new AddingProblem(length: 100, count: 3200, seed: 1);
var layer = new OrthoNative.RoaRnn(2, 64, RoaRnnOptions.Memory(100));
using var model = new Sequential(Device.Default, seed: 1, layer, new Dense(64, 1));
using var loss = new MeanSquaredErrorLoss();
using var adam = new Adam(model, 3e-3);
var trainer = new Trainer(model, loss, adam, new TrainerOptions { BatchSize = 64, Epochs = 2, ClipNorm = 1 });
trainer.Fit(data);

using var module = OrthoNative.TorchSharp.RoaRnn.FromLayer(layer);
float[] sample = new float[200], target = new float[1];
data.Read([0], sample, [], target);
using var input = torch.tensor(sample, [100, 1, 2]);
using var states = module.forward(input);
Console.WriteLine($"module's last state has shape [{string.Join(", ", states.shape)}]; its gradient flows through torch: {states.requires_grad}");
Console.WriteLine($"model's answer {trainer.Predict(data.Subset([0]))[0][0]:F3}, target {target[0]:F3}");
