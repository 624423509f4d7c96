using System.Runtime.InteropServices;

namespace OrthoNative;

/// <summary>The status of a file that Linux tells and .NET does not: its kind, its owner and its attributes.</summary>
[StructLayout(LayoutKind.Explicit, Size = 256)]
internal unsafe partial struct FileStatus
{
    private const int KindMask = 0xF000;
    private const int RegularKind = 0x8000;
    private const int FolderKind = 0x4000;
    private const int CurrentFolder = -100;
    private const int NoFollow = 0x100;
    private const uint BasicFields = 0x7FF;

    [FieldOffset(20)]
    private readonly uint _user;

    [FieldOffset(24)]
    private readonly uint _group;

    [FieldOffset(28)]
    private readonly ushort _mode;

    [FieldOffset(32)]
    private readonly ulong _number;

    [FieldOffset(136)]
    private readonly ulong _device;

    /// <summary>Number of the user who owns the file.</summary>
    public readonly uint User => _user;

    /// <summary>True if it is neither a file nor a folder but a pipe, a device or a socket.</summary>
    public readonly bool IsDevice => (_mode & KindMask) is not (RegularKind or FolderKind);

    /// <summary>Number of the user whose rights this thread has.</summary>
    public static uint CurrentUser => EffectiveUser();

    /// <summary>Tells whether two are of one file.</summary>
    public readonly bool IsSame(FileStatus? other) => other is { } file && file._number == _number && file._device == _device;

    /// <summary>Asks for the status of a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="follow">True if a symbolic link stands for its target.</param>
    /// <returns>Null: there is none, or it cannot be asked for, as on systems other than Linux.</returns>
    public static FileStatus? Of(string path, bool follow)
    {
        if (!OperatingSystem.IsLinux())
        {
            return null;
        }

        FileStatus status;
        try
        {
            return Statx(CurrentFolder, path, follow ? 0 : NoFollow, BasicFields, &status) == 0 ? status : null;
        }
        catch (Exception exception) when (exception is EntryPointNotFoundException or DllNotFoundException)
        {
            return null;
        }
    }

    /// <summary>Gives a new file owner, group and extended attributes, POSIX access control lists among them, of one that it replaces.</summary>
    /// <param name="file">The new file, open.</param>
    /// <param name="path">The old one.</param>
    /// <returns>False: the group could not be kept, so that rights of the group would become rights of another.</returns>
    public readonly bool GiveTo(SafeHandle file, string path)
    {
        bool added = false;
        file.DangerousAddRef(ref added);
        try
        {
            int descriptor = (int)file.DangerousGetHandle();
            bool kept = ChangeOwner(descriptor, _user, _group) == 0 || ChangeOwner(descriptor, uint.MaxValue, _group) == 0;
            CopyAttributes(path, descriptor);
            return kept;
        }
        finally
        {
            file.DangerousRelease();
        }
    }

    /// <summary>Those of the user and access control lists; others are the system's to set.</summary>
    private static void CopyAttributes(string path, int descriptor)
    {
        const int MaximumBytes = 1 << 16;
        byte[] names = new byte[MaximumBytes];
        byte[] value = new byte[MaximumBytes];
        fixed (byte* first = names, content = value)
        {
            nint length = ListAttributes(path, first, MaximumBytes);
            for (nint at = 0; at < length;)
            {
                ReadOnlySpan<byte> name = MemoryMarshal.CreateReadOnlySpanFromNullTerminated(first + at);
                if (name.StartsWith("user."u8) || name.SequenceEqual("system.posix_acl_access"u8))
                {
                    nint bytes = GetAttribute(path, first + at, content, MaximumBytes);
                    if (bytes >= 0)
                    {
                        // What the file system of the same folder had, it takes again; if not, the file is worth more than its attribute.
                        _ = SetAttribute(descriptor, first + at, content, bytes, 0);
                    }
                }

                at += name.Length + 1;
            }
        }
    }

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Statx(int folder, string path, int flags, uint mask, FileStatus* status);

    [LibraryImport("libc", EntryPoint = "geteuid")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial uint EffectiveUser();

    [LibraryImport("libc", EntryPoint = "fchown")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int ChangeOwner(int file, uint user, uint group);

    [LibraryImport("libc", EntryPoint = "listxattr", StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint ListAttributes(string path, byte* names, nint bytes);

    [LibraryImport("libc", EntryPoint = "getxattr", StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint GetAttribute(string path, byte* name, byte* value, nint bytes);

    [LibraryImport("libc", EntryPoint = "fsetxattr")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int SetAttribute(int file, byte* name, byte* value, nint bytes, int flags);
}
