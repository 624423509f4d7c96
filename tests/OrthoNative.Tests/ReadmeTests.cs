using System.Globalization;
using System.Text.RegularExpressions;

namespace OrthoNative.Tests;

[NonParallelizable] // takes over the console
internal sealed class ReadmeTests
{
    [Test]
    public void The_example_learns_to_recall()
    {
        string last = ReadmeExample.Run(RunExample).TrimEnd().Split('\n')[^1];
        double recalled = double.Parse(Regex.Match(last, @"recalled ([\d.]+)").Groups[1].Value, CultureInfo.InvariantCulture);
        Assert.That(recalled, Is.GreaterThan(50));
    }

    [Test]
    public void The_example_in_the_readme_is_the_one_that_is_tested() =>
        ReadmeExample.AssertShown("tests/OrthoNative.Tests/ReadmeTests.cs", "using OrthoNative;\n");

    [Test]
    public void The_layer_of_the_readme_passes_its_gradient_check()
    {
        string output = ReadmeExample.Run(Outside.CustomLayer.Run);
        Assert.That(output, Does.Match(@"^\d+ gradients agree with central differences, the largest error is "));
        ReadmeExample.AssertShown("tests/Outside/CustomLayer.cs", "using System.Numerics;\nusing OrthoNative;\nusing OrthoNative.Diagnostics;\n");
    }

    private static void RunExample()
    {
        // begin of the example
        using var model = new Sequential(Device.Default, seed: 1,
            new RoaRnn(10, 128, new RoaRnnOptions { Output = SequenceOutput.LastSteps(10) }),
            new Dense(128, 10));
        using var loss = new CrossEntropyLoss();
        using var adam = new Adam(model, learningRate: 1e-3);
        using var data = new DataLoader(new CopyingMemory(delay: 100, count: 20_000, seed: 1), batchSize: 50);
        foreach (Batch batch in data.Epoch(0))
        {
            double value = loss.Forward(model.Forward(batch.Inputs), batch);
            model.Backward(loss.Gradient);
            adam.Step();
            Console.WriteLine($"loss {value:F4}, recalled {loss.Correct / loss.WeightSum:P1}");
        }

        // end of the example
    }
}
