// begin of the usings
using OrthoNative;
using static TorchSharp.torch;
using Device = OrthoNative.Device;
using RoaFnn = OrthoNative.TorchSharp.RoaFnn;
using RoaRnn = OrthoNative.TorchSharp.RoaRnn;
using Tensor = TorchSharp.torch.Tensor;
// end of the usings
using System.Text.RegularExpressions;
using OrthoNative.Tests;

// Outside OrthoNative, whose names would come first.
namespace Aliases;

/// <summary>A file that uses OrthoNative, its TorchSharp modules and torch's names.</summary>
internal sealed partial class AliasTests
{
    [Test]
    public void With_the_aliases_of_the_readme_a_file_compiles_that_uses_all_names()
    {
        using Device device = Device.Cpu(1);
        using var recurrent = new RoaRnn(1, 4, new RoaRnnOptions { Output = SequenceOutput.Last }, device: device);
        using var feedforward = new RoaFnn(4, 2, new RoaFnnOptions { Filter = Filter.Cycle }, device: device);
        using Tensor inputs = ones(3, 2, 1);
        using Tensor outputs = feedforward.forward(recurrent.forward(inputs));

        Assert.That(outputs.shape, Is.EqualTo([2L, 4L]));
    }

    [Test]
    public void The_readme_shows_these_aliases()
    {
        string source = File.ReadAllText(Path.Combine(Repository.Root, "tests/TorchSharp.Tests/AliasTests.cs"));
        string usings = Usings().Match(source).Groups[1].Value;

        Assert.That(usings, Does.Contain("using Tensor = "));
        Assert.That(File.ReadAllText(Path.Combine(Repository.Root, "README.md")), Does.Contain($"```csharp\n{usings}```\n"));
    }

    [GeneratedRegex("// begin of the usings\n(.*?)// end of the usings", RegexOptions.Singleline)]
    private static partial Regex Usings();
}
