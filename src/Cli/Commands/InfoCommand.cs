using System.CommandLine;
using OrthoNative.Cli.Output;

namespace OrthoNative.Cli.Commands;

/// <summary><c>orthonative info</c>: what the program is and what it runs on.</summary>
internal static class InfoCommand
{
    public static Command Create()
    {
        var command = new Command("info", "Show version, instruction set in use, cores, memory and devices");
        command.SetAction(_ =>
        {
            Print(Console.Out);
            return ExitCodes.Success;
        });
        return command;
    }

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
