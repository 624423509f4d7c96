using System.Runtime.InteropServices;
using OrthoNative.Tests;

namespace OrthoNative.PackageTests;

/// <summary>Packs the packages once, with a version of their own so that no cache has them, and cleans up behind all tests.</summary>
[SetUpFixture]
internal sealed class Packages
{
    /// <summary>The version that this run packs.</summary>
    public static string Version { get; } = $"{File.ReadAllText(Path.Combine(Repository.Root, "VERSION")).Trim()}-test.{Guid.NewGuid():N}"[..24];

    /// <summary>The packed files, and beside them the programs that use them.</summary>
    public static string Folder { get; } = Directory.CreateTempSubdirectory("orthonative-packages-").FullName;

    /// <summary>The packed files.</summary>
    public static string Feed { get; } = Path.Combine(Folder, "feed");

    /// <summary>The platform that the native package is for: linux-x64.</summary>
    public static string RuntimeIdentifier => RuntimeInformation.RuntimeIdentifier;

    /// <summary>A new folder for a program, outside the repository, in which packages come from the feed.</summary>
    public static string NewProgram(string name)
    {
        string folder = Path.Combine(Folder, name);
        Directory.CreateDirectory(folder);
        return folder;
    }

    /// <summary>The library of CUDA devices, where build.ps1 cuda has built it; its package is then packed, too.</summary>
    public static string CudaLibrary { get; } = Path.Combine(Repository.Root, "native/build/cuda/liborthonative_cuda.so");

    /// <summary>Ends the test as ignored, with the reason, where there is no library of CUDA devices.</summary>
    public static void RequireCudaPackage()
    {
        if (!File.Exists(CudaLibrary))
        {
            Assert.Ignore($"There is no {CudaLibrary}; build.ps1 cuda builds it where nvcc is installed.");
        }
    }

    /// <summary>Other platforms whose libraries build.ps1 native -Rid has built; their packages are then packed, too.</summary>
    public static IReadOnlyList<string> OtherPlatforms { get; } = FindPlatforms();

    /// <summary>Ends the test as ignored, with the reason, where there is no library for a platform.</summary>
    public static void RequirePlatform(string platform)
    {
        if (!OtherPlatforms.Contains(platform))
        {
            Assert.Ignore($"There is no library in artifacts/native/{platform}; build.ps1 native -Rid {platform} builds it.");
        }
    }

    private static string[] FindPlatforms()
    {
        string folder = Path.Combine(Repository.Root, "artifacts", "native");
        return Directory.Exists(folder)
            ? [.. Directory.GetFiles(folder, "liborthonative.*", SearchOption.AllDirectories)
                .Where(file => Path.GetFileName(Path.GetDirectoryName(file)) == "lib" && Path.GetExtension(file) is ".so" or ".dll" or ".dylib")
                .Select(file => Path.GetFileName(Path.GetDirectoryName(Path.GetDirectoryName(file)!))!)
                .Where(platform => platform.Contains('-', StringComparison.Ordinal) && platform != RuntimeIdentifier)]
            : [];
    }

    [OneTimeSetUp]
    public void Pack()
    {
        foreach (string platform in OtherPlatforms)
        {
            Commands.DotNet(
                Repository.Root, "pack", "src/Native", "-c", "Release", "-o", Feed, $"-p:PackageVersion={Version}", $"-p:NativeRuntimeIdentifier={platform}", "-p:BuildNative=false",
                "-nodeReuse:false");
        }

        string[] all = OtherPlatforms.Count > 0 ? [$"-p:NativePlatforms={string.Join("%3B", OtherPlatforms)}"] : [];
        Commands.DotNet(Repository.Root, ["pack", "OrthoNative.sln", "-c", "Release", "-o", Feed, $"-p:PackageVersion={Version}", "-nodeReuse:false", .. all]);
        if (File.Exists(CudaLibrary))
        {
            Commands.DotNet(Repository.Root, "pack", "src/Native.Cuda", "-c", "Release", "-o", Feed, $"-p:PackageVersion={Version}", "-nodeReuse:false");
        }

        File.WriteAllText(
            Path.Combine(Folder, "nuget.config"),
            $"""
            <configuration>
              <packageSources>
                <add key="local" value="{Feed}" />
              </packageSources>
            </configuration>
            """);
        // What lies above the folder must not reach the programs.
        File.WriteAllText(Path.Combine(Folder, "Directory.Build.props"), "<Project />");
        File.WriteAllText(Path.Combine(Folder, "Directory.Packages.props"), "<Project />");
    }

    [OneTimeTearDown]
    public void Clean()
    {
        Directory.Delete(Folder, recursive: true);
        string cache = Environment.GetEnvironmentVariable("NUGET_PACKAGES")
            ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");
        foreach (string package in Directory.Exists(cache) ? Directory.GetDirectories(cache, "orthonative*") : [])
        {
            string unpacked = Path.Combine(package, Version);
            if (Directory.Exists(unpacked))
            {
                Directory.Delete(unpacked, recursive: true);
            }
        }
    }
}
