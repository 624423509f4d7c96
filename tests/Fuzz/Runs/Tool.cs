using System.Diagnostics;
using System.Globalization;

namespace OrthoNative.Fuzz.Runs;

/// <summary>The command-line tool as a process.</summary>
internal sealed class Tool : IDisposable
{
    private readonly Process _process;
    private readonly Task<string> _output;
    private readonly Task<string> _error;

    private Tool(string workingFolder, string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet")
        {
            WorkingDirectory = workingFolder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (string argument in (string[])[Path.Combine(AppContext.BaseDirectory, "OrthoNative.Cli.dll"), .. arguments])
        {
            start.ArgumentList.Add(argument);
        }

        _process = Process.Start(start)!;
        _output = _process.StandardOutput.ReadToEndAsync();
        _error = _process.StandardError.ReadToEndAsync();
    }

    public bool HasEnded => _process.HasExited;

    /// <summary>Standard error of a tool that has ended.</summary>
    public string Error => _error.Result;

    public static Tool Start(string workingFolder, params string[] arguments) => new(workingFolder, arguments);

    /// <summary>Waits for the end.</summary>
    /// <returns>Exit code.</returns>
    public int Finish()
    {
        _process.WaitForExit();
        return _process.ExitCode;
    }

    /// <summary>Whether it ends within a time.</summary>
    public bool EndsWithin(TimeSpan time) => _process.WaitForExit(time);

    /// <summary>Ends it as the power would.</summary>
    /// <returns>False: it had ended by itself.</returns>
    public bool Kill()
    {
        _process.Kill();
        _process.WaitForExit();
        return _process.ExitCode == 137;
    }

    /// <summary>Asks it to save and to end.</summary>
    public void Terminate()
    {
        using var kill = Process.Start("kill", ["-TERM", _process.Id.ToString(CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
    }

    /// <summary>Resident memory in MiB; null once it has ended.</summary>
    public double? Memory()
    {
        const string Key = "VmRSS:";
        try
        {
            string? line = File.ReadLines(string.Create(CultureInfo.InvariantCulture, $"/proc/{_process.Id}/status"))
                .FirstOrDefault(line => line.StartsWith(Key, StringComparison.Ordinal));
            return line is null ? null : double.Parse(line[Key.Length..].Replace("kB", "", StringComparison.Ordinal), CultureInfo.InvariantCulture) / 1024;
        }
        catch (IOException)
        {
            return null;
        }
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
        }

        _process.WaitForExit();
        _output.Wait();
        _error.Wait();
        _process.Dispose();
    }
}
