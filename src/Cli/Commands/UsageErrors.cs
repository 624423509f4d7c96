using System.CommandLine;
using System.CommandLine.Parsing;
using OrthoNative.Interop;

namespace OrthoNative.Cli.Commands;

/// <summary>Describes an error of the command line in one line: the name, what was given, what is required.</summary>
internal static class UsageErrors
{
    /// <summary>The first thing that is wrong.</summary>
    /// <param name="result">The parsed command line.</param>
    /// <param name="arguments">The command line.</param>
    public static string Describe(ParseResult result, IReadOnlyList<string> arguments)
    {
        Command command = result.CommandResult.Command;
        string path = PathOf(result.CommandResult);
        if (OptionInPlaceOfFile(result.CommandResult) is { } option)
        {
            return DescribeUnknown(option, command, path);
        }

        if (DescribeMisplaced(result.CommandResult) is { } misplaced)
        {
            return misplaced;
        }

        string? unmatched = result.UnmatchedTokens.Count > 0 ? result.UnmatchedTokens[0] : null;
        string shown = ForeignText.Clean(unmatched);
        if (unmatched is null && result.Errors.All(error => error.SymbolResult is not OptionResult) && command.Arguments.FirstOrDefault(argument => result.GetResult(argument) is not { Tokens.Count: > 0 }) is { } absent)
        {
            return $"{absent.HelpName} is missing after '{path}'; give a file or folder";
        }

        // Errors of values come from the options' own parsers and are complete; those of the library's are not.
        if (result.Errors.FirstOrDefault(error => error.SymbolResult is ArgumentResult or OptionResult) is { } valueError)
        {
            return valueError.Message;
        }

        if (command.Subcommands.Count > 0 && command.Arguments.Count == 0)
        {
            string names = string.Join(", ", command.Subcommands.Select(subcommand => subcommand.Name));
            return unmatched is null
                ? $"a command is missing after '{path}'; choose one of {names}"
                : unmatched.StartsWith('-')
                    ? $"'{shown}' is not an option of '{path}'; choose one of {names}, and give options after it"
                    : $"'{shown}' is not a command of '{path}'; {SuggestCommand(unmatched, command)}choose one of {names}";
        }

        if (unmatched is null)
        {
            return result.Errors[0].Message;
        }

        // "--flag=value" and "--flag value" reach us as a flag, which is right, and a value that belongs to nothing.
        if (FlagBefore(unmatched, command, arguments) is { } flag)
        {
            string instead = flag == "--convex" ? "; --beta sets beta" : "";
            return $"{flag} is '{shown}'; it takes no value{instead}";
        }

        if (command.Options.Any(option => option.Name == unmatched.Split('=', ':')[0]))
        {
            return $"{unmatched.Split('=', ':')[0]} stands before '{command.Name}'; it must come after '{path}'";
        }

        return DescribeUnknown(unmatched, command, path);
    }

    /// <summary>Says that an option, or a file, stands before the name of the task, where it would not be heard; null: none does.</summary>
    /// <param name="task">The command of a task, or any other one.</param>
    public static string? DescribeMisplaced(CommandResult task)
    {
        if (task.Parent is not CommandResult { Command.Arguments.Count: > 0 } parent)
        {
            return null;
        }

        string? given = OptionInPlaceOfFile(parent)
            ?? parent.Children.OfType<OptionResult>().FirstOrDefault(option => !option.Implicit)?.Option.Name
            ?? parent.Children.OfType<ArgumentResult>().SelectMany(argument => argument.Tokens).FirstOrDefault()?.Value;
        string path = PathOf(task);
        return given is null ? null
            : !given.StartsWith('-') || task.Command.Options.Any(option => option.Name == given) ? $"'{ForeignText.Clean(given)}' stands before '{task.Command.Name}'; it must come after '{path}'"
            : DescribeUnknown(given, task.Command, path);
    }

    /// <summary>An unknown option, which the parser takes for the file; null: there is none.</summary>
    private static string? OptionInPlaceOfFile(CommandResult result) =>
        result.Children.OfType<ArgumentResult>().SelectMany(argument => argument.Tokens).FirstOrDefault(token => token.Value.Length > 1 && token.Value.StartsWith('-'))?.Value;

    /// <summary>Says that a command of the program has no such option, and which it may be.</summary>
    /// <param name="given">What was given.</param>
    /// <param name="command">The command.</param>
    public static string DescribeUnknownOption(string given, Command command) => DescribeUnknown(given, command, $"orthonative {command.Name}");


    private static string DescribeUnknown(string given, Command command, string path)
    {
        string shown = ForeignText.Clean(given);
        string what = given.StartsWith('-')
            ? $"'{shown}' is not an option of '{path}'; {Suggest(given.Split('=', ':')[0], command.Options.Where(option => !option.Hidden))}"
            : $"'{shown}' is not an option of '{path}', nor the value of one; ";
        return command.Options.Count switch
        {
            0 => $"{what}'{path}' has no options",
            <= MostNames => $"{what}choose from {string.Join(", ", command.Options.Select(option => option.Name))}",
            _ => $"{what}see '{path} --help'",
        };
    }

    /// <summary>Options that are named in a message; more are left to the help.</summary>
    private const int MostNames = 10;

