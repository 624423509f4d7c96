using System.Runtime.InteropServices;
using System.Text;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Time series with their classes or targets, read from a file in the <c>.ts</c> format of the UEA and UCR archive, aeon and sktime.</summary>
/// <remarks>
/// <para>
/// A file is text in UTF-8: a header of lines that begin with <c>@</c>, then a line for each case. A line has a case's channels (the format calls
/// them dimensions) with a colon between them, and the class or the target behind the last colon. A channel is values with commas between
/// them, or pairs <c>(time stamp,value)</c>. Lines that begin with <c>#</c> or <c>%</c> are comments.
/// </para>
/// <para>
/// Header keys, in any case: <c>@problemName</c>, <c>@timeStamps</c>, <c>@missing</c>, <c>@univariate</c>, <c>@dimensions</c>,
/// <c>@equalLength</c>, <c>@seriesLength</c>, <c>@classLabel true A B C</c>, <c>@targetLabel</c>, <c>@data</c>. Other keys are skipped. What
/// <c>@missing</c> says is not relied upon: see <see cref="HasMissingValues"/>.
/// </para>
/// <para>
/// A missing value is <c>?</c> or <c>NaN</c>, and <see cref="float.NaN"/> here. Channels of a case may have different lengths unless
/// <c>@equalLength</c> is true; a length of 0 is written <c>?</c> where values have time stamps.
/// </para>
/// </remarks>
public sealed class TimeSeriesFile
{
    private readonly List<float> _values;
    private readonly List<double>? _timeStamps;
    private readonly List<int> _channelEnds;
    private readonly List<int> _lengths;
    private readonly List<int> _classes;
    private readonly List<float> _targets;

    private TimeSeriesFile(TimeSeriesParser parser)
    {
        ProblemName = parser.ProblemName;
        Channels = parser.Channels;
        ClassNames = parser.ClassNames.AsReadOnly();
        HasMissingValues = parser.HasMissingValues;
        HasEqualLengths = parser.HasEqualLengths;
        _values = parser.Values;
        _timeStamps = parser.TimeStamps;
        _channelEnds = parser.ChannelEnds;
        _lengths = parser.Lengths;
        _classes = parser.Classes;
        _targets = parser.Targets;
        foreach (int length in _lengths)
        {
            Steps = Math.Max(Steps, length);
        }
    }

    /// <summary>Name of the data set; empty if the file has none.</summary>
    public string ProblemName { get; }

    /// <summary>Number of cases, at least 1.</summary>
    public int Count => _lengths.Count;

    /// <summary>Number of channels of every case, at least 1.</summary>
    public int Channels { get; }

    /// <summary>Length of the longest case, at least 1.</summary>
    public int Steps { get; }

    /// <summary>Names of the classes in the file's order; empty if the cases have no classes.</summary>
    public IReadOnlyList<string> ClassNames { get; }

    /// <summary>True if all channels of all cases have the same length.</summary>
    public bool HasEqualLengths { get; }

    /// <summary>True if a value is missing. Channels of different lengths are no missing values.</summary>
    public bool HasMissingValues { get; }

    /// <summary>True if values have time stamps.</summary>
    public bool HasTimeStamps => _timeStamps is not null;

    /// <summary>Classes of the cases, as indices into <see cref="ClassNames"/>; empty if the cases have no classes.</summary>
    public ReadOnlySpan<int> Classes => CollectionsMarshal.AsSpan(_classes);

    /// <summary>Targets of the cases, for regression; empty if the cases have none.</summary>
    public ReadOnlySpan<float> Targets => CollectionsMarshal.AsSpan(_targets);

    /// <summary>Reads a file.</summary>
    /// <param name="path">The file, plain or compressed with gzip; its first bytes decide which, not its name.</param>
    /// <exception cref="ArgumentException">The path is empty or has a null character.</exception>
    /// <exception cref="InvalidDataException">The file is damaged. The message has the file, the line, the column, what is there and what is expected.</exception>
    /// <exception cref="IOException">The file is missing or cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read, or is a folder.</exception>
    public static TimeSeriesFile Read(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 1 << 16);
        if (!file.CanSeek)
        {
            return Read(file, path);
        }

        Span<byte> start = stackalloc byte[2];
        bool compressed = file.ReadAtLeast(start, 2, throwOnEndOfStream: false) == 2 && start is [0x1F, 0x8B];
        file.Position = 0;
        if (!compressed)
        {
            return Read(file, path);
        }

