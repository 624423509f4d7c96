namespace OrthoNative;

/// <summary>
/// The native library cannot be used: it was not found, does not load, or is not the one this assembly was built with.
/// The message lists every path that was tried, what the loader said to each, and the remedy.
/// </summary>
public sealed class OrthoNativeLibraryException : OrthoNativeException
{
    /// <summary>Creates an exception without a message of its own.</summary>
    public OrthoNativeLibraryException() { }

    /// <summary>Creates an exception with a message.</summary>
    /// <param name="message">The error message.</param>
    public OrthoNativeLibraryException(string message) : base(message) { }

    /// <summary>Creates an exception with a message and its cause.</summary>
    /// <param name="message">The error message.</param>
    /// <param name="innerException">The cause.</param>
    public OrthoNativeLibraryException(string message, Exception innerException) : base(message, innerException) { }
}
