namespace OrthoNative;

/// <summary>A fault inside the native library: a defect to report, not an error of the caller.</summary>
public class OrthoNativeException : Exception
{
    /// <summary>Creates an exception without a message of its own.</summary>
    public OrthoNativeException() { }

    /// <summary>Creates an exception with a message.</summary>
    /// <param name="message">The error message.</param>
    public OrthoNativeException(string message) : base(message) { }

    /// <summary>Creates an exception with a message and its cause.</summary>
    /// <param name="message">The error message.</param>
    /// <param name="innerException">The cause.</param>
    public OrthoNativeException(string message, Exception innerException) : base(message, innerException) { }
}
