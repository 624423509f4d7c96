using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;

namespace OrthoNative.Tests.Data;

internal sealed class DatasetDownloadTests
{
    private static readonly byte[] s_first = IdxFiles.Content(IdxFiles.Noise(50_000), 50_000);

    private static readonly byte[] s_second = IdxFiles.Content(IdxFiles.Noise(300), 300);

    private static readonly DatasetFile[] s_files = [Describe("first", s_first), Describe("second", s_second)];

    [Test]
    public async Task Files_arrive_with_the_content_that_the_checksum_promises()
    {
        using var folder = new TemporaryFolder();
        using FileServer server = Serve();

        await DatasetDownload.FetchAsync(s_files, folder.File("new/folder"), [server.Address]);

        Assert.That(IdxFile.Read(folder.File("new/folder/first.gz"), 1).Data.ToArray(), Is.EqualTo(IdxFiles.Noise(50_000)));
        Assert.That(Names(folder.File("new/folder")), Is.EqualTo((string[])["first.gz", "second.gz"]));
    }

    [Test]
    public async Task Files_that_are_there_are_not_fetched_again()
    {
        using var folder = new TemporaryFolder();
        using FileServer server = Serve();
        File.WriteAllText(folder.File("first"), "mine");

        await DatasetDownload.FetchAsync(s_files, folder.Path, [server.Address]);

        Assert.That(server.Requests, Is.EqualTo((string[])["second.gz"]));
        Assert.That(File.ReadAllText(folder.File("first")), Is.EqualTo("mine"));
    }

    [Test]
    public async Task A_mirror_that_lacks_or_spoils_a_file_is_passed_over()
    {
        using var folder = new TemporaryFolder();
        using FileServer spoiled = Serve();
        using FileServer good = Serve();
        spoiled.Files.TryRemove("second.gz", out _);
        spoiled.Files["first.gz"] = IdxFiles.Compress(s_second);

        await DatasetDownload.FetchAsync(s_files, folder.Path, [spoiled.Address, good.Address]);

        Assert.That(Names(folder.Path), Is.EqualTo((string[])["first.gz", "second.gz"]));
        Assert.That(IdxFile.Read(folder.File("first.gz"), 1).Data.Length, Is.EqualTo(50_000));
    }

    private static IEnumerable<TestCaseData> SpoiledAnswers()
    {
        byte[] flipped = [.. s_first];
        flipped[1000] ^= 1;
        byte[] broken = IdxFiles.Compress(s_first);
        broken[broken.Length / 2] ^= 0x55;
        yield return new TestCaseData(IdxFiles.Compress(flipped), null, "MD5").SetArgDisplayNames("other content");
        yield return new TestCaseData(IdxFiles.Compress(s_first[..^1]), null, "MD5").SetArgDisplayNames("shorter content");
        yield return new TestCaseData(IdxFiles.Compress([.. s_first, 0]), null, "more than").SetArgDisplayNames("longer content");
        yield return new TestCaseData(IdxFiles.Noise(1_000_000), null, "longer than").SetArgDisplayNames("far too long");
        yield return new TestCaseData(broken, null, "127.0.0.1").SetArgDisplayNames("damaged compression");
        yield return new TestCaseData(IdxFiles.Compress(s_first)[..^8], null, "CRC-32").SetArgDisplayNames("no gzip trailer");
        yield return new TestCaseData((byte[])[.. IdxFiles.Compress(s_first), 0], null, "CRC-32").SetArgDisplayNames("longer file");
        yield return new TestCaseData("<html>sign in</html>"u8.ToArray(), null, "127.0.0.1").SetArgDisplayNames("a web page");
        yield return new TestCaseData(IdxFiles.Compress(s_first), 20_000, "127.0.0.1").SetArgDisplayNames("connection cut");
        yield return new TestCaseData(null, null, "404").SetArgDisplayNames("not found");
    }

    [TestCaseSource(nameof(SpoiledAnswers))]
    public void A_spoiled_answer_leaves_nothing_and_is_explained(byte[]? answer, int? cutAfter, string reason)
    {
        using var folder = new TemporaryFolder();
        using FileServer server = Serve();
        server.CutAfter = cutAfter;
        server.Files.TryRemove("first.gz", out _);
        if (answer is not null)
        {
            server.Files["first.gz"] = answer;
        }

        IOException exception = Assert.ThrowsAsync<IOException>(() => DatasetDownload.FetchAsync(s_files, folder.Path, [server.Address]))!;

        Assert.That(exception.Message, Does.Contain("first.gz could not be fetched").And.Contains(server.Address.AbsoluteUri).And.Contains(reason));
        Assert.That(Names(folder.Path), Is.Empty);
    }

    [Test]
    public void A_server_that_is_not_there_is_named()
    {
        using var folder = new TemporaryFolder();
        FileServer server = Serve();
        server.Dispose();

        IOException exception = Assert.ThrowsAsync<IOException>(() => DatasetDownload.FetchAsync(s_files, folder.Path, [server.Address]))!;

        Assert.That(exception.Message, Does.Contain(server.Address.AbsoluteUri));
    }

    [Test]
    public void A_cancelled_download_leaves_nothing()
    {
        using var folder = new TemporaryFolder();
        using FileServer server = Serve();
        using var source = new CancellationTokenSource();
        source.Cancel();

        Assert.CatchAsync<OperationCanceledException>(
            () => DatasetDownload.FetchAsync(s_files, folder.Path, [server.Address], cancellationToken: source.Token));

        Assert.That(Names(folder.Path), Is.Empty);
    }

    [Test]
    public async Task The_real_files_match_the_published_checksums()
    {
        string source = IdxFiles.RequireMnist();
        using var folder = new TemporaryFolder();
        using var server = new FileServer();
        foreach (DatasetFile file in Mnist.Files)
        {
            string path = DatasetDownload.Locate(source, file)!;
            byte[] content = File.ReadAllBytes(path);
            server.Files[file.Name + ".gz"] = path.EndsWith(".gz", StringComparison.Ordinal) ? content : IdxFiles.Compress(content);
        }

        await Mnist.DownloadAsync(folder.Path, [server.Address]);

        Assert.That(Mnist.MissingMessage(folder.Path), Is.Null);
        Assert.That(Mnist.Load(folder.Path, DataSplit.Test).Count, Is.EqualTo(10_000));
    }

    [SuppressMessage("Security", "CA5351:Do Not Use Broken Cryptographic Algorithms", Justification = "What the publishers of data sets give.")]
    private static DatasetFile Describe(string name, byte[] content) =>
        new(name, content.Length, Convert.ToHexStringLower(MD5.HashData(content)));

    private static FileServer Serve()
    {
        var server = new FileServer();
        server.Files["first.gz"] = IdxFiles.Compress(s_first);
        server.Files["second.gz"] = IdxFiles.Compress(s_second);
        return server;
    }

    private static string[] Names(string folder) => [.. Directory.EnumerateFileSystemEntries(folder).Select(path => Path.GetFileName(path)).Order()];
}
