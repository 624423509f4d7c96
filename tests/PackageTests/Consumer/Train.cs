using System.Globalization;
using OrthoNative;

try
{
    Device device = args is ["cuda"] ? Device.Cuda() : Device.Default;
    using var model = new Sequential(device, seed: 1,
        new RoaRnn(10, 32, new RoaRnnOptions { Output = SequenceOutput.LastSteps(10) }),
        new Dense(32, 10));
    using var loss = new CrossEntropyLoss();
    using var adam = new Adam(model, learningRate: 3e-3);
    using var data = new DataLoader(new CopyingMemory(delay: 20, count: 500, seed: 1), batchSize: 50, new DataLoaderOptions { Device = device });
    foreach (Batch batch in data.Epoch(0))
    {
        double value = loss.Forward(model.Forward(batch.Inputs), batch);
        model.Backward(loss.Gradient);
        adam.Step();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"step {adam.StepCount}  loss {value:R}"));
    }

    model.Save("model.safetensors");
    model.Load("model.safetensors");
    return 0;
}
catch (OrthoNativeLibraryException exception)
{
    Console.Error.WriteLine(exception.Message);
    return 3;
}
catch (NotSupportedException exception)
{
    Console.Error.WriteLine(exception.Message);
    return 4;
}
