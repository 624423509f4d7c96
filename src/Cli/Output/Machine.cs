using System.Diagnostics;
using System.Runtime.InteropServices;

namespace OrthoNative.Cli.Output;

/// <summary>The machine that a run was made on; part of run.json.</summary>
internal sealed record Machine(
    string System,
    string Architecture,
    string Processor,
    int Cores,
    string Device,
    int Threads,
    InstructionSet InstructionSet,
    long MemoryBytes,
    string Runtime)
{
    /// <summary>Describes this machine and a device on it.</summary>
    public static Machine Describe(Device device) => new(
        RuntimeInformation.OSDescription,
        RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant(),
        ProcessorName(),
        SystemInfo.Cores,
        device.ToString(),
        device.Threads,
        SystemInfo.InstructionSet,
        SystemInfo.TotalMemory,
        RuntimeInformation.FrameworkDescription);

    /// <summary>Most memory that this process has used at once, in bytes; 0 where the system does not tell.</summary>
    public static long PeakBytes()
    {
        try
        {
            return MeasurePeakBytes();
        }
        // It stands beside a result, which is not to be lost for it.
        catch (Exception)
        {
            return 0;
        }
    }

    private static long MeasurePeakBytes()
    {
        const string Key = "VmHWM:";
        // Process.PeakWorkingSet64 is 0 on some systems, and an operating system's own figure needs no interpretation.
        if (OperatingSystem.IsLinux()
            && FindLine("/proc/self/status", Key) is { } line
            && long.TryParse(line[Key.Length..].Replace("kB", "", StringComparison.Ordinal).Trim(), out long kibibytes))
        {
            return kibibytes * 1024;
        }

        using var process = Process.GetCurrentProcess();
        return Math.Max(process.PeakWorkingSet64, process.WorkingSet64);
    }

    /// <summary>Name of the processor as its maker gives it, or its architecture.</summary>
    public static string ProcessorName()
    {
        string? line = OperatingSystem.IsLinux() ? FindLine("/proc/cpuinfo", "model name") : null;
        return line is null
            ? Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER") ?? RuntimeInformation.ProcessArchitecture.ToString()
            : line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim();
    }

    private static string? FindLine(string path, string start)
    {
        try
        {
            return File.ReadLines(path).FirstOrDefault(line => line.StartsWith(start, StringComparison.Ordinal));
        }
        catch (Exception exception) when (FileErrors.Is(exception))
        {
            return null;
        }
    }
}
