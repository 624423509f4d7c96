using OrthoNative.Tests;
using static OrthoNative.PackageTests.Programs;

namespace OrthoNative.PackageTests;

/// <summary>
/// Every way in which .NET loads programs finds the native library; the table in docs/design.md says what finds it in each. Run and published with what a
/// build gives, trimmed, as native code and as a tool: see <see cref="ConsumerTests"/>.
/// </summary>
internal sealed class LoadingTests
{
    private const string Warning = "warning ORTHO004";

    private static readonly Lazy<string> s_host = new(() => Build(Make("host", package: null, program: "Host.cs")));

    private static IEnumerable<TestCaseData> Published()
    {
        yield return Case("portable");
        yield return Case("selfcontained", "-r", Packages.RuntimeIdentifier, "--self-contained");
        yield return Case("single", "-r", Packages.RuntimeIdentifier, "--self-contained", "-p:PublishSingleFile=true");
        yield return Case("unpacked", "-r", Packages.RuntimeIdentifier, "--self-contained", "-p:PublishSingleFile=true", "-p:IncludeNativeLibrariesForSelfExtract=true");
        yield return Case("unpackedall", "-r", Packages.RuntimeIdentifier, "--self-contained", "-p:PublishSingleFile=true", "-p:IncludeAllContentForSelfExtract=true");
        yield return Case("shared", "-r", Packages.RuntimeIdentifier, "--self-contained", "false", "-p:PublishSingleFile=true", "-p:IncludeNativeLibrariesForSelfExtract=true");
        yield return Case("sharedtrimmed", "-r", Packages.RuntimeIdentifier, "--self-contained", "-p:PublishSingleFile=true", "-p:PublishTrimmed=true", "-p:IncludeNativeLibrariesForSelfExtract=true");

        static TestCaseData Case(string name, params string[] options) => new TestCaseData(name, options).SetArgDisplayNames(name);
    }

    [TestCaseSource(nameof(Published))]
    public void A_published_program_finds_the_library(string name, string[] options)
    {
        string folder = Make(name);
        string output = Commands.DotNet(folder, ["publish", "-c", "Release", "-o", "published", "-nodeReuse:false", .. options]);

        Assert.That(output, Does.Not.Contain(Warning));
        if (name.StartsWith("unpacked", StringComparison.Ordinal) || name.StartsWith("shared", StringComparison.Ordinal))
        {
            // It lies in the program's one file, and nowhere else.
            Assert.That(Directory.GetFiles(Path.Combine(folder, "published"), LibraryFile, SearchOption.AllDirectories), Is.Empty);
        }

        Train(Commands.Run(folder, Path.Combine(folder, "published", name)));
    }

    [Test]
    public void A_program_of_one_source_file_finds_the_library()
    {
        string folder = Packages.NewProgram("file");
        File.WriteAllText(Path.Combine(folder, "train.cs"), $"#:package OrthoNative@{Packages.Version}\n#:property PublishAot=false\n{Resource("Train.cs")}");

        Train(Commands.Run(folder, "dotnet", "run", "train.cs"));
    }

    [Test]
    public void A_script_of_FSharp_finds_the_library()
    {
        string folder = Packages.NewProgram("script");
        File.WriteAllText(Path.Combine(folder, "script.fsx"), Resource("Script.fsx").Replace("FEED", Packages.Feed, StringComparison.Ordinal).Replace("VERSION", Packages.Version, StringComparison.Ordinal));

        Commands.Result result = Commands.Run(folder, "dotnet", "fsi", "script.fsx");

        Assert.That(result.ExitCode, Is.Zero, result.Output + result.Error);
        Assert.That(result.Output, Does.Contain($"version {File.ReadAllText(Path.Combine(Repository.Root, "VERSION")).Trim()}, 3 values"));
    }

    [Test]
    public void A_program_that_is_started_without_an_apphost_from_another_folder_finds_the_library() =>
        Train(Commands.Run(Packages.NewProgram("elsewhere"), "dotnet", "exec", Path.Combine(Built(), "out", "console.dll")));

    [TestCase("ä ö%20;#'[]{}")]
    public void A_folder_with_odd_characters_does_not_hide_the_library(string name) =>
        Train(Commands.Run(Built(), "dotnet", Path.Combine(Copy(name), "out", "console.dll")));

