namespace OrthoNative.Interop;

/// <summary>Turns a status into an exception; the one place that does.</summary>
internal static class StatusExtensions
{
    /// <summary>Throws what <paramref name="status"/> stands for, with the message of the failed call.</summary>
    /// <param name="status">The status that the call returned.</param>
    /// <param name="argument">The public method's argument that the call may refuse; null: it refuses none.</param>
    /// <param name="prefix">Comes before the name in the message of a refusal, where the argument has parts.</param>
    public static void ThrowOnFailure(this ortho_status status, string? argument = null, string prefix = "")
    {
        if (status != ortho_status.ORTHO_OK)
        {
            NativeError error = NativeError.Last() with { Status = status };
            throw error.ToException(error.Message(status == ortho_status.ORTHO_INVALID_ARGUMENT ? prefix : ""), argument);
        }
    }

    /// <summary>The exception that stands for a failure.</summary>
    /// <param name="error">The failure.</param>
    /// <param name="message">Its message, in the C# library's names.</param>
    /// <param name="argument">The public method's argument that is refused, if one is.</param>
    public static Exception ToException(this in NativeError error, string message, string? argument = null) => error.Status switch
    {
        ortho_status.ORTHO_INVALID_ARGUMENT => error.Cause switch
        {
            ortho_cause.ORTHO_CAUSE_NULL => new ArgumentNullException(argument, message),
            ortho_cause.ORTHO_CAUSE_RANGE => new ArgumentOutOfRangeException(argument, message),
            _ => new ArgumentException(message, argument),
        },
#pragma warning disable CA2201 // the standard exception for a lack of memory
        ortho_status.ORTHO_OUT_OF_MEMORY => new OutOfMemoryException(message),
#pragma warning restore CA2201
        ortho_status.ORTHO_NOT_FINITE => new NotFiniteNumberException(message),
        ortho_status.ORTHO_INVALID_STATE => new InvalidOperationException(message),
        ortho_status.ORTHO_NOT_SUPPORTED => new NotSupportedException(message),
        ortho_status.ORTHO_INTERNAL => new OrthoNativeException(message),
        _ => new OrthoNativeException($"unknown status {(int)error.Status}: {message}"),
    };
}
