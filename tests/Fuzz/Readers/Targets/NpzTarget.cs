using System.IO.Compression;

namespace OrthoNative.Fuzz.Readers;

/// <summary>ZIP files of arrays of NumPy.</summary>
internal sealed class NpzTarget(WorkingFolder folder) : Target(folder, "npz")
{
    public override IReadOnlyList<byte[]> Seeds { get; } =
    [
        Zip(CompressionLevel.NoCompression, ("inputs.npy", NpyTarget.Npy("<f4", "(2, 3)", new byte[24])), ("labels.npy", NpyTarget.Npy("|S1", "(2,)", "ab"u8.ToArray()))),
        Zip(CompressionLevel.SmallestSize, ("x.npy", NpyTarget.Npy("<i4", "(100, 10)", new byte[4000])), ("notes.txt", [65])),
        Zip(CompressionLevel.SmallestSize, ("zeros.npy", NpyTarget.Npy("|u1", "(500000,)", new byte[500_000]))),
    ];

    /// <summary>Deflate makes 1,032 bytes of one, and an array that grows is there up to three times; then it is turned into numbers and texts.</summary>
    protected override long BytesForByte => 1032 * 150;

    protected override void Read()
    {
        using NpzFile file = NpzFile.Open(FilePath, new NpzOptions { MaximumBytes = 1 << 22 });
        foreach (string name in file.Names)
        {
            NpyTarget.Use(file.Read(name));
        }
    }

    private static byte[] Zip(CompressionLevel level, params (string Name, byte[] Content)[] entries)
    {
        using var target = new MemoryStream();
        using (var zip = new ZipArchive(target, ZipArchiveMode.Create, leaveOpen: true))
        {
            foreach ((string name, byte[] content) in entries)
            {
                using Stream entry = zip.CreateEntry(name, level).Open();
                entry.Write(content);
            }
        }

        return target.ToArray();
    }
}
