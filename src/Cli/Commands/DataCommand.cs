using System.CommandLine;
using OrthoNative.Cli.Files;
using OrthoNative.Cli.Output;
using OrthoNative.Interop;

namespace OrthoNative.Cli.Commands;

/// <summary><c>orthonative data FILE</c>: what the tool finds in a file of sequences.</summary>
internal static class DataCommand
{
    public static Command Create()
    {
        var command = new Command("data", "Show what is found in a file or folder of sequences, and how it would be read to train on");
        Argument<string> file = DataOptions.File();
        command.Arguments.Add(file);
        var options = new SettingOptions<DataShow>(command, new DataShow());
        DataOptions.Add(options, (settings, change) => settings with { Request = change(settings.Request) });
        options.Add("--out", "folder", "Where pictures of the data are written; older ones of the same names are replaced; by default none are",
            OptionValue.Folder, (s, v) => s with { Out = v }, _ => null);
        command.SetAction(result => Execute(result.GetValue(file)!, options.Read(result)));
        return command;
    }

    private static int Execute(string path, DataShow show)
    {
        DataContent content = DataFile.Read(path, show.Request, CancellationToken.None);
        string[] pictures = show.Out is { } folder ? Draw(path, folder, content) : [];
        Console.Out.WriteLine(ForeignText.CleanPath(path));
        foreach (string line in DataSummary.Lines(content))
        {
            Console.Out.WriteLine(line);
        }

        if (pictures.Length > 0)
        {
            Console.Out.WriteLine();
        }

        foreach (string picture in pictures)
        {
            Console.Out.WriteLine($"wrote {ForeignText.CleanPath(picture)}");
        }

        return ExitCodes.Success;
    }

    /// <summary>Writes the pictures, before anything is printed that an error would follow.</summary>
    /// <returns>Their paths.</returns>
    /// <exception cref="CliException">They cannot be written.</exception>
    private static string[] Draw(string path, string folder, DataContent content)
    {
        string option = $"--out is '{ForeignText.CleanPath(folder)}'";
        if (File.Exists(folder))
        {
            throw CliException.Failure($"{option}, which cannot be written (it is a file); choose a folder");
        }

        try
        {
            Directory.CreateDirectory(folder);
            List<string> pictures = [];
            string title = Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(path)));
            foreach ((string name, byte[] image) in DataPictures.Draw(ForeignText.Clean(title, 40), content))
            {
                string picture = Path.Combine(folder, name);
                File.WriteAllBytes(picture, image);
                pictures.Add(picture);
            }

            return [.. pictures];
        }
        catch (Exception exception) when (FileErrors.Is(exception))
        {
            throw CliException.Failure($"{option}, which cannot be written ({FileErrors.Reason(exception)})");
        }
    }

    /// <summary>The settings of the command.</summary>
    private sealed record DataShow
    {
        public DataRequest Request { get; init; } = new();

        public string? Out { get; init; }
    }
}
