using System.IO.Compression;

namespace OrthoNative.Fuzz.Readers;

/// <summary>IDX files, plain and compressed.</summary>
internal sealed class IdxTarget(WorkingFolder folder) : Target(folder, "idx")
{
    private static readonly byte[] s_plain = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, .. Enumerable.Range(0, 24).Select(value => (byte)(7 * value))];

    public override IReadOnlyList<byte[]> Seeds { get; } =
        [s_plain, Compress(s_plain), [.. Compress(s_plain[..20]), .. Compress(s_plain[20..])], [.. Compress(s_plain), 0, 0, 0, 0]];

    /// <summary>Deflate can make so much of a byte.</summary>
    protected override long BytesForByte => 1200;

    protected override void Read()
    {
        IdxFile file = IdxFile.Read(FilePath, 3);
        if (file.Data.Length != file.Shape[0] * file.Shape[1] * file.Shape[2])
        {
            throw new FindingException("the data are not of the shape");
        }
    }

    private static byte[] Compress(byte[] content)
    {
        using var target = new MemoryStream();
        using (var gzip = new GZipStream(target, CompressionLevel.Optimal))
        {
            gzip.Write(content);
        }

        return target.ToArray();
    }
}
