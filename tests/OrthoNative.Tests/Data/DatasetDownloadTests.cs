using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net.Sockets;
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
        yield return new TestCaseData((byte[])[.. IdxFiles.Compress(s_first), 1], null, "gzip member").SetArgDisplayNames("longer file");
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

    private static IEnumerable<TestCaseData> FailingServers()
    {
        static TestCaseData Case(string name, string reason, Func<Socket, Task> answer) =>
            new TestCaseData((Func<string, Socket, Task>)((_, connection) => answer(connection)), reason).SetArgDisplayNames(name);
        static async Task SendAllAsync(Socket connection, string text, byte[] bytes)
        {
            await ScriptedServer.SendAsync(connection, text);
            await ScriptedServer.SendAsync(connection, bytes);
        }

        byte[] right = IdxFiles.Compress(s_first);
        string whole = $"HTTP/1.1 200 OK\r\nContent-Length: {right.Length}\r\n\r\n";
        yield return Case("reset at once", "127.0.0.1", connection =>
        {
            ScriptedServer.Reset(connection);
            return Task.CompletedTask;
        });
        yield return Case("reset in the middle of the file", "127.0.0.1", async connection =>
        {
            await SendAllAsync(connection, whole, right[..20_000]);
            ScriptedServer.Reset(connection);
        });
        yield return Case("reset in the headers", "127.0.0.1", async connection =>
        {
            await ScriptedServer.SendAsync(connection, whole[..30]);
            ScriptedServer.Reset(connection);
        });
        yield return Case("closed in the middle of the file", "127.0.0.1", connection => SendAllAsync(connection, whole, right[..20_000]));
        yield return Case("shorter in chunks", "127.0.0.1", connection => SendAllAsync(connection, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4000\r\n", right[..0x4000]));
        yield return Case("chunks of no size", "127.0.0.1", connection => ScriptedServer.SendAsync(connection, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"));
        yield return Case("another length than announced", "127.0.0.1", connection => SendAllAsync(connection, whole.Replace(right.Length.ToString(CultureInfo.InvariantCulture), "100", StringComparison.Ordinal), right));
        yield return Case("a length beyond all memory", "9223372036854775807 bytes announced", connection => ScriptedServer.SendAsync(connection, "HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\n"));
        yield return Case("a length beyond all numbers", "127.0.0.1", connection => ScriptedServer.SendAsync(connection, "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n"));
        yield return Case("a bomb", "more than", connection =>
        {
            byte[] bomb = IdxFiles.Compress(new byte[10_000_000]);
            return SendAllAsync(connection, $"HTTP/1.1 200 OK\r\nContent-Length: {bomb.Length}\r\n\r\n", bomb);
        });
        yield return Case("an error of the server", "503 Busy", connection => ScriptedServer.SendAsync(connection, "HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"));
        yield return Case("another protocol", "127.0.0.1", connection => ScriptedServer.SendAsync(connection, "SSH-2.0-OpenSSH_9.2\r\n"));
        yield return Case("headers without end", "127.0.0.1", async connection =>
        {
            await ScriptedServer.SendAsync(connection, "HTTP/1.1 200 OK\r\n");
            while (true)
            {
                await ScriptedServer.SendAsync(connection, $"X: {new string('x', 1000)}\r\n");
            }
        });
        yield return Case("a circle", "redirects more than 5 times", connection => ScriptedServer.SendAsync(connection, "HTTP/1.1 302 Found\r\nLocation: first.gz\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"));
        foreach (string location in (string[])["file:///etc/passwd", "ftp://127.0.0.1/first.gz", "gopher://127.0.0.1/", "data:,x", "ws://127.0.0.1/"])
        {
            yield return Case($"redirection to {location}", "only redirections to http or https", connection =>
                ScriptedServer.SendAsync(connection, $"HTTP/1.1 301 Moved\r\nLocation: {location}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"));
        }

        yield return Case("redirection to nowhere", "127.0.0.1", connection => ScriptedServer.SendAsync(connection, "HTTP/1.1 302 Found\r\nLocation: http://[\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"));
        yield return Case("redirection without a place", "302", connection => ScriptedServer.SendAsync(connection, "HTTP/1.1 302 Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"));
    }

    [TestCaseSource(nameof(FailingServers))]
    public async Task After_a_mirror_that_fails_in_any_way_the_next_one_is_asked(Func<string, Socket, Task> answer, string reason)
    {
        using var folder = new TemporaryFolder();
        using var failing = new ScriptedServer(answer);
        using FileServer good = Serve();

        IOException exception = Assert.ThrowsAsync<IOException>(() => DatasetDownload.FetchAsync(s_files, folder.Path, [failing.Address]))!;
        Assert.That(exception.Message, Does.StartWith("first.gz could not be fetched: ").And.Contains(failing.Address.AbsoluteUri).And.Contains(reason));
        Assert.That(Names(folder.Path), Is.Empty);

        await DatasetDownload.FetchAsync(s_files, folder.Path, [failing.Address, good.Address]);
        Assert.That(Names(folder.Path), Is.EqualTo((string[])["first.gz", "second.gz"]));
        Assert.That(failing.Requests, Is.LessThanOrEqualTo(3 * 6));
    }

    [Test]
    public async Task Mirrors_that_no_connection_leads_to_are_passed_over()
    {
        using var folder = new TemporaryFolder();
        using FileServer good = Serve();
        FileServer gone = Serve();
        gone.Dispose();
        using var plain = new ScriptedServer((_, connection) => ScriptedServer.SendAsync(connection, "HTTP/1.1 400 Bad\r\n\r\n"));

        // A name that does not resolve, a port that is closed, a server that does not speak TLS.
        Uri[] mirrors = [new("http://mirror.invalid/"), gone.Address, new($"https://127.0.0.1:{plain.Address.Port}/"), good.Address];
        await DatasetDownload.FetchAsync(s_files, folder.Path, mirrors);

        Assert.That(Names(folder.Path), Is.EqualTo((string[])["first.gz", "second.gz"]));
    }

    [Test]
    public async Task Redirections_are_followed()
    {
        using var folder = new TemporaryFolder();
        using FileServer good = Serve();
        using var moved = new ScriptedServer((path, connection) => ScriptedServer.SendAsync(connection, path.StartsWith("/files/", StringComparison.Ordinal)
            ? $"HTTP/1.1 308 Moved\r\nLocation: /other/{Path.GetFileName(path)}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
            : $"HTTP/1.1 302 Found\r\nLocation: {good.Address}/{Path.GetFileName(path)}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"));

        await DatasetDownload.FetchAsync(s_files, folder.Path, [moved.Address]);

        Assert.That(Names(folder.Path), Is.EqualTo((string[])["first.gz", "second.gz"]));
    }

    [TestCase("")]
    [TestCase("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")]
    public async Task A_server_that_drips_is_given_up_after_the_time_in_which_progress_is_due(string head)
    {
        using var folder = new TemporaryFolder();
        using FileServer good = Serve();
        var clock = new ManualClock();
        int sent = 0;
        byte[] drip = IdxFiles.Compress(s_first);
        using var server = new ScriptedServer(async (_, connection) =>
        {
            await ScriptedServer.SendAsync(connection, head);
            string headers = "HTTP/1.1 200 OK\r\nX: " + new string('x', 10_000);
            while (true)
            {
                await ScriptedServer.SendAsync(connection, head.Length > 0 ? new[] { drip[sent % drip.Length] } : [(byte)headers[sent % headers.Length]]);
                sent++;

                // Each byte takes five seconds, and the client some real time to notice.
                clock.Advance(TimeSpan.FromSeconds(5));
                await Task.Delay(1);
            }
        });

        await DatasetDownload.FetchWithinAsync([s_files[0]], folder.Path, [server.Address, good.Address], DownloadLimits.Default with { Clock = clock });

        Assert.That(good.Requests, Is.EqualTo((string[])["first.gz"]));
        Assert.That(Names(folder.Path), Is.EqualTo((string[])["first.gz"]));
    }

    [Test]
    public async Task A_server_that_is_slow_but_makes_progress_is_waited_for()
    {
        using var folder = new TemporaryFolder();
        var clock = new ManualClock();
        byte[] content = IdxFiles.Content(IdxFiles.Noise(500_000), 500_000);
        byte[] compressed = IdxFiles.Compress(content);
        var limits = DownloadLimits.Default with { Clock = clock };
        using var server = new ScriptedServer(async (_, connection) =>
        {
            await ScriptedServer.SendAsync(connection, $"HTTP/1.1 200 OK\r\nContent-Length: {compressed.Length}\r\n\r\n");
            for (int sent = 0; sent < compressed.Length;)
            {
                int part = Math.Min((int)limits.MinimumBytes, compressed.Length - sent);
                await ScriptedServer.SendAsync(connection, compressed.AsMemory(sent, part));
                sent += part;

                // Time passes once the client has it.
                while (sent < compressed.Length && !Directory.EnumerateFiles(folder.Path).Any(file => new FileInfo(file).Length >= sent))
                {
                    await Task.Delay(1);
                }

                // What the client counts after it has written.
                await Task.Delay(50);
                clock.Advance(limits.Patience - TimeSpan.FromSeconds(1));
            }
        });

        await DatasetDownload.FetchWithinAsync([Describe("slow", content)], folder.Path, [server.Address], limits);

        Assert.That(clock.GetTimestamp(), Is.GreaterThan(3 * limits.Patience.Ticks));
        Assert.That(Names(folder.Path), Is.EqualTo((string[])["slow.gz"]));
    }

    [Test]
    public void A_folder_that_cannot_be_written_is_not_a_fault_of_the_mirrors()
    {
        using var folder = new TemporaryFolder();
        using FileServer server = Serve();
        Directory.CreateDirectory(folder.File("first.gz"));

        Assert.ThrowsAsync<UnauthorizedAccessException>(() => DatasetDownload.FetchAsync(s_files, folder.Path, [server.Address, server.Address]));
        Assert.That(server.Requests, Is.Empty);
    }

    [TestCase("ftp://127.0.0.1/")]
    [TestCase("file:///tmp/")]
    [TestCase("relative")]
    [TestCase(null)]
    public async Task Mirrors_of_other_protocols_are_refused_where_they_are_given(string? address)
    {
        using var folder = new TemporaryFolder();
        Uri mirror = address is null ? null! : new Uri(address, UriKind.RelativeOrAbsolute);

        await Assert.ThatAsync(
            () => DatasetDownload.FetchAsync(s_files, folder.Path, [new Uri("http://127.0.0.1/"), mirror]),
            Throws.ArgumentException.With.Property("ParamName").EqualTo("mirrors").And.Message.StartsWith("mirrors[1] is ").And.Message.Contains("it must be an http or https address"));
    }

    [Test]
    public void What_a_server_says_reaches_messages_escaped_and_cut()
    {
        using var folder = new TemporaryFolder();
        using var server = new ScriptedServer((_, connection) =>
            ScriptedServer.SendAsync(connection, $"HTTP/1.1 500 \u001b[31m\u009b2J{new string('x', 20_000)}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"));

        IOException exception = Assert.ThrowsAsync<IOException>(() => DatasetDownload.FetchAsync(s_files, folder.Path, [.. Enumerable.Repeat(server.Address, 100)]))!;

        Assert.That(exception.Message.Any(char.IsControl), Is.False);
        Assert.That(exception.Message.Length, Is.LessThan(5000));
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
