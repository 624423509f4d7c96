using System.Globalization;

namespace OrthoNative;

/// <summary>The values of a table that are text.</summary>
internal static class TableText
{
    private static readonly NumberFormatInfo s_point = CreateFormat(".");
    private static readonly NumberFormatInfo s_comma = CreateFormat(",");

    /// <summary>Tells whether a text, without blanks around it, means a missing value.</summary>
    public static bool IsMissing(ReadOnlySpan<char> text, TableOptions options)
    {
        for (int i = 0; i < options.MissingTexts.Count; i++)
        {
            if (text.Equals(options.MissingTexts[i], StringComparison.OrdinalIgnoreCase))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Reads a number; a decimal separator is a point or a comma, and there are no others.</summary>
    public static bool TryNumber(ReadOnlySpan<char> text, bool comma, out double value) =>
        double.TryParse(text, NumberStyles.Float, comma ? s_comma : s_point, out value);

    /// <summary>Reads a number that is rounded to single precision once.</summary>
    public static bool TryNumber(ReadOnlySpan<char> text, bool comma, out float value) =>
        float.TryParse(text, NumberStyles.Float, comma ? s_comma : s_point, out value);

    /// <summary>Numbers without groups of digits: 1,5 is not 15.</summary>
    public static NumberFormatInfo CreateFormat(string separator) => new() { NumberDecimalSeparator = separator, NumberGroupSeparator = "\u0001" };
}
