using OrthoNative.Interop;

namespace OrthoNative.Cli.Output;

/// <summary>The command line of the program, as it can be given again.</summary>
internal static class CommandLine
{
    private const string Plain = "-_./:,=+@%";

    /// <summary>The name of the tool and its arguments.</summary>
    public static string Text => string.Join(' ', Environment.GetCommandLineArgs().Skip(1).Select(argument => Quote(ForeignText.Clean(argument))).Prepend("orthonative"));

    private static string Quote(string text) => text.Length > 0 && text.All(character => char.IsLetterOrDigit(character) || Plain.Contains(character, StringComparison.Ordinal))
        ? text
        : $"'{text.Replace("'", "'\\''", StringComparison.Ordinal)}'";
}
