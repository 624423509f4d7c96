using System.CommandLine;
using System.CommandLine.Parsing;

namespace OrthoNative.Cli.Commands;

/// <summary>Turns what is wrong with a command line into one line: the name, what was given, what is allowed.</summary>
internal static class UsageErrors
{
    /// <summary>The first thing that is wrong.</summary>
    public static string Describe(ParseResult result)
    {
        Command command = result.CommandResult.Command;
        string path = PathOf(result.CommandResult);
        string? unmatched = result.UnmatchedTokens.Count > 0 ? result.UnmatchedTokens[0] : null;
        // Errors of values come from the options' own parsers and are complete; those of the library's are not.
        if (result.Errors.FirstOrDefault(error => error.SymbolResult is ArgumentResult or OptionResult) is { } valueError)
        {
            return valueError.Message;
        }

        if (command.Subcommands.Count > 0)
        {
            string allowed = string.Join(", ", command.Subcommands.Select(subcommand => subcommand.Name));
            string kind = command.Name == "train" ? "task" : "command";
            return unmatched is null
                ? $"a {kind} is missing after '{path}'; allowed: {allowed}"
                : $"'{unmatched}' is not a {kind} of '{path}'; allowed: {allowed}";
        }

        string options = command.Options.Count == 0 ? "none" : string.Join(", ", command.Options.Select(option => option.Name));
        return unmatched is null ? result.Errors[0].Message : $"'{unmatched}' is not an option of '{path}'; allowed: {options}";
    }

    private static string PathOf(CommandResult result) =>
        result.Parent is CommandResult parent ? $"{PathOf(parent)} {result.Command.Name}" : result.Command.Name;
}
