using System.Runtime.InteropServices;

namespace OrthoNative.Cli.Training;

/// <summary>Saves the run after the next step once SIGUSR1 is sent. Windows has no such signal.</summary>
internal sealed class SaveSignal : TrainingCallback, IDisposable
{
    // .NET has no name for it, and systems have two numbers.
    private const PosixSignal SignalOfLinux = (PosixSignal)10;
    private const PosixSignal SignalOfBsd = (PosixSignal)30;

    private readonly PosixSignalRegistration? _registration;
    private int _isRequested;

    public SaveSignal()
    {
        if (!OperatingSystem.IsWindows())
        {
            _registration = PosixSignalRegistration.Create(OperatingSystem.IsLinux() ? SignalOfLinux : SignalOfBsd, Handle);
        }
    }

    public override void OnStep(TrainingState state)
    {
        if (Interlocked.Exchange(ref _isRequested, 0) != 0)
        {
            state.Save();
        }
    }

    public void Dispose() => _registration?.Dispose();

    private void Handle(PosixSignalContext context)
    {
        // It would end the program.
        context.Cancel = true;
        Volatile.Write(ref _isRequested, 1);
    }
}
