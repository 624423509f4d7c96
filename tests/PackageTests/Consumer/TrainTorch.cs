using System.Globalization;
using OrthoNative.Libtorch;
using TorchSharp;
using static TorchSharp.torch;
using RoaRnn = OrthoNative.TorchSharp.RoaRnn;

TorchRuntime.Prepare();
Train();

// Apart, so that torch is loaded only now.
static void Train()
{
    _ = manual_seed(1);
    using var rnn = new RoaRnn(1, 16, seed: 1);
    using var readout = nn.Linear(16, 1);
    using var adam = optim.Adam([.. rnn.parameters(), .. readout.parameters()], 1e-2);
    using Tensor inputs = randn(20, 32, 1);
    using Tensor targets = inputs[0] + inputs[5];
    for (int step = 1; step <= 10; step++)
    {
        using DisposeScope scope = NewDisposeScope();
        adam.zero_grad();
        Tensor loss = nn.functional.mse_loss(readout.forward(rnn.forward(inputs)), targets);
        loss.backward();
        adam.step();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"step {step}  loss {loss.item<float>():R}"));
    }
}
