using OrthoNative.Interop;

namespace OrthoNative.Cli.Output;

/// <summary>Errors that come from files, folders and the disk, and not from a fault in the program.</summary>
internal static class FileErrors
{
    private const int WindowsSharingViolation = unchecked((int)0x80070020);
    private const int MaximumReason = 300;
    private const int LinuxWouldBlock = 11;
    private const int BsdWouldBlock = 35;

    /// <summary>Whether an exception is one of them.</summary>
    public static bool Is(Exception exception) => exception is IOException or UnauthorizedAccessException or NotSupportedException;

    /// <summary>Whether a file is locked by another process.</summary>
    public static bool IsSharingViolation(IOException exception) =>
        exception.HResult == (OperatingSystem.IsWindows() ? WindowsSharingViolation : OperatingSystem.IsLinux() ? LinuxWouldBlock : BsdWouldBlock);

    /// <summary>The system's words without the path, which the message around them names already.</summary>
    public static string Reason(Exception exception) => ForeignText.Clean(exception.Message.Split(" : '")[0].TrimEnd('.'), MaximumReason);
}
