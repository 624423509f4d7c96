using Microsoft.Win32.SafeHandles;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>The folder that a run leaves its files in: all of them, whole, or none.</summary>
internal sealed class RunFolder : IDisposable
{
    /// <summary>File of settings, metrics and result.</summary>
    public const string Report = "run.json";

    /// <summary>File of the trained weights.</summary>
    public const string Weights = "model.safetensors";

    /// <summary>File of the weights that were best by validation, until the run has ended by itself.</summary>
    public const string BestWeights = "best.safetensors";

    /// <summary>File of the optimizer's state, until the run has ended by itself.</summary>
    public const string OptimizerState = "optimizer.safetensors";

    /// <summary>File of the states that are carried through sequences, until the run has ended by itself.</summary>
    public const string States = "states.safetensors";

    /// <summary>File of the training loss of every step, until the run has ended by itself.</summary>
    public const string Losses = "loss.csv";

    /// <summary>File of the epochs of a run that has not ended.</summary>
    public const string Epochs = "epochs.jsonl";

    /// <summary>File of the picture of the loss.</summary>
    public const string Picture = "loss.png";

    /// <summary>File of the report that a browser shows.</summary>
    public const string ReportPage = "report.html";

    /// <summary>File that is held locked while the folder is in use, and goes with its end or at the next use of the folder.</summary>
    private const string LockFile = ".orthonative.lock";

    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly string _option;
    private string? _created;

    /// <summary>Rights of pictures that a save has removed, until they are drawn anew.</summary>
    private readonly Dictionary<string, (FileStatus? Status, UnixFileMode Mode)> _removed = [];
    private readonly string[] _names;
    private FolderLock? _folderLock;
    private FileStream? _lock;
    private DateTime _lockedAt;

    private RunFolder(string path, string option, string? created, string[] names)
    {
        Path = path;
        _option = option;
        _created = created;
        _names = names;
    }

    /// <summary>Path of the folder as the user would write it.</summary>
    public string Path { get; }

    /// <summary>The commit record: where it is, the other files belong to it.</summary>
    private string Record => _names[^1];

    /// <summary>Path of a folder for a run that names none: below runs, named after what is run and the time.</summary>
    /// <param name="name">Name of what is run.</param>
    /// <param name="started">When it was started.</param>
    public static string NewName(string name, DateTimeOffset started) =>
        System.IO.Path.Combine("runs", FormattableString.Invariant($"{name}-{started:yyyyMMdd-HHmmss}"));

    /// <summary>Takes a folder of its own, of a name that none has yet: the path, or the path with a number behind it.</summary>
    /// <param name="path">Path of the folder.</param>
    /// <param name="argument">As in <see cref="Open"/>.</param>
    /// <param name="files">As in <see cref="Open"/>.</param>
    /// <exception cref="RunFolderException">The folder cannot be made or written.</exception>
    public static RunFolder OpenNew(string path, string argument, params ReadOnlySpan<string> files)
    {
        string candidate = path;
        for (int number = 2; ; number++)
        {
            if (!System.IO.Path.Exists(candidate) && TryOpen(candidate, argument, files) is { } folder)
            {
                return folder;
            }

            candidate = FormattableString.Invariant($"{path}-{number}");
        }
    }

    /// <summary>
    /// Takes the folder until it is disposed of: makes it if need be, makes sure that files can be written into it, and brings to an end what
    /// a program that was killed had begun.
    /// </summary>
    /// <param name="path">Path of the folder.</param>
    /// <param name="argument">Name of the argument that gives the path, for messages.</param>
    /// <param name="files">Names of all files that are ever written there; the last one is the commit record.</param>
    /// <exception cref="RunFolderException">The folder cannot be made or written, is in use, or holds folders of these names.</exception>
    public static RunFolder Open(string path, string argument, params ReadOnlySpan<string> files) => TryOpen(path, argument, files) ??
        throw new RunFolderException($"{argument} is '{ForeignText.CleanPath(path)}', which another run is using; choose another folder, or wait for that run to end");

