using System.IO.Compression;
using System.Text;
using System.Text.RegularExpressions;
using OrthoNative.Tests;

namespace OrthoNative.PackageTests;

/// <summary>What lies in the packages.</summary>
internal sealed class ContentTests
{
    private const long LargestPackage = 10 << 20;

    private static readonly Version s_oldestGlibc = new(2, 34);

    private static IEnumerable<string> Ids() => ["OrthoNative", $"OrthoNative.Native.{Packages.RuntimeIdentifier}", "OrthoNative.Cli", "OrthoNative.TorchSharp", "OrthoNative.Data", "OrthoNative.Arrow", "OrthoNative.Extensions"];

    private static string CudaId => $"OrthoNative.Native.Cuda.{Packages.RuntimeIdentifier}";

    [Test]
    public void Cuda_package_is_small_and_has_readme_licence_and_description()
    {
        Packages.RequireCudaPackage();
        Package_is_small_and_has_readme_licence_and_description(CudaId);
    }

    [TestCaseSource(nameof(Ids))]
    public void Package_is_small_and_has_readme_licence_and_description(string id)
    {
        string path = PathOf(id);
        Assert.That(new FileInfo(path).Length, Is.LessThan(LargestPackage));
        using ZipArchive package = ZipFile.OpenRead(path);
        Assert.That(package.Entries.Select(entry => entry.FullName), Does.Contain("README.md").And.Contain("LICENSE"));
        string nuspec = Read(package, $"{id}.nuspec");
        Assert.That(nuspec, Does.Contain("<license type=\"expression\">MIT</license>").And.Contain("<readme>README.md</readme>"));
        Assert.That(nuspec, Does.Match("<description>.{40,}</description>").And.Match("<repository type=\"git\" .*commit=\"[0-9a-f]{40}\""));
    }

    [Test]
    public void The_library_is_there_for_both_frameworks_and_depends_on_the_native_ones_alone()
    {
        using ZipArchive package = ZipFile.OpenRead(PathOf("OrthoNative"));
        foreach (string framework in (string[])["net8.0", "net10.0"])
        {
            foreach (string file in (string[])["OrthoNative.dll", "OrthoNative.xml", "OrthoNative.Interop.dll"])
            {
                Assert.That(package.GetEntry($"lib/{framework}/{file}"), Is.Not.Null, $"{framework}/{file}");
            }
        }

        Assert.That(
            Dependencies(package, "OrthoNative"),
            Is.EquivalentTo([
                .. Packages.OtherPlatforms.Append(Packages.RuntimeIdentifier).Select(platform => ($"OrthoNative.Native.{platform}", $"[{Packages.Version}]")),
                ("System.Numerics.Tensors", PinnedVersion("System.Numerics.Tensors")),
            ]));
    }

    [Test]
    public void The_modules_of_TorchSharp_depend_on_exactly_the_library_that_they_were_built_with()
    {
        using ZipArchive package = ZipFile.OpenRead(PathOf("OrthoNative.TorchSharp"));

        Assert.That(
            Dependencies(package, "OrthoNative.TorchSharp"),
            Is.EquivalentTo([("OrthoNative", $"[{Packages.Version}]"), ("TorchSharp", PinnedVersion("TorchSharp"))]));
    }

    [TestCase("OrthoNative.Data", "Sep")]
    [TestCase("OrthoNative.Arrow", "Apache.Arrow", "Apache.Arrow.Compression", "Parquet.Net", "System.IO.Pipelines")]
    public void Readers_are_there_for_both_frameworks_and_depend_on_the_library_and_their_parsers(string id, params string[] parsers)
    {
        using ZipArchive package = ZipFile.OpenRead(PathOf(id));

        Assert.That(package.Entries.Select(entry => entry.FullName), Does.Contain($"lib/net8.0/{id}.dll").And.Contain($"lib/net10.0/{id}.dll"));
        Assert.That(Dependencies(package, id), Is.EquivalentTo([("OrthoNative", $"[{Packages.Version}]"), .. parsers.Select(parser => (parser, PinnedVersion(parser)))]));
    }

