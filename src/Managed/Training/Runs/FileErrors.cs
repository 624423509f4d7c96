using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Errors that come from files, folders and the disk, and not from a fault in the program.</summary>
internal static class FileErrors
{
    private const int WindowsSharingViolation = unchecked((int)0x80070020);
    private const int MaximumReason = 300;
    private const int LinuxWouldBlock = 11;
    private const int BsdWouldBlock = 35;

    /// <summary>Tells whether an exception is one of them; a <see cref="RunFolderException"/> is not, which tells what came of one.</summary>
    public static bool Is(Exception exception) => exception is (IOException and not RunFolderException) or UnauthorizedAccessException or NotSupportedException || IsTooLarge(exception);

    /// <summary>Tells whether a write was refused for the size of the file (EFBIG), for which .NET has no better exception. The library's writers have one.</summary>
    private static bool IsTooLarge(Exception exception) => exception is ArgumentOutOfRangeException { ParamName: "value", ActualValue: null };

    /// <summary>Tells whether a file is locked by another process.</summary>
    public static bool IsSharingViolation(IOException exception) =>
        OperatingSystem.IsWindows() ? exception.HResult == WindowsSharingViolation : IsWouldBlock(exception.HResult);

    /// <summary>Tells whether an error number of the system says that another process has the lock.</summary>
    public static bool IsWouldBlock(int error) => error == (OperatingSystem.IsLinux() ? LinuxWouldBlock : BsdWouldBlock);

    /// <summary>The cause of a failure of work that is not essential, in one line, of whatever type it is.</summary>
    public static string Cause(Exception exception)
    {
        Exception cause = exception;
        while (cause is TypeInitializationException or System.Reflection.TargetInvocationException or AggregateException && cause.InnerException is { } inner)
        {
            cause = inner;
        }

        return Is(cause) ? Reason(cause) : $"{cause.GetType().Name}: {Reason(cause)}";
    }

    /// <summary>The system's words without the path, which the message around them names already.</summary>
    public static string Reason(Exception exception) => IsTooLarge(exception)
        ? "the file is larger than the system, or a limit set for this process, allows"
        : ForeignText.Clean(FirstLine(exception.Message).Split(" : '")[0].TrimEnd(':', '.'), MaximumReason);

    /// <summary>The loader of native libraries, for one, lists in further lines all that it tried.</summary>
    private static string FirstLine(string message) => message.Split('\n')[0].TrimEnd('\r');
}
