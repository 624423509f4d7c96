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
        Console.Out.WriteLine(ForeignText.CleanPath(path));
        foreach (string line in DataSummary.Lines(content))
        {
            Console.Out.WriteLine(line);
        }

        if (show.Out is { } folder)
        {
            Directory.CreateDirectory(folder);
            string title = Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(path)));
            Console.Out.WriteLine();
            foreach ((string name, byte[] image) in DataPictures.Draw(ForeignText.Clean(title, 40), content))
            {
                string picture = Path.Combine(folder, name);
                File.WriteAllBytes(picture, image);
                Console.Out.WriteLine($"wrote {ForeignText.CleanPath(picture)}");
            }
        }

        return ExitCodes.Success;
    }

    /// <summary>The settings of the command.</summary>
    private sealed record DataShow
    {
        public DataRequest Request { get; init; } = new();

        public string? Out { get; init; }
    }
}
