using Microsoft.Win32.SafeHandles;

namespace OrthoNative.Cli.Output;

/// <summary>The folder that a run leaves its files in: all of them, whole, or none.</summary>
internal sealed class RunFolder
{
    /// <summary>File of settings, metrics and result.</summary>
    public const string Report = "run.json";

    /// <summary>File of the trained weights.</summary>
    public const string Weights = "model.safetensors";

    /// <summary>File of the optimizer's state, until the run has ended by itself.</summary>
    public const string OptimizerState = "optimizer.safetensors";

    /// <summary>File of the training loss of every step, until the run has ended by itself.</summary>
    public const string Losses = "loss.csv";

    /// <summary>File of the picture of the loss.</summary>
    public const string Picture = "loss.png";

    private readonly string _option;
    private readonly string? _created;

    private RunFolder(string path, string option, string? created)
    {
        Path = path;
        _option = option;
        _created = created;
    }

    /// <summary>Path of the folder as the user would write it.</summary>
    public string Path { get; }

    /// <summary>A folder of its own for a run that names none: below runs, named after what is run and the time.</summary>
    public static string DefaultPath(string name, DateTimeOffset started)
    {
        string path = System.IO.Path.Combine("runs", Texts.Format($"{name}-{started:yyyyMMdd-HHmmss}"));
        string candidate = path;
        for (int number = 2; System.IO.Path.Exists(candidate); number++)
        {
            candidate = Texts.Format($"{path}-{number}");
        }

        return candidate;
    }

    /// <summary>Makes the folder if need be, and makes sure that files can be written into it.</summary>
    /// <param name="path">Path of the folder.</param>
    /// <exception cref="CliException">The folder cannot be made or written.</exception>
    public static RunFolder Open(string path)
    {
        string option = $"--out is '{path}'";
        // The topmost folder that did not exist, so that a run which ends with nothing leaves nothing.
        string? created = null;
        for (string? at = System.IO.Path.GetFullPath(path); at is not null && !Directory.Exists(at); at = System.IO.Path.GetDirectoryName(at))
        {
            created = at;
        }

        var folder = new RunFolder(path, option, created);
        try
        {
            Directory.CreateDirectory(path);
            string probe = folder.Temporary("probe");
            using (new FileStream(probe, FileMode.Create, FileAccess.Write, FileShare.None, 1, FileOptions.DeleteOnClose))
            {
            }

            return folder;
        }
        catch (Exception exception) when (IsFileError(exception))
        {
            folder.RemoveIfEmpty();
            throw CliException.Failure($"{option}, which cannot be written ({Reason(exception)}); allowed: a folder that can");
        }
    }

    /// <summary>Makes sure, before work is done, that the disk has room for what it will give.</summary>
    /// <param name="bytes">What will be written.</param>
    /// <exception cref="CliException">There is less room.</exception>
    public void EnsureRoom(long bytes)
    {
        long free = new DriveInfo(System.IO.Path.GetFullPath(Path)).AvailableFreeSpace;
        if (free < bytes)
        {
            throw CliException.Failure($"{_option}, where {Texts.Bytes(free)} are free; at least {Texts.Bytes(bytes)} are needed");
        }
    }

    /// <summary>Writes files; an earlier run's files of the same names are replaced only once all are on the disk.</summary>
    /// <param name="files">
    /// Name, and what writes the file to the path that it is given. The last one is the commit record: where it is, the others belong to it.
    /// </param>
    /// <exception cref="CliException">
    /// A file cannot be written; the folder is then as it was. Or one cannot be replaced; the folder then has no commit record.
    /// </exception>
    public void Write(params ReadOnlySpan<(string Name, Action<string> Write)> files)
    {
        string current = "";
        try
        {
            foreach ((string name, Action<string> write) in files)
            {
                current = name;
                write(Temporary(name));
                using SafeFileHandle file = File.OpenHandle(Temporary(name), FileMode.Open, FileAccess.Write);
                RandomAccess.FlushToDisk(file);
            }

            // Files are renamed one by one, and the program may be killed in between. The earlier run's record goes first and the new one
            // comes last, so that no record ever stands beside files of another run.
            current = files[^1].Name;
            File.Delete(System.IO.Path.Combine(Path, current));
            foreach ((string name, _) in files)
            {
                current = name;
                File.Move(Temporary(name), System.IO.Path.Combine(Path, name), overwrite: true);
            }
        }
        catch (Exception exception) when (IsFileError(exception))
        {
            foreach ((string name, _) in files)
            {
                File.Delete(Temporary(name));
            }

            RemoveIfEmpty();
            throw CliException.Failure($"{_option}, where {current} cannot be written ({Reason(exception)}); the run's files were not saved");
        }
    }

    /// <summary>Removes a file of an earlier state, if there is one.</summary>
    public void Remove(string name)
    {
        try
        {
            File.Delete(PathOf(name));
        }
        catch (Exception exception) when (IsFileError(exception))
        {
            // It takes room and does no harm.
        }
    }

    /// <summary>Path of a file in the folder.</summary>
    public string PathOf(string name) => System.IO.Path.Combine(Path, name);

    /// <summary>Removes the folders that <see cref="Open"/> made, unless something is in them.</summary>
    public void RemoveIfEmpty()
    {
        if (_created is null)
        {
            return;
        }

        try
        {
            for (string at = System.IO.Path.GetFullPath(Path); at.Length >= _created.Length; at = System.IO.Path.GetDirectoryName(at)!)
            {
                Directory.Delete(at);
            }
        }
        catch (Exception exception) when (IsFileError(exception))
        {
            // Someone has put something into it meanwhile; then it is not ours to remove.
        }
    }

    private static bool IsFileError(Exception exception) =>
        exception is IOException or UnauthorizedAccessException or NotSupportedException;

    /// <summary>The system's words without the path, which the message names already.</summary>
    private static string Reason(Exception exception) => exception.Message.Split(" : '")[0].TrimEnd('.');

    private string Temporary(string name) => System.IO.Path.Combine(Path, $".{name}.{Environment.ProcessId}.part");
}
