namespace OrthoNative.Cli;

/// <summary>The exit codes of the program.</summary>
internal static class ExitCodes
{
    public const int Success = 0;

    /// <summary>Something that was asked for could not be done.</summary>
    public const int Failure = 1;

    /// <summary>The command line is wrong.</summary>
    public const int Usage = 2;

    /// <summary>Ended by SIGHUP (128 + SIGHUP), as when the terminal is closed; a training run was saved.</summary>
    public const int HungUp = 129;

    /// <summary>Ended by Ctrl-C (128 + SIGINT); a training run was saved.</summary>
    public const int Interrupted = 130;

    /// <summary>Ended by SIGXCPU (128 + SIGXCPU), as at a limit of processor time; a training run was saved.</summary>
    public const int OutOfProcessorTime = 152;

    /// <summary>Ended by SIGTERM (128 + SIGTERM); a training run was saved.</summary>
    public const int Terminated = 143;
}