        using var content = new GzipContent(file);
        return Read(content, path);
    }

    /// <summary>Reads a stream of uncompressed text in UTF-8.</summary>
    /// <param name="stream">Read to its end; stays open.</param>
    /// <param name="name">Name of the stream for messages.</param>
    /// <exception cref="InvalidDataException">As of <see cref="Read(string)"/>.</exception>
    /// <exception cref="IOException">The stream cannot be read.</exception>
    public static TimeSeriesFile Read(Stream stream, string name)
    {
        ArgumentNullException.ThrowIfNull(stream);

        // Bytes that are not UTF-8 become U+FFFD. Comments may have them, since older files are in other encodings; the parser refuses others.
        using var reader = new StreamReader(stream, Encoding.UTF8, detectEncodingFromByteOrderMarks: true, bufferSize: 1 << 12, leaveOpen: true);
        return Read(reader, name);
    }

    /// <summary>Reads text.</summary>
    /// <param name="reader">Read to its end; stays open.</param>
    /// <param name="name">Name of the text for messages.</param>
    /// <exception cref="InvalidDataException">As of <see cref="Read(string)"/>.</exception>
    /// <exception cref="IOException">The text cannot be read.</exception>
    public static TimeSeriesFile Read(TextReader reader, string name)
    {
        ArgumentNullException.ThrowIfNull(reader);
        ArgumentNullException.ThrowIfNull(name);
        var parser = new TimeSeriesParser(reader, name);
        parser.Parse();
        return new TimeSeriesFile(parser);
    }

    /// <summary>Reads one of the two files that a data set of the archive has: <c>NAME_TRAIN.ts</c> and <c>NAME_TEST.ts</c>.</summary>
    /// <param name="directory">Where the files are, plain or compressed with gzip and <c>.gz</c> added to the name.</param>
    /// <param name="problemName">NAME.</param>
    /// <param name="split">Training or test cases.</param>
    /// <exception cref="ArgumentException">A name is empty, or <paramref name="split"/> is neither of the two.</exception>
    /// <exception cref="FileNotFoundException">The file is absent; the message has both names.</exception>
    /// <exception cref="InvalidDataException">As of <see cref="Read(string)"/>.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read.</exception>
    public static TimeSeriesFile Load(string directory, string problemName, DataSplit split)
    {
        ArgumentException.ThrowIfNullOrEmpty(directory);
        ArgumentException.ThrowIfNullOrEmpty(problemName);
        Check.Defined(split);
        string path = Path.Combine(directory, $"{problemName}_{(split == DataSplit.Training ? "TRAIN" : "TEST")}.ts");
        string compressed = $"{path}.gz";
        return File.Exists(path) ? Read(path)
            : File.Exists(compressed) ? Read(compressed)
            : throw new FileNotFoundException($"There is no file '{ForeignText.CleanPath(path)}' or '{ForeignText.CleanPath(compressed)}'.", path);
    }

    /// <summary>Length of a case: that of its longest channel, at least 1.</summary>
    /// <param name="index">0 to <see cref="Count"/> - 1.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="index"/> is out of range.</exception>
    public int LengthOf(int index)
    {
        Check.InRange(index, 0, Count - 1);
        return _lengths[index];
    }

    /// <summary>Values of one channel of a case; a missing one is NaN.</summary>
    /// <param name="index">0 to <see cref="Count"/> - 1.</param>
    /// <param name="channel">0 to <see cref="Channels"/> - 1.</param>
    /// <returns>As many values as the file has: fewer than <see cref="LengthOf"/> where another channel of the case is longer.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="index"/> or <paramref name="channel"/> is out of range.</exception>
    public ReadOnlySpan<float> Values(int index, int channel)
    {
        (int start, int end) = Range(index, channel);
        return CollectionsMarshal.AsSpan(_values)[start..end];
    }

    /// <summary>Time stamps of one channel of a case: numbers as they are in the file, dates in seconds since 1970-01-01 00:00:00.</summary>
    /// <param name="index">0 to <see cref="Count"/> - 1.</param>
    /// <param name="channel">0 to <see cref="Channels"/> - 1.</param>
    /// <returns>One for each of <see cref="Values"/>; empty if there are no time stamps.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="index"/> or <paramref name="channel"/> is out of range.</exception>
    public ReadOnlySpan<double> TimeStamps(int index, int channel)
    {
        (int start, int end) = Range(index, channel);
        return _timeStamps is null ? [] : CollectionsMarshal.AsSpan(_timeStamps)[start..end];
    }

    private (int Start, int End) Range(int index, int channel)
    {
        Check.InRange(index, 0, Count - 1);
        Check.InRange(channel, 0, Channels - 1);
        int at = (index * Channels) + channel;
        return (at == 0 ? 0 : _channelEnds[at - 1], _channelEnds[at]);
    }
}
