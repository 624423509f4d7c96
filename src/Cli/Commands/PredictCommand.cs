using System.CommandLine;
using System.Text;
using OrthoNative.Cli.Files;
using OrthoNative.Cli.Training;
using OrthoNative.Interop;

namespace OrthoNative.Cli.Commands;

/// <summary><c>orthonative predict MODEL FILE</c>.</summary>
internal static class PredictCommand
{
    /// <summary>Path that means standard input.</summary>
    private const string StandardInput = "-";

    public static Command Create()
    {
        var command = new Command("predict", "Predict classes, values or forecasts of a file with a trained model");
        var options = new SettingOptions<ModelFileSettings>(command, new ModelFileSettings());
        options.Add("--out", "file", "File to write; by default standard output", OptionValue.File, (s, v) => s with { Out = v }, _ => null);
        options.AddFlag("--overwrite", "Replace a file that is there", s => s with { Overwrite = true });
        options.Add("--format", "kind", "csv, json (an array) or jsonlines (an object on each line)",
            OptionValue.Choice<PredictionFormat>(), (s, v) => s with { Format = v }, s => s.Format);
        ModelFileOptions.Complete(
            command, "File or folder of sequences, with or without what is to be predicted; -: rows of CSV from standard input, each answered as soon as it can be", options, Run);
        return command;
    }

    private static void Run(TrainedModel model, string path, ModelFileSettings settings, Interruption interruption)
    {
        if (path == StandardInput)
        {
            // A signal while no row arrives ends the program at once: there is nothing to save.
            interruption.Dispose();
            using TextReader input = new StreamReader(Console.OpenStandardInput(), new UTF8Encoding(false, throwOnInvalidBytes: true), detectEncodingFromByteOrderMarks: true);
            Write(settings, writer => StreamPrediction.Run(model, input, "standard input", writer));
            return;
        }

        SequenceData data = DataFile.Read(path, model.Data, model.Model.Info.ClassNames, requireTargets: false, interruption.Token);
        Write(settings, writer => Prediction.Run(model, data, writer, interruption.Token));
    }

    /// <summary>Writes to standard output, or to a file that is there once it is whole.</summary>
    private static void Write(ModelFileSettings settings, Action<PredictionWriter> write)
    {
        if (settings.Out is not { } path)
        {
            var lines = new PredictionWriter(Console.Out, settings.Format);
            write(lines);
            lines.Complete();
            return;
        }

        string shown = ForeignText.CleanPath(path);
        if (FileStatus.Of(path, follow: true) is { IsDevice: true } || Directory.Exists(path))
        {
            throw CliException.Usage($"--out is '{shown}', which is a folder, a pipe or a device; it must be a file");
        }

        if (Path.Exists(path) && !settings.Overwrite)
        {
            throw CliException.Usage($"--out is '{shown}', which is there already; choose another file, or add --overwrite to replace it");
        }

        // What a link leads to is replaced, and not the link.
        string target = (File.Exists(path) ? new FileInfo(path).ResolveLinkTarget(returnFinalTarget: true)?.FullName : null) ?? path;
        string temporary = $"{target}.{Environment.ProcessId}.tmp";
        StreamWriter file = Guard(() => new StreamWriter(new FileStream(temporary, FileMode.CreateNew, FileAccess.Write), new UTF8Encoding(false)));
        try
        {
            using (file)
            {
                var lines = new PredictionWriter(file, settings.Format);
                write(lines);
                Guard(() =>
                {
                    lines.Complete();
                    file.Dispose();
                    return true;
                });
            }

            Guard(() =>
            {
                File.Move(temporary, target, settings.Overwrite);
                return true;
            });
        }
        finally
        {
            if (File.Exists(temporary))
            {
                File.Delete(temporary);
            }
        }

        T Guard<T>(Func<T> act)
        {
            try
            {
                return act();
            }
            catch (Exception exception) when (FileErrors.Is(exception))
            {
                throw CliException.Failure($"--out is '{shown}', which cannot be written ({FileErrors.Cause(exception)})");
            }
        }
    }
}
