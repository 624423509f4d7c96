using OrthoNative.Interop;

namespace OrthoNative.Cli.Output;

/// <summary>Messages of the program on standard error.</summary>
internal static class StandardError
{
    /// <summary>Says what went wrong without ending the program.</summary>
    public static void Warn(string message) => WriteLine($"warning: {message}");

    /// <summary>Writes a message in the program's name. Where it cannot be written there is nobody left to tell, and nothing happens.</summary>
    public static void WriteLine(string message)
    {
        try
        {
            Console.Error.WriteLine($"orthonative: {ForeignText.CleanMessage(message)}");
        }
        catch (Exception exception) when (FileErrors.Is(exception))
        {
            // The exit code still says how the program ended.
        }
    }
}