    [Test]
    public void The_extensions_depend_on_the_library_and_the_abstractions_of_logging_alone()
    {
        using ZipArchive package = ZipFile.OpenRead(PathOf("OrthoNative.Extensions"));

        Assert.That(package.Entries.Select(entry => entry.FullName), Does.Contain("lib/net8.0/OrthoNative.Extensions.dll").And.Contain("lib/net10.0/OrthoNative.Extensions.dll"));
        Assert.That(
            Dependencies(package, "OrthoNative.Extensions"),
            Is.EquivalentTo([("OrthoNative", $"[{Packages.Version}]"), ("Microsoft.Extensions.Logging.Abstractions", PinnedVersion("Microsoft.Extensions.Logging.Abstractions"))]));
    }

    [TestCaseSource(nameof(Ids))]
    public void Packages_depend_on_each_other_by_exactly_their_version(string id)
    {
        using ZipArchive package = ZipFile.OpenRead(PathOf(id));

        Assert.That(
            Dependencies(package, id).Where(dependency => dependency.Id.StartsWith("OrthoNative", StringComparison.Ordinal)).Select(dependency => dependency.Version),
            Has.All.EqualTo($"[{Packages.Version}]"));
    }

    [Test]
    [Platform("Linux")]
    public void The_native_library_runs_with_the_oldest_glibc_that_the_readme_names()
    {
        CheckGlibc($"OrthoNative.Native.{Packages.RuntimeIdentifier}", "liborthonative.so");
        Assert.That(File.ReadAllText(Path.Combine(Repository.Root, "README.md")), Does.Contain($"glibc {s_oldestGlibc}"));
    }

    [Test]
    public void The_Cuda_library_runs_with_that_glibc_and_leaves_Cuda_to_the_system()
    {
        Packages.RequireCudaPackage();
        string library = CheckGlibc(CudaId, "liborthonative_cuda.so");

        Assert.That(library, Does.Contain("libcudart.so.").And.Contain("libcublas.so."));
        using ZipArchive package = ZipFile.OpenRead(PathOf(CudaId));
        Assert.That(
            package.Entries.Select(entry => entry.FullName).Where(name => name.StartsWith("runtimes/", StringComparison.Ordinal)),
            Is.EqualTo([$"runtimes/{Packages.RuntimeIdentifier}/native/liborthonative_cuda.so"]));
    }

    /// <summary>Looks at the versions of glibc that a library of a package asks for. Returns its bytes as text.</summary>
    private static string CheckGlibc(string id, string file)
    {
        using ZipArchive package = ZipFile.OpenRead(PathOf(id));
        string library = Read(package, $"runtimes/{Packages.RuntimeIdentifier}/native/{file}", Encoding.Latin1);
        Version newest = Regex.Matches(library, @"GLIBC_(\d+\.\d+)").Select(symbol => Version.Parse(symbol.Groups[1].Value)).Max()!;

        Assert.That(newest, Is.LessThanOrEqualTo(s_oldestGlibc));
        Assert.That(library, Does.Not.Contain("libstdc++.so"));
        return library;
    }

    /// <summary>The version of another package that the repository builds with.</summary>
    private static string PinnedVersion(string id) =>
        Regex.Match(File.ReadAllText(Path.Combine(Repository.Root, "Directory.Packages.props")), $"\"{id}\" Version=\"([^\"]+)\"").Groups[1].Value;

    /// <summary>The dependencies of a package, of all frameworks together.</summary>
    private static IEnumerable<(string Id, string Version)> Dependencies(ZipArchive package, string id) =>
        Regex.Matches(Read(package, $"{id}.nuspec"), "<dependency id=\"([^\"]+)\" version=\"([^\"]+)\"")
            .Select(dependency => (dependency.Groups[1].Value, dependency.Groups[2].Value)).Distinct();

    private static string PathOf(string id) => Path.Combine(Packages.Feed, $"{id}.{Packages.Version}.nupkg");

    private static string Read(ZipArchive package, string entry, Encoding? encoding = null)
    {
        using var reader = new StreamReader(package.GetEntry(entry)!.Open(), encoding ?? Encoding.UTF8);
        return reader.ReadToEnd();
    }
}
