using System.Runtime.InteropServices;
using Spectre.Console;

namespace OrthoNative.Cli.Training;

/// <summary>
/// Turns Ctrl-C, SIGTERM, SIGHUP, which a closed terminal sends, and SIGXCPU, which a limit of processor time sends, into a clean end; a second
/// one ends the program at once. SIGXFSZ, which a limit of file sizes sends, is ignored: the write that is over the limit then fails.
/// </summary>
internal sealed class Interruption : IDisposable
{
    private readonly CancellationTokenSource _source = new();
    private readonly PosixSignalRegistration _interrupt;
    private readonly PosixSignalRegistration _terminate;
    private readonly PosixSignalRegistration _hangUp;
    private readonly PosixSignalRegistration? _processorTime;
    private readonly PosixSignalRegistration? _fileSize;
    private volatile int _exitCode = ExitCodes.Interrupted;

    // Of Linux and macOS alike; .NET has no names for them.
    private const PosixSignal SignalOfProcessorTime = (PosixSignal)24;
    private const PosixSignal SignalOfFileSize = (PosixSignal)25;

    public Interruption()
    {
        _interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, context => Handle(context, ExitCodes.Interrupted));
        _terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, context => Handle(context, ExitCodes.Terminated));
        _hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, context => Handle(context, ExitCodes.HungUp));
        if (OperatingSystem.IsLinux() || OperatingSystem.IsMacOS())
        {
            _processorTime = PosixSignalRegistration.Create(SignalOfProcessorTime, context => Handle(context, ExitCodes.OutOfProcessorTime));
            _fileSize = PosixSignalRegistration.Create(SignalOfFileSize, context => context.Cancel = true);
        }
    }

    /// <summary>Cancelled at the first signal.</summary>
    public CancellationToken Token => _source.Token;

    /// <summary>Exit code of a run that was ended by a signal.</summary>
    public int ExitCode => _exitCode;

    public void Dispose()
    {
        _interrupt.Dispose();
        _terminate.Dispose();
        _hangUp.Dispose();
        _processorTime?.Dispose();
        _fileSize?.Dispose();
        _source.Dispose();
    }

    private void Handle(PosixSignalContext context, int exitCode)
    {
        if (_source.IsCancellationRequested)
        {
            if (exitCode == ExitCodes.OutOfProcessorTime)
            {
                // The system repeats it each second.
                context.Cancel = true;
                return;
            }

            // A progress bar hides it.
            AnsiConsole.Cursor.Show(true);
            return;
        }

        context.Cancel = true;
        _exitCode = exitCode;
        _source.Cancel();
    }
}
