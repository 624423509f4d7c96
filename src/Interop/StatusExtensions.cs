using System.Runtime.InteropServices;

namespace OrthoNative.Interop;

/// <summary>Turns a status into an exception; the one place that does.</summary>
internal static unsafe class StatusExtensions
{
    /// <summary>Throws what <paramref name="status"/> stands for, with the message of the failed call.</summary>
    public static void ThrowOnFailure(this ortho_status status)
    {
        if (status != ortho_status.ORTHO_OK)
        {
            throw ToException(status, LastError());
        }
    }

    /// <summary>The same, where the message may name an argument that the caller knows by another name.</summary>
    /// <param name="status">What the call returned.</param>
    /// <param name="nativeName">Name in the header.</param>
    /// <param name="name">Name to be read instead.</param>
    public static void ThrowOnFailure(this ortho_status status, string nativeName, string name)
    {
        if (status != ortho_status.ORTHO_OK)
        {
            throw ToException(status, LastError().Replace(nativeName, name, StringComparison.Ordinal));
        }
    }

    /// <summary>The exception that stands for a failure.</summary>
    public static Exception ToException(ortho_status status, string message) => status switch
    {
        ortho_status.ORTHO_INVALID_ARGUMENT => new ArgumentException(message),
#pragma warning disable CA2201 // the standard exception for memory that cannot be had
        ortho_status.ORTHO_OUT_OF_MEMORY => new OutOfMemoryException(message),
#pragma warning restore CA2201
        ortho_status.ORTHO_NOT_FINITE => new InvalidDataException(message),
        ortho_status.ORTHO_INVALID_STATE => new InvalidOperationException(message),
        ortho_status.ORTHO_NOT_SUPPORTED => new NotSupportedException(message),
        ortho_status.ORTHO_INTERNAL => new OrthoNativeException(message),
        _ => new OrthoNativeException($"unknown status {(int)status}: {message}"),
    };

    private static string LastError() => ForeignText.CleanMessage(Marshal.PtrToStringUTF8((nint)NativeMethods.ortho_last_error()) ?? "");
}
