using Parquet;

namespace OrthoNative.Arrow;

/// <summary>Reads sequences from Parquet files.</summary>
/// <remarks>
/// <para>
/// Columns of numbers, logical values (1 or 0), text, dates and times are read, and in the wide form lists of numbers, each list a channel. Null is a missing value, and so is NaN. Times are in seconds since
/// 1970-01-01 00:00 UTC; those without zone are UTC. Other columns may be there if they are not used. Only the columns that are used are read, one row group at a time.
/// </para>
/// <para>
/// Encodings: plain, dictionary, run lengths for logical values, delta. Compression: none, Snappy, gzip, Brotli, LZ4, Zstandard. A file has at most 2^20 rows and 2^10 more for each of its bytes, and no page is
/// 2^10 times as long as its compressed form and a mebibyte.
/// </para>
/// </remarks>
public static class ParquetSequences
{
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
    /// <param name="progress">Told the part of the row groups that is read, up to 1; null: nobody.</param>
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
    /// <param name="progress">Told the part of the row groups that is read, up to 1; null: nobody.</param>
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
        var file = ParquetFile.Open(content, places);
        using ContentStream stream = file.Stream;
        ParquetColumns columns;
        ColumnKind[] kinds;
        try
        {
            // The stream never waits, so neither does this.
            ParquetReader reader = ParquetReader.CreateAsync(stream, new ParquetOptions { TreatByteArrayAsString = true }, leaveStreamOpen: true, cancellationToken).GetAwaiter().GetResult();
            columns = new ParquetColumns(file, reader, progress, cancellationToken);
            places.Columns = columns.Names;
            kinds = columns.Kinds;
        }
        catch (Exception exception) when (ParquetColumns.IsOfDamage(exception))
        {
            throw places.Fault($"the footer cannot be decoded ({exception.GetType().Name})", exception);
        }

        return table(places, kinds, columns.Read);
    }
}
