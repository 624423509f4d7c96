using System.Diagnostics;

namespace OrthoNative.Tests.Cli;

/// <summary>The command-line tool, run as a user runs it.</summary>
internal sealed class CliProcess : IDisposable
{
    /// <summary>The tool and its arguments in the script of a shell.</summary>
    public const string Tool = "\"$0\" \"$@\"";

    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(2);

    private readonly Process _process;
    private readonly Task<string> _error;

    private CliProcess(string workingFolder, string[] arguments, (string Name, string Value)? variable = null, string? script = null, string? copy = null)
    {
        string assembly = copy ?? typeof(OrthoNative.Cli.ExitCodes).Assembly.Location;

        // Published with the runtime, the tool is a program of its own, for machines that have no other.
        bool selfContained = File.Exists(Path.Combine(Path.GetDirectoryName(assembly)!, "libcoreclr.so"));
        string program = selfContained ? Path.ChangeExtension(assembly, null) : "dotnet";
        var start = new ProcessStartInfo(script is null ? program : "/bin/sh")
        {
            WorkingDirectory = workingFolder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        if (script is not null)
        {
            foreach (string argument in (string[])["-c", script, program])
            {
                start.ArgumentList.Add(argument);
            }
        }

        if (!selfContained)
        {
            start.ArgumentList.Add(assembly);
        }

        foreach (string argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        if (variable is { } set)
        {
            start.Environment[set.Name] = set.Value;
        }

        _process = Process.Start(start)!;
        _error = _process.StandardError.ReadToEndAsync();
    }

    /// <summary>Whether a signal (HUP, INT or TERM) is ignored, which the tool inherits and keeps to.</summary>
    public static bool Ignores(string signal)
    {
        int number = signal switch { "HUP" => 1, "INT" => 2, _ => 15 };
        const string Key = "SigIgn:";
        string? mask = File.Exists("/proc/self/status")
            ? File.ReadLines("/proc/self/status").FirstOrDefault(line => line.StartsWith(Key, StringComparison.Ordinal))
            : null;
        return mask is not null && (Convert.ToUInt64(mask[Key.Length..].Trim(), 16) & (1UL << (number - 1))) != 0;
    }

    /// <summary>Starts the tool and leaves it running.</summary>
    public static CliProcess Start(string workingFolder, params string[] arguments) => new(workingFolder, arguments);

    /// <summary>Starts the tool with an environment variable set, and leaves it running.</summary>
    public static CliProcess StartWith((string Name, string Value) variable, string workingFolder, params string[] arguments) =>
        new(workingFolder, arguments, variable);

    /// <summary>Runs the tool to its end.</summary>
    public static CliResult Run(string workingFolder, params string[] arguments)
    {
        using CliProcess process = Start(workingFolder, arguments);
        return process.Finish();
    }

    /// <summary>Runs the tool to its end with an environment variable set.</summary>
    public static CliResult RunWith((string Name, string Value) variable, string workingFolder, params string[] arguments)
    {
        using CliProcess process = StartWith(variable, workingFolder, arguments);
        return process.Finish();
    }

    /// <summary>Runs the tool to its end with its streams redirected as a shell's command line says.</summary>
    public static CliResult RunRedirected(string redirection, string workingFolder, params string[] arguments) =>
        RunIn($"exec {Tool} {redirection}", workingFolder, arguments);

    /// <summary>Runs a script of a shell, in which <see cref="Tool"/> stands for the tool and its arguments, to its end.</summary>
    public static CliResult RunIn(string script, string workingFolder, params string[] arguments)
    {
        using var process = new CliProcess(workingFolder, arguments, script: script);
        return process.Finish();
    }

    /// <summary>Runs, to its end, a copy of the tool whose folder lacks a native library.</summary>
    public static CliResult RunWithout(string library, string workingFolder, params string[] arguments)
    {
        string assembly = typeof(OrthoNative.Cli.ExitCodes).Assembly.Location, source = Path.GetDirectoryName(assembly)!;
        using var copy = new Data.TemporaryFolder();
        // Without the list of its parts, in which the library would be missing, the host takes what lies in the folder.
        IEnumerable<string> parts = Directory.EnumerateFiles(source, "*.dll")
            .Concat(Directory.EnumerateFiles(source, "*.runtimeconfig.json"))
            .Concat(Directory.EnumerateFiles(source, "*.so", SearchOption.AllDirectories).Where(path => File.Exists(path) && !path.Contains("musl", StringComparison.Ordinal)));
        foreach (string part in parts.Where(part => Path.GetFileName(part) != library))
        {
            File.Copy(part, copy.File(Path.GetFileName(part)), overwrite: true);
        }

        using var process = new CliProcess(workingFolder, arguments, copy: copy.File(Path.GetFileName(assembly)));
        return process.Finish();
    }

    /// <summary>Reads output until a line that contains a text.</summary>
    /// <returns>The line.</returns>
    public string WaitForLine(string text)
    {
        string? line;
        do
        {
            line = _process.StandardOutput.ReadLine();
            Assert.That(line, Is.Not.Null, $"the output ended without '{text}'");
        }
        while (!line!.Contains(text, StringComparison.Ordinal));
        return line;
    }

    /// <summary>Sends a signal, as Ctrl-C in a terminal does.</summary>
    public void Send(string signal)
    {
        using var kill = Process.Start("kill", [$"-{signal}", _process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
    }

    /// <summary>Waits for the end.</summary>
    public CliResult Finish()
    {
        Task<string> output = _process.StandardOutput.ReadToEndAsync();
        Assert.That(_process.WaitForExit(s_limit), Is.True, "the tool does not end");
        return new CliResult(_process.ExitCode, output.Result, _error.Result);
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
        }

        _process.Dispose();
    }
}

/// <summary>How a run of the tool ended.</summary>
internal sealed record CliResult(int ExitCode, string Output, string Error);
