using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using OrthoNative;

// Ten steps on one thread, saved, loaded and used for a prediction; what comes out is printed as hashes, to be compared among platforms.
Directory.SetCurrentDirectory(args[0]);
using Device device = Device.Cpu(threads: 1);
using var model = new Sequential(device, seed: 1,
    new RoaRnn(10, 32, new RoaRnnOptions { Output = SequenceOutput.LastSteps(10) }),
    new Dense(32, 10));
using var loss = new CrossEntropyLoss();
using var adam = new Adam(model, learningRate: 3e-3);
using var data = new DataLoader(new CopyingMemory(delay: 20, count: 500, seed: 1), batchSize: 50, new DataLoaderOptions { Device = device });
float[]? first = null;
foreach (Batch batch in data.Epoch(0))
{
    double value = loss.Forward(model.Forward(batch.Inputs), batch);
    model.Backward(loss.Gradient);
    adam.Step();
    first ??= batch.Inputs.ToArray<float>();
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"step {adam.StepCount}  loss {value:F6}"));
}

model.Save("model.safetensors");
using var loaded = Model.Load("model.safetensors", device);
using Tensor inputs = Tensor.From<float>(device, first!, first!.Length / 500, 50, 10);
string expected = Hash(model.Forward(inputs)), found = Hash(loaded.Forward(inputs));
Console.WriteLine($"platform {RuntimeInformation.RuntimeIdentifier} {SystemInfo.InstructionSet}");
Console.WriteLine($"weights {Hash(model.ParameterData)}");
Console.WriteLine($"predictions {found}");
return found == expected ? 0 : 5;

static string Hash(Tensor tensor) => Convert.ToHexString(SHA256.HashData(MemoryMarshal.AsBytes<float>(tensor.ToArray<float>())));
