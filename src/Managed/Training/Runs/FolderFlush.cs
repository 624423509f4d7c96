using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace OrthoNative;

/// <summary>Puts the names in a folder on the disk, which flushing the files does not.</summary>
internal static partial class FolderFlush
{
    /// <summary>Returns once files that were made, renamed or removed in a folder will be found so even if the power fails.</summary>
    /// <param name="path">Path of the folder.</param>
    /// <exception cref="IOException">The disk cannot be written.</exception>
    public static void ToDisk(string path)
    {
        // There the file system's journal sees to it.
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        // .NET opens no folders. One that cannot be opened for reading cannot be flushed and is left to its file system.
        using var folder = new SafeFileHandle(Open(path, ReadOnly), ownsHandle: true);
        if (!folder.IsInvalid)
        {
            RandomAccess.FlushToDisk(folder);
        }
    }

    private const int ReadOnly = 0;

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint Open(string path, int flags);
}
