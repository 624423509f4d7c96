using System.Globalization;

namespace OrthoNative.Data;

/// <summary>
/// Text for the parser: comments are cut out, but their line ends, and rows and quotes that never end are refused before the parser keeps them.
/// </summary>
internal sealed class CsvText : TextReader
{
    /// <summary>The most characters of a row; the parser takes twice as many.</summary>
    public const int MaximumRow = 1 << 23;

    private const int ReportedCharacters = 1 << 20;
    private const char ByteOrderMark = '\uFEFF';

    private readonly TextReader _reader;
    private readonly IProgress<long>? _progress;
    private readonly Func<long>? _bytes;
    private readonly CancellationToken _cancellationToken;
    private readonly bool _hasQuotes;
    private readonly char? _comment;

    /// <summary>What was read in advance.</summary>
    private readonly char[] _start = new char[1 << 14];
    private int _startLength;
    private int _startAt;

    private long _characters;
    private long _reported;
    private long _line = 1;
    private long _rowLine = 1;
    private long _quoteLine;
    private long _rowCharacters;
    private bool _isInComment;
    private bool _isInQuotes;
    private bool _isAtLineStart = true;
    private bool _wasReturn;
    private bool _ended;

    /// <summary>Creates the text.</summary>
    /// <param name="reader">Read to its end; stays open.</param>
    /// <param name="name">Its name for messages.</param>
    /// <param name="options">Valid ones.</param>
    /// <param name="progress">Told how much was read; null: nobody.</param>
    /// <param name="bytes">The number of bytes that were read; null: characters are counted.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    public CsvText(TextReader reader, string name, CsvOptions options, IProgress<long>? progress, Func<long>? bytes, CancellationToken cancellationToken)
    {
        (_reader, _progress, _bytes, _cancellationToken) = (reader, progress, bytes, cancellationToken);
        (_hasQuotes, _comment) = (options.HasQuotes, options.Comment);
        Places = new TablePlaces(name, "line");
    }

    public TablePlaces Places { get; }

    /// <summary>The separator that a first line for Excel names, as <c>sep=;</c>; null: there is no such line, or <see cref="Preview"/> was not called.</summary>
    public char? DeclaredSeparator { get; private set; }

    /// <summary>The first characters, which stay to be read: up to 2^14, or all.</summary>
    public ReadOnlySpan<char> Preview()
    {
        while (_startLength < _start.Length && Fetch(_start.AsSpan(_startLength)) is var count && count > 0)
        {
            _startLength += count;
        }

        if (_startLength > 0 && _start[0] == ByteOrderMark)
        {
            _startAt = 1;
        }

        Span<char> start = _start.AsSpan(_startAt, _startLength - _startAt);
        if (DeclaredSeparator is null && start.StartsWith("sep=", StringComparison.OrdinalIgnoreCase) && start.Length > 5 && start[5] is '\n' or '\r' && start[4] is '\t' or ';' or '|' or ',' or ':')
        {
            // A blank line stays in its place, so that lines keep their numbers.
            DeclaredSeparator = start[4];
            start[..5].Fill(' ');
        }

        return _start.AsSpan(_startAt, _startLength - _startAt);
    }

    public override int Read(char[] buffer, int index, int count) => Read(buffer.AsSpan(index, count));

    public override int Read(Span<char> buffer)
    {
        while (!buffer.IsEmpty)
        {
            int count = Math.Min(buffer.Length, _startLength - _startAt);
            if (count > 0)
            {
                _start.AsSpan(_startAt, count).CopyTo(buffer);
                _startAt += count;
            }
            else
            {
                count = _ended ? 0 : Fetch(buffer);
                if (count == 0)
                {
                    End();
                    return 0;
                }
            }

            // A comment may leave nothing, which would be the end.
            count = Filter(buffer[..count]);
            if (count > 0)
            {
                return count;
            }
        }

        return 0;
    }

    private int Fetch(Span<char> buffer)
    {
        _cancellationToken.ThrowIfCancellationRequested();
        int count;
        try
        {
            count = _reader.Read(buffer);
        }
        catch (InvalidDataException exception)
        {
            throw Places.Fault(_line, $"the compressed data cannot be read further ({exception.Message.TrimEnd('.')}); expected an undamaged gzip file");
        }

        _characters += count;
        _ended = count == 0;
        if (_ended || _characters - _reported >= ReportedCharacters)
        {
            _reported = _characters;
            _progress?.Report(_bytes?.Invoke() ?? _characters);
        }

        return count;
    }

    private void End()
    {
        if (_isInQuotes)
        {
            throw Places.Fault(_quoteLine, "found a quote that is not closed; expected another one");
        }
    }

    /// <summary>Cuts comments out of a piece of the text.</summary>
    /// <returns>Characters that are left.</returns>
    private int Filter(Span<char> text)
    {
        int kept = 0;
        for (int at = 0; at < text.Length;)
        {
            if (_isAtLineStart && !_isInQuotes && _comment is { } comment && text[at] == comment)
            {
                _isInComment = true;
            }

            _isAtLineStart = false;
            ReadOnlySpan<char> rest = text[at..];
            int next = _isInComment || !_hasQuotes ? rest.IndexOfAny('\n', '\r') : rest.IndexOfAny('\n', '\r', '"');
            int length = next < 0 ? rest.Length : next;
            if (length > 0)
            {
                _wasReturn = false;
                if (!_isInComment)
                {
                    rest[..length].CopyTo(text[kept..]);
                    kept += length;
                    _rowCharacters += length;
                }

                at += length;
            }

            if (next >= 0)
            {
                char special = text[at++];
                text[kept++] = special;
                _rowCharacters++;
                if (special == '"')
                {
                    _isInQuotes = !_isInQuotes;
                    _quoteLine = _line;
                    _wasReturn = false;
                }
                else
                {
                    EndLine(special);
                }
            }

            if (_rowCharacters > MaximumRow)
            {
                throw Places.Fault(_rowLine, string.Create(CultureInfo.InvariantCulture,
                    $"found a row of more than {MaximumRow} characters{(_isInQuotes ? $", and a quote in line {_quoteLine} that is not closed" : "")}; expected at most as many"));
            }
        }

        return kept;
    }

    private void EndLine(char special)
    {
        // CR LF is one end.
        if (special == '\r' || !_wasReturn)
        {
            _line++;
        }

        _wasReturn = special == '\r';
        _isAtLineStart = true;
        _isInComment = false;
        if (!_isInQuotes)
        {
            _rowCharacters = 0;
            _rowLine = _line;
        }
    }
}
