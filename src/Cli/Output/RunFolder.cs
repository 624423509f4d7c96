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
    /// <param name="files">Names of the files.</param>
    /// <exception cref="CliException">The folder cannot be made or written, or holds folders of these names.</exception>
    public static RunFolder Open(string path, params ReadOnlySpan<string> files)
    {
        string option = $"--out is '{path}'";
        string full;
        try
        {
            full = System.IO.Path.GetFullPath(path);
        }
        catch (FileNotFoundException)
        {
            throw CliException.Failure($"{option}, and the working directory does not exist any more; allowed: a path from the root, or a working directory that exists");
        }

        // The topmost folder that did not exist, so that a run which ends with nothing leaves nothing.
        string? created = null;
        for (string? at = full; at is not null && !Directory.Exists(at); at = System.IO.Path.GetDirectoryName(at))
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

            // Of a run that was killed while it was saved.
            foreach (string name in files)
            {
                foreach (string left in Directory.EnumerateFiles(path, $".{name}.*.part*"))
                {
                    folder.Remove(System.IO.Path.GetFileName(left));
                }
            }
        }
        catch (Exception exception) when (FileErrors.Is(exception))
        {
            folder.RemoveIfEmpty();
            throw CliException.Failure($"{option}, which cannot be written ({FileErrors.Reason(exception)}); allowed: a folder that can");
        }

        foreach (string name in files)
        {
            if (Directory.Exists(folder.PathOf(name)))
            {
                throw CliException.Failure($"{option}, where {name} is a folder; allowed: a folder in which it is a file or is not");
            }
        }

        return folder;
    }

    /// <summary>Makes sure, before work is done, that the disk has room for what it will give.</summary>
    /// <param name="bytes">What will be written.</param>
    /// <exception cref="CliException">There is less room.</exception>
    public void EnsureRoom(long bytes)
    {
        long free = new DriveInfo(System.IO.Path.GetFullPath(Path)).AvailableFreeSpace;
        if (free < bytes)
        {
            throw CliException.Failure(Texts.Format($"{_option}, where {free:#,0} bytes are free; at least {bytes:#,0} bytes are needed"));
        }
    }

    /// <summary>Writes files; an earlier run's files of the same names are replaced only once all are on the disk.</summary>
    /// <param name="files">
    /// Name, and what writes the file to the path that it is given. The last one is the commit record: where it is, the others belong to it.
    /// </param>
    /// <exception cref="CliException">
    /// A file cannot be written; the folder is then as it was. Or one cannot be replaced; the folder then has no commit record. The files were
    /// then written into a new folder for temporary files, which the message names, unless that was not possible either.
    /// </exception>
    public void Write(params ReadOnlySpan<(string Name, Action<string> Write)> files)
    {
        if (TryWrite(files) is not { } problem)
        {
            return;
        }

        // What took hours is worth a second place.
        string outcome;
        try
        {
            string path = Directory.CreateTempSubdirectory("orthonative-").FullName;
            string? secondProblem = new RunFolder(path, $"its folder is '{path}'", path).TryWrite(files);
            outcome = secondProblem is null ? $"the run's files were saved in '{path}' instead" : $"the run's files were not saved, nor elsewhere: {secondProblem}";
        }
        catch (Exception exception) when (FileErrors.Is(exception))
        {
            outcome = $"the run's files were not saved, nor elsewhere: no folder for temporary files can be made ({FileErrors.Reason(exception)})";
        }

        throw CliException.Failure($"{problem}; {outcome}");
    }

    /// <summary>Writes files as <see cref="Write"/> does, or leaves nothing behind; there is no second place.</summary>
    /// <param name="files">As there.</param>
    /// <returns>What is in the way; null: they are written.</returns>
    public string? TryWrite(params ReadOnlySpan<(string Name, Action<string> Write)> files)
    {
        string current = files[0].Name;
        bool written = false;
        try
        {
            // It may have been removed during the run.
            Directory.CreateDirectory(Path);
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
            File.Delete(PathOf(current));
            foreach ((string name, _) in files)
            {
                current = name;
                File.Move(Temporary(name), PathOf(name), overwrite: true);
            }

            written = true;
            return null;
        }
        catch (Exception exception) when (FileErrors.Is(exception))
        {
            return $"{_option}, where {current} cannot be written ({FileErrors.Reason(exception)})";
        }
        finally
        {
            if (!written)
            {
                foreach ((string name, _) in files)
                {
                    Remove(TemporaryName(name));
                }

                RemoveIfEmpty();
            }
        }
    }

    /// <summary>Removes a file that is of no use any more, if there is one.</summary>
    public void Remove(string name)
    {
        try
        {
            File.Delete(PathOf(name));
        }
        catch (Exception exception) when (FileErrors.Is(exception))
        {
            // It takes room and does no harm; what came before is what the user has to know.
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
        catch (Exception exception) when (FileErrors.Is(exception))
        {
            // Someone has put something into it meanwhile; then it is not ours to remove.
        }
    }

    private static string TemporaryName(string name) => $".{name}.{Environment.ProcessId}.part";

    private string Temporary(string name) => PathOf(TemporaryName(name));
}
