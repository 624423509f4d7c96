using System.Runtime.InteropServices;

namespace OrthoNative.Interop;

/// <summary>Tells whether this program has more rights than the user who started it, whose environment it then must not trust.</summary>
internal static partial class Privileges
{
    private const nuint SecureExecution = 23; // AT_SECURE of elf.h

    /// <summary>
    /// Tells whether the program is setuid, setgid or has capabilities of its own, by the system's own word: AT_SECURE on Linux, as secure_getenv asks,
    /// issetugid on macOS. Where the system cannot be asked, it counts as such.
    /// </summary>
    public static bool AreRaised { get; } = Ask();

    private static bool Ask()
    {
        try
        {
            return OperatingSystem.IsLinux() ? getauxval(SecureExecution) != 0 : OperatingSystem.IsMacOS() && issetugid() != 0;
        }
        catch (Exception exception) when (exception is DllNotFoundException or EntryPointNotFoundException)
        {
            return true;
        }
    }

    [LibraryImport("libc")]
    private static partial nuint getauxval(nuint type);

    [LibraryImport("libc")]
    private static partial int issetugid();
}
