namespace OrthoNative;

/// <summary>A folder of a run cannot be used or written; the message says which and why.</summary>
internal sealed class RunFolderException(string message) : IOException(message);
