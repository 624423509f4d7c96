using System.Runtime.InteropServices;
using Spectre.Console;

namespace OrthoNative.Cli.Training;

/// <summary>Turns Ctrl-C, SIGTERM and SIGHUP, which a closed terminal sends, into a clean end; a second one ends the program at once.</summary>
internal sealed class Interruption : IDisposable
{
    private readonly CancellationTokenSource _source = new();
    private readonly PosixSignalRegistration _interrupt;
    private readonly PosixSignalRegistration _terminate;
    private readonly PosixSignalRegistration _hangUp;
    private volatile int _exitCode = ExitCodes.Interrupted;

    public Interruption()
    {
        _interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, context => Handle(context, ExitCodes.Interrupted));
        _terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, context => Handle(context, ExitCodes.Terminated));
        _hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, context => Handle(context, ExitCodes.HungUp));
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
        _source.Dispose();
    }

    private void Handle(PosixSignalContext context, int exitCode)
    {
        if (_source.IsCancellationRequested)
        {
            // A progress bar hides it.
            AnsiConsole.Cursor.Show(true);
            return;
        }

        context.Cancel = true;
        _exitCode = exitCode;
        _source.Cancel();
    }
}
