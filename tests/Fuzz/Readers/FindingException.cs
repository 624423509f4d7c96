namespace OrthoNative.Fuzz.Readers;

/// <summary>A file was read otherwise than its reader promises.</summary>
internal sealed class FindingException(string message, Exception? inner = null) : Exception(message, inner);
