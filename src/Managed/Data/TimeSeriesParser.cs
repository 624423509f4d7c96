using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Reads the text of a <c>.ts</c> file front to back. Memory grows with what was read, never by a number in the file.</summary>
/// <param name="reader">The text.</param>
/// <param name="name">Its name for messages.</param>
internal sealed class TimeSeriesParser(TextReader reader, string name)
{
    private const int End = -1;

    /// <summary>More characters than a number or a class name has for a good reason.</summary>
    private const int MaximumToken = 1000;

    /// <summary>Stands for bytes that are not of the encoding.</summary>
    private const char Replacement = '\uFFFD';

    private const string Blanks = " \t\r";
    private const string FieldEnds = ",:";
    private const string PairEnds = ",)";

    private static readonly string[] s_dates =
        ["yyyy-MM-dd HH:mm:ss.FFFFFFF", "yyyy-MM-ddTHH:mm:ss.FFFFFFF", "yyyy-MM-dd HH:mm", "yyyy-MM-ddTHH:mm", "yyyy-MM-dd"];

    private readonly char[] _buffer = new char[1 << 13];
    private readonly char[] _token = new char[MaximumToken];
    private readonly Dictionary<string, int> _classNumbers = new(StringComparer.Ordinal);
    private int _at;
    private int _end;
    private Position _position = new(1, 1);

    /// <summary>Where the last token began.</summary>
    private Position _start;

    private bool _hasClasses;
    private bool _hasTargets;
    private bool? _univariate;
    private bool _equalLength;
    private bool? _stampsAreDates;

    /// <summary>Length that every channel must have; null: any, or that of the first one.</summary>
    private int? _length;

    public string ProblemName { get; private set; } = "";

    /// <summary>Number of channels; 0 until the header or the first case tells.</summary>
    public int Channels { get; private set; }

    public bool HasMissingValues { get; private set; }

    public bool HasEqualLengths { get; private set; } = true;

    public List<string> ClassNames { get; } = [];

    /// <summary>Values of all channels of all cases, one after another.</summary>
    public List<float> Values { get; } = [];

    /// <summary>Time stamps of the values; null: they have none.</summary>
    public List<double>? TimeStamps { get; private set; }

    /// <summary>Where each channel of each case ends in <see cref="Values"/>.</summary>
    public List<int> ChannelEnds { get; } = [];

    /// <summary>Length of each case.</summary>
    public List<int> Lengths { get; } = [];

    public List<int> Classes { get; } = [];

    public List<float> Targets { get; } = [];

    private bool AtEndOfLine => Peek() is '\n' or End;

    public void Parse()
    {
        ReadHeader();
        while (FindLine())
        {
            ReadCase();
        }

        if (Lengths.Count == 0)
        {
            Fail(_position, "found the end of the file", "a line of data behind @data");
        }
    }

    private void ReadHeader()
    {
        while (FindLine())
        {
            _start = _position;
            if (Peek() != '@')
            {
                Fail(_start, $"found {Quote(ReadToken(Blanks))}", "a header line, which begins with @, or a comment, which begins with #");
            }

            string key = ReadToken(Blanks).ToString().ToLowerInvariant();
            switch (key)
            {
                case "@problemname":
                    ProblemName = ReadToken("").ToString();
                    break;
                case "@timestamps":
                    TimeStamps = ReadBoolean("@timeStamps") ? [] : null;
                    break;
                case "@missing":
                    ReadBoolean("@missing");
                    break;
                case "@univariate":
                    _univariate = ReadBoolean("@univariate");
                    break;
                case "@dimensions" or "@dimension":
                    Channels = ReadCount("@dimensions");
                    break;
                case "@equallength":
                    _equalLength = ReadBoolean("@equalLength");
                    break;
                case "@serieslength":
                    _length = ReadCount("@seriesLength");
                    break;
                case "@classlabel":
                    ReadClassNames();
                    break;
                case "@targetlabel":
                    _hasTargets = ReadBoolean("@targetLabel");
                    break;
                case "@data":
                    ExpectEndOfLine("@data");
                    CheckHeader();
                    return;
                default:
                    SkipLine();
                    continue;
            }

            ExpectEndOfLine(key);
        }

        Fail(_position, "found the end of the file", "@data");
    }

    private void ReadClassNames()
    {
        ClassNames.Clear();
        _classNumbers.Clear();
        _hasClasses = ReadBoolean("@classLabel");
        SkipBlanks();
        while (_hasClasses && !AtEndOfLine)
        {
            string className = ReadToken(Blanks).ToString();
            if (!_classNumbers.TryAdd(className, ClassNames.Count))
            {
                Fail(_start, $"found class {Quote(className)} twice", "different names behind @classLabel true");
            }

            ClassNames.Add(className);
            SkipBlanks();
        }

        if (_hasClasses && ClassNames.Count == 0)
        {
            Fail(_position, "found the end of the line", "names of classes behind @classLabel true");
        }
    }

