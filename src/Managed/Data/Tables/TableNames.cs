using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>The names of a column of identifiers, classes or groups.</summary>
/// <param name="places">The table.</param>
/// <param name="column">Number of the column from 0.</param>
/// <param name="what">A name, for messages: a class.</param>
/// <param name="options">Has the texts that mean missing values.</param>
/// <param name="allowed">The only names that there may be, in their order; null: any.</param>
internal sealed class TableNames(TablePlaces places, int column, string what, TableOptions options, IReadOnlyList<string>? allowed)
{
    private const int MaximumCharacters = 1000;

    private readonly NameTable _table = Fill(allowed);

    /// <summary>The names by the numbers that <see cref="Read"/> gives.</summary>
    public List<string> Names => _table.Names;

    /// <summary>The number of a name.</summary>
    /// <param name="row">Number of the row from 1.</param>
    /// <param name="text">The name; blanks around it do not count.</param>
    public int Read(long row, ReadOnlySpan<char> text)
    {
        text = text.Trim();
        int number = _table.Find(text);
        return number >= 0 ? number : Add(row, text);
    }

    /// <summary>The numbers of the names in an order that does not depend on that of the rows.</summary>
    public int[] Sort() => _table.Sort();

    private static NameTable Fill(IReadOnlyList<string>? allowed)
    {
        var table = new NameTable();
        foreach (string name in allowed ?? [])
        {
            table.Add(name);
        }

        return table;
    }

    private int Add(long row, ReadOnlySpan<char> text)
    {
        if (TableText.IsMissing(text, options))
        {
            throw places.Fault(row, column, $"found {TablePlaces.Quote(text)}, a missing value; expected {what}");
        }

        if (allowed is not null)
        {
            throw places.Fault(row, column,
                $"found {TablePlaces.Quote(text)}; expected one of options.{nameof(TableOptions.ClassNames)}, {ForeignText.CleanList(allowed, allowed.Count)}");
        }

        if (text.Length > MaximumCharacters)
        {
            throw places.Fault(row, column, $"found {TablePlaces.Quote(text)}; expected {what} of at most {MaximumCharacters} characters");
        }

        foreach (char character in text)
        {
            if (character == '\uFFFD' || char.IsControl(character))
            {
                throw places.Fault(row, column, character == '\uFFFD'
                    ? $"found bytes that are not UTF-8; expected {what}"
                    : $"found {TablePlaces.Quote(text)}; expected {what} without control characters");
            }
        }

        return _table.Add(text);
    }
}
