namespace OrthoNative.Data;

/// <summary>Options of reading sequences from text with separated values. The columns are those of <see cref="TableOptions"/>.</summary>
public sealed record CsvOptions : TableOptions
{
    /// <summary>
    /// The character between values: a tab, or a printable ASCII character that is no letter, digit, quote or part of a number. Default: null; comma, semicolon, tab or bar, whichever the first lines have the same number of times.
    /// </summary>
    public char? Separator { get; init; }

    /// <summary>Character between whole and fraction of a number: <c>'.'</c> (the default) or <c>','</c>. Digits have no groups.</summary>
    public char DecimalSeparator { get; init; } = '.';

    /// <summary>
    /// True: the first row has the names of the columns. Default: null; it has them if an option gives a column by its name, or if it has no number and at least one text.
    /// </summary>
    public bool? HasHeader { get; init; }

    /// <summary>True (the default): values may be in double quotes, with a quote written twice inside, and may then have separators and line ends.</summary>
    public bool HasQuotes { get; init; } = true;

    /// <summary>Lines that begin with this character are left out. Default: <c>'#'</c>; null: no lines are.</summary>
    public char? Comment { get; init; } = '#';
}
