using System.Globalization;
using System.Text.RegularExpressions;

namespace OrthoNative.PackageTests;

/// <summary>Makes, builds and runs programs that use the packages.</summary>
internal static class Programs
{
    /// <summary>The file of the native library.</summary>
    public const string LibraryFile = "liborthonative.so";

    private static readonly Lazy<string> s_built = new(() => Build(Make("console")));

    /// <summary>Makes a program, with a package from the feed unless it is null.</summary>
    public static string Make(string name, string? package = "OrthoNative", string program = "Train.cs", string framework = "net10.0", params string[] moreFiles)
    {
        string folder = Packages.NewProgram(name);
        File.WriteAllText(
            Path.Combine(folder, $"{name}.csproj"),
            $"""
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup>
                <OutputType>Exe</OutputType>
                <TargetFramework>{framework}</TargetFramework>
                <ImplicitUsings>enable</ImplicitUsings>
                <Nullable>enable</Nullable>
                <AllowUnsafeBlocks>true</AllowUnsafeBlocks>
              </PropertyGroup>
            </Project>
            """);
        foreach (string file in (string[])[program, .. moreFiles])
        {
            using Stream source = typeof(Programs).Assembly.GetManifestResourceStream(file)!;
            using FileStream copy = File.Create(Path.Combine(folder, file));
            source.CopyTo(copy);
        }

        if (package is not null)
        {
            Commands.DotNet(folder, "add", "package", package, "--version", Packages.Version);
        }

        return folder;
    }

    public static string Build(string folder)
    {
        Commands.DotNet(folder, "build", "-c", "Release", "-nodeReuse:false", "-o", "out");
        return folder;
    }

    public static string Built() => s_built.Value;

    /// <summary>A copy of the built program, to be damaged or loaded in another way.</summary>
    public static string Copy(string name)
    {
        string folder = Packages.NewProgram(name);
        CopyFolder(Path.Combine(Built(), "out"), Path.Combine(folder, "out"));
        return folder;
    }

    public static void CopyFolder(string from, string to)
    {
        foreach (string file in Directory.GetFiles(from, "*", SearchOption.AllDirectories))
        {
            string copy = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }
    }

    /// <summary>The native library that a program in a folder loads; there may be those of other platforms beside it.</summary>
    public static string Library(string folder) =>
        Directory.GetFiles(folder, LibraryFile, SearchOption.AllDirectories)
            .Single(file => !file.Contains("runtimes", StringComparison.Ordinal) || file.Contains($"{Path.DirectorySeparatorChar}{Packages.RuntimeIdentifier}{Path.DirectorySeparatorChar}", StringComparison.Ordinal));

    /// <summary>The losses that the program printed, ten of them.</summary>
    public static double[] Train(Commands.Result result)
    {
        Assert.That(result.ExitCode, Is.Zero, result.Output + result.Error);
        double[] losses = [.. Regex.Matches(result.Output, @"loss (\S+)").Select(line => double.Parse(line.Groups[1].Value, CultureInfo.InvariantCulture))];
        Assert.That(losses, Has.Length.EqualTo(10));
        return losses;
    }
}