    /// <summary>Names that other programs have for options of this one.</summary>
    private static readonly Dictionary<string, string> s_otherNames = new()
    {
        ["learningrate"] = "--lr",
        ["rate"] = "--lr",
        ["cell"] = "--model",
        ["network"] = "--model",
        ["units"] = "--hidden",
        ["neurons"] = "--hidden",
        ["width"] = "--hidden",
        ["depth"] = "--layers",
        ["delay"] = "--length",
        ["gpu"] = "--device",
        ["cuda"] = "--device",
        ["workers"] = "--threads",
        ["iterations"] = "--steps",
        ["folder"] = "--out",
        ["directory"] = "--out",
    };

    /// <summary>The option without a value that stands before what belongs to nothing.</summary>
    private static string? FlagBefore(string unmatched, Command command, IReadOnlyList<string> arguments)
    {
        string[] flags = [.. command.Options.Where(option => option.Arity.MaximumNumberOfValues == 0).Select(option => option.Name)];
        for (int i = 0; i < arguments.Count; i++)
        {
            if (flags.FirstOrDefault(flag =>
                arguments[i] == $"{flag}={unmatched}" || arguments[i] == $"{flag}:{unmatched}" ||
                (i > 0 && arguments[i] == unmatched && !unmatched.StartsWith("--", StringComparison.Ordinal) && arguments[i - 1] == flag)) is { } found)
            {
                return found;
            }
        }

        return null;
    }

    /// <summary>Asks for the command nearest to what was given, also for one of a level below.</summary>
    private static string SuggestCommand(string given, Command command) =>
        command.Subcommands.SelectMany(subcommand => subcommand.Subcommands, (parent, child) => $"{parent.Name} {child.Name}")
            .FirstOrDefault(name => name.EndsWith($" {given}", StringComparison.Ordinal)) is { } below
                ? $"did you mean {below}? "
                : Suggest(given, command.Subcommands);

    /// <summary>Asks for the name nearest to what was given, if one is near enough to be meant; otherwise empty.</summary>
    /// <param name="given">What was given.</param>
    /// <param name="symbols">What may have been meant.</param>
    public static string Suggest(string given, IEnumerable<Symbol> symbols)
    {
        string[] names = [.. symbols.Select(symbol => symbol.Name)];
        string bare = Bare(given);
        if (bare.Length == 0)
        {
            return "";
        }

        // A name, and what it stands for.
        (string Name, string Meant)[] candidates =
        [
            .. names.Select(name => (Bare(name), name)),
            .. s_otherNames.Where(pair => names.Contains(pair.Value)).Select(pair => (pair.Key, pair.Value)),
        ];
        (string Meant, int Distance) nearest = candidates
            .Select(candidate => (candidate.Meant, Distance: Distance(bare, candidate.Name)))
            .DefaultIfEmpty((Meant: "", Distance: int.MaxValue))
            .MinBy(candidate => candidate.Distance);
        if (nearest.Distance <= Math.Max(1, bare.Length / 3))
        {
            return $"did you mean {nearest.Meant}? ";
        }

        // The beginning of one name, or one with more behind it: --stop, --batch-size.
        const int LeastLetters = 3;
        string? longer = candidates
            .Where(candidate => Math.Min(bare.Length, candidate.Name.Length) >= LeastLetters &&
                (candidate.Name.StartsWith(bare, StringComparison.Ordinal) || bare.StartsWith(candidate.Name, StringComparison.Ordinal)))
            .OrderBy(candidate => Math.Abs(candidate.Name.Length - bare.Length))
            .Select(candidate => candidate.Meant)
            .FirstOrDefault();
        if (longer is not null)
        {
            return $"did you mean {longer}? ";
        }

        // The words of the longer name may have those of an option among them.
        string[] words = given.TrimStart('-').Replace('_', '-').ToLowerInvariant().Split('-');
        return names.FirstOrDefault(candidate => words.Contains(candidate.TrimStart('-'))) is { } word ? $"did you mean {word}? " : "";
    }

    /// <summary>A name without what people write in different ways.</summary>
    private static string Bare(string name) =>
        name.Replace("-", "", StringComparison.Ordinal).Replace("_", "", StringComparison.Ordinal).ToLowerInvariant();

    /// <summary>Characters to insert, delete, replace or swap with their neighbour from one text to another (V. Levenshtein, F. Damerau).</summary>
    private static int Distance(string from, string to)
    {
        int[,] distances = new int[from.Length + 1, to.Length + 1];
        for (int i = 0; i <= from.Length; i++)
        {
            for (int j = 0; j <= to.Length; j++)
            {
                if (i == 0 || j == 0)
                {
                    distances[i, j] = i + j;
                    continue;
                }

                int replaced = distances[i - 1, j - 1] + (from[i - 1] == to[j - 1] ? 0 : 1);
                distances[i, j] = Math.Min(replaced, Math.Min(distances[i - 1, j], distances[i, j - 1]) + 1);
                if (i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1])
                {
                    distances[i, j] = Math.Min(distances[i, j], distances[i - 2, j - 2] + 1);
                }
            }
        }

        return distances[from.Length, to.Length];
    }

    private static string PathOf(CommandResult result) =>
        result.Parent is CommandResult parent ? $"{PathOf(parent)} {result.Command.Name}" : result.Command.Name;
}
