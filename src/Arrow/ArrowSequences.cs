using Apache.Arrow.Compression;
using Apache.Arrow.Ipc;

namespace OrthoNative.Arrow;

/// <summary>Reads sequences from Arrow IPC files (Feather version 2) and streams; the first bytes tell which.</summary>
/// <remarks>
/// <para>
/// Columns of numbers, logical values (1 or 0), text, dictionaries of text, dates and timestamps are read, and in the wide form lists of numbers, each list a channel. Null is a missing value, and so is NaN. Times are in seconds since
/// 1970-01-01 00:00 UTC; those without zone are UTC. Other columns may be there if they are not used. One record batch is read at a time.
/// </para>
/// <para>
/// Compression: none, LZ4, Zstandard. All data together have at most 2^10 bytes for each byte of the file, and a mebibyte.
/// </para>
/// </remarks>
public static class ArrowSequences
{
    /// <summary>Bytes of data that any file may have.</summary>
    private const long FreeBytes = 1 << 20;

    /// <summary>Bytes of data for each byte of the file.</summary>
    private const long Expansion = 1 << 10;

    /// <summary>Reads a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="options">The columns.</param>
    /// <exception cref="ArgumentException">The path is empty, or options contradict each other.</exception>
    /// <exception cref="InvalidDataException">
    /// The file is damaged or has something that is not read, a column is absent, or a value is missing or not of its kind. The message has the file, and the row and the column where there are some.
    /// </exception>
    /// <exception cref="IOException">The file is missing or cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read, or is a folder.</exception>
    public static SequenceData Read(string path, TableOptions options) => Read(path, options, null, default);

    /// <summary>Reads a file, with progress and cancellation.</summary>
    /// <param name="path">The file.</param>
    /// <param name="options">The columns.</param>
    /// <param name="progress">Told the part of the bytes that is read, up to 1; null: nobody.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <exception cref="ArgumentException">The path is empty, or options contradict each other.</exception>
    /// <exception cref="InvalidDataException">As of <see cref="Read(string, TableOptions)"/>.</exception>
    /// <exception cref="IOException">The file is missing or cannot be read.</exception>
    /// <exception cref="OperationCanceledException">Cancellation was asked for.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read, or is a folder.</exception>
    public static SequenceData Read(string path, TableOptions options, IProgress<double>? progress, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        Validate(options);
        using var content = FileContent.Of(path);
        return Read(content, path, options, progress, cancellationToken);
    }

    /// <summary>Reads a stream from its position on.</summary>
    /// <param name="stream">Stays open. One that cannot seek is kept in memory.</param>
    /// <param name="name">Name of the stream for messages.</param>
    /// <param name="options">The columns.</param>
    /// <exception cref="ArgumentException">Options contradict each other, or the stream cannot be read.</exception>
    /// <exception cref="InvalidDataException">As of <see cref="Read(string, TableOptions)"/>.</exception>
    /// <exception cref="IOException">The stream cannot be read.</exception>
    public static SequenceData Read(Stream stream, string name, TableOptions options) => Read(stream, name, options, null, default);

    /// <summary>Reads a stream from its position on, with progress and cancellation.</summary>
    /// <param name="stream">Stays open. One that cannot seek is kept in memory.</param>
    /// <param name="name">Name of the stream for messages.</param>
    /// <param name="options">The columns.</param>
    /// <param name="progress">Told the part of the bytes that is read, up to 1; null: nobody.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <exception cref="ArgumentException">Options contradict each other, or the stream cannot be read.</exception>
    /// <exception cref="InvalidDataException">As of <see cref="Read(string, TableOptions)"/>.</exception>
    /// <exception cref="IOException">The stream cannot be read.</exception>
    /// <exception cref="OperationCanceledException">Cancellation was asked for.</exception>
    public static SequenceData Read(Stream stream, string name, TableOptions options, IProgress<double>? progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(name);
        Validate(options);
        using var content = FileContent.Of(stream, cancellationToken);
        return Read(content, name, options, progress, cancellationToken);
    }

    private static void Validate(TableOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
    }

    private static SequenceData Read(FileContent content, string name, TableOptions options, IProgress<double>? progress, CancellationToken cancellationToken) =>
        Read(content, name, (places, kinds, read) => new ColumnTable(places, kinds, options, cancellationToken).Read(read), progress, cancellationToken);

    /// <summary>Reads a table with what reads its columns.</summary>
    internal static T Read<T>(FileContent content, string name, TableReading<T> table, IProgress<double>? progress, CancellationToken cancellationToken)
    {
        var places = new TablePlaces(name, "row");
        using var stream = new MessageStream(content, places, progress, cancellationToken);
        long length = stream.Length;
        ArrowStreamReader? reader = null;
        try
        {
            ArrowColumns columns;
            ColumnKind[] kinds;
            try
            {
                reader = new ArrowStreamReader(stream, new BoundedAllocator(FreeBytes + (length * Expansion)), new CompressionCodecFactory(), leaveOpen: true);
                columns = new ArrowColumns(reader, places, cancellationToken);
                places.Columns = columns.Names;
                kinds = columns.Kinds;
            }
            catch (Exception exception) when (ArrowColumns.IsOfDamage(exception, places))
            {
                throw places.Fault($"the schema cannot be decoded ({exception.GetType().Name})", exception);
            }

            T result = table(places, kinds, columns.Read);
            progress?.Report(1);
            return result;
        }
        finally
        {
            reader?.Dispose();
        }
    }
}
