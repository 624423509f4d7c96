using System.Runtime.InteropServices;
using System.Runtime.Versioning;

namespace OrthoNative.Tests;

/// <summary>A limit of the size of files that this process may write on Linux, until it is disposed of.</summary>
[UnsupportedOSPlatform("windows")]
internal sealed partial class FileSizeLimit : IDisposable
{
    // The signal that comes with the error would end the process.
    private const int FileSize = 1, FileSizeSignal = 25, Ignored = 1;

    private readonly ulong[] _before = new ulong[2];
    private readonly nint _handler;

    private FileSizeLimit(ulong bytes)
    {
        Assert.That(GetLimit(FileSize, _before), Is.Zero);
        _handler = SetHandler(FileSizeSignal, Ignored);
        Assert.That(SetLimit(FileSize, [bytes, _before[1]]), Is.Zero);
    }

    /// <summary>Sets a limit.</summary>
    /// <param name="bytes">The most bytes that a file may have.</param>
    public static FileSizeLimit Set(ulong bytes) => new(bytes);

    public void Dispose()
    {
        _ = SetLimit(FileSize, _before);
        _ = SetHandler(FileSizeSignal, _handler);
    }

    [LibraryImport("libc", EntryPoint = "getrlimit")]
    private static partial int GetLimit(int resource, [Out] ulong[] softAndHard);

    [LibraryImport("libc", EntryPoint = "signal")]
    private static partial nint SetHandler(int signal, nint handler);

    [LibraryImport("libc", EntryPoint = "setrlimit")]
    private static partial int SetLimit(int resource, ulong[] softAndHard);
}
