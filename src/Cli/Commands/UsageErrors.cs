using System.CommandLine;
using System.CommandLine.Parsing;
using OrthoNative.Interop;

namespace OrthoNative.Cli.Commands;

/// <summary>Turns what is wrong with a command line into one line: the name, what was given, what is allowed.</summary>
internal static class UsageErrors
{
    /// <summary>The first thing that is wrong.</summary>
    /// <param name="result">What was understood.</param>
    /// <param name="arguments">The command line.</param>
    public static string Describe(ParseResult result, IReadOnlyList<string> arguments)
    {
        Command command = result.CommandResult.Command;
        string path = PathOf(result.CommandResult);
        string? unmatched = result.UnmatchedTokens.Count > 0 ? result.UnmatchedTokens[0] : null;
        string shown = ForeignText.Clean(unmatched);
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
                : $"'{shown}' is not a {kind} of '{path}'; {Suggestion(unmatched, command.Subcommands)}allowed: {allowed}";
        }

        string options = command.Options.Count == 0 ? "none" : string.Join(", ", command.Options.Select(option => option.Name));
        if (unmatched is null)
        {
            return result.Errors[0].Message;
        }

        // "--flag=value" reaches us as a flag, which is right, and a value that belongs to nothing.
        return command.Options.FirstOrDefault(option => arguments.Contains($"{option.Name}={unmatched}") || arguments.Contains($"{option.Name}:{unmatched}")) is { } flag
            ? $"{flag.Name} is '{shown}'; allowed: {flag.Name} without a value"
            : $"'{shown}' is not an option of '{path}'; {Suggestion(unmatched.Split('=', ':')[0], command.Options)}allowed: {options}";
    }

    /// <summary>Asks for the name nearest to what was given, if one is near enough to be meant.</summary>
    private static string Suggestion(string given, IEnumerable<Symbol> symbols)
    {
        (string name, int distance) = symbols
            .Select(symbol => (symbol.Name, Distance(given, symbol.Name)))
            .DefaultIfEmpty((Name: "", int.MaxValue))
            .MinBy(candidate => candidate.Item2);
        return distance <= Math.Max(1, given.TrimStart('-').Length / 3) ? $"did you mean {name}? " : "";
    }

    /// <summary>Characters to insert, to delete or to replace from one text to another (V. Levenshtein).</summary>
    private static int Distance(string from, string to)
    {
        int[] row = [.. Enumerable.Range(0, to.Length + 1)];
        for (int i = 1; i <= from.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= to.Length; j++)
            {
                int replaced = diagonal + (from[i - 1] == to[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(replaced, Math.Min(row[j], row[j - 1]) + 1);
            }
        }

        return row[^1];
    }

    private static string PathOf(CommandResult result) =>
        result.Parent is CommandResult parent ? $"{PathOf(parent)} {result.Command.Name}" : result.Command.Name;
}
