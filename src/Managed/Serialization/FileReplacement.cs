using System.Runtime.Versioning;
using System.Text;
using Microsoft.Win32.SafeHandles;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>
/// A file that appears, or replaces an older one, once it is written whole and on the disk. All files that the library writes are written
/// through this class.
/// </summary>
/// <remarks>
/// <para>
/// The content goes into a new file of an unpredictable name in the same folder, which is renamed at the end. What writing into the older
/// file would have kept is kept: permissions, owner and group as far as the system allows it, access control lists and user attributes on
/// Linux, and a symbolic link, whose target is replaced. What is refused when written to is refused here: a file without the
/// permission, a folder. Other hard links to the older file keep its content.
/// </para>
/// <para>
/// Where no new file can be made, since the folder is read-only or the path has no room for a longer name, or where the older file cannot be renamed
/// over, as a file that is mounted on its own, the content is written into the older file itself. So are devices and pipes. A symbolic link of another user is
/// replaced itself, so that nobody can direct a write to a file of their choice.
/// </para>
/// </remarks>
internal sealed class FileReplacement : IDisposable
{
    private const int MaximumLinks = 40;
    private const int MaximumNameBytes = 255;
    private const UnixFileMode Rights = (UnixFileMode)0x1FF;

    // Numbers of Linux and macOS: a read-only file system, and a file that is mounted on its own.
    private const int ReadOnlyFileSystem = 30;
    private const int Busy = 16;

    private readonly string _path;
    private readonly FileStatus? _older;
    private readonly UnixFileMode? _mode;
    private bool _committed;

    private FileReplacement(string path)
    {
        (string? target, bool foreignLink) = FollowLinks(path);
        _older = target is null || foreignLink ? null : FileStatus.Of(target, follow: false);
        if (target is null || _older is { IsDevice: true } || (!foreignLink && _older is { } resolved && !resolved.IsSame(FileStatus.Of(path, follow: true))))
        {
            // What only opening can follow, or what has no content to be replaced.
            _path = path;
            Stream = Open(path, FileMode.Open);
            return;
        }

        _path = target;
        bool exists = !foreignLink && System.IO.Path.Exists(target);
        if (exists)
        {
            // Says no where writing into it would.
            Open(target, FileMode.Open).Dispose();
            _mode = OperatingSystem.IsWindows() ? null : File.GetUnixFileMode(target) & Rights;
        }

        Temporary = MakeTemporaryPath(target);
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.ReadWrite, Share = FileShare.Read, BufferSize = 0 };
        if (exists && !OperatingSystem.IsWindows())
        {
            // Never readable by more than the older one, whose permissions it gets at the end.
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        try
        {
            Stream = new ContentStream(Temporary, options);
        }
        catch (DirectoryNotFoundException exception)
        {
            throw NoFolder(path, exception);
        }
        catch (Exception exception) when (exists && (exception is PathTooLongException || IsRefused(exception)))
        {
            Temporary = null;
            Stream = Open(target, FileMode.Open);
        }
        catch (PathTooLongException)
        {
            // It goes again if it is not committed.
            Temporary = target;
            Stream = new ContentStream(target, options);
        }
    }

    /// <summary>Where the content goes. Of a new file it can also be read.</summary>
    public FileStream Stream { get; }

    /// <summary>Path of the new file before it is renamed; null: the content is written into the older file.</summary>
    internal string? Temporary { get; private set; }

    /// <summary>Begins a file.</summary>
    /// <param name="path">Its path, or the one of a link to it, a device or a pipe.</param>
    /// <exception cref="ArgumentException">The path is empty or has a null character.</exception>
    /// <exception cref="IOException">The folder is not there, or nothing can be written there.</exception>
    /// <exception cref="UnauthorizedAccessException">It is a folder, or the file or the folder may not be written.</exception>
    public static FileReplacement Begin(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return new FileReplacement(path);
    }

