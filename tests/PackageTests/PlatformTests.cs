using OrthoNative.Tests;
using static OrthoNative.PackageTests.Programs;

namespace OrthoNative.PackageTests;

/// <summary>Programs for other platforms: published here, and run where Wine or QEMU can.</summary>
internal sealed class PlatformTests
{
    private static readonly string[] s_platforms = ["linux-arm64", "linux-musl-x64", "linux-x64", "osx-arm64", "win-arm64", "win-x64"];

    private static readonly Lazy<string> s_project = new(() => Make("platform", program: "Platform.cs"));

    /// <summary>What the same program prints on this machine with an instruction set.</summary>
    private static readonly Dictionary<string, string[]> s_expected = [];

    [TestCaseSource(nameof(s_platforms))]
    public void A_published_program_has_the_library_of_its_platform_beside_it(string platform)
    {
        string folder = Publish(platform);

        string[] libraries = [.. Directory.GetFiles(folder, "liborthonative.*", SearchOption.AllDirectories).Select(file => Path.GetRelativePath(folder, file))];
        Assert.That(libraries, Is.EqualTo([LibraryOf(platform)]));
        Assert.That(File.ReadAllBytes(Path.Combine(folder, LibraryOf(platform))), Is.EqualTo(File.ReadAllBytes(BuiltLibrary(platform))));
    }

    [TestCase("avx512")]
    [TestCase("avx2")]
    [TestCase("baseline")]
    public void On_Windows_a_program_trains_to_the_same_weights(string instructionSet)
    {
        string folder = Publish("win-x64");
        RequireProgram("wine64", "/usr/lib/wine");

        string[] found = Results(RunPlatform(folder, "win-x64", instructionSet));

        Assert.That(found, Is.EqualTo(Expected(instructionSet)));
    }

    [Test]
    public void On_Arm_a_program_trains_saves_and_predicts()
    {
        string folder = Publish("linux-arm64");
        RequireProgram("qemu-aarch64");

        Commands.Result result = RunPlatform(folder, "linux-arm64", "baseline");

        double[] losses = Train(result);
        Assert.That(losses[^1], Is.LessThan(losses[0]));
        // Other vectors sum in another order. Ten steps from the same weights end within rounding of each other.
        Assert.That(losses, Is.EqualTo(Train(RunHere("baseline"))).Within(1e-4));
    }

    private static string[] Results(Commands.Result result)
    {
        Assert.That(Train(result)[^1], Is.LessThan(Train(result)[0]));
        return [.. result.Output.Split('\n', StringSplitOptions.TrimEntries).Where(line => line.StartsWith("weights", StringComparison.Ordinal) || line.StartsWith("predictions", StringComparison.Ordinal))];
    }

    private static string[] Expected(string instructionSet)
    {
        lock (s_expected)
        {
            if (!s_expected.TryGetValue(instructionSet, out string[]? expected))
            {
                expected = Results(RunHere(instructionSet));
                Assert.That(expected, Has.Length.EqualTo(2));
                s_expected.Add(instructionSet, expected);
            }

            return expected;
        }
    }

    private static Commands.Result RunHere(string instructionSet)
    {
        string folder = Path.Combine(Packages.Folder, "published", "here");
        if (!Directory.Exists(folder))
        {
            Commands.DotNet(s_project.Value, "publish", "-c", "Release", "-o", folder, "-nodeReuse:false");
        }

        return Run(Path.Combine(folder, "platform"), [], instructionSet);
    }

    private static Commands.Result RunPlatform(string folder, string platform, string instructionSet) => platform switch
    {
        "win-x64" => Run(Path.Combine(Repository.Root, "cmake", "toolchains", "wine.sh"), [Path.Combine(folder, "platform.exe")], instructionSet),
        _ => Run("qemu-aarch64", ["-L", "/usr/aarch64-linux-gnu", Path.Combine(folder, "platform")], instructionSet),
    };

    private static Commands.Result Run(string program, string[] arguments, string instructionSet)
    {
        string output = Directory.CreateTempSubdirectory("orthonative-platform-").FullName;
        try
        {
            Commands.Result result = Commands.Run(output, "env", [$"ORTHONATIVE_CPU={instructionSet}", program, .. arguments, "."]);
            if (result.Error.Contains("this processor and this build have at most", StringComparison.Ordinal))
            {
                Assert.Ignore(result.Error);
            }

            return result;
        }
        finally
        {
            Directory.Delete(output, recursive: true);
        }
    }

    private static string Publish(string platform)
    {
        if (platform != Packages.RuntimeIdentifier)
        {
            Packages.RequirePlatform(platform);
        }

        string folder = Path.Combine(Packages.Folder, "published", platform);
        if (!Directory.Exists(folder))
        {
            string output = Commands.DotNet(s_project.Value, "publish", "-c", "Release", "-r", platform, "--self-contained", "-o", folder, "-nodeReuse:false");
            Assert.That(output, Does.Not.Contain("ORTHO004"));
        }

        return folder;
    }

    private static string LibraryOf(string platform) =>
        platform.StartsWith("win-", StringComparison.Ordinal) ? "liborthonative.dll" : platform.StartsWith("osx-", StringComparison.Ordinal) ? "liborthonative.dylib" : "liborthonative.so";

    private static string BuiltLibrary(string platform) =>
        Path.Combine(Repository.Root, "artifacts", "native", platform == Packages.RuntimeIdentifier ? "Release" : platform, "lib", LibraryOf(platform));

    private static void RequireProgram(string name, params string[] folders)
    {
        string[] places = [.. folders, .. Environment.GetEnvironmentVariable("PATH")!.Split(Path.PathSeparator)];
        if (!places.Any(place => File.Exists(Path.Combine(place, name))))
        {
            Assert.Ignore($"There is no {name}.");
        }
    }
}
