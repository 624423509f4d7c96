using System.Text.RegularExpressions;
using OrthoNative.Tests;
using static OrthoNative.PackageTests.Programs;

namespace OrthoNative.PackageTests;

/// <summary>Programs that use the packages as anyone would.</summary>
internal sealed class ConsumerTests
{
    private static readonly Lazy<double[]> s_losses = new(() => Train(Commands.Run(Built(), "dotnet", Path.Combine("out", "console.dll"))));

    private static readonly string[] s_trimmed = ["--self-contained", "-p:PublishTrimmed=true"];
    private static readonly string[] s_nativeAot = ["-p:PublishAot=true"];

    private static IEnumerable<TestCaseData> Published()
    {
        yield return new TestCaseData("trimmed", s_trimmed).SetName("A_program_trains_trimmed_and_self_contained");
        yield return new TestCaseData("aot", s_nativeAot).SetName("A_program_trains_as_native_code");
    }

    [Test]
    public void A_program_trains_the_same_on_NET_8()
    {
        string folder = Make("net8run", framework: "net8.0");
        Commands.DotNet(folder, "publish", "-c", "Release", "-r", Packages.RuntimeIdentifier, "--self-contained", "-o", "published", "-nodeReuse:false");

        Assert.That(File.ReadAllText(Path.Combine(folder, "published", "net8run.runtimeconfig.json")), Does.Contain("\"8.0."));
        Assert.That(Train(Commands.Run(folder, Path.Combine(folder, "published", "net8run"))), Is.EqualTo(s_losses.Value));
    }

    [Test]
    public void A_program_with_the_package_trains_ten_steps() => Assert.That(s_losses.Value[^1], Is.LessThan(s_losses.Value[0]));

    [Test]
    public void The_program_builds_for_NET_8_with_the_language_of_its_time() =>
        Assert.That(() => Build(Make("net8", framework: "net8.0")), Throws.Nothing);

    [TestCaseSource(nameof(Published))]
    public void A_published_program_trains_the_same(string name, string[] options)
    {
        string folder = Make(name);
        string output = Commands.DotNet(folder, ["publish", "-c", "Release", "-r", Packages.RuntimeIdentifier, "-o", "published", "-nodeReuse:false", .. options]);

        Assert.That(output, Does.Not.Match("warning IL"));
        Assert.That(Train(Commands.Run(folder, Path.Combine(folder, "published", name))), Is.EqualTo(s_losses.Value));
    }

    [Test]
    public void A_TorchSharp_program_trains_the_layer()
    {
        string folder = Make("torch", "OrthoNative.TorchSharp", "TrainTorch.cs", moreFiles: "TorchRuntime.cs");
        // The library of this system, as every TorchSharp program needs one.
        Commands.DotNet(folder, "add", "package", $"libtorch-cpu-{Packages.RuntimeIdentifier}", "--version", LibtorchVersion());
        double[] losses = Train(Commands.Run(Build(folder), "dotnet", Path.Combine("out", "torch.dll")));

        Assert.That(losses[^1], Is.LessThan(losses[0]));
    }

    [Test]
    public void A_missing_library_gives_the_one_message()
    {
        string folder = Copy("missing");
        File.Delete(Library(folder));

        Assert.That(MessageOf(folder), Does.Contain("could not be loaded").And.Contain("install the package OrthoNative"));
    }

    [Test]
    public void A_damaged_library_gives_the_one_message()
    {
        string folder = Copy("damaged");
        File.WriteAllText(Library(folder), "damaged");

        Assert.That(MessageOf(folder), Does.Contain("could not be loaded").And.Contain($"{LibraryFile}: Unable to load"));
    }

    [Test]
    public void Without_the_Cuda_package_the_message_names_its_library()
    {
        Commands.Result result = Commands.Run(Built(), "dotnet", Path.Combine("out", "console.dll"), "cuda");

        Assert.That(result.ExitCode, Is.EqualTo(4), result.Output + result.Error);
        Assert.That(result.Error, Does.Contain("liborthonative_cuda.so of CUDA devices cannot be loaded; add the NuGet package OrthoNative.Native.Cuda.linux-x64"));
    }

    [Test]
    public void With_the_Cuda_package_a_program_trains_on_the_GPU_or_says_that_there_is_none()
    {
        Packages.RequireCudaPackage();
        string folder = Make("gpu");
        Commands.DotNet(folder, "add", "package", $"OrthoNative.Native.Cuda.{Packages.RuntimeIdentifier}", "--version", Packages.Version);

        Commands.Result result = Commands.Run(Build(folder), "dotnet", Path.Combine("out", "gpu.dll"), "cuda");

        if (result.ExitCode == 4)
        {
            Assert.That(result.Error, Does.Contain("the NVIDIA driver is missing, too old for this build, or finds no GPU"));
        }
        else
        {
            Assert.That(Train(result)[^1], Is.LessThan(s_losses.Value[0]));
        }
    }

    [Test]
    public void The_tool_is_installed_describes_the_machine_and_learns_from_a_file()
    {
        string folder = Packages.NewProgram("tool");
        Commands.DotNet(folder, "tool", "install", "OrthoNative.Cli", "--version", Packages.Version, "--tool-path", folder);

        Commands.Result info = Commands.Run(folder, Path.Combine(folder, "orthonative"), "info");

        Assert.That(info.ExitCode, Is.Zero, info.Error);
        Assert.That(info.Output, Does.Contain(File.ReadAllText(Path.Combine(Repository.Root, "VERSION")).Trim()).And.Contain("cpu"));

        string gestures = Path.Combine(Repository.Root, "examples", "data", "gestures.csv");
        Commands.Result trained = Commands.Run(folder, Path.Combine(folder, "orthonative"), "train", gestures, "--epochs", "5", "--out", "run");
        Assert.That(trained.ExitCode, Is.Zero, trained.Error);
        Assert.That(File.Exists(Path.Combine(folder, "run", "report.html")) && File.Exists(Path.Combine(folder, "run", "loss.png")), Is.True, trained.Output);
        Commands.Result predicted = Commands.Run(folder, Path.Combine(folder, "orthonative"), "predict", "run", gestures);
        Assert.That(predicted.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries), Has.Length.EqualTo(61), predicted.Error);
    }

    private static string LibtorchVersion() =>
        Regex.Match(
            File.ReadAllText(Path.Combine(Repository.Root, "Directory.Packages.props")),
            $"\"libtorch-cpu-{Packages.RuntimeIdentifier}\" Version=\"([^\"]+)\"").Groups[1].Value;

    /// <summary>What a program prints that cannot use its native library.</summary>
    private static string MessageOf(string folder)
    {
        Commands.Result result = Commands.Run(folder, "dotnet", Path.Combine("out", "console.dll"));
        Assert.That(result.ExitCode, Is.EqualTo(3), result.Output + result.Error);
        return result.Error;
    }
}