    /// <summary>Puts the content on the disk and the file in its place.</summary>
    /// <exception cref="IOException">One of both is not possible; an older file is then left as it was.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be replaced.</exception>
    public void Commit()
    {
        if (Temporary is null)
        {
            FinishInPlace(Stream);
            _committed = true;
            return;
        }

        if (!OperatingSystem.IsWindows() && _mode is { } mode)
        {
            KeepRights(Stream.SafeFileHandle, _path, _older, mode);
        }

        Stream.Flush(flushToDisk: true);
        try
        {
            if (OperatingSystem.IsWindows())
            {
                // An open file cannot be renamed there.
                Stream.Dispose();
            }

            File.Move(Temporary, _path, overwrite: true);
        }
        catch (Exception exception) when (_mode is not null && IsRefused(exception))
        {
            CopyInPlace();
        }

        _committed = true;
    }

    /// <summary>Closes the file, and removes what was not committed.</summary>
    public void Dispose()
    {
        Stream.Dispose();
        if (_committed || Temporary is null)
        {
            return;
        }

        try
        {
            File.Delete(Temporary);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // The folder has gone or been closed meanwhile: what made the write fail is what the caller has to know.
        }
    }

    private static bool IsRefused(Exception exception) =>
        exception is UnauthorizedAccessException or IOException { HResult: ReadOnlyFileSystem or Busy };

    /// <summary>Gives a new file the rights of an older one: mode, and as far as the system allows it owner, group and attributes.</summary>
    /// <param name="file">The new file.</param>
    /// <param name="path">Path of the older one.</param>
    /// <param name="older">Its status; null: not known.</param>
    /// <param name="mode">Its mode.</param>
    [UnsupportedOSPlatform("windows")]
    internal static void KeepRights(SafeFileHandle file, string path, FileStatus? older, UnixFileMode mode)
    {
        if (older is { } status && !status.GiveTo(file, path))
        {
            // What a group may do is not handed on to another group, unless all may do it.
            mode = (mode & ~(UnixFileMode)0x38) | (UnixFileMode)(((int)mode & 7) << 3);
        }

        try
        {
            // Where there is an access control list, these are the same rights once more.
            File.SetUnixFileMode(file, mode & Rights);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // A file system without permissions gives all its files the same.
        }
    }

    /// <summary>Where the older file is mounted on its own, or lies in a folder in which only its owner may rename it.</summary>
    private void CopyInPlace()
    {
        try
        {
            using FileStream target = Open(_path, FileMode.Open);
            Stream.Position = 0;
            Stream.CopyTo(target);
            FinishInPlace(target);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            _committed = true;
            throw new IOException($"'{ForeignText.CleanPath(_path)}' could be written in part only; its whole new content is in '{ForeignText.CleanPath(Temporary)}'.", exception);
        }

        File.Delete(Temporary!);
    }

    private static void FinishInPlace(FileStream stream)
    {
        if (stream.CanSeek && stream.Length > stream.Position)
        {
            stream.SetLength(stream.Position);
        }

        stream.Flush(flushToDisk: true);
    }

    // A device may be open in other programs.
    private static ContentStream Open(string path, FileMode mode) =>
        new(path, new FileStreamOptions { Mode = mode, Access = FileAccess.Write, Share = FileShare.ReadWrite, BufferSize = 0 });

    /// <summary>The file that a path leads to through symbolic links.</summary>
    /// <returns>
    /// Its path; null: it leads through a link to an open file, /dev/stdout or /proc/self/fd/3, that only opening can follow. And whether it is
    /// itself a link of another user.
    /// </returns>
    private static (string? Path, bool IsForeignLink) FollowLinks(string path)
    {
        string at = System.IO.Path.GetFullPath(path);
        int links = 0;
        while (true)
        {
            if (new FileInfo(at).LinkTarget is not { } target)
            {
                return (at, false);
            }

            if (IsOpenFile(at))
            {
                return (null, false);
            }

            if (FileStatus.Of(at, follow: false) is { } link && link.User != 0 && link.User != FileStatus.CurrentUser)
            {
                return (at, true);
            }

            Count(ref links, path);
            string folder = System.IO.Path.GetDirectoryName(at)!;
            at = OperatingSystem.IsWindows()
                ? System.IO.Path.GetFullPath(target, folder)
                : Walk(Walk("/", folder, throughLast: true, ref links, path), target, throughLast: false, ref links, path);
        }
    }

