using System.Globalization;
using System.Text;
using OrthoNative.Interop;

namespace OrthoNative.Cli.Reports;

/// <summary>
/// Writes markup that reads as HTML and as XML. All text and all values of attributes are cleaned and escaped here, so that no caller can forget it.
/// </summary>
internal sealed class HtmlWriter
{
    /// <summary>The most characters of a text; what is longer is cut, and its length is told.</summary>
    private const int MostCharacters = 4000;

    /// <summary>The most characters of a name where it points at the whole of one that was cut.</summary>
    private const int MostTitleCharacters = 400;

    private readonly StringBuilder _html = new();
    private readonly Stack<string> _open = new();

    /// <summary>Opens an element, which <see cref="Close"/> closes.</summary>
    public HtmlWriter Open(string element, params ReadOnlySpan<(string Name, string Value)> attributes)
    {
        Tag(element, attributes);
        _html.Append('>');
        _open.Push(element);
        return this;
    }

    /// <summary>Closes the element that was opened last.</summary>
    public HtmlWriter Close()
    {
        string element = _open.Pop();
        _html.Append("</").Append(element).Append('>');
        if (element is "section" or "figure" or "svg" or "tr" or "table" or "p" or "h2" or "h3" or "head" or "header" or "main" or "article" or "ul" or "dl")
        {
            _html.Append('\n');
        }

        return this;
    }

    /// <summary>Writes an element without content: one that HTML knows as such, or one of SVG.</summary>
    public HtmlWriter Void(string element, params ReadOnlySpan<(string Name, string Value)> attributes)
    {
        Tag(element, attributes);
        _html.Append("/>");
        return this;
    }

    /// <summary>Writes an element with a text.</summary>
    public HtmlWriter Element(string element, string text, params ReadOnlySpan<(string Name, string Value)> attributes)
    {
        Open(element, attributes);
        Text(text);
        return Close();
    }

    /// <summary>Writes a text.</summary>
    public HtmlWriter Text(string text)
    {
        Escape(Clean(text, MostCharacters));
        return this;
    }

    /// <summary>Writes a name from data, whose direction does not reach the text around it. A long one is cut and has a title.</summary>
    /// <param name="name">The name.</param>
    /// <param name="maximum">The most characters that are shown.</param>
    public HtmlWriter Name(string name, int maximum = 40)
    {
        string shown = Short(name, maximum);
        return shown == name ? Element("bdi", shown) : Element("bdi", shown, ("title", Clean(name, MostTitleCharacters)));
    }

    /// <summary>Writes lines of which all are kept, as a program has them.</summary>
    public HtmlWriter Lines(string text)
    {
        const int MostLines = 500;
        string[] lines = text.ReplaceLineEndings("\n").TrimEnd('\n').Replace("\t", "    ", StringComparison.Ordinal).Split('\n');
        for (int i = 0; i < Math.Min(lines.Length, MostLines); i++)
        {
            Escape(i > 0 ? "\n" : "");
            Escape(Clean(lines[i], 1000));
        }

        return lines.Length > MostLines ? Text(Output.Texts.Format($" … ({lines.Length:#,0} lines)")) : this;
    }

    /// <summary>Writes a sheet of styles of our own, as it is.</summary>
    public HtmlWriter Style(string styles)
    {
        _html.Append("<style>").Append(styles).Append("</style>\n");
        return this;
    }

    /// <summary>At most so many characters of a name, control characters escaped, and an ellipsis where there are more. A name that would not be seen is said to be blank.</summary>
    public static string Short(string name, int maximum)
    {
        if (string.IsNullOrWhiteSpace(name))
        {
            return "(blank)";
        }

        // Escaped characters are longer than they were; a pair of surrogates is not cut in two.
        string clean = Clean(name.Length > maximum ? name[..maximum] : name, maximum);
        if (name.Length <= maximum && clean.Length <= maximum)
        {
            return clean;
        }

        int end = Math.Min(clean.Length, maximum - 1);
        return clean[..(end > 0 && char.IsHighSurrogate(clean[end - 1]) ? end - 1 : end)] + "…";
    }

    /// <summary>The page.</summary>
    public override string ToString() => _open.Count == 0 ? $"<!DOCTYPE html>\n{_html}" : throw new InvalidOperationException($"{_open.Peek()} is not closed");

    private void Tag(string element, ReadOnlySpan<(string Name, string Value)> attributes)
    {
        _html.Append('<').Append(element);
        foreach ((string name, string value) in attributes)
        {
            _html.Append(' ').Append(name).Append("=\"");
            // Paths are long, and hold numbers only.
            Escape(name == "d" ? value : Clean(value, MostCharacters));
            _html.Append('"');
        }
    }

    private static string Clean(string text, int maximum) => ForeignText.Clean(text, maximum);

    private void Escape(string text)
    {
        foreach (char character in text)
        {
            switch (character)
            {
                case '&': _html.Append("&amp;"); break;
                case '<': _html.Append("&lt;"); break;
                case '>': _html.Append("&gt;"); break;
                case '"': _html.Append("&quot;"); break;
                case '\'': _html.Append("&#39;"); break;
                // No characters, and not allowed in XML.
                case '\uFFFE' or '\uFFFF': _html.Append(CultureInfo.InvariantCulture, $"\\u{(int)character:X4}"); break;
                default: _html.Append(character); break;
            }
        }
    }
}
