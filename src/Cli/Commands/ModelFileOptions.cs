using System.CommandLine;
using OrthoNative.Cli.Files;
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
    public PredictionFormat Format { get; init; }

    /// <summary>The device.</summary>
    public Device OpenDevice() => Device.CudaIndex is { } index ? OrthoNative.Device.Cuda(index) : OrthoNative.Device.Cpu(Threads);
}

/// <summary>Arguments and options that commands with a trained model share.</summary>
internal static class ModelFileOptions
{
    /// <summary>Adds model, file, device and threads to a command, and its action.</summary>
    /// <param name="command">The command.</param>
    /// <param name="file">Description of the file.</param>
    /// <param name="options">The command's options.</param>
    /// <param name="run">Given the model, the path of the file, the settings and what a signal ends; what it throws by cancellation ends the program with the signal's exit code.</param>
    public static void Complete(
        Command command, string file, SettingOptions<ModelFileSettings> options, Action<TrainedModel, string, ModelFileSettings, Interruption> run)
    {
        var model = new Argument<string>("model") { HelpName = "MODEL", Description = "model.safetensors of a run of 'train FILE', or the folder of the run" };
        var path = new Argument<string>("file") { HelpName = "FILE", Description = file };
        command.Arguments.Add(model);
        command.Arguments.Add(path);
        AddDevice(options);
        command.SetAction(result =>
        {
            ModelFileSettings settings = options.Read(result);
            options.Check(result, settings);
            using var interruption = new Interruption();
            try
            {
                using Device device = settings.OpenDevice();
                using TrainedModel trained = TrainedModel.Load(result.GetValue(model)!, device);
                run(trained, result.GetValue(path)!, settings, interruption);
                return ExitCodes.Success;
            }
            catch (OperationCanceledException)
            {
                return interruption.ExitCode;
            }
        });
    }

    private static void AddDevice(SettingOptions<ModelFileSettings> options)
    {
        options.Add("--device", "name", "Device: the CPU, or an NVIDIA GPU by its number",
            OptionValue.Device, (s, v) => s with { Device = v }, s => s.Device);
        Option<int> threads = options.Add("--threads", "count", "Threads of the CPU; 0: what ORTHONATIVE_THREADS says, or as many as there are cores",
            OptionValue.Whole(0, 1024), (s, v) => s with { Threads = v }, s => s.Threads);
        options.Require(threads, s => s.Device.CudaIndex is null, s => $"--threads is {s.Threads} and --device is {s.Device}", "--device cpu");
    }
}
