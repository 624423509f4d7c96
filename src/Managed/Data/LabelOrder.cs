using System.Globalization;

namespace OrthoNative;

/// <summary>The order of classes that no one has given: by number, if all are whole numbers; otherwise by the codes of their characters.</summary>
internal static class LabelOrder
{
    public static IComparer<string> For(IReadOnlyList<string> labels)
    {
        var numbers = new Dictionary<string, Int128>(StringComparer.Ordinal);
        foreach (string label in labels)
        {
            if (!Int128.TryParse(label, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out Int128 number))
            {
                return StringComparer.Ordinal;
            }

            numbers[label] = number;
        }

        // 1 and 01 are two labels.
        return Comparer<string>.Create((a, b) => numbers[a].CompareTo(numbers[b]) is var order && order != 0 ? order : string.CompareOrdinal(a, b));
    }
}
