using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using OrthoNative.Cli.Output;
using OrthoNative.Interop;

namespace OrthoNative.Cli.Commands;

/// <summary>Options of a command that together make its settings.</summary>
internal sealed class SettingOptions<TSettings>(Command command, TSettings defaults)
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
        string defaultText = current(defaults) switch
        {
            null => "",
            IEnumerable<int> numbers => $" [default: {string.Join(',', numbers)}]",
            Enum choice => $" [default: {choice.ToString().ToLowerInvariant()}]",
            object value => string.Create(CultureInfo.InvariantCulture, $" [default: {value}]"),
        };
        var option = new Option<T>(name)
        {
            HelpName = placeholder,
            Description = $"{description} ({kind.Required}){defaultText}",
            // Counted by the parser below, so that the message is of one kind with the others.
            Arity = new ArgumentArity(0, 100),
            AllowMultipleArgumentsPerToken = false,
            CustomParser = result => Parse(result, name, kind),
        };
        command.Options.Add(option);
        _apply.Add((result, settings) => result.GetResult(option) is { Implicit: false } ? apply(settings, result.GetValue(option)!) : settings);
        return option;
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
