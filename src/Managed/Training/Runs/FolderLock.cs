using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace OrthoNative;

/// <summary>
/// A lock on a folder itself. Unlike that on a file in it, it stays when the folder's files are removed or replaced. The system releases it with
/// the process.
/// </summary>
internal sealed partial class FolderLock : IDisposable
{
    private readonly SafeFileHandle _folder;
    private readonly FileIdentity? _identity;

    private FolderLock(SafeFileHandle folder)
    {
        _folder = folder;
        _identity = FileIdentity.Of(folder);
    }

    /// <summary>Tells whether it is known that a path still leads to the folder.</summary>
    public bool HasIdentity => _identity is not null;

    /// <summary>Locks a folder.</summary>
    /// <param name="path">Path of the folder.</param>
    /// <param name="taken">The lock; null where folders cannot be locked: on Windows, on some network file systems, and without read access.</param>
    /// <returns>False: another has locked it.</returns>
    public static bool TryTake(string path, out FolderLock? taken)
    {
        taken = null;
        if (OperatingSystem.IsWindows())
        {
            return true;
        }

        // .NET opens no folders.
        var folder = new SafeFileHandle(Open(path, ReadOnly), ownsHandle: true);
        if (!folder.IsInvalid && Lock(folder, Exclusive | NonBlocking) == 0)
        {
            taken = new FolderLock(folder);
            return true;
        }

        bool free = folder.IsInvalid || !FileErrors.IsWouldBlock(Marshal.GetLastPInvokeError());
        folder.Dispose();
        return free;
    }

    /// <summary>Tells whether a path leads to the folder that is locked, and not to one that has taken its place.</summary>
    public bool IsAt(string path) => _identity is not null && FileIdentity.Of(path) == _identity;

    public void Dispose() => _folder.Dispose();

    private const int ReadOnly = 0;
    private const int Exclusive = 2;
    private const int NonBlocking = 4;

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "flock", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Lock(SafeFileHandle file, int operation);
}

/// <summary>The identity of a file or folder: its file system and its number there.</summary>
internal sealed partial record FileIdentity(ulong FileSystem, ulong Number)
{
    /// <summary>Identity of an open file; null where the system does not tell.</summary>
    public static FileIdentity? Of(SafeFileHandle file) => OperatingSystem.IsLinux()
        ? Read(buffer => Status(file, "", EmptyPath, NumberField, buffer))
        : null;

    /// <summary>Identity of what is at a path, at the end of links; null where the system does not tell, or nothing is there.</summary>
    public static FileIdentity? Of(string path) => OperatingSystem.IsLinux()
        ? Read(buffer => Status(CurrentFolder, path, 0, NumberField, buffer))
        : null;

    // As in struct statx, which is the same on all processors.
    private const int StatusBytes = 256;
    private const int NumberOffset = 0x20;
    private const int FileSystemOffset = 0x88;

    private const nint CurrentFolder = -100;
    private const int EmptyPath = 0x1000;
    private const uint NumberField = 0x100;

    private static FileIdentity? Read(Func<byte[], int> status)
    {
        byte[] buffer = new byte[StatusBytes];
        try
        {
            return status(buffer) == 0
                ? new FileIdentity(
                    BinaryPrimitives.ReadUInt64LittleEndian(buffer.AsSpan(FileSystemOffset)),
                    BinaryPrimitives.ReadUInt64LittleEndian(buffer.AsSpan(NumberOffset)))
                : null;
        }
        catch (EntryPointNotFoundException)
        {
            // A C library older than the call.
            return null;
        }
    }

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Status(SafeFileHandle folder, string path, int flags, uint mask, [Out] byte[] buffer);

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Status(nint folder, string path, int flags, uint mask, [Out] byte[] buffer);
}