    /// <summary>Ensures, before work is done, that the disk has room for what it will give.</summary>
    /// <param name="bytes">The number of bytes that will be written.</param>
    /// <exception cref="RunFolderException">There is less room.</exception>
    public void EnsureRoom(long bytes)
    {
        long free;
        try
        {
            free = new DriveInfo(System.IO.Path.GetFullPath(Path)).AvailableFreeSpace;
        }
        catch (Exception exception) when (FileErrors.Is(exception) || exception is ArgumentException)
        {
            // Not every file system tells. The saves will.
            return;
        }

        if (free < bytes)
        {
            throw new RunFolderException(FormattableString.Invariant($"{_option}, where {free:#,0} bytes are free; at least {bytes:#,0} bytes are needed"));
        }
    }

    /// <summary>Writes files; an earlier run's files of the same names are replaced only once all are on the disk.</summary>
    /// <param name="files">Name, and what writes the file to the path that it is given. The last one is the commit record.</param>
    /// <exception cref="RunFolderException">
    /// A file cannot be written; the folder is then as it was. Or one cannot be replaced; the rest is then done by the next use of the folder.
    /// The files were then written into a new folder for temporary files, which the message names, unless that was not possible either.
    /// </exception>
    public void Write(params ReadOnlySpan<(string Name, Action<string> Write)> files)
    {
        (string, Action<string>)[] all = [.. files];
        Write(_ => all, essential: null);
    }

