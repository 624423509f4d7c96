using System.CommandLine;
using OrthoNative.Cli.Files;
using OrthoNative.Cli.Output;
using OrthoNative.Interop;

namespace OrthoNative.Cli.Commands;

/// <summary><c>orthonative info [MODEL]</c>: what the program is and what it runs on, or what a model is.</summary>
internal static class InfoCommand
{
    public static Command Create()
    {
        var command = new Command("info", "Show version, instruction set in use, cores, memory and devices; or what a model is");
        var model = new Argument<string?>("model")
        {
            HelpName = "MODEL",
            Description = "A model's file, or the folder of a run; by default the program and the machine are shown",
            Arity = ArgumentArity.ZeroOrOne,
        };
        command.Arguments.Add(model);
        command.SetAction(result =>
        {
            if (result.GetValue(model) is { } path)
            {
                Print(path, Console.Out);
            }
            else
            {
                Print(Console.Out);
            }

            return ExitCodes.Success;
        });
        return command;
    }

    /// <summary>Shows the layers of a model, what it was trained for, and how it is given data.</summary>
    private static void Print(string path, TextWriter output)
    {
        string file = TrainedModel.Find(path);
        using Model model = Model.Load(file, Device.Default, new ModelLoadOptions { Gradients = false });
        output.WriteLine($"file        {ForeignText.CleanPath(file)}");
        output.WriteLine(Texts.Format($"parameters  {model.ParameterData.Count:#,0} ({model.DType.ToString().ToLowerInvariant()})"));
        output.WriteLine(Texts.Format($"inputs      {model.InputSize}, outputs {model.OutputSize}"));
        if (model.Info.ClassNames.Count > 0)
        {
            output.WriteLine($"classes     {string.Join(", ", model.Info.ClassNames.Select(name => ForeignText.Clean(name)))}");
        }

        if (model.Info.Notes.Length > 0)
        {
            output.WriteLine($"notes       {ForeignText.Clean(model.Info.Notes)}");
        }

        if (TrainedModel.TryReadSettings(model) is { } data)
        {
            output.WriteLine($"goal        {Describe(data)}");
            output.WriteLine($"channels    {string.Join(", ", data.Features.Select(name => ForeignText.Clean(name)))}");
        }

        output.WriteLine();
        foreach (LayerSummary layer in model.Summary(1).Layers)
        {
            output.WriteLine(Texts.Format($"{ForeignText.Clean(layer.Name)}: {ForeignText.Clean(layer.Description)}, {layer.Parameters:#,0} parameters"));
        }
    }

    private static string Describe(DataSettings data) => data.Goal switch
    {
        Goal.ClassifySequences => "the class of a sequence",
        Goal.ClassifySteps => "the class of each step",
        Goal.PredictSequences => $"{string.Join(", ", data.Targets.Select(name => ForeignText.Clean(name)))} of a sequence",
        Goal.PredictSteps => $"{string.Join(", ", data.Targets.Select(name => ForeignText.Clean(name)))} of each step",
        _ => Texts.Format($"forecast of {data.Horizon} steps from {data.LookBack}: ") + string.Join(", ", data.Targets.Select(name => ForeignText.Clean(name))),
    };

    private static void Print(TextWriter output)
    {
        InstructionSet best = SystemInfo.BestInstructionSet;
        InstructionSet used = SystemInfo.InstructionSet;
        output.WriteLine($"version          {SystemInfo.Version}");
        output.WriteLine($"instruction set  {Name(used)}" + (used == best ? "" : $" (forced by ORTHONATIVE_CPU; this machine has {Name(best)})"));
        output.WriteLine($"processor        {Machine.ProcessorName()}");
        output.WriteLine(Texts.Format($"cores            {SystemInfo.Cores}"));
        output.WriteLine($"memory           {Texts.Bytes(SystemInfo.TotalMemory)}, {Texts.Bytes(SystemInfo.AvailableMemory)} available");
        output.WriteLine($"devices          {string.Join(Environment.NewLine + "                 ", Devices())}");
    }

    private static IEnumerable<string> Devices()
    {
        yield return Device.Default.ToString();
        for (int index = 0; DescribeGpu(index) is { } line; index++)
        {
            yield return line;
        }
    }

    /// <summary>A GPU, or why there is none; null behind the last one.</summary>
    private static string? DescribeGpu(int index)
    {
        try
        {
            using Device device = Device.Cuda(index);
            return $"{device}, {Texts.Bytes(device.TotalMemory)}, {Texts.Bytes(device.FreeMemory)} free";
        }
        catch (NotSupportedException exception)
        {
            return index == 0 ? $"no cuda: {exception.Message}" : null;
        }
        catch (Exception exception) when (exception is OutOfMemoryException or OrthoNativeException)
        {
            return Texts.Format($"cuda:{index} cannot be used: {exception.Message}");
        }
    }

    private static string Name(InstructionSet set) => set switch
    {
        InstructionSet.Avx512 => "AVX-512",
        InstructionSet.Avx2 => "AVX2",
        _ => "baseline",
    };
}
