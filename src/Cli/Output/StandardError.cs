using OrthoNative.Interop;

namespace OrthoNative.Cli.Output;

/// <summary>Messages of the program on standard error.</summary>
internal static class StandardError
{
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
