using System.Text;
using OrthoNative.Interop;

namespace OrthoNative.Cli.Files;

/// <summary>A file, or the content of a stream, that may be read several times.</summary>
internal sealed class DataSource
{
    private readonly Func<Stream> _open;

    private DataSource(string name, string? path, Func<Stream> open) => (Name, Path, _open) = (name, path, open);

    /// <summary>The file for messages of readers, which clean it.</summary>
    public string Name { get; }

    /// <summary>The path; null: it is a stream.</summary>
    public string? Path { get; }

    /// <summary>The file for messages of one's own.</summary>
    public string Place => ForeignText.CleanPath(Name);

    /// <summary>True if the content is compressed with gzip, which <see cref="Open"/> undoes.</summary>
    public bool IsCompressed { get; private set; }

    /// <summary>A file.</summary>
    /// <exception cref="CliException">It is not there, is a pipe, a device or a folder, or may not be read.</exception>
    public static DataSource Of(string path)
    {
        Require(path);
        if (Directory.Exists(path))
        {
            throw CliException.Failure($"{ForeignText.CleanPath(path)} is a folder; expected a file");
        }

        var source = new DataSource(path, path, () => new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 1 << 16));
        source.IsCompressed = source.BeginsAsGzip();
        return source;
    }

    /// <summary>What a stream has from its position on, kept in memory.</summary>
    public static DataSource Of(Stream stream, string name)
    {
        var content = new MemoryStream();
        stream.CopyTo(content);
        return Of(content.ToArray(), name);
    }

    /// <summary>A text, kept in memory.</summary>
    public static DataSource Of(TextReader reader, string name) => Of(Encoding.UTF8.GetBytes(reader.ReadToEnd()), name);

    /// <summary>Refuses what is neither a file nor a folder.</summary>
    /// <exception cref="CliException">It is not there, or is a pipe or a device.</exception>
    public static void Require(string path)
    {
        if (path.Length == 0 || path.Contains('\0', StringComparison.Ordinal))
        {
            throw CliException.Usage($"the file is '{ForeignText.Clean(path)}'; it must be the path of a file or folder");
        }

        // Opening a pipe would wait for someone who writes to it.
        if (FileStatus.Of(path, follow: true) is { IsDevice: true })
        {
            throw CliException.Failure($"{ForeignText.CleanPath(path)} is a pipe or a device; expected a file or folder");
        }

        if (!System.IO.Path.Exists(path))
        {
            throw CliException.Failure($"{ForeignText.CleanPath(path)} is not there; expected a file or folder");
        }
    }

    /// <summary>The content from its beginning, without compression. Without compression it can seek.</summary>
    public Stream Open()
    {
        Stream stream = _open();
        return IsCompressed ? new GzipContent(stream, ownsFile: true) : stream;
    }

    /// <summary>The content as text; bytes that are not UTF-8 become U+FFFD.</summary>
    public StreamReader OpenText() => new(Open(), Encoding.UTF8, detectEncodingFromByteOrderMarks: true, bufferSize: 1 << 14);

    private static DataSource Of(byte[] content, string name)
    {
        var source = new DataSource(name, null, () => new MemoryStream(content, writable: false));
        source.IsCompressed = source.BeginsAsGzip();
        return source;
    }

    private bool BeginsAsGzip()
    {
        using Stream stream = _open();
        Span<byte> start = stackalloc byte[2];
        return stream.ReadAtLeast(start, 2, throwOnEndOfStream: false) == 2 && start is [0x1F, 0x8B];
    }
}
