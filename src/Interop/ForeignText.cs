using System.Globalization;
using System.Text;

namespace OrthoNative.Interop;

/// <summary>
/// Text from files, servers, the environment or arguments, made fit for a message: characters that steer a terminal or change how text
/// around them reads are escaped, and what is long is cut.
/// </summary>
internal static class ForeignText
{
    /// <summary>The most characters of a name or a value.</summary>
    public const int MaximumCharacters = 80;

    /// <summary>The most characters of a path or an address, which are long for good reasons.</summary>
    public const int MaximumPathCharacters = 1000;

    /// <summary>The most characters of a whole message.</summary>
    public const int MaximumMessageCharacters = 8000;

    /// <summary>A name, a value or a line: at most <see cref="MaximumCharacters"/> of its characters, the rest counted.</summary>
    public static string Clean(string? text) => Clean(text, MaximumCharacters);

    /// <summary>A path or an address: its beginning and its end if it is longer than <see cref="MaximumPathCharacters"/>.</summary>
    public static string CleanPath(string? path)
    {
        path ??= "";
        const int Half = MaximumPathCharacters / 2;
        return path.Length <= MaximumPathCharacters
            ? Escape(path, lines: false)
            : $"{Escape(path.AsSpan(0, Half), lines: false)}…{Escape(path.AsSpan(path.Length - Half), lines: false)}";
    }

    /// <summary>A whole message that may hold foreign text: line feeds stay.</summary>
    public static string CleanMessage(string message) =>
        Cut(message, MaximumMessageCharacters, lines: true);

    /// <summary>The first few of some names, in quotes and with commas between them, and how many more there are.</summary>
    /// <param name="names">Names; only those that are shown are read.</param>
    /// <param name="count">The number of names.</param>
    public static string CleanList(IEnumerable<string> names, int count)
    {
        const int Shown = 8;
        string list = string.Join(", ", names.Take(Shown).Select(name => $"'{Clean(name)}'"));
        return count <= Shown ? list : string.Create(CultureInfo.InvariantCulture, $"{list} and {count - Shown} more");
    }

    /// <summary>A name, a value or a line of at most so many characters.</summary>
    public static string Clean(string? text, int maximum) => Cut(text ?? "", maximum, lines: false);

    private static string Cut(string text, int maximum, bool lines) => text.Length <= maximum
        ? Escape(text, lines)
        : string.Create(CultureInfo.InvariantCulture, $"{Escape(text.AsSpan(0, maximum), lines)}… ({text.Length} characters)");

    private static string Escape(ReadOnlySpan<char> text, bool lines)
    {
        var clean = new StringBuilder(text.Length);
        while (!text.IsEmpty)
        {
            // A half of a surrogate pair, also one that was cut, comes out of this as U+FFFD.
            bool whole = Rune.DecodeFromUtf16(text, out Rune rune, out int consumed) == System.Buffers.OperationStatus.Done;
            if (whole && (!IsHarmful(rune) || (lines && rune.Value == '\n')))
            {
                clean.Append(text[..consumed]);
            }
            else if (consumed == 1)
            {
                clean.Append(CultureInfo.InvariantCulture, $"\\u{(int)text[0]:X4}");
            }
            else
            {
                clean.Append(CultureInfo.InvariantCulture, $"\\U{rune.Value:X8}");
            }

            text = text[consumed..];
        }

        return clean.ToString();
    }

    /// <summary>Control characters, C1 among them, separators of lines, and formats, which turn the direction of text or are not seen.</summary>
    private static bool IsHarmful(Rune rune) => Rune.GetUnicodeCategory(rune) is
        UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator;
}
