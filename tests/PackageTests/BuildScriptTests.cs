using System.Management.Automation;
using System.Management.Automation.Runspaces;
using OrthoNative.Tests;

namespace OrthoNative.PackageTests;

/// <summary>Runs build.ps1 in PowerShell's engine, which comes as a package; no PowerShell has to be installed.</summary>
internal sealed class BuildScriptTests
{
    private static readonly string s_script = Path.Combine(Repository.Root, "build.ps1");

    [Test]
    public void Build_builds() => Assert.That(Run(s_script, "build"), Does.Contain("OrthoNative.Cli.dll").And.Contain("0 Error(s)"));

    [Test]
    public void Test_runs_the_tests_that_its_arguments_name() =>
        Assert.That(Run(s_script, "test --filter FullyQualifiedName~TensorTests"), Does.Match(@"Failed: +0, Passed: +[1-9]"));

    [Test]
    public void Pack_writes_the_packages_where_its_arguments_say()
    {
        string folder = Packages.NewProgram("packed");

        _ = Run(s_script, $"pack --output '{folder}'");

        Assert.That(Directory.GetFiles(folder, "OrthoNative*.nupkg").Length, Is.AtLeast(4));
    }

    [Test]
    public void Native_builds_the_library_with_CMake()
    {
        _ = Run(s_script, "native");

        Assert.That(File.Exists(Path.Combine(Repository.Root, "native/build/release/liborthonative.so")));
    }

    [Test]
    public void Clean_deletes_outputs_and_nothing_else()
    {
        string folder = Packages.NewProgram("cleaned");
        string script = Path.Combine(folder, "build.ps1");
        File.Copy(s_script, script);
        string[] outputs = ["artifacts", "native/build/release", "src/Managed/bin/Release", "src/Managed/obj", "tests/A/bin"];
        string[] sources = ["native/src", "src/Managed/Layers", "tests/A"];
        foreach (string path in outputs.Concat(sources))
        {
            Directory.CreateDirectory(Path.Combine(folder, path));
            File.WriteAllText(Path.Combine(folder, path, "file"), "");
        }

        _ = Run(script, "clean");
        _ = Run(script, "clean"); // with nothing left to delete

        Assert.That(outputs.Where(path => Directory.Exists(Path.Combine(folder, path))), Is.Empty);
        Assert.That(sources.Where(path => !File.Exists(Path.Combine(folder, path, "file"))), Is.Empty);
    }

    [TestCase("buidl")]
    public void An_unknown_target_is_named_with_those_that_exist(string target) =>
        Assert.That(() => Run(s_script, target), Throws.InstanceOf<ParameterBindingException>()
            .With.Message.Contains($"\"{target}\"").And.Message.Contains("native,bindings,build,test,bench,pack,cuda,clean"));

    [Test]
    public void A_command_that_fails_fails_the_script() =>
        Assert.That(() => Run(s_script, "build --no-such-option"), Throws.InstanceOf<RuntimeException>().With.Message.Match("dotnet build .* failed with exit code 1"));

    [Test]
    public void The_script_stays_readable_for_Windows_PowerShell() =>
        // Without a mark at its beginning, Windows PowerShell reads a file in the system's own encoding.
        Assert.That(File.ReadAllBytes(s_script), Has.All.LessThan(128));

    /// <summary>Runs the script with arguments as they are typed.</summary>
    private static string Run(string script, string arguments)
    {
        using Runspace runspace = RunspaceFactory.CreateRunspace(InitialSessionState.CreateDefault2());
        runspace.Open();
        using var shell = PowerShell.Create(runspace);
        shell.AddScript($"$ErrorActionPreference = 'Stop'; & '{script}' {arguments}");
        return string.Join('\n', shell.Invoke().Select(line => line.ToString()));
    }
}
