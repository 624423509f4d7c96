using System.CommandLine;
using OrthoNative.Cli.Training;

namespace OrthoNative.Cli.Commands;

/// <summary>Where a command runs a trained model.</summary>
internal sealed record ModelFileSettings
{
    /// <summary>Where it runs.</summary>
    public DeviceChoice Device { get; init; } = DeviceChoice.Cpu;

    /// <summary>Threads of the CPU; 0: the default.</summary>
    public int Threads { get; init; }

    /// <summary>A file to write; null: standard output.</summary>
    public string? Out { get; init; }

    /// <summary>Replaces a file that is there.</summary>
    public bool Overwrite { get; init; }

    /// <summary>Format of what is written.</summary>
    public Files.PredictionFormat Format { get; init; }

    /// <summary>The device.</summary>
    public Device OpenDevice() => Device.CudaIndex is { } index ? OrthoNative.Device.Cuda(index) : OrthoNative.Device.Cpu(Threads);
}

/// <summary>Arguments and options that commands with a trained model share.</summary>
internal static class ModelFileOptions
{
    /// <summary>The model.</summary>
    public static Argument<string> Model() => new("model")
    {
        HelpName = "MODEL",
        Description = "model.safetensors of a run of 'train FILE', or the folder of the run",
    };

    /// <summary>The data.</summary>
    public static Argument<string> File(string description) => new("file") { HelpName = "FILE", Description = description };

    /// <summary>Device and threads.</summary>
    public static void AddDevice(SettingOptions<ModelFileSettings> options)
    {
        options.Add("--device", "name", "Device: the CPU, or an NVIDIA GPU by its number",
            OptionValue.Device, (s, v) => s with { Device = v }, s => s.Device);
        Option<int> threads = options.Add("--threads", "count", "Threads of the CPU; 0: what ORTHONATIVE_THREADS says, or as many as there are cores",
            OptionValue.Whole(0, 1024), (s, v) => s with { Threads = v }, s => s.Threads);
        options.Require(threads, s => s.Device.CudaIndex is null, s => $"--threads is {s.Threads} and --device is {s.Device}", "--device cpu");
    }
}