    /// <summary>Writes files as <see cref="Write(ReadOnlySpan{ValueTuple{string, Action{string}}})"/> does, and then pictures.</summary>
    /// <param name="files">The files, from the folder that they are to be written into.</param>
    /// <param name="essential">
    /// The files that are saved alone where not all can be saved, most important first. With them, problems of every kind are reported as <see cref="RunFolderException"/>, not only
    /// those of files. Null: there are none.
    /// </param>
    /// <param name="pictures">Name and content.</param>
    /// <returns>The problem with a picture; null: there is none.</returns>
    /// <exception cref="RunFolderException">As there; if the essential files alone were saved, the message says so.</exception>
    public string? Write(
        Func<RunFolder, (string Name, Action<string> Write)[]> files,
        (string Name, Action<string> Write)[]? essential,
        params (string Name, Func<byte[]> Content)[] pictures)
    {
        string? problem = TryWriteTo(this, files, essential is not null);
        if (problem is null)
        {
            return TryWritePictures(pictures);
        }

        // What took hours is worth a second place, and even in part.
        string? outcome = TryElsewhere(files, essential is not null, pictures, out string secondProblem)
            ?? (essential is null ? null : TryInPart(essential, secondProblem));
        throw new RunFolderException($"{problem}; {outcome ?? $"the run's files were not saved, nor elsewhere: {secondProblem}"}");
    }

    /// <summary>
    /// Does what saves do in a folder that is removed again. Afterwards all that saves load is loaded, so that neither a change of the program's
    /// files nor a lack of file descriptors costs one. What goes wrong here, the saves tell.
    /// </summary>
    /// <param name="files">Files as they are saved; they may be small. They are written twice, since most saves replace files.</param>
    public void Rehearse(params (string Name, Action<string> Write)[] files)
    {
        string path = "";
        try
        {
            path = CreateRescueFolder();
            using var folder = new RunFolder(path, _option, path, _names);
            _ = TryWriteTo(folder, _ => files, anyProblem: true);
            _ = TryWriteTo(folder, _ => files, anyProblem: true);
        }
        catch (Exception exception) when (FileErrors.Is(exception))
        {
            // No folder can be made for it.
        }
        finally
        {
            if (path.Length > 0)
            {
                RemoveAll(path);
            }
        }
    }

    /// <param name="folder">Where the files are written.</param>
    /// <param name="files">As in <see cref="TryWrite"/>.</param>
    /// <param name="anyProblem">True to report problems of all kinds, and not those of files alone.</param>
    private static string? TryWriteTo(RunFolder folder, Func<RunFolder, (string Name, Action<string> Write)[]> files, bool anyProblem)
    {
        try
        {
            return folder.TryWrite(files(folder));
        }
        catch (Exception exception) when (anyProblem)
        {
            return $"{folder._option}, where not all files can be written ({FileErrors.Cause(exception)})";
        }
    }

    /// <summary>Writes of some files those that can be written, into a new folder of their own, which nobody else reads before the message.</summary>
    private string? TryInPart((string Name, Action<string> Write)[] files, string problem)
    {
        var saved = new List<string>();
        string path = "";
        try
        {
            path = CreateRescueFolder();
            foreach ((string name, Action<string> write) in files)
            {
                string file = System.IO.Path.Combine(path, name);
                try
                {
                    write(file);
                    saved.Add(name);
                }
                // The first one is what counts.
                catch (Exception) when (saved.Count > 0)
                {
                    File.Delete(file);
                }
            }
        }
        catch (Exception)
        {
            // What is saved by then counts.
        }

        if (saved.Count == 0 && path.Length > 0)
        {
            RemoveAll(path);
        }

        return saved.Count == 0 ? null : $"of the run's files {string.Join(" and ", saved)} alone could be saved, in '{ForeignText.CleanPath(path)}' ({problem})";
    }

    /// <summary>A new folder for temporary files; where there can be none, one in this folder.</summary>
    private string CreateRescueFolder()
    {
        try
        {
            return Directory.CreateTempSubdirectory("orthonative-").FullName;
        }
        catch (Exception exception) when (FileErrors.Is(exception))
        {
            return Directory.CreateDirectory(PathOf($"rescued-{Guid.NewGuid():N}")).FullName;
        }
    }

    private static void RemoveAll(string path)
    {
        try
        {
            Directory.Delete(path, recursive: true);
        }
        catch (Exception exception) when (FileErrors.Is(exception))
        {
            // As in Remove.
        }
    }

    /// <summary>
    /// Writes pictures after the files were saved. Nothing that goes wrong with one ends the run: a library or a font that is missing, memory, the
    /// disk.
    /// </summary>
    /// <returns>The problem, of whatever kind; null: they are written.</returns>
    public string? TryWritePictures(params (string Name, Func<byte[]> Content)[] pictures)
    {
        string[] problems = [.. pictures.Select(picture => TryWritePicture(picture.Name, picture.Content)).OfType<string>()];
        return problems.Length == 0 ? null : string.Join("; ", problems);
    }

    private string? TryElsewhere(
        Func<RunFolder, (string Name, Action<string> Write)[]> files, bool anyProblem, (string Name, Func<byte[]> Content)[] pictures, out string problem)
    {
        problem = "";
        try
        {
            // With a name that cannot be foreseen, and for its owner alone.
            string path = Directory.CreateTempSubdirectory("orthonative-").FullName;
            using var second = new RunFolder(path, $"its folder is '{ForeignText.CleanPath(path)}'", path, _names);
            if (TryWriteTo(second, files, anyProblem) is { } secondProblem)
            {
                problem = secondProblem;
                return null;
            }

            _ = second.TryWritePictures(pictures);
            return $"the run's files were saved in '{ForeignText.CleanPath(path)}' instead";
        }
        catch (Exception exception) when (FileErrors.Is(exception))
        {
            problem = $"no folder for temporary files can be made ({FileErrors.Reason(exception)})";
            return null;
        }
    }

    private string? TryWritePicture(string name, Func<byte[]> content)
    {
        try
        {
            byte[] bytes = content();
            if (!HasLock())
            {
                throw new IOException("the folder has been taken by another");
            }

            if (Directory.Exists(PathOf(name)))
            {
                throw new IOException("a folder has this name");
            }

            File.Delete(Committed(name));
            (FileStatus? Status, UnixFileMode Mode)? older = RightsOf(name) ?? (_removed.TryGetValue(name, out var removed) ? removed : null);
            Reserve(Committed(name), older);
            using (FileStream file = CreateNew(Committed(name)))
            {
                file.Write(bytes);
                KeepRights(file.SafeFileHandle, name, older);
            }

            File.Move(Committed(name), PathOf(name), overwrite: true);
            return null;
        }
        catch (Exception exception)
        {
            Remove(CommittedName(name));
            return $"{name} cannot be written ({FileErrors.Cause(exception)})";
        }
    }

    /// <summary>Appends to a file in the folder what is new in it, instead of writing it whole. Readers read as far as the record says.</summary>
    /// <returns>False: it has to be written whole.</returns>
    public bool TryAppend<T>(string name, GrowingFile<T> file)
    {
        try
        {
            return HasLock() && !File.Exists(Committed(Record)) && file.TryAppend(PathOf(name));
        }
        catch (Exception exception) when (FileErrors.Is(exception))
        {
            return false;
        }
    }

    /// <summary>
    /// Creates a file of which there is none yet: where someone has put a link in its place, it is not followed. An empty file of its owner alone
    /// is replaced by another such file.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="access">The access.</param>
    /// <param name="share">The access that others may have meanwhile.</param>
    public static FileStream CreateNew(string path, FileAccess access = FileAccess.Write, FileShare share = FileShare.None)
    {
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = access, Share = share };
        if (!OperatingSystem.IsWindows() && new FileInfo(path) is { Exists: true, LinkTarget: null, Length: 0, UnixFileMode: OwnerOnly })
        {
            File.Delete(path);
            options.UnixCreateMode = OwnerOnly;
        }

        return new FileStream(path, options);
    }

