using System.Text;

namespace OrthoNative.Data;

/// <summary>Reads sequences from text with separated values (CSV, TSV; RFC 4180).</summary>
/// <remarks>
/// <para>
/// Text is UTF-8, or UTF-16 or UTF-32 with a byte order mark. Lines end with LF, CR LF or CR; empty ones and comments are left out. Numbers do not depend on the culture of the program. A row has at most
/// 8,388,608 characters and 1,048,576 columns.
/// </para>
/// <para>
/// Rows are read one at a time; memory is that of the values, up to twice for a moment.
/// </para>
/// </remarks>
public static class CsvSequences
{
    /// <summary>Reads a file.</summary>
    /// <param name="path">The file, plain or compressed with gzip; its first bytes decide which, not its name.</param>
    /// <param name="options">The columns and the format.</param>
    /// <exception cref="ArgumentException">The path is empty, or options contradict each other.</exception>
    /// <exception cref="InvalidDataException">
    /// The file is damaged, a column is absent, or a value is missing or not of its kind. The message has the file, the line, the column, what is there and what is expected.
    /// </exception>
    /// <exception cref="IOException">The file is missing or cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read, or is a folder.</exception>
    public static SequenceData Read(string path, CsvOptions options) => Read(path, options, null, default);

    /// <summary>Reads a file, with progress and cancellation.</summary>
    /// <param name="path">The file, plain or compressed with gzip; its first bytes decide which, not its name.</param>
    /// <param name="options">The columns and the format.</param>
    /// <param name="progress">Told the number of bytes of the file that were read, about once for each mebibyte and at the end; null: nobody.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <exception cref="ArgumentException">The path is empty, or options contradict each other.</exception>
    /// <exception cref="InvalidDataException">As of <see cref="Read(string, CsvOptions)"/>.</exception>
    /// <exception cref="IOException">The file is missing or cannot be read.</exception>
    /// <exception cref="OperationCanceledException">Cancellation was asked for.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read, or is a folder.</exception>
    public static SequenceData Read(string path, CsvOptions options, IProgress<long>? progress, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        CsvReader.Validate(options);
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 1 << 16);
        if (!file.CanSeek)
        {
            return Read(file, path, options, progress, cancellationToken);
        }

        Span<byte> start = stackalloc byte[2];
        bool compressed = file.ReadAtLeast(start, 2, throwOnEndOfStream: false) == 2 && start is [0x1F, 0x8B];
        file.Position = 0;
        if (!compressed)
        {
            return Read(file, path, options, progress, cancellationToken);
        }

        using var content = new GzipContent(file);
        return Read(content, path, options, progress, () => file.Position, cancellationToken);
    }

    /// <summary>Reads a stream of uncompressed text.</summary>
    /// <param name="stream">Read to its end; stays open.</param>
    /// <param name="name">Name of the stream for messages.</param>
    /// <param name="options">The columns and the format.</param>
    /// <exception cref="ArgumentException">Options contradict each other.</exception>
    /// <exception cref="InvalidDataException">As of <see cref="Read(string, CsvOptions)"/>.</exception>
    /// <exception cref="IOException">The stream cannot be read.</exception>
    public static SequenceData Read(Stream stream, string name, CsvOptions options) => Read(stream, name, options, null, default);

    /// <summary>Reads a stream of uncompressed text, with progress and cancellation.</summary>
    /// <param name="stream">Read to its end; stays open.</param>
    /// <param name="name">Name of the stream for messages.</param>
    /// <param name="options">The columns and the format.</param>
    /// <param name="progress">Told the number of bytes that were read, about once for each mebibyte and at the end; null: nobody.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <exception cref="ArgumentException">Options contradict each other.</exception>
    /// <exception cref="InvalidDataException">As of <see cref="Read(string, CsvOptions)"/>.</exception>
    /// <exception cref="IOException">The stream cannot be read.</exception>
    /// <exception cref="OperationCanceledException">Cancellation was asked for.</exception>
    public static SequenceData Read(Stream stream, string name, CsvOptions options, IProgress<long>? progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(stream);
        var counted = new CountedStream(stream);
        return Read(counted, name, options, progress, () => counted.Bytes, cancellationToken);
    }

    /// <summary>Reads text.</summary>
    /// <param name="reader">Read to its end; stays open.</param>
    /// <param name="name">Name of the text for messages.</param>
    /// <param name="options">The columns and the format.</param>
    /// <exception cref="ArgumentException">Options contradict each other.</exception>
    /// <exception cref="InvalidDataException">As of <see cref="Read(string, CsvOptions)"/>.</exception>
    /// <exception cref="IOException">The text cannot be read.</exception>
    public static SequenceData Read(TextReader reader, string name, CsvOptions options) => Read(reader, name, options, null, default);

    /// <summary>Reads text, with progress and cancellation.</summary>
    /// <param name="reader">Read to its end; stays open.</param>
    /// <param name="name">Name of the text for messages.</param>
    /// <param name="options">The columns and the format.</param>
    /// <param name="progress">Told the number of characters that were read, about once for each 2^20 of them and at the end; null: nobody.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <exception cref="ArgumentException">Options contradict each other.</exception>
    /// <exception cref="InvalidDataException">As of <see cref="Read(string, CsvOptions)"/>.</exception>
    /// <exception cref="IOException">The text cannot be read.</exception>
    /// <exception cref="OperationCanceledException">Cancellation was asked for.</exception>
    public static SequenceData Read(TextReader reader, string name, CsvOptions options, IProgress<long>? progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(reader);
        ArgumentNullException.ThrowIfNull(name);
        CsvReader.Validate(options);
        using var text = new CsvText(reader, name, options, progress, null, cancellationToken);
        return new CsvReader(text, options, cancellationToken).Read();
    }

    private static SequenceData Read(Stream stream, string name, CsvOptions options, IProgress<long>? progress, Func<long> bytes, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(name);
        CsvReader.Validate(options);

        // Bytes that are not UTF-8 become U+FFFD, which is refused where it matters.
        using var reader = new StreamReader(stream, Encoding.UTF8, detectEncodingFromByteOrderMarks: true, bufferSize: 1 << 14, leaveOpen: true);
        using var text = new CsvText(reader, name, options, progress, bytes, cancellationToken);
        return new CsvReader(text, options, cancellationToken).Read();
    }
}
