using OrthoNative.Data;
using OrthoNative.Interop;

namespace OrthoNative.Cli.Files;

/// <summary>How a table of text is written.</summary>
/// <param name="Separator">The character between values.</param>
/// <param name="Decimal">The decimal sign, '.' or ','.</param>
/// <param name="HasHeader">True: the first row has the names of the columns.</param>
/// <param name="Names">Names of the columns, as many as the first row has; those of a table without header are empty.</param>
/// <param name="IsRagged">True: rows have different numbers of values.</param>
/// <param name="IsPlain">True: quotes and '#' mean nothing, as in files of the UCR archive.</param>
internal sealed record TextFormat(char Separator, char Decimal, bool HasHeader, string[] Names, bool IsRagged, bool IsPlain)
{
    private const int SampleRows = 200;

    /// <summary>A separator in words.</summary>
    public string SeparatorName => Separator == '\t' ? "tabs" : $"'{Separator}'";

    /// <summary>The options of the reader.</summary>
    public CsvOptions Options => new() { Separator = Separator, DecimalSeparator = Decimal, HasHeader = HasHeader, HasQuotes = !IsPlain, Comment = IsPlain ? null : '#' };

    /// <summary>Finds it in the first rows.</summary>
    /// <exception cref="CliException">It is no table.</exception>
    /// <exception cref="InvalidDataException">The text is damaged.</exception>
    public static TextFormat Find(DataSource source, CancellationToken cancellationToken)
    {
        using StreamReader reader = source.OpenText();
        var options = new CsvOptions();
        using var text = new CsvText(reader, source.Name, options, null, null, cancellationToken);
        using var rows = new CsvRows(text, options);
        List<string[]> sample = [];
        long firstLine = 1;
        while (sample.Count < SampleRows && rows.Next())
        {
            string[] cells = new string[rows.Count];
            for (int i = 0; i < cells.Length; i++)
            {
                cells[i] = rows.Text(i).ToString();
            }

            firstLine = sample.Count == 0 ? CsvRows.LineOf(rows.Row) : firstLine;
            sample.Add(cells);
        }

        if (sample.Count == 0)
        {
            throw CliException.Failure($"{source.Place} has no values; expected sequences");
        }

        if (sample.All(row => row.Length == 1) && sample.Any(row => row[0].Split(' ', StringSplitOptions.RemoveEmptyEntries) is { Length: > 1 } parts && parts.All(IsNumber)))
        {
            throw CliException.Failure($"{source.Place}: line 1: the values are separated by blanks; expected ',', ';', '|' or tabs between them");
        }

        char sign = rows.Separator == ',' ? '.' : FindDecimal(sample);
        bool hasHeader = HasNames(sample, sign == ',');
        string[] names = hasHeader ? sample[0] : new string[sample[0].Length];
        if (hasHeader && Array.FindIndex(names, name => name.Contains('\uFFFD', StringComparison.Ordinal)) is var broken && broken >= 0)
        {
            throw CliException.Failure(Output.Texts.Format($"{source.Place}: line {firstLine}, column {broken + 1}: found '{ForeignText.Clean(names[broken])}'; it is no UTF-8 text; save it as UTF-8"));
        }

        bool isRagged = sample.Any(row => row.Length != sample[0].Length);
        return new TextFormat(rows.Separator, sign, hasHeader, [.. names.Select(name => name ?? "")], isRagged, IsPlain: false);

        static bool IsNumber(string text) => TableText.TryNumber(text, false, out double _);
    }

    /// <summary>The sign with which more cells are numbers; a point if there is no difference.</summary>
    private static char FindDecimal(List<string[]> sample)
    {
        int points = 0, commas = 0;
        foreach (string cell in sample.SelectMany(row => row))
        {
            bool isOfPoint = TableText.TryNumber(cell, false, out double _), isOfComma = TableText.TryNumber(cell, true, out double _);
            points += isOfPoint && !isOfComma ? 1 : 0;
            commas += isOfComma && !isOfPoint ? 1 : 0;
        }

        return commas > points ? ',' : '.';
    }

    /// <summary>Tells whether the first row has names.</summary>
    private static bool HasNames(List<string[]> sample, bool comma)
    {
        string[] first = sample[0];
        bool[] numbers = [.. first.Select(cell => TableText.TryNumber(cell, comma, out double value) && double.IsFinite(value))];
        var missing = new TableOptions();
        bool hasText = first.Where((cell, i) => !numbers[i] && !TableText.IsMissing(cell, missing) && !TimeText.TryParse(cell, out _)).Any();
        if (!numbers.Contains(true))
        {
            return hasText;
        }

        // Numbers of steps are names, too: 0, 1, 2, ... and perhaps a text for the class.
        double[] given = [.. first.Where((_, i) => numbers[i]).Select(cell => TableText.TryNumber(cell, comma, out double value) ? value : 0)];
        bool counts = given.Length >= 3 && given[0] is 0 or 1;
        for (int i = 1; i < given.Length; i++)
        {
            counts = counts && given[i] == given[i - 1] + 1;
        }

        if (counts && sample.Count > 1)
        {
            return !sample[1].Where((_, i) => i < numbers.Length && numbers[i]).SequenceEqual(first.Where((_, i) => numbers[i]));
        }

        return false;
    }
}