    /// <summary>Makes sure that the lines of the header agree.</summary>
    private void CheckHeader()
    {
        if (_hasClasses && _hasTargets)
        {
            Fail(_start, "found @classLabel true and @targetLabel true", "one of them at most");
        }

        if (_univariate == true)
        {
            if (Channels > 1)
            {
                Fail(_start, $"found @univariate true and @dimensions {Channels}", "@dimensions 1, or @univariate false");
            }

            Channels = 1;
        }

        // The length is that of all cases only if it is said to be.
        if (!_equalLength)
        {
            _length = null;
        }
    }

    private void ReadCase()
    {
        Position start = _position;
        int channels = 0;
        int longest = 0;
        bool isLabelled = _hasClasses || _hasTargets;
        while (true)
        {
            int first = Values.Count;
            SkipBlanks();
            if (TimeStamps is not null && Peek() == '(')
            {
                ReadPairs();
            }
            else
            {
                ReadOnlySpan<char> token = ReadToken(FieldEnds);
                if (isLabelled && AtEndOfLine)
                {
                    ReadLabel(token);
                    break;
                }

                if (TimeStamps is null)
                {
                    AddValue(token);
                    while (Peek() == ',')
                    {
                        Next();
                        AddValue(ReadToken(FieldEnds));
                    }
                }
                else if (token is not "?")
                {
                    Fail(_start, $"found {Quote(token)}", "a pair (time stamp,value), or ? for a dimension without values");
                }
            }

            channels++;
            EndChannel(channels, Values.Count - first);
            longest = Math.Max(longest, Values.Count - first);
            if (Peek() == ':')
            {
                Next();
            }
            else if (!AtEndOfLine)
            {
                Fail(_position, $"found '{ForeignText.Clean(((char)Peek()).ToString())}'", "',', ':' or the end of the line");
            }
            else if (isLabelled)
            {
                Fail(_position, "found the end of the line", _hasClasses ? "':' and a class" : "':' and a target");
            }
            else
            {
                break;
            }
        }

        if (Channels == 0 && channels > 0)
        {
            Channels = channels;
        }

        if (channels != Channels || channels == 0)
        {
            Fail(start, $"found {channels} dimension(s)", Channels == 0 ? "at least 1" : $"{Channels}");
        }

        if (longest == 0)
        {
            Fail(start, "found a case without values", "at least one value");
        }

        Lengths.Add(longest);
    }

    private void EndChannel(int channel, int length)
    {
        if (Channels > 0 && channel > Channels)
        {
            Fail(_start, $"found more than {Channels} dimension(s)", $"{Channels}");
        }

        if (_equalLength && length != (_length ??= length))
        {
            Fail(_position, $"found {length} value(s) in dimension {channel}", $"{_length}, since @equalLength is true");
        }

        if (ChannelEnds.Count == Array.MaxLength)
        {
            Fail(_start, "found more dimensions", $"at most {Array.MaxLength} of all cases");
        }

        HasEqualLengths &= ChannelEnds.Count == 0 || length == ChannelEnds[0];
        ChannelEnds.Add(Values.Count);
    }

    private void ReadPairs()
    {
        while (true)
        {
            Expect('(');
            AddTimeStamp(ReadToken(PairEnds));
            Expect(',');
            AddValue(ReadToken(PairEnds));
            Expect(')');
            SkipBlanks();
            if (Peek() != ',')
            {
                return;
            }

            Next();
            SkipBlanks();
        }
    }

    private void AddTimeStamp(ReadOnlySpan<char> token)
    {
        bool isDate = false;
        if (!double.TryParse(token, NumberStyles.Float, CultureInfo.InvariantCulture, out double stamp))
        {
            isDate = DateTime.TryParseExact(
                token, s_dates, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out DateTime date);
            stamp = isDate ? (date - DateTime.UnixEpoch).TotalSeconds : double.NaN;
        }

        if (!double.IsFinite(stamp) || isDate != (_stampsAreDates ??= isDate))
        {
            Fail(_start, $"found {Quote(token)}", _stampsAreDates switch
            {
                true => "a date, yyyy-MM-dd HH:mm:ss, as of the first time stamp",
                false => "a finite number, as of the first time stamp",
                null => "a time stamp: a finite number or a date, yyyy-MM-dd HH:mm:ss",
            });
        }

        TimeStamps!.Add(stamp);
    }

    private void AddValue(ReadOnlySpan<char> token)
    {
        float value = float.NaN;
        if (token is not "?" && !float.TryParse(token, NumberStyles.Float, CultureInfo.InvariantCulture, out value))
        {
            Fail(_start, $"found {Quote(token)}", "a number, or ? for a missing one");
        }

        if (float.IsInfinity(value))
        {
            Fail(_start, $"found {Quote(token)}", "a finite number that float32 can hold");
        }

        if (Values.Count == Array.MaxLength)
        {
            Fail(_start, "found more values", $"at most {Array.MaxLength} in a file");
        }

        HasMissingValues |= float.IsNaN(value);
        Values.Add(value);
    }

