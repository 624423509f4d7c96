using System.CommandLine;
using System.CommandLine.Help;
using System.Text;
using OrthoNative;
using OrthoNative.Cli;
using OrthoNative.Cli.Commands;
using OrthoNative.Cli.Output;

// Not a RootCommand, which is named after the file that runs it.
var root = new Command("orthonative", "Random orthogonal additive filters: recurrent networks for very long sequences and feedforward networks of any depth.");
root.Options.Add(new HelpOption());
root.Options.Add(new VersionOption());
root.Subcommands.Add(TrainCommand.Create());
root.Subcommands.Add(EvaluateCommand.Create());
root.Subcommands.Add(PredictCommand.Create());
root.Subcommands.Add(DataCommand.Create());
root.Subcommands.Add(AnalyzeCommand.Create());
root.Subcommands.Add(InfoCommand.Create());

ParseResult result = root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null, EnablePosixBundling = false });
try
{
    if (OperatingSystem.IsWindows())
    {
        // The code page of a console has neither the characters of the progress bar nor those of many file names.
        Console.OutputEncoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
    }

    StandardOutput.Install();
    if (result.Errors.Count > 0)
    {
        throw CliException.Usage(UsageErrors.Describe(result, args));
    }

    return result.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });
}
catch (CliException exception)
{
    return End(exception.ExitCode, exception.Message);
}
catch (OrthoNativeLibraryException exception)
{
    // Lists every path that was tried; worth more than one line.
    return End(ExitCodes.Failure, exception.Message);
}
catch (OutOfMemoryException exception)
{
    // Of the options that decide how much memory is taken, those that the command has.
    string[] sizes = [.. ((string[])["--hidden", "--layers", "--length", "--batch", "--checkpoint-every"])
        .Intersect(result.CommandResult.Command.Options.Select(option => option.Name))];
    return End(ExitCodes.Failure, exception.Message.TrimEnd('.') + (sizes.Length == 0 ? "" : $"; how much memory is needed depends on {string.Join(", ", sizes)}"));
}
catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or InvalidDataException or NotFiniteNumberException or NotSupportedException)
{
    return End(ExitCodes.Failure, exception.Message);
}
catch (Exception exception)
{
    return End(ExitCodes.Failure, $"internal fault, please report it: {exception.GetType().Name}: {exception.Message}");
}

static int End(int exitCode, string message)
{
    StandardError.WriteLine(message);
    return exitCode;
}
