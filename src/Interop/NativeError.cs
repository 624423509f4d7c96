using System.Runtime.InteropServices;

namespace OrthoNative.Interop;

/// <summary>A failure of a native call, in parts.</summary>
/// <param name="Status">The status that the call returned.</param>
/// <param name="Cause">The kind of problem with the argument.</param>
/// <param name="Argument">The header's name of the argument; null: the failure is not about one.</param>
/// <param name="Element">The index of its element; -1: the failure is not about one.</param>
/// <param name="Problem">The problem and what is required, without the name: the end of a message.</param>
internal readonly record struct NativeError(ortho_status Status, ortho_cause Cause, string? Argument, long Element, string Problem)
{
    /// <summary>The last failure of this thread.</summary>
    public static unsafe NativeError Last()
    {
        var error = new ortho_error { struct_size = (uint)sizeof(ortho_error) };
        _ = NativeMethods.ortho_get_last_error(&error);
        return new NativeError(
            (ortho_status)error.status,
            (ortho_cause)error.cause,
            Marshal.PtrToStringUTF8((nint)error.argument),
            error.element,
            ForeignText.CleanMessage(Marshal.PtrToStringUTF8((nint)error.problem) ?? ""));
    }

    /// <summary>The message, with the name of the argument as the C# library calls it.</summary>
    /// <param name="prefix">The argument that the named one is a part of, with a dot behind it: <c>layers[0].</c>.</param>
    public string Message(string prefix = "") =>
        Argument is null ? Problem : $"{prefix}{ArgumentNames.Of(Argument, Element)} {Problem}";
}
