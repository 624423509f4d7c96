using System.Globalization;
using System.Text.RegularExpressions;
using OrthoNative.Tests;
using OrthoNative.TorchSharp;
using static TorchSharp.torch;
// As in a program that uses OrthoNative.TorchSharp alone.
using Tensor = TorchSharp.torch.Tensor;

// Outside OrthoNative, whose names would come first.
namespace Readme;

[NonParallelizable] // takes over the console
internal sealed class ReadmeTests
{
    [Test]
    public void The_example_learns()
    {
        _ = manual_seed(5);
        double[] losses =
        [
            .. Regex.Matches(ReadmeExample.Run(RunExample), @"loss (\S+)").Select(match => double.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture)),
        ];
        Assert.That(losses, Has.Length.EqualTo(60));
        Assert.That(losses[^1], Is.LessThan(0.1 * losses[0]));
    }

    [Test]
    public void The_example_in_the_readme_is_the_one_that_is_tested() =>
        ReadmeExample.AssertShown("tests/TorchSharp.Tests/ReadmeTests.cs", "using OrthoNative.TorchSharp;\nusing static TorchSharp.torch;\n");

    private static void RunExample()
    {
        // begin of the example
        using var model = nn.Sequential(
            ("rnn", new RoaRnn(inputSize: 1, hiddenSize: 16, seed: 1)),
            ("readout", nn.Linear(16, 1)));
        using var adam = optim.Adam(model.parameters(), 1e-2);
        using Tensor inputs = randn(20, 32, 1);
        using Tensor targets = inputs[0] + inputs[5];
        for (int step = 0; step < 60; step++)
        {
            using var scope = NewDisposeScope();
            adam.zero_grad();
            Tensor loss = nn.functional.mse_loss(model.forward(inputs), targets);
            loss.backward();
            adam.step();
            Console.WriteLine($"loss {loss.item<float>():F4}");
        }

        // end of the example
    }
}
