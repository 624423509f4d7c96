using System.IO.Compression;

namespace OrthoNative.Cli.Files;

/// <summary>Tells the format of a file by its content.</summary>
internal static class ContentKind
{
    private const int StartBytes = 4096;
    private const int HeaderCharacters = 1 << 20;

    /// <summary>Formats that are not read, by their first bytes.</summary>
    private static readonly (byte[] Start, string Name)[] s_others =
    [
        ([0x89, 0x50, 0x4E, 0x47], "a PNG image"),
        ([0xFF, 0xD8, 0xFF], "a JPEG image"),
        ("GIF8"u8.ToArray(), "a GIF image"),
        ("%PDF"u8.ToArray(), "a PDF document"),
        ([0x89, 0x48, 0x44, 0x46], "an HDF5 file"),
        ("CDF"u8.ToArray(), "a NetCDF file"),
        ("SQLite format 3"u8.ToArray(), "an SQLite database"),
        ("MATLAB 5.0"u8.ToArray(), "a MATLAB file"),
        ("BZh"u8.ToArray(), "data compressed with bzip2"),
        ([0xFD, 0x37, 0x7A, 0x58, 0x5A], "data compressed with xz"),
        ([0x28, 0xB5, 0x2F, 0xFD], "data compressed with Zstandard"),
        ([0x37, 0x7A, 0xBC, 0xAF], "a 7-Zip archive"),
        ("Rar!"u8.ToArray(), "a RAR archive"),
        ([0xD0, 0xCF, 0x11, 0xE0], "an old Excel workbook or Word document"),
        ([0x7F, 0x45, 0x4C, 0x46], "a program"),
        ([0x4D, 0x5A, 0x90], "a program"),
        ("OggS"u8.ToArray(), "Ogg sound"),
        ("fLaC"u8.ToArray(), "FLAC sound"),
        ("ID3"u8.ToArray(), "MP3 sound"),
        ("ORC"u8.ToArray(), "an ORC table"),
        ([0x80, 0x02], "a Python pickle"),
        ([0x80, 0x03], "a Python pickle"),
        ([0x80, 0x04], "a Python pickle"),
        ([0x80, 0x05], "a Python pickle"),
    ];

    /// <summary>The format; <see cref="DataFormat.Text"/> for every table of text.</summary>
    /// <exception cref="CliException">It is none that is read.</exception>
    public static DataFormat Of(DataSource source)
    {
        byte[] start = Start(source);
        if (start.Length == 0)
        {
            throw CliException.Failure($"{source.Place} is empty; expected sequences");
        }

        DataFormat? format = start switch
        {
            [(byte)'P', (byte)'A', (byte)'R', (byte)'1', ..] => DataFormat.Parquet,
            [(byte)'A', (byte)'R', (byte)'R', (byte)'O', (byte)'W', (byte)'1', ..] or [0xFF, 0xFF, 0xFF, 0xFF, ..] => DataFormat.Arrow,
            [0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P', (byte)'Y', ..] => DataFormat.Npy,
            [(byte)'R', (byte)'I', (byte)'F', (byte)'F', _, _, _, _, (byte)'W', (byte)'A', (byte)'V', (byte)'E', ..] => DataFormat.Sound,
            [(byte)'P', (byte)'K', 3, 4, ..] or [(byte)'P', (byte)'K', 5, 6, ..] => OfArchive(source),
            _ => null,
        };
        if (format is { } binary)
        {
            return source.IsCompressed
                ? throw Refused(source, $"{Name(binary)}, compressed with gzip", "decompress it first")
                : binary;
        }

        if (s_others.FirstOrDefault(other => start.AsSpan().StartsWith(other.Start)) is { Name: { } name })
        {
            throw Refused(source, name);
        }

        if (start is [0xFF, 0xFE, ..] or [0xFE, 0xFF, ..])
        {
            return OfText(source);
        }

        return start.AsSpan().Contains((byte)0)
            ? throw Refused(source, "binary data, or UTF-16 without a byte order mark", "save text as UTF-8")
            : OfText(source);
    }

    /// <summary>A format in words.</summary>
    public static string Name(DataFormat format) => format switch
    {
        DataFormat.Text => "a table of text",
        DataFormat.Parquet => "a Parquet file",
        DataFormat.Arrow => "an Arrow file",
        DataFormat.TimeSeries => "a .ts file",
        DataFormat.Ucr => "a file of the UCR archive",
        DataFormat.Npy => "an .npy file",
        DataFormat.Npz => "an .npz file",
        _ => "WAV sound",
    };

    private static byte[] Start(DataSource source)
    {
        using Stream stream = source.Open();
        byte[] start = new byte[StartBytes];
        try
        {
            return start[..stream.ReadAtLeast(start, start.Length, throwOnEndOfStream: false)];
        }
        catch (InvalidDataException exception)
        {
            throw CliException.Failure($"{source.Place}: the compressed data cannot be read ({FileErrors.Reason(exception)}); expected an undamaged gzip file");
        }
    }

    private static DataFormat OfArchive(DataSource source)
    {
        try
        {
            using Stream stream = source.Open();
            using var archive = new ZipArchive(stream, ZipArchiveMode.Read);
            if (archive.Entries.Count > 0 && archive.Entries.All(entry => entry.FullName.EndsWith(".npy", StringComparison.Ordinal)))
            {
                return DataFormat.Npz;
            }

            throw archive.Entries.Any(entry => entry.FullName.StartsWith("xl/", StringComparison.Ordinal))
                ? Refused(source, "an Excel workbook", "save the sheet as CSV")
                : Refused(source, "a ZIP archive", "extract it first");
        }
        catch (Exception exception) when (exception is InvalidDataException or NotSupportedException)
        {
            throw CliException.Failure($"{source.Place}: the archive cannot be read ({FileErrors.Reason(exception)}); expected an undamaged .npz file");
        }
    }

    private static DataFormat OfText(DataSource source)
    {
        using StreamReader reader = source.OpenText();
        int characters = 0;
        while (characters < HeaderCharacters && reader.ReadLine() is { } line)
        {
            characters += line.Length + 1;
            string text = line.Trim();
            if (text.Length == 0 || text[0] is '#' or '%')
            {
                continue;
            }

            if (text[0] == '@')
            {
                return text.StartsWith("@relation", StringComparison.OrdinalIgnoreCase) || text.StartsWith("@attribute", StringComparison.OrdinalIgnoreCase)
                    ? throw Refused(source, "an .arff or .tsf file", "convert it to .ts or CSV")
                    : DataFormat.TimeSeries;
            }

            return text[0] switch
            {
                '<' => throw Refused(source, "an HTML or XML page"),
                '{' or '[' => throw Refused(source, "JSON", "convert it to CSV"),
                _ => DataFormat.Text,
            };
        }

        return characters < HeaderCharacters ? throw CliException.Failure($"{source.Place} has no values; expected sequences") : DataFormat.Text;
    }

    private static CliException Refused(DataSource source, string what, string? remedy = null) => CliException.Failure(
        $"{source.Place} looks like {what}; {remedy ?? "expected CSV, TSV, .ts, Parquet, Arrow, .npy, .npz or WAV"}");
}
