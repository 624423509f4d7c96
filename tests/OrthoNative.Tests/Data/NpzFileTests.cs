using System.Buffers.Binary;
using System.IO.Compression;

namespace OrthoNative.Tests.Data;

internal sealed class NpzFileTests
{
    private static readonly byte[] s_inputs = NpyFileTests.Npy("|u1", "(2, 2)", [1, 2, 3, 4]);

    private static readonly byte[] s_labels = NpyFileTests.Npy("|S1", "(2,)", "ba"u8.ToArray());

    [TestCase(CompressionLevel.NoCompression)]
    [TestCase(CompressionLevel.SmallestSize)]
    public void Arrays_are_read_by_name(CompressionLevel level)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder.File("a.npz"), Zip(level, ("x.npy", s_inputs), ("notes.txt", [65]), ("sub/y.npy", s_labels)));
        using NpzFile file = NpzFile.Open(folder.File("a.npz"));

        Assert.That(file.Names, Is.EqualTo((string[])["x", "sub/y"]));
        Assert.That(file.Read("sub/y").ToTexts(), Is.EqualTo((string[])["b", "a"]));
        Assert.That(file.Read("x").ToSingles(), Is.EqualTo((float[])[1, 2, 3, 4]));
        Assert.That(() => file.Read("z"), Throws.ArgumentException.With.Message.StartsWith($"name is 'z'; {folder.File("a.npz")} has the arrays 'x', 'sub/y'."));
    }

    [Test]
    public void Arrays_become_sequences()
    {
        byte[] lengths = NpyFileTests.Npy("|u1", "(2,)", [2, 1]);
        using NpzFile file = Open(Zip(CompressionLevel.Fastest, ("inputs.npy", s_inputs), ("y.npy", s_labels), ("n.npy", lengths), ("v.npy", lengths)));
        SequenceData data = SequenceData.FromNpz(file, new NpzDataOptions { Labels = "y", Lengths = "n", Data = new SequenceDataOptions { Ids = ["p", "q"] } });

        Assert.That((data.ClassNames, data.ClassOf(0), data.ClassOf(1), data.Ids), Is.EqualTo(((string[])["a", "b"], 1, 0, (string[])["p", "q"])));
        Assert.That((data.Values(0).ToArray(), data.Values(1).ToArray()), Is.EqualTo(((float[])[1, 2], (float[])[3])));
        Assert.That(SequenceData.FromNpz(file).HasTargets, Is.False);
        Assert.That(SequenceData.FromNpz(file, new NpzDataOptions { Targets = "v" }).Targets(0)[0], Is.EqualTo(2));
        Assert.That(
            () => SequenceData.FromNpz(file, new NpzDataOptions { Labels = "z" }),
            Throws.ArgumentException.With.Message.StartsWith("options.Labels is 'z'; the file has the arrays 'inputs', 'y', 'n', 'v'."));
        Assert.That(
            () => SequenceData.FromNpz(file, new NpzDataOptions { Inputs = "y" }),
            Throws.ArgumentException.With.Message.StartsWith("file['y'] has shape [2]; it must be [N, T] or [N, T, D], none of them 0."));
    }

    [Test]
    public void A_bomb_is_refused_before_it_takes_memory()
    {
        const int Bytes = 1 << 28;
        byte[] header = NpyFileTests.Npy("|u1", $"({Bytes},)", []);
        using var target = new MemoryStream();
        using (var zip = new ZipArchive(target, ZipArchiveMode.Create, leaveOpen: true))
        {
            using Stream entry = zip.CreateEntry("x.npy", CompressionLevel.SmallestSize).Open();
            entry.Write(header);
            byte[] zeros = new byte[1 << 20];
            for (int written = 0; written < Bytes; written += zeros.Length)
            {
                entry.Write(zeros);
            }
        }

        using NpzFile file = Open(target.ToArray(), new NpzOptions { MaximumBytes = Bytes - 1 });
        long before = GC.GetAllocatedBytesForCurrentThread();

        Assert.That(
            () => file.Read("x"),
            Throws.TypeOf<InvalidDataException>().With.Message.EqualTo("test.npz: entry 'x.npy': offset 10: found an array of 268435456 bytes; expected at most 268435455, the option MaximumBytes."));
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(1 << 20));
        using NpzFile allowed = Open(target.ToArray());
        Assert.That(allowed.Read("x").Count, Is.EqualTo(Bytes));
    }

    [Test]
    public void An_array_that_promises_more_than_it_has_takes_no_memory_for_it()
    {
        using NpzFile file = Open(Zip(CompressionLevel.Fastest, ("x.npy", NpyFileTests.Npy("<f8", "(200000000,)", new byte[1000]))));
        long before = GC.GetAllocatedBytesForCurrentThread();

        Assert.That(
            () => file.Read("x"),
            Throws.TypeOf<InvalidDataException>().With.Message.EqualTo(
                "test.npz: entry 'x.npy': offset 1128: found the end; expected 1600000000 bytes of elements, [200000000] of '<f8'; 64536 bytes are missing."));
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(1 << 20));
    }

    [Test]
    public void Damage_is_found()
    {
        byte[] stored = Zip(CompressionLevel.NoCompression, ("x.npy", s_inputs));
        byte[] changed = [.. stored];
        int at = stored.AsSpan().IndexOf((ReadOnlySpan<byte>)[1, 2, 3, 4]);
        changed[at] = 9;
        using NpzFile file = Open(changed);

        Assert.That(
            () => file.Read("x"),
            Throws.TypeOf<InvalidDataException>().With.Message.Matches("^test.npz: entry 'x.npy': offset 132: found content with the checksum [0-9A-F]{8}; expected [0-9A-F]{8}, as the file says.$")
                .Or.TypeOf<InvalidDataException>().With.Message.Contains("cannot be read further"));
        Assert.That(() => Open(stored[..^30]), Throws.TypeOf<InvalidDataException>().With.Message.StartsWith("test.npz: the ZIP file cannot be read ("));
        Assert.That(() => Open([1, 2, 3]), Throws.TypeOf<InvalidDataException>().With.Message.StartsWith("test.npz: the ZIP file cannot be read ("));
        Assert.That(
            () => Open(Zip(CompressionLevel.Fastest, ("x.npy", s_inputs), ("x.npy", s_inputs))),
            Throws.TypeOf<InvalidDataException>().With.Message.EqualTo("test.npz: there are two arrays 'x'; expected each name once."));
        using NpzFile longer = Open(Zip(CompressionLevel.Fastest, ("x.npy", [.. s_inputs, 5])));
        Assert.That(
            () => longer.Read("x"),
            Throws.TypeOf<InvalidDataException>().With.Message.EqualTo("test.npz: entry 'x.npy': offset 132: found more data; expected the end of the entry behind the array."));
    }

    [Test]
    public void Content_with_another_length_than_the_list_says_is_refused()
    {
        byte[] content = Zip(CompressionLevel.SmallestSize, ("x.npy", s_inputs));

        // The uncompressed size in the central directory, whose record begins with PK 1 2.
        int record = content.AsSpan().LastIndexOf((ReadOnlySpan<byte>)[0x50, 0x4B, 1, 2]);
        BinaryPrimitives.WriteInt32LittleEndian(content.AsSpan(record + 24), 50);
        using NpzFile file = Open(content);

        Assert.That(() => file.Read("x"), Throws.TypeOf<InvalidDataException>().With.Message.StartsWith("test.npz: entry 'x.npy': "));
    }

    [Test]
    public void Wrong_arguments_are_refused()
    {
        using var forward = new ForwardStream([]);

        Assert.That(() => NpzFile.Open(""), Throws.ArgumentException);
        Assert.That(() => NpzFile.Open("absent.npz"), Throws.TypeOf<FileNotFoundException>());
        Assert.That(() => NpzFile.Open(forward, "a"), Throws.ArgumentException.With.Message.StartsWith("stream cannot seek; it must, as the list of a ZIP file is at its end."));
        Assert.That(
            () => Open(Zip(CompressionLevel.Fastest), new NpzOptions { MaximumBytes = 0 }),
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("options.MaximumBytes is 0; it must be at least 1."));
        using var stream = new MemoryStream(Zip(CompressionLevel.Fastest, ("x.npy", s_inputs)));
        NpzFile file = NpzFile.Open(stream, "a");
        file.Dispose();
        Assert.That(stream.CanRead, Is.True);
        Assert.That(() => file.Read("x"), Throws.TypeOf<ObjectDisposedException>());
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

    private static NpzFile Open(byte[] content, NpzOptions? options = null) => NpzFile.Open(new MemoryStream(content), "test.npz", options);
}
