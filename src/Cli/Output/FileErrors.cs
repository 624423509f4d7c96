namespace OrthoNative.Cli.Output;

/// <summary>Errors that come from files, folders and the disk, and not from a fault in the program.</summary>
internal static class FileErrors
{
    /// <summary>Whether an exception is one of them.</summary>
    public static bool Is(Exception exception) => exception is IOException or UnauthorizedAccessException or NotSupportedException;

    /// <summary>The system's words without the path, which the message around them names already.</summary>
    public static string Reason(Exception exception) => exception.Message.Split(" : '")[0].TrimEnd('.');
}
