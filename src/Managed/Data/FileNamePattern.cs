using System.Text;
using System.Text.RegularExpressions;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>What the name of a file says of the sample in it.</summary>
internal sealed class FileNamePattern
{
    private const string Label = "label";
    private const string Group = "group";
    private const string Id = "id";

    private readonly Regex _expression;
    private readonly string _text;
    private readonly bool _isOfName;

    /// <summary>Takes a template or an expression.</summary>
    /// <param name="template">Fields in braces; null: none.</param>
    /// <param name="expression">In its place; null: none.</param>
    /// <param name="name">The template's name in messages.</param>
    /// <exception cref="ArgumentException">The template is malformed.</exception>
    public FileNamePattern(string? template, Regex? expression, string name)
    {
        _text = template ?? expression?.ToString() ?? "";
        _isOfName = template is not null && !template.Contains('/');
        _expression = template is null ? expression ?? new Regex("", RegexOptions.NonBacktracking) : Compile(template, name);
        string[] groups = _expression.GetGroupNames();
        HasLabels = groups.Contains(Label);
        HasGroups = groups.Contains(Group);
    }

    public bool HasLabels { get; }

    public bool HasGroups { get; }

    /// <summary>Reads a name.</summary>
    /// <param name="path">The path without the extension, <c>/</c> between folders.</param>
    /// <param name="folder">The folder that the path begins in, for messages.</param>
    /// <exception cref="InvalidDataException">The name does not fit.</exception>
    public (string? Label, string? Group, string Id) Read(string path, string folder)
    {
        Match match = _expression.Match(_isOfName ? path[(path.LastIndexOf('/') + 1)..] : path);
        return match.Success
            ? (Of(Label), Of(Group), match.Groups[Id] is { Success: true } id ? id.Value : path)
            : throw new InvalidDataException($"{ForeignText.CleanPath(folder)}: found the file name '{ForeignText.Clean(path)}'; expected '{ForeignText.Clean(_text)}'.");

        string? Of(string group)
        {
            Group found = match.Groups[group];
            return found.Success
                ? found.Value
                : _expression.GroupNumberFromName(group) < 0
                    ? null
                    : throw new InvalidDataException($"{ForeignText.CleanPath(folder)}: found the file name '{ForeignText.Clean(path)}' without a {group}; expected '{ForeignText.Clean(_text)}'.");
        }
    }

    private static Regex Compile(string template, string name)
    {
        var expression = new StringBuilder("^");
        HashSet<string> roles = [];
        for (int at = 0; at < template.Length;)
        {
            int open = template.IndexOf('{', at);
            int end = open < 0 ? template.Length : open;
            Refuse(template.AsSpan(at, end - at).Contains('}'), "a '}' without '{'");
            expression.Append(Regex.Escape(template[at..end]));
            if (open < 0)
            {
                break;
            }

            int close = template.IndexOf('}', open);
            Refuse(close < 0, "a '{' without '}'");
            string field = template[(open + 1)..close];
            Refuse(field.Length == 0 || field.Contains('{'), $"the field '{{{field}}}'");
            string role = field[(field.IndexOf(':') + 1)..];
            bool hasRole = role is Label or Group or Id;
            Refuse(!hasRole && field.Contains(':'), $"the field '{{{field}}}', which is neither of {Label}, {Group} and {Id}");
            Refuse(hasRole && !roles.Add(role), $"the {role} twice");
            expression.Append(hasRole ? $"(?<{role}>[^/]+?)" : "[^/]+?");
            at = close + 1;
        }

        return new Regex(expression.Append("\\z").ToString(), RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);

        void Refuse(bool isWrong, string what)
        {
            if (isWrong)
            {
                throw new ArgumentException($"{name} is '{ForeignText.Clean(template)}', which has {ForeignText.Clean(what)}; it must be as '{{label}}_{{speaker:group}}_{{index}}'.", Check.Parameter(name));
            }
        }
    }
}