    /// <summary>Writes files, without a second place.</summary>
    /// <param name="files">Name, and what writes the file to the path that it is given. The last one is the commit record.</param>
    /// <returns>The problem; null: they are written.</returns>
    public string? TryWrite(params ReadOnlySpan<(string Name, Action<string> Write)> files)
    {
        string current = Record;
        try
        {
            foreach (string name in Replace([.. files]))
            {
                current = name;
            }

            return null;
        }
        catch (Exception exception) when (FileErrors.Is(exception))
        {
            return $"{_option}, where {current} cannot be written ({FileErrors.Reason(exception)})";
        }
        finally
        {
            RemoveUnfinished();
        }
    }

    /// <summary>
    /// The work of <see cref="TryWrite"/>, which ends at any point when the program is killed or the power fails. The new files lie beside the
    /// old ones until all are on the disk. Renaming the record commits: from then on the next use of the folder can do what is left.
    /// </summary>
    /// <returns>Before each change of the disk, the name of the file that it is about.</returns>
    internal IEnumerable<string> Replace((string Name, Action<string> Write)[] files)
    {
        // It may have been removed during the run.
        Directory.CreateDirectory(Path);
        if (!TryLock())
        {
            throw new IOException("another run is using the folder");
        }

        // A file may have been in the way of the last one.
        foreach (string name in Complete())
        {
            yield return name;
        }

        foreach ((string name, Action<string> write) in files)
        {
            yield return name;
            if (Directory.Exists(PathOf(name)))
            {
                throw new IOException("a folder has this name");
            }

            string path = name == Record ? Uncommitted(name) : Committed(name);
            // What someone else has put there, such as a link to a file of ours.
            File.Delete(path);
            (FileStatus? Status, UnixFileMode Mode)? older = RightsOf(name);
            Reserve(path, older);
            write(path);
            if (new FileInfo(path).LinkTarget is not null)
            {
                throw new IOException("a link was put in its place");
            }

            // Whoever wrote a growing file keeps it open.
            using SafeFileHandle file = File.OpenHandle(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete);
            KeepRights(file, name, older);
            RandomAccess.FlushToDisk(file);
        }

        yield return Record;
        FolderFlush.ToDisk(Path);
        yield return Record;
        File.Move(Uncommitted(Record), Committed(Record), overwrite: true);
        foreach (string name in Complete())
        {
            yield return name;
        }
    }

    /// <summary>Rights of a file in the folder; null: there is none that a new one is to have the rights of.</summary>
    private (FileStatus? Status, UnixFileMode Mode)? RightsOf(string name)
    {
        var file = new FileInfo(PathOf(name));
        if (OperatingSystem.IsWindows() || !file.Exists || file.LinkTarget is not null)
        {
            return null;
        }

        FileStatus? status = FileStatus.Of(file.FullName, follow: false);
        return status is { IsDevice: true } ? null : (status, file.UnixFileMode);
    }