    /// <summary>Both ways, with a library that is not the right one beside the host.</summary>
    [Test]
    public void A_plugin_finds_its_own_library_and_passes_over_that_of_the_host([Values("file", "bytes")] string how)
    {
        string host = Path.Combine(Packages.NewProgram($"host {how}"), "out");
        CopyFolder(Path.Combine(s_host.Value, "out"), host);
        File.Copy(Path.Combine(Path.GetDirectoryName(typeof(object).Assembly.Location)!, "libSystem.Native.so"), Path.Combine(host, LibraryFile));

        Train(Commands.Run(host, "dotnet", Path.Combine(host, "host.dll"), how, Path.Combine(Built(), "out", "console.dll")));
    }

    [Test]
    public void A_library_in_a_folder_of_the_system_s_loader_is_found_and_one_of_another_build_is_named()
    {
        string folder = Copy("loader");
        string library = Library(folder);
        string elsewhere = Packages.NewProgram("loader library");
        File.Move(library, Path.Combine(elsewhere, LibraryFile));
        // Otherwise it is looked for where it was.
        Train(Commands.Run(folder, "env", $"LD_LIBRARY_PATH={elsewhere}", "dotnet", Path.Combine("out", "console.dll")));

        File.Copy(Path.Combine(Path.GetDirectoryName(typeof(object).Assembly.Location)!, "libSystem.Native.so"), Path.Combine(elsewhere, LibraryFile), overwrite: true);
        Commands.Result another = Commands.Run(folder, "env", $"LD_LIBRARY_PATH={elsewhere}", "dotnet", Path.Combine("out", "console.dll"));

        Assert.That(another.ExitCode, Is.EqualTo(3), another.Output + another.Error);
        Assert.That(another.Error, Does.Contain("\n  .NET's own search: it does not belong to this version of OrthoNative").And.Contain("install library and assembly from one package"));
    }

    [Test]
    public void A_missing_library_gives_the_one_message_with_every_place_of_NET_s_own_search_too()
    {
        string folder = Copy("nowhere");
        File.Delete(Library(folder));

        Commands.Result result = Commands.Run(folder, "dotnet", Path.Combine("out", "console.dll"));

        Assert.That(result.ExitCode, Is.EqualTo(3), result.Output + result.Error);
        Assert.That(result.Error, Does.Contain($"\n  {Path.Combine(folder, "out", LibraryFile)}: ").And.Contain("\n  .NET's own search: ").And.Contain("Microsoft.NETCore.App"));
    }

    [TestCase("-r", "win-x64")]
    [TestCase("-r", "linux-musl-x64")]
    [TestCase("-r", "linux-arm64")]
    [TestCase("-r", "win-x86")]
    public void Publishing_for_a_platform_without_a_native_package_warns(params string[] options)
    {
        if (Packages.OtherPlatforms.Contains(options[1]))
        {
            Assert.Ignore($"The package of {options[1]} is there.");
        }

        Assert.That(Publish("warned", options), Does.Contain(Warning).And.Contain($"the native library of OrthoNative for {options[1]}").And.Contain("OrthoNativeCheckPlatform"));
    }

    [TestCase("-r", "linux-arm64", "-p:OrthoNativeCheckPlatform=false")]
    [TestCase("-r", "linux-arm64", "-p:OutputType=Library")]
    [TestCase("-r", "linux-arm64", "-p:NoWarn=ORTHO004")]
    [TestCase("-r", "linux-x64")]
    [TestCase]
    public void Publishing_where_nothing_is_missing_or_as_told_does_not_warn(params string[] options) =>
        Assert.That(Publish("unwarned", options), Does.Not.Contain("ORTHO004"));

    private static string Publish(string name, string[] options)
    {
        string folder = Path.Combine(Packages.Folder, name);
        if (!Directory.Exists(folder))
        {
            // A library has no statements of its own.
            Make(name);
            File.WriteAllText(Path.Combine(folder, "Train.cs"), "public static class Program { public static void Main() => System.Console.WriteLine(OrthoNative.SystemInfo.Version); }");
        }

        return Commands.DotNet(folder, ["publish", "-c", "Release", "-nodeReuse:false", "-p:UseAppHost=false", "--self-contained", "false", .. options]);
    }

    private static string Resource(string name)
    {
        using var reader = new StreamReader(typeof(LoadingTests).Assembly.GetManifestResourceStream(name)!);
        return reader.ReadToEnd();
    }
}
