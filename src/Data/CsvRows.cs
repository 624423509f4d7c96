using System.Globalization;
using nietras.SeparatedValues;

namespace OrthoNative.Data;

/// <summary>The rows of a text, one after another.</summary>
internal sealed class CsvRows : IDisposable
{
    /// <summary>The most columns of a row.</summary>
    public const int MaximumColumns = 1 << 20;

    private static readonly char[] s_separators = ['\t', ';', '|', ','];

    private readonly CsvOptions _options;
    private readonly TablePlaces _places;
    private readonly SepReader _reader;
    private char[] _unquoted = [];

    /// <summary>Begins to read.</summary>
    /// <param name="text">The text, at its beginning.</param>
    /// <param name="options">Valid ones.</param>
    public CsvRows(CsvText text, CsvOptions options)
    {
        (_options, _places) = (options, text.Places);
        ReadOnlySpan<char> start = text.Preview();
        Separator = options.Separator ?? (text.DeclaredSeparator is { } declared && declared != options.DecimalSeparator ? declared : FindSeparator(start));
        var culture = (CultureInfo)CultureInfo.InvariantCulture.Clone();
        culture.NumberFormat = TableText.CreateFormat(options.DecimalSeparator.ToString());
        SepReaderOptions format = new(new Sep(Separator))
        {
            HasHeader = false,
            DisableColCountCheck = true,
            DisableQuotesParsing = !options.HasQuotes,
            CultureInfo = culture,
        };
        _reader = format.From(text);
    }

    /// <summary>The character between values.</summary>
    public char Separator { get; }

    /// <summary>The row.</summary>
    public SepReader.Row Row => _reader.Current;

    /// <summary>Number of the row's values.</summary>
    public int Count => _reader.Current.ColCount;

    /// <summary>Number of the line in which a row begins; the parser, which has seen the first one before, counts that as the second.</summary>
    public static long LineOf(SepReader.Row row) => row.RowIndex == 0 ? 1 : row.LineNumberFrom;

    public void Dispose() => _reader.Dispose();

    /// <summary>The text of a cell of the row, as of the other overload.</summary>
    public ReadOnlySpan<char> Text(int column) => Text(_reader.Current, column);

    /// <summary>Goes to the next row that is not empty.</summary>
    public bool Next()
    {
        do
        {
            try
            {
                if (!_reader.MoveNext())
                {
                    return false;
                }
            }
            catch (Exception exception) when (exception is NotSupportedException or ArgumentException or InvalidOperationException or IndexOutOfRangeException)
            {
                throw _places.Fault($"the text cannot be parsed ({exception.GetType().Name}); expected separated values", exception);
            }
        }
        while (IsBlank(_reader.Current));

        return _reader.Current.ColCount <= MaximumColumns ? true : throw _places.Fault(LineOf(_reader.Current), string.Create(CultureInfo.InvariantCulture,
            $"found {_reader.Current.ColCount} columns; expected at most {MaximumColumns}"));
    }

    /// <summary>The text of a cell, without blanks and quotes around it. Valid until the next one is asked for.</summary>
    public ReadOnlySpan<char> Text(SepReader.Row row, int column)
    {
        if (column >= row.ColCount)
        {
            return [];
        }

        ReadOnlySpan<char> cell = row[column].Span.Trim();
        if (!_options.HasQuotes || cell.IsEmpty || cell[0] != '"')
        {
            return cell;
        }

        if (_unquoted.Length < cell.Length)
        {
            _unquoted = new char[Math.Max(cell.Length, 256)];
        }

        int length = 0;
        for (int i = 1; i < cell.Length; i++)
        {
            if (cell[i] == '"' && ++i < cell.Length && cell[i] != '"')
            {
                throw _places.Fault(LineOf(row), column, $"found {TablePlaces.Quote(cell)}; expected nothing behind the quote that ends a value, or a quote written twice");
            }

            if (i < cell.Length)
            {
                _unquoted[length++] = cell[i];
            }
        }

        return _unquoted.AsSpan(0, length).Trim();
    }

    private static bool IsBlank(SepReader.Row row) => row.ColCount == 1 && row.Span.Trim().IsEmpty;

    /// <summary>The separator that the first lines have the same number of times; of several ones the first.</summary>
    private char FindSeparator(ReadOnlySpan<char> start)
    {
        const int Lines = 20;
        Span<int> counts = stackalloc int[s_separators.Length];
        Span<int> least = stackalloc int[s_separators.Length];
        Span<int> most = stackalloc int[s_separators.Length];
        least.Fill(int.MaxValue);
        int lines = 0;
        bool inQuotes = false, isEmpty = true;
        for (int i = 0; i <= start.Length && lines < Lines; i++)
        {
            char character = i < start.Length ? start[i] : '\n';
            if (isEmpty && !inQuotes && character == _options.Comment)
            {
                int end = start[i..].IndexOfAny('\n', '\r');
                i = end < 0 ? start.Length : i + end;
                continue;
            }

            if (character is '\n' or '\r' && !inQuotes)
            {
                // What was cut in the middle of a line says nothing, unless it is the only one.
                if (!isEmpty && (i < start.Length || lines == 0))
                {
                    for (int k = 0; k < counts.Length; k++)
                    {
                        least[k] = Math.Min(least[k], counts[k]);
                        most[k] = Math.Max(most[k], counts[k]);
                    }

                    lines++;
                }

                counts.Clear();
                isEmpty = true;
                continue;
            }

            isEmpty = isEmpty && char.IsWhiteSpace(character) && character != '\t';
            if (character == '"' && _options.HasQuotes)
            {
                inQuotes = !inQuotes;
            }
            else if (!inQuotes && Array.IndexOf(s_separators, character) is var which && which >= 0)
            {
                counts[which]++;
            }
        }

        int best = -1;
        for (int k = 0; k < s_separators.Length && lines > 0; k++)
        {
            // The same number in all lines counts most, then the least number in a line.
            if (s_separators[k] != _options.DecimalSeparator && most[k] > 0
                && (best < 0 || (most[best] != least[best] && (most[k] == least[k] || least[k] > least[best]))))
            {
                best = k;
            }
        }

        return best >= 0 ? s_separators[best] : _options.DecimalSeparator == ',' ? ';' : ',';
    }
}
