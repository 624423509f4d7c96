using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using OrthoNative.Cli.Output;
using OrthoNative.Interop;

namespace OrthoNative.Cli.Commands;

/// <summary>Options of a command that together make its settings.</summary>
/// <param name="command">The command.</param>
/// <param name="defaults">Its default settings.</param>
/// <param name="variants">Other defaults, and the option with which they hold, for the help.</param>
internal sealed class SettingOptions<TSettings>(Command command, TSettings defaults, params (string With, TSettings Defaults)[] variants)
{
    private readonly List<Func<ParseResult, TSettings, TSettings>> _apply = [];
    private readonly List<Action<ParseResult, TSettings>> _checks = [];

    /// <summary>Adds an option with a value.</summary>
    /// <param name="name">Name with its dashes.</param>
    /// <param name="placeholder">The placeholder of the value in the help.</param>
    /// <param name="description">The description for the help.</param>
    /// <param name="kind">The parser of the value, and the values that it takes.</param>
    /// <param name="apply">Puts the value into the settings.</param>
    /// <param name="current">Reads the default from the settings, for the help; null: there is none.</param>
    public Option<T> Add<T>(
        string name,
        string placeholder,
        string description,
        OptionValue<T> kind,
        Func<TSettings, T, TSettings> apply,
        Func<TSettings, object?> current)
    {
        var option = new Option<T>(name)
        {
            HelpName = placeholder,
            Description = $"{description} ({kind.Required}){DescribeDefault(current)}",
            // Counted by the parser below, so that the message is of one kind with the others.
            Arity = new ArgumentArity(0, 100),
            AllowMultipleArgumentsPerToken = false,
            CustomParser = result => Parse(result, name, kind),
        };
        command.Options.Add(option);
        _apply.Add((result, settings) => result.GetResult(option) is { Implicit: false } ? apply(settings, result.GetValue(option)!) : settings);
        return option;
    }

    /// <summary>The default, and those of variants that have another one.</summary>
    private string DescribeDefault(Func<TSettings, object?> current)
    {
        string main = Text(current(defaults));
        var texts = new List<string>();
        if (main.Length > 0)
        {
            texts.Add(main);
        }

        foreach (IGrouping<string, string> others in variants
            .GroupBy(variant => Text(current(variant.Defaults)), variant => variant.With)
            .Where(group => group.Key.Length > 0 && group.Key != main))
        {
            texts.Add($"{others.Key} with {string.Join(", ", others)}");
        }

        return texts.Count == 0 ? "" : $" [default: {string.Join("; ", texts)}]";

        static string Text(object? value) => value switch
        {
            null => "",
            IEnumerable<int> numbers => string.Join(',', numbers),
            Enum choice => choice.ToString().ToLowerInvariant(),
            _ => string.Create(CultureInfo.InvariantCulture, $"{value}"),
        };
    }

    /// <summary>Adds an option that the command cannot have, with the reason, in place of "is not an option".</summary>
    /// <param name="name">Name with its dashes.</param>
    /// <param name="problem">Follows the name and the value: the reason, and what the option requires.</param>
    public void AddRefused(string name, string problem)
    {
        command.Options.Add(new Option<string>(name)
        {
            Hidden = true,
            Arity = new ArgumentArity(0, 100),
            AllowMultipleArgumentsPerToken = false,
            CustomParser = result =>
            {
                string value = result.Tokens.Count == 0 ? "given" : $"'{ForeignText.Clean(result.Tokens[0].Value)}'";
                result.AddError($"{name} is {value} and {problem}");
                return null;
            },
        });
    }

    /// <summary>Adds an option without a value.</summary>
    public Option<bool> AddFlag(string name, string description, Func<TSettings, TSettings> apply)
    {
        var option = new Option<bool>(name) { Description = description, Arity = ArgumentArity.Zero };
        command.Options.Add(option);
        _apply.Add((result, settings) => result.GetValue(option) ? apply(settings) : settings);
        return option;
    }

    /// <summary>Refuses an option for which other settings leave no use.</summary>
    /// <param name="option">The option.</param>
    /// <param name="isUsed">True if the settings have a use for it.</param>
    /// <param name="given">The option that was given, and the one that it contradicts.</param>
    /// <param name="required">The option that it requires, with its value.</param>
    public void Require(Option option, Func<TSettings, bool> isUsed, Func<TSettings, FormattableString> given, string required) =>
        _checks.Add((result, settings) =>
        {
            if (result.GetResult(option) is { Implicit: false } && !isUsed(settings))
            {
                throw CliException.Usage($"{Texts.Format(given(settings))}; {option.Name} requires {required}");
            }
        });

    /// <summary>Ensures that all options given are used.</summary>
    /// <exception cref="CliException">One is not.</exception>
    public void Check(ParseResult result, TSettings settings) => _checks.ForEach(check => check(result, settings));

    /// <summary>The settings that a command line asks for.</summary>
    public TSettings Read(ParseResult result) => Read(result, defaults);

    /// <summary>Settings, and what a command line asks for instead of them.</summary>
    public TSettings Read(ParseResult result, TSettings others) => _apply.Aggregate(others, (settings, apply) => apply(result, settings));

    private static T? Parse<T>(ArgumentResult result, string name, OptionValue<T> kind)
    {
        switch (result.Tokens.Count)
        {
            case 0:
                result.AddError($"{name} has no value; it must be {kind.Required}");
                return default;
            case > 1:
                result.AddError($"{name} is given {result.Tokens.Count} times; it may be given once");
                return default;
        }

        if (kind.TryParse(result.Tokens[0].Value, out T value))
        {
            return value;
        }

        result.AddError($"{name} is '{ForeignText.Clean(result.Tokens[0].Value)}'; it must be {kind.Required}");
        return default;
    }
}
