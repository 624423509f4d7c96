// The same layer in OrthoNative and as a module of TorchSharp, weights exchanged: dotnet run examples/torchsharp.cs
// On other systems than Linux on x64, name its libtorch package instead.
#:project ../src/TorchSharp/OrthoNative.TorchSharp.csproj
#:package libtorch-cpu-linux-x64
#:property PublishAot=false
using OrthoNative;
using TorchSharp;

var data = new AddingProblem(length: 100, count: 3200, seed: 1);
using var model = new Sequential(Device.Default, seed: 1, new OrthoNative.RoaRnn(2, 64, RoaRnnOptions.Memory(100)), new Dense(64, 1));
using var loss = new MeanSquaredErrorLoss();
using var adam = new Adam(model, 3e-3);
new Trainer(model, loss, adam, new TrainerOptions { BatchSize = 64, Epochs = 2, ClipNorm = 1 }).Fit(data);

using var module = OrthoNative.TorchSharp.RoaRnn.FromLayer((OrthoNative.RoaRnn)model.Layers[0]);
using var loader = new DataLoader(data, 8);
DataLoader.Enumerator batches = loader.Epoch(0).GetEnumerator();
batches.MoveNext();
Batch batch = batches.Current;
model.Training = false;
float[] expected = model.Forward(batch.Inputs).ToArray<float>();
using var inputs = torch.tensor(batch.Inputs.ToArray<float>(), [100, 8, 2]);
