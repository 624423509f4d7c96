using System.Runtime.InteropServices;

namespace OrthoNative.Interop;

/// <summary>Turns a status into an exception; the one place that does.</summary>
internal static unsafe class StatusExtensions
{
    /// <summary>Throws what <paramref name="status"/> stands for, with the message of the failed call.</summary>
    /// <param name="status">The status that the call returned.</param>
    /// <param name="argument">The public method's argument that the call may refuse; null: it refuses none.</param>
    /// <param name="prefix">Comes before the message of a refusal, where the argument has parts.</param>
    public static void ThrowOnFailure(this ortho_status status, string? argument = null, string prefix = "")
    {
        if (status != ortho_status.ORTHO_OK)
        {
            throw ToException(status, LastError(), argument, prefix);
        }
    }

    /// <summary>The exception that stands for a failure.</summary>
    public static Exception ToException(ortho_status status, string message, string? argument = null, string prefix = "")
    {
        message = ArgumentNames.Translate(message);
        return status switch
        {
            ortho_status.ORTHO_INVALID_ARGUMENT => new ArgumentException(prefix + message, argument),
#pragma warning disable CA2201 // the standard exception for a lack of memory
            ortho_status.ORTHO_OUT_OF_MEMORY => new OutOfMemoryException(message),
#pragma warning restore CA2201
            ortho_status.ORTHO_NOT_FINITE => new NotFiniteNumberException(message),
            ortho_status.ORTHO_INVALID_STATE => new InvalidOperationException(message),
            ortho_status.ORTHO_NOT_SUPPORTED => new NotSupportedException(message),
            ortho_status.ORTHO_INTERNAL => new OrthoNativeException(message),
            _ => new OrthoNativeException($"unknown status {(int)status}: {message}"),
        };
    }

    /// <summary>The message of the thread's last failed call.</summary>
    public static string LastError() => ForeignText.CleanMessage(Marshal.PtrToStringUTF8((nint)NativeMethods.ortho_last_error()) ?? "");
}
