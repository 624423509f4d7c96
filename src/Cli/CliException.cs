namespace OrthoNative.Cli;

/// <summary>An expected end of the program: one line for the user and an exit code.</summary>
internal sealed class CliException(int exitCode, string message) : Exception(message)
{
    public int ExitCode { get; } = exitCode;

    /// <summary>The command line is wrong.</summary>
    public static CliException Usage(string message) => new(ExitCodes.Usage, message);

    /// <summary>The command line is right, but what it asks for cannot be done.</summary>
    public static CliException Failure(string message) => new(ExitCodes.Failure, message);
}