    private void ReadLabel(ReadOnlySpan<char> token)
    {
        if (_hasClasses)
        {
            if (!_classNumbers.TryGetValue(token.ToString(), out int number))
            {
                Fail(_start, $"found {Quote(token)}", $"a class of @classLabel: {ForeignText.CleanList(ClassNames, ClassNames.Count)}");
            }

            Classes.Add(number);
            return;
        }

        if (!float.TryParse(token, NumberStyles.Float, CultureInfo.InvariantCulture, out float target) || !float.IsFinite(target))
        {
            Fail(_start, $"found {Quote(token)}", "a target: a finite number that float32 can hold");
        }

        Targets.Add(target);
    }

    private bool ReadBoolean(string key)
    {
        SkipBlanks();
        ReadOnlySpan<char> token = ReadToken(Blanks);
        bool isTrue = token.Equals("true", StringComparison.OrdinalIgnoreCase);
        if (!isTrue && !token.Equals("false", StringComparison.OrdinalIgnoreCase))
        {
            Fail(_start, $"found {Quote(token)}", $"true or false behind {key}");
        }

        return isTrue;
    }

    private int ReadCount(string key)
    {
        SkipBlanks();
        ReadOnlySpan<char> token = ReadToken(Blanks);
        if (!int.TryParse(token, NumberStyles.None, CultureInfo.InvariantCulture, out int count) || count < 1 || count > Array.MaxLength)
        {
            Fail(_start, $"found {Quote(token)}", $"a number from 1 to {Array.MaxLength} behind {key}");
        }

        return count;
    }

    private void ExpectEndOfLine(string key)
    {
        SkipBlanks();
        if (!AtEndOfLine)
        {
            Fail(_position, $"found {Quote(ReadToken(Blanks))}", $"the end of the line behind {key}");
        }
    }

    private void Expect(char character)
    {
        if (Peek() is int found && found != character)
        {
            string what = found switch { End => "the end of the file", '\n' => "the end of the line", _ => $"'{ForeignText.Clean(((char)found).ToString())}'" };
            Fail(_position, $"found {what}", $"'{character}'");
        }

        Next();
    }

    /// <summary>Goes to the next line that is neither empty nor a comment, to its first character that is no blank.</summary>
    /// <returns>False: there is none.</returns>
    private bool FindLine()
    {
        while (true)
        {
            SkipBlanks();
            switch (Peek())
            {
                case End:
                    return false;
                case '\n':
                    Next();
                    break;
                case '#' or '%':
                    SkipLine();
                    break;
                default:
                    return true;
            }
        }
    }

    private void SkipLine()
    {
        while (!AtEndOfLine)
        {
            Next();
        }
    }

    private void SkipBlanks()
    {
        while (Peek() is ' ' or '\t' or '\r')
        {
            Next();
        }
    }

    /// <summary>Text up to one of some characters or the end of the line, without blanks around it. Valid until the next one is read.</summary>
    private ReadOnlySpan<char> ReadToken(string ends)
    {
        SkipBlanks();
        _start = _position;
        int length = 0;
        while (Peek() is int next && next is not ('\n' or End) && !ends.Contains((char)next, StringComparison.Ordinal))
        {
            var character = (char)next;
            if (character == Replacement || (char.IsControl(character) && !Blanks.Contains(character, StringComparison.Ordinal)))
            {
                Fail(_position, character == Replacement ? "found bytes that are not UTF-8" : $"found the character U+{next:X4}", "text in UTF-8");
            }

            if (length == MaximumToken)
            {
                Fail(_start, $"found '{ForeignText.Clean(new string(_token, 0, 40))}…'", $"at most {MaximumToken} characters for a name or a value");
            }

            _token[length++] = character;
            Next();
        }

        return _token.AsSpan(0, length).TrimEnd(Blanks);
    }

    private int Peek() => _at < _end || Fill() ? _buffer[_at] : End;

    private void Next()
    {
        _position = _buffer[_at++] == '\n' ? new Position(_position.Line + 1, 1) : _position with { Column = _position.Column + 1 };
    }

    private bool Fill()
    {
        try
        {
            _at = 0;
            _end = reader.Read(_buffer, 0, _buffer.Length);
            return _end > 0;
        }
        catch (InvalidDataException exception)
        {
            _end = 0;
            throw new InvalidDataException(
                $"{Place(_position)}: the compressed data cannot be read further ({exception.Message.TrimEnd('.')}); expected an undamaged gzip file.", exception);
        }
    }

    private static string Quote(ReadOnlySpan<char> token) => token.IsEmpty ? "nothing" : $"'{ForeignText.Clean(token.ToString())}'";

    private string Place(Position position) =>
        string.Create(CultureInfo.InvariantCulture, $"{ForeignText.CleanPath(name)}: line {position.Line}, column {position.Column}");

    [DoesNotReturn]
    private void Fail(Position position, string found, string expected) =>
        throw new InvalidDataException($"{Place(position)}: {found}; expected {expected}.");

    /// <summary>A place in the text; lines and columns are counted from 1.</summary>
    private readonly record struct Position(long Line, long Column);
}