    /// <summary>Creates an empty file for its owner alone, so that the new content is never readable by more than the older one.</summary>
    private static void Reserve(string path, (FileStatus? Status, UnixFileMode Mode)? older)
    {
        if (!OperatingSystem.IsWindows() && older is not null)
        {
            using var file = new FileStream(path, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = OwnerOnly });
        }
    }

    private void KeepRights(SafeFileHandle file, string name, (FileStatus? Status, UnixFileMode Mode)? older)
    {
        if (!OperatingSystem.IsWindows() && older is { } rights)
        {
            FileReplacement.KeepRights(file, PathOf(name), rights.Status, rights.Mode);
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

    /// <summary>Lets others use the folder, and removes it if this one made it and nothing is in it.</summary>
    public void Dispose()
    {
        try
        {
            if (HasLock() && IsLockFileOurs())
            {
                // While it is locked: afterwards it may be another's. Where open files cannot be deleted, closing it does.
                File.Delete(PathOf(LockFile));
            }
        }
        catch (Exception exception) when (FileErrors.Is(exception))
        {
            // The next run there takes it over.
        }

        ReleaseLocks();
        RemoveIfEmpty();
    }

    /// <returns>Null: another run is using the folder.</returns>
    private static RunFolder? TryOpen(string path, string argument, ReadOnlySpan<string> files)
    {
        string option = $"{argument} is '{ForeignText.CleanPath(path)}'";
        string full;
        try
        {
            full = System.IO.Path.GetFullPath(path);
        }
        catch (FileNotFoundException)
        {
            throw new RunFolderException($"{option}, and the working directory does not exist any more; give a full path, or start in a working directory that exists");
        }

        // The topmost folder that did not exist, so that a run which ends with nothing leaves nothing.
        string? created = null;
        for (string? at = full; at is not null && !Directory.Exists(at); at = System.IO.Path.GetDirectoryName(at))
        {
            created = at;
        }

        var folder = new RunFolder(path, option, created, [.. files]);
        bool opened = false;
        try
        {
            Directory.CreateDirectory(path);
            foreach (string name in folder.AllNames())
            {
                if (Directory.Exists(folder.PathOf(name)))
                {
                    throw new RunFolderException($"{option}, where {name} is a folder; it must be a file or not exist");
                }
            }

            if (!folder.TryLock())
            {
                // Who has locked it may not have put anything into it yet.
                folder._created = null;
                return null;
            }

            foreach (string _ in folder.Complete())
            {
            }

            folder.RemoveUnfinished();
            opened = true;
            return folder;
        }
        catch (Exception exception) when (FileErrors.Is(exception))
        {
            throw new RunFolderException($"{option}, which cannot be written ({FileErrors.Reason(exception)}); choose a folder that can be written to");
        }
        finally
        {
            if (!opened)
            {
                folder.Dispose();
            }
        }
    }

    /// <summary>Puts committed files in their places.</summary>
    /// <returns>As <see cref="Replace"/>.</returns>
    private IEnumerable<string> Complete()
    {
        if (!File.Exists(Committed(Record)))
        {
            yield break;
        }

        yield return Record;
        FolderFlush.ToDisk(Path);
        // No record ever stands beside files of another run.
        yield return Record;
        File.Delete(PathOf(Record));
        foreach (string name in _names[..^1])
        {
            if (File.Exists(Committed(name)))
            {
                yield return name;
                File.Move(Committed(name), PathOf(name), overwrite: true);
            }
            else if (IsPicture(name) && File.Exists(PathOf(name)))
            {
                // It is of an earlier save, or of another run. The new one is drawn once everything else is in its place.
                yield return name;
                if (RightsOf(name) is { } rights)
                {
                    _removed[name] = rights;
                }

                File.Delete(PathOf(name));
            }
        }

        yield return Record;
        FolderFlush.ToDisk(Path);
        yield return Record;
        File.Move(Committed(Record), PathOf(Record), overwrite: true);
        yield return Record;
        FolderFlush.ToDisk(Path);
    }

    /// <summary>Removes what was written and not committed, unless it is another's.</summary>
    private void RemoveUnfinished()
    {
        try
        {
            if (!HasLock() || File.Exists(Committed(Record)))
            {
                return;
            }

            foreach (string name in _names)
            {
                foreach (string left in Directory.EnumerateFiles(Path, $".{name}.*"))
                {
                    // Writers put endings of their own behind; earlier versions put a number before ".part".
                    string file = System.IO.Path.GetFileName(left);
                    if (file.StartsWith(CommittedName(name), StringComparison.Ordinal) || file.Contains(".part", StringComparison.Ordinal))
                    {
                        Remove(file);
                    }
                }
            }
        }
        catch (Exception exception) when (FileErrors.Is(exception))
        {
            // As in Remove.
        }
    }

    /// <summary>Locks the folder for this process, if it is not locked already; where locks are not supported, as if it were.</summary>
    /// <returns>False: another one has it.</returns>
    private bool TryLock()
    {
        // More than once: the folder, or the lock file, may be removed between being opened and locked here.
        for (int attempt = 0; attempt < 10 && !HasLock(); attempt++)
        {
            ReleaseLocks();
            // The folder first. The file is for systems that lock no folders, and for earlier versions.
            if (!FolderLock.TryTake(Path, out _folderLock))
            {
                return false;
            }

            try
            {
                _lock = OpenLockFile();
            }
            catch (IOException exception) when (FileErrors.IsSharingViolation(exception))
            {
                ReleaseLocks();
                return false;
            }

            _lockedAt = _lock is null ? default : File.GetLastWriteTimeUtc(_lock.SafeFileHandle);
        }

        return true;
    }

    /// <returns>Null: the file has just been removed.</returns>
    private FileStream? OpenLockFile()
    {
        string path = PathOf(LockFile);
        FileOptions options = OperatingSystem.IsWindows() ? FileOptions.DeleteOnClose : FileOptions.None;
        var file = new FileInfo(path);
        FileStream opened;
        try
        {
            opened = new FileStream(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, 1, options);
        }
        catch (IOException exception) when (!FileErrors.IsSharingViolation(exception) && (file.Exists || file.LinkTarget is not null))
        {
            // It is not emptied: it may be any file, under a name that everyone can foresee.
            RequireNoLink();
            try
            {
                // Also for reading: a pipe that is opened for writing alone keeps the program waiting for someone to read it.
                opened = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None, 1, options);
            }
            catch (FileNotFoundException)
            {
                return null;
            }
        }

        try
        {
            RequireNoLink();
            return opened.CanSeek ? opened : throw new IOException($"{LockFile} is a pipe or a device; it must be a file or not exist");
        }
        catch
        {
            // Not to be removed as a lock of ours.
            opened.Dispose();
            throw;
        }

        void RequireNoLink()
        {
            if (new FileInfo(path).LinkTarget is not null)
            {
                throw new IOException($"{LockFile} is a symbolic link; it must be a file or not exist");
            }
        }
    }

    private void ReleaseLocks()
    {
        _lock?.Dispose();
        _lock = null;
        _folderLock?.Dispose();
        _folderLock = null;
    }

    /// <summary>Tells whether the folder is the one that was locked: it may have been removed, and another's be in its place by now.</summary>
    private bool HasLock() => _folderLock is { HasIdentity: true } folder ? folder.IsAt(Path) : IsLockFileOurs();

    private bool IsLockFileOurs() => _lock is not null && File.GetLastWriteTimeUtc(PathOf(LockFile)) == _lockedAt;

    /// <summary>Removes the folders that <see cref="Open"/> made, unless something is in them.</summary>
    private void RemoveIfEmpty()
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

    /// <summary>Names of all files that are ever in the folder, for however short a time.</summary>
    private IEnumerable<string> AllNames() => [LockFile, .. _names, .. _names.Select(CommittedName), UncommittedName(Record)];

    /// <summary>Pictures are drawn after a save, and are no part of it.</summary>
    private static bool IsPicture(string name) => name.EndsWith(".png", StringComparison.Ordinal);

    private static string CommittedName(string name) => $".{name}.new";

    private string Committed(string name) => PathOf(CommittedName(name));

    private static string UncommittedName(string name) => $".{name}.part";

    private string Uncommitted(string name) => PathOf(UncommittedName(name));
}