    /// <summary>
    /// Joins a folder and a path as the system walks them: links to folders are followed one by one, so that .. is the parent of the folder that
    /// was reached, and not the name before.
    /// </summary>
    /// <param name="folder">Where a relative path begins; without links in it.</param>
    /// <param name="path">The path to join.</param>
    /// <param name="throughLast">True to follow its last name, too.</param>
    /// <param name="links">Counts the links.</param>
    /// <param name="asked">The path that messages name.</param>
    private static string Walk(string folder, string path, bool throughLast, ref int links, string asked)
    {
        string at = path.StartsWith('/') ? "/" : folder;
        string[] names = path.Split('/', StringSplitOptions.RemoveEmptyEntries);
        for (int i = 0; i < names.Length; i++)
        {
            if (names[i] is "." or "..")
            {
                if (!Directory.Exists(at))
                {
                    throw NoFolder(asked);
                }

                at = names[i] == "." ? at : System.IO.Path.GetDirectoryName(at) ?? at;
                continue;
            }

            string next = System.IO.Path.Join(at, names[i]);
            if ((throughLast || i < names.Length - 1) && !IsOpenFile(next) && new FileInfo(next).LinkTarget is { } target)
            {
                Count(ref links, asked);
                next = Walk(at, target, throughLast: true, ref links, asked);
            }

            at = next;
        }

        // That it must be a folder is not lost.
        return path.EndsWith('/') ? System.IO.Path.Join(at, "/") : at;
    }

    /// <summary>Tells whether a link is one that only opening can follow: its text need not be a path.</summary>
    private static bool IsOpenFile(string link) => link.StartsWith("/proc/", StringComparison.Ordinal) || link.StartsWith("/dev/fd/", StringComparison.Ordinal);

    private static void Count(ref int links, string path)
    {
        if (++links > MaximumLinks)
        {
            throw new IOException($"'{ForeignText.CleanPath(path)}' is a symbolic link that leads to no file within {MaximumLinks} links.");
        }
    }

    private static DirectoryNotFoundException NoFolder(string path, Exception? inner = null) =>
        new($"The folder of '{ForeignText.CleanPath(path)}' does not exist.", inner);

    /// <summary>A name that nobody can foresee, which begins with that of the file as far as there is room.</summary>
    private static string MakeTemporaryPath(string path)
    {
        string ending = $".{Guid.NewGuid():N}.tmp";
        ReadOnlySpan<char> name = System.IO.Path.GetFileName(path.AsSpan());
        while (Encoding.UTF8.GetByteCount(name) + ending.Length > MaximumNameBytes)
        {
            name = name[..^1];
            if (!name.IsEmpty && char.IsHighSurrogate(name[^1]))
            {
                name = name[..^1];
            }
        }

        return System.IO.Path.Join(System.IO.Path.GetDirectoryName(path.AsSpan()), $"{name}{ending}");
    }

    /// <summary>
    /// A file whose size the system, or a limit of the process, bounds: a write beyond that (EFBIG), for which .NET has an exception of arguments, is an
    /// <see cref="IOException"/>. The writes of spans and memory, too, go through those of arrays.
    /// </summary>
    private sealed class ContentStream(string path, FileStreamOptions options) : FileStream(path, options)
    {
        public override void Write(byte[] buffer, int offset, int count)
        {
            try
            {
                base.Write(buffer, offset, count);
            }
            catch (ArgumentOutOfRangeException exception) when (IsTooLarge(exception))
            {
                throw TooLarge(exception);
            }
        }

        public override async Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken)
        {
            try
            {
#pragma warning disable CA1835 // That of memory would call this one.
                await base.WriteAsync(buffer, offset, count, cancellationToken).ConfigureAwait(false);
#pragma warning restore CA1835
            }
            catch (ArgumentOutOfRangeException exception) when (IsTooLarge(exception))
            {
                throw TooLarge(exception);
            }
        }

        public override void Flush(bool flushToDisk)
        {
            try
            {
                base.Flush(flushToDisk);
            }
            catch (ArgumentOutOfRangeException exception) when (IsTooLarge(exception))
            {
                throw TooLarge(exception);
            }
        }

        private static bool IsTooLarge(ArgumentOutOfRangeException exception) => exception is { ParamName: "value", ActualValue: null };

        private IOException TooLarge(Exception exception) =>
            new($"The file is larger than the system, or a limit set for this process, allows : '{ForeignText.CleanPath(Name)}'", exception);
    }
}
