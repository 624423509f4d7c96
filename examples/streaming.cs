// Feeds a model step by step and carries its state, as for a sensor that never ends: dotnet run examples/streaming.cs
#:project ../src/Managed/OrthoNative.csproj
#:property PublishAot=false
using OrthoNative;

const int Channels = 3, Steps = 200;
using var model = new Sequential(
    Device.Default, new SequentialOptions { Seed = 1, Gradients = false }, new RoaRnn(Channels, 32, RoaRnnOptions.Streaming() with { Output = SequenceOutput.All }), new Dense(32, 2));
float[] signal = [.. Enumerable.Range(0, Steps * Channels).Select(i => MathF.Sin(0.1f * i))];
float[] whole = model.Forward(SequenceTensor.FromBatchMajor<float>(Device.Default, signal, batch: 1, Steps, Channels)).ToArray<float>();

using var input = new Tensor(Device.Default, DType.Float32, 1, 1, Channels);
Dictionary<string, Tensor>? states = null;
float largestDifference = 0;
for (int step = 0; step < Steps; step++)
{
    input.CopyFrom<float>(signal.AsSpan(step * Channels, Channels));
    float[] output = model.Forward(input, new ForwardOptions { InitialStates = states }).ToArray<float>();
    states?.Values.ToList().ForEach(state => state.Dispose());
    states = model.GetFinalStates();
    largestDifference = MathF.Max(largestDifference, MathF.Max(MathF.Abs(output[0] - whole[2 * step]), MathF.Abs(output[1] - whole[(2 * step) + 1])));
}

Console.WriteLine($"largest difference between {Steps} single steps and one pass over all: {largestDifference}");
