using System.Diagnostics.CodeAnalysis;
using System.IO.Compression;
using System.Security.Cryptography;

namespace OrthoNative;

/// <summary>Fetches the files of a data set from the first mirror that delivers them undamaged.</summary>
public static class DatasetDownload
{
    /// <summary>A server that sends nothing for so long is given up.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <summary>Fetches each file as <c>mirror/Name.gz</c> into <paramref name="directory"/>.</summary>
    /// <param name="files">The files; those already in the directory, plain or as <c>.gz</c>, are left as they are.</param>
    /// <param name="directory">Made if absent.</param>
    /// <param name="mirrors">Addresses of folders that hold the files, tried in this order for each file.</param>
    /// <param name="progress">Told the address of each file before it is asked for; null: nobody is told.</param>
    /// <param name="cancellationToken">Ends the work; a file is either there whole or not at all.</param>
    /// <exception cref="IOException">
    /// No mirror delivered one of the files with the right length and checksum, with each mirror's reason; or the
    /// directory cannot be written.
    /// </exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static async Task FetchAsync(
        IReadOnlyList<DatasetFile> files,
        string directory,
        IReadOnlyList<Uri> mirrors,
        IProgress<Uri>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(files);
        ArgumentException.ThrowIfNullOrEmpty(directory);
        ArgumentNullException.ThrowIfNull(mirrors);
        if (mirrors.Count == 0)
        {
            throw new ArgumentException("mirrors is empty; at least one address is needed.", nameof(mirrors));
        }

        Directory.CreateDirectory(directory);
        using var handler = new SocketsHttpHandler { ConnectTimeout = Patience };
        using var client = new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan };
        foreach (DatasetFile file in files)
        {
            if (Locate(directory, file) is null)
            {
                await FetchFromAnyAsync(client, file, directory, mirrors, progress, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Path of a file in a directory, plain or as <c>.gz</c>; null if neither is there.</summary>
    internal static string? Locate(string directory, DatasetFile file)
    {
        string plain = Path.Combine(directory, file.Name);
        return File.Exists(plain) ? plain : File.Exists(plain + ".gz") ? plain + ".gz" : null;
    }

    private static async Task FetchFromAnyAsync(
        HttpClient client,
        DatasetFile file,
        string directory,
        IReadOnlyList<Uri> mirrors,
        IProgress<Uri>? progress,
        CancellationToken cancellationToken)
    {
        var reasons = new List<string>();
        foreach (Uri mirror in mirrors)
        {
            var address = new Uri(new Uri(mirror.AbsoluteUri.TrimEnd('/') + "/"), file.Name + ".gz");
            progress?.Report(address);
            string target = Path.Combine(directory, file.Name + ".gz");
            string temporary = $"{target}.{Environment.ProcessId}.part";
            try
            {
                await FetchAsync(client, address, temporary, file.Bytes, cancellationToken).ConfigureAwait(false);
                await VerifyAsync(temporary, file, cancellationToken).ConfigureAwait(false);
                File.Move(temporary, target, overwrite: true);
                return;
            }
            catch (Exception exception) when (exception is HttpRequestException or HttpIOException or InvalidDataException
                || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested))
            {
                string reason = exception is OperationCanceledException
                    ? $"sent nothing for {Patience.TotalSeconds:0} seconds"
                    : exception.Message.TrimEnd('.');
                reasons.Add($"{address}: {reason}");
            }
            finally
            {
                File.Delete(temporary);
            }
        }

        throw new IOException($"{file.Name}.gz could not be fetched: {string.Join("; ", reasons)}.");
    }

    private static async Task FetchAsync(
        HttpClient client, Uri address, string path, long uncompressedBytes, CancellationToken cancellationToken)
    {
        using var stall = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        stall.CancelAfter(Patience);
        using HttpResponseMessage response =
            await client.GetAsync(address, HttpCompletionOption.ResponseHeadersRead, stall.Token).ConfigureAwait(false);
        if (!response.IsSuccessStatusCode)
        {
            throw new HttpRequestException($"the server answered {(int)response.StatusCode} {response.ReasonPhrase}");
        }

        await using Stream source = await response.Content.ReadAsStreamAsync(stall.Token).ConfigureAwait(false);
        await using var target = new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.None);
        // Deflate adds at most a few bytes per block to data that it cannot shrink.
        long remaining = uncompressedBytes + (uncompressedBytes / 100) + 4096;
        byte[] buffer = new byte[1 << 16];
        int read;
        while ((read = await source.ReadAsync(buffer, stall.Token).ConfigureAwait(false)) > 0)
        {
            stall.CancelAfter(Patience);
            remaining -= read;
            if (remaining < 0)
            {
                throw new InvalidDataException($"longer than {uncompressedBytes} bytes can be when compressed");
            }

            await target.WriteAsync(buffer.AsMemory(0, read), cancellationToken).ConfigureAwait(false);
        }
    }

    [SuppressMessage(
        "Security",
        "CA5351:Do Not Use Broken Cryptographic Algorithms",
        Justification = "MD5 is what the data's publishers give; it finds damage, it does not prove who sent it.")]
    private static async Task VerifyAsync(string path, DatasetFile file, CancellationToken cancellationToken)
    {
        await using var compressed = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read);
        var trailer = new GzipTrailer(compressed);
        await using var content = new GZipStream(compressed, CompressionMode.Decompress);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.MD5);
        byte[] buffer = new byte[1 << 16];
        long length = 0;
        int read;
        while ((read = await content.ReadAsync(buffer, cancellationToken).ConfigureAwait(false)) > 0)
        {
            length += read;
            if (length > file.Bytes)
            {
                throw new InvalidDataException($"more than {file.Bytes} bytes uncompressed, {file.Bytes} expected");
            }

            hash.AppendData(buffer, 0, read);
            trailer.Append(buffer.AsSpan(0, read));
        }

        string actual = Convert.ToHexString(hash.GetHashAndReset()).ToLowerInvariant();
        if (length != file.Bytes || !actual.Equals(file.Md5, StringComparison.OrdinalIgnoreCase))
        {
            throw new InvalidDataException(
                $"{length} bytes with MD5 {actual} uncompressed, {file.Bytes} bytes with MD5 {file.Md5} expected");
        }

        // Otherwise what is stored here would be refused when it is read.
        if (trailer.FindMismatch() is { } mismatch)
        {
            throw new InvalidDataException($"{mismatch.Found}, {mismatch.Expected} expected");
        }
    }
}
