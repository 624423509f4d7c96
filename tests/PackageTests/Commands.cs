using System.Diagnostics;

namespace OrthoNative.PackageTests;

/// <summary>Runs programs and collects what they print.</summary>
internal static class Commands
{
    /// <summary>A finished program.</summary>
    internal sealed record Result(int ExitCode, string Output, string Error);

    /// <summary>Runs a program to its end, whatever its exit code.</summary>
    public static Result Run(string folder, string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // What the test runner sets for itself must not reach the builds that the tests start.
        foreach (string name in (string[])["MSBuildSDKsPath", "MSBUILD_EXE_PATH", "MSBuildExtensionsPath", "MSBuildLoadMicrosoftTargetsReadOnly"])
        {
            start.Environment.Remove(name);
        }

        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        start.Environment["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1";
        start.Environment["DOTNET_NOLOGO"] = "1";
        using Process process = Process.Start(start)!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return new Result(process.ExitCode, output, error.Result);
    }

    /// <summary>Runs the .NET command; fails the test with what it printed unless it succeeds.</summary>
    /// <returns>What it printed.</returns>
    public static string DotNet(string folder, params string[] arguments)
    {
        Result result = Run(folder, "dotnet", arguments);
        Assert.That(result.ExitCode, Is.Zero, $"dotnet {string.Join(' ', arguments)}\n{result.Output}\n{result.Error}");
        return result.Output;
    }
}
