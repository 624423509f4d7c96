namespace OrthoNative.Data;

/// <summary>
/// Reads files of the UCR time series archive in its <c>.tsv</c> form: a line for each case, the class first, then the values of one channel, with tabs between them. A missing value is <c>NaN</c>; those at
/// the end of a line make the case shorter. Files of older versions with commas are read, too.
/// </summary>
public static class UcrFile
{
    /// <summary>Reads a file.</summary>
    /// <param name="path">The file, plain or compressed with gzip.</param>
    /// <exception cref="ArgumentException">The path is empty.</exception>
    /// <exception cref="InvalidDataException">The file is damaged, or a value is missing. The message has the file, the line, the column, what is there and what is expected.</exception>
    /// <exception cref="IOException">The file is missing or cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read, or is a folder.</exception>
    public static SequenceData Read(string path) => Read(path, new UcrOptions());

    /// <summary>Reads a file, with options.</summary>
    /// <param name="path">The file, plain or compressed with gzip.</param>
    /// <param name="options">Missing values and order of classes.</param>
    /// <exception cref="ArgumentException">The path is empty, or an option is invalid.</exception>
    /// <exception cref="InvalidDataException">As of <see cref="Read(string)"/>.</exception>
    /// <exception cref="IOException">The file is missing or cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read, or is a folder.</exception>
    public static SequenceData Read(string path, UcrOptions options) => CsvSequences.Read(path, Convert(options));

    /// <summary>Reads a stream of uncompressed text.</summary>
    /// <param name="stream">Read to its end; stays open.</param>
    /// <param name="name">Name of the stream for messages.</param>
    /// <param name="options">Missing values and order of classes.</param>
    /// <exception cref="ArgumentException">An option is invalid.</exception>
    /// <exception cref="InvalidDataException">As of <see cref="Read(string)"/>.</exception>
    /// <exception cref="IOException">The stream cannot be read.</exception>
    public static SequenceData Read(Stream stream, string name, UcrOptions options) => CsvSequences.Read(stream, name, Convert(options));

    private static CsvOptions Convert(UcrOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return new CsvOptions
        {
            Form = TableForm.Wide,
            LabelColumn = 0,
            HasHeader = false,
            HasQuotes = false,
            Comment = null,
            MissingValues = options.MissingValues,
            ClassNames = options.ClassNames,
        };
    }
}
