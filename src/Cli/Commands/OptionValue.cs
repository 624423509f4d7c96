using System.Globalization;
using System.Numerics;
using OrthoNative.Cli.Training;

namespace OrthoNative.Cli.Commands;

/// <summary>The kind of value that an option takes.</summary>
/// <param name="Required">The values that it takes, in words; follows "it must be " in the message.</param>
/// <param name="TryParse">Gives false for anything else.</param>
internal sealed record OptionValue<T>(string Required, OptionValue<T>.Parser TryParse)
{
    public delegate bool Parser(string text, out T value);
}

/// <summary>An answer. An option of the type bool would leave another answer to the next argument.</summary>
internal enum Answer
{
    No,
    Yes,
}

/// <summary>The kinds of values that options take.</summary>
internal static class OptionValue
{
    public static OptionValue<T> Whole<T>(T minimum, T maximum) where T : struct, IBinaryInteger<T> => new(
        string.Create(CultureInfo.InvariantCulture, $"a whole number from {minimum} to {maximum}"),
        (string text, out T value) =>
            T.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value) && value >= minimum && value <= maximum);

    public static OptionValue<IReadOnlyList<int>> WholeNumbers(int minimum, int maximum) => new(
        string.Create(CultureInfo.InvariantCulture, $"whole numbers from {minimum} to {maximum}, with commas between them"),
        (string text, out IReadOnlyList<int> values) =>
        {
            OptionValue<int> kind = Whole(minimum, maximum);
            var list = new List<int>();
            values = list;
            foreach (string part in text.Split(','))
            {
                if (!kind.TryParse(part, out int value))
                {
                    return false;
                }

                list.Add(value);
            }

            return true;
        });

    /// <param name="minimum">Lowest value.</param>
    /// <param name="maximum">Highest value.</param>
    /// <param name="above">True: more than the lowest value.</param>
    /// <param name="below">True: less than the highest value.</param>
    public static OptionValue<double> Number(double minimum, double maximum, bool above = false, bool below = false) => new(
        string.Create(
            CultureInfo.InvariantCulture,
            $"a number {(above ? "above" : "from")} {minimum} {(below ? "to below" : above ? "up to" : "to")} {maximum}"),
        (string text, out double value) =>
            double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out value)
            && (above ? value > minimum : value >= minimum)
            && (below ? value < maximum : value <= maximum));

    public static OptionValue<T> Choice<T>() where T : struct, Enum => Choice(Enum.GetValues<T>());

    /// <param name="allowed">The values that may be chosen.</param>
    public static OptionValue<T> Choice<T>(params T[] allowed) where T : struct, Enum => new(
        $"one of {string.Join(", ", allowed).ToLowerInvariant()}",
        (string text, out T value) =>
        {
            int index = Array.FindIndex(allowed, choice => choice.ToString().Equals(text, StringComparison.OrdinalIgnoreCase));
            value = index < 0 ? default : allowed[index];
            return index >= 0;
        });

    public static OptionValue<DeviceChoice> Device { get; } = new(
        "cpu, cuda or cuda:N with N from 0",
        (string text, out DeviceChoice value) =>
        {
            const string Cuda = "cuda";
            value = DeviceChoice.Cpu;
            if (text == "cpu")
            {
                return true;
            }

            int index = 0;
            bool known = text == Cuda
                || (text.StartsWith($"{Cuda}:", StringComparison.Ordinal)
                    && int.TryParse(text.AsSpan(Cuda.Length + 1), NumberStyles.None, CultureInfo.InvariantCulture, out index));
            value = new DeviceChoice(index);
            return known;
        });

    /// <summary>Two or three parts of a whole.</summary>
    public static OptionValue<IReadOnlyList<double>> Parts { get; } = new(
        "two or three positive numbers with commas between them: fractions that add up to 1, or whole numbers",
        (string text, out IReadOnlyList<double> values) =>
        {
            var list = new List<double>();
            values = list;
            foreach (string part in text.Split(','))
            {
                if (!double.TryParse(part, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double value) || value is not (> 0 and < 1e15))
                {
                    return false;
                }

                list.Add(value);
            }

            return list.Count is 2 or 3 && (list.All(value => value < 1) || list.All(value => value == Math.Floor(value)));
        });

    public static OptionValue<string> Folder { get; } = new(
        "the path of a folder",
        (string text, out string value) =>
        {
            value = text;
            return text.Length > 0 && !text.Contains('\0', StringComparison.Ordinal);
        });

    public static OptionValue<string> File { get; } = new(
        "the path of a file",
        (string text, out string value) =>
        {
            value = text;
            return text.Length > 0 && !text.Contains('\0', StringComparison.Ordinal);
        });

    /// <summary>The name of a column or the like.</summary>
    public static OptionValue<string> Name { get; } = new(
        "a text that is not empty",
        (string text, out string value) =>
        {
            value = text;
            return text.Length > 0;
        });

    /// <summary>Names of columns. A name with a comma is in double quotes.</summary>
    public static OptionValue<IReadOnlyList<string>> Names { get; } = new(
        "names with commas between them, each once",
        (string text, out IReadOnlyList<string> values) =>
        {
            var names = new List<string>();
            values = names;
            for (int at = 0; at <= text.Length;)
            {
                bool isQuoted = at < text.Length && text[at] == '"';
                int end = isQuoted ? text.IndexOf('"', at + 1) : text.IndexOf(',', at);
                if (isQuoted && (end < 0 || (end + 1 < text.Length && text[end + 1] != ',')))
                {
                    return false;
                }

                end = end < 0 ? text.Length : end;
                names.Add(isQuoted ? text[(at + 1)..end] : text[at..end].Trim());
                at = end + (isQuoted ? 2 : 1);
            }

            return names.All(name => name.Length > 0) && names.Distinct(StringComparer.Ordinal).Count() == names.Count;
        });

    public static OptionValue<Uri> WebAddress { get; } = new(
        "an http or https address",
        (string text, out Uri value) =>
            Uri.TryCreate(text, UriKind.Absolute, out value!) && (value.Scheme == Uri.UriSchemeHttp || value.Scheme == Uri.UriSchemeHttps));
}
