using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Fetches the files of a data set from the first mirror that delivers them undamaged.</summary>
public static class DatasetDownload
{
    /// <summary>The most characters of a mirror's reason.</summary>
    private const int MaximumReason = 300;

    /// <summary>Fetches each file as <c>mirror/Name.gz</c> into <paramref name="directory"/>.</summary>
    /// <param name="files">The files; those already in the directory, plain or as <c>.gz</c>, are left as they are.</param>
    /// <param name="directory">Made if absent.</param>
    /// <param name="mirrors">
    /// Addresses of folders that hold the files, http or https, tried in this order for each file. One is passed over if it cannot be reached, answers
    /// with an error, breaks off, sends other content, takes 30 seconds to answer or sends less than 64 KiB in 30 seconds, or redirects more than
    /// five times, to another protocol, or from https to http.
    /// </param>
    /// <param name="progress">Told the address of each file before it is asked for; null: nobody is told.</param>
    /// <param name="cancellationToken">Ends the work; a file is either there whole or not at all.</param>
    /// <exception cref="ArgumentException">The directory is empty or has a null character, or there is no mirror or one of another protocol.</exception>
    /// <exception cref="IOException">
    /// No mirror delivered one of the files with the right length and checksum, with each mirror's reason; or the
    /// directory cannot be written.
    /// </exception>
    /// <exception cref="UnauthorizedAccessException">The directory may not be written.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static Task FetchAsync(
        IReadOnlyList<DatasetFile> files,
        string directory,
        IReadOnlyList<Uri> mirrors,
        IProgress<Uri>? progress = null,
        CancellationToken cancellationToken = default) =>
        FetchWithinAsync(files, directory, mirrors, DownloadLimits.Default, progress, cancellationToken);

    /// <summary>The work of <see cref="FetchAsync"/>, within given limits.</summary>
    internal static async Task FetchWithinAsync(
        IReadOnlyList<DatasetFile> files,
        string directory,
        IReadOnlyList<Uri> mirrors,
        DownloadLimits limits,
        IProgress<Uri>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(files);
        ArgumentException.ThrowIfNullOrEmpty(directory);
        ArgumentNullException.ThrowIfNull(mirrors);
        if (mirrors.Count == 0)
        {
            throw new ArgumentException("mirrors is empty; at least one is required.", nameof(mirrors));
        }

        for (int i = 0; i < mirrors.Count; i++)
        {
            if (mirrors[i] is not { IsAbsoluteUri: true } mirror || !IsWeb(mirror))
            {
                throw new ArgumentException($"mirrors[{i}] is {(mirrors[i] is null ? "null" : $"'{ForeignText.CleanPath(mirrors[i].OriginalString)}'")}; it must be an http or https address.", nameof(mirrors));
            }
        }

        Directory.CreateDirectory(directory);
        // Redirections are followed here, where their protocol is known. What is left of an answer is not waited for.
        using var handler = new SocketsHttpHandler { AllowAutoRedirect = false, ConnectTimeout = limits.Patience, MaxResponseDrainSize = 0 };
        using var client = new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan };
        foreach (DatasetFile file in files)
        {
            if (Locate(directory, file) is null)
            {
                await FetchFromAnyAsync(client, file, directory, mirrors, limits, progress, cancellationToken).ConfigureAwait(false);
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
        DownloadLimits limits,
        IProgress<Uri>? progress,
        CancellationToken cancellationToken)
    {
        var reasons = new List<string>();
        foreach (Uri mirror in mirrors)
        {
            var address = new Uri(new Uri(mirror.AbsoluteUri.TrimEnd('/') + "/"), file.Name + ".gz");
            progress?.Report(address);
            using FileReplacement target = FileReplacement.Begin(Path.Combine(directory, file.Name + ".gz"));
            try
            {
                await DownloadAsync(client, address, target.Stream, file.Bytes, limits, cancellationToken).ConfigureAwait(false);
                Verify(target.Stream, file, cancellationToken);
            }
            catch (MirrorException exception)
            {
                reasons.Add($"{ForeignText.CleanPath(address.AbsoluteUri)}: {ForeignText.Clean(exception.Message.TrimEnd('.'), MaximumReason)}");
                continue;
            }

            target.Commit();
            return;
        }

        const int Shown = 8;
        string more = reasons.Count > Shown ? string.Create(CultureInfo.InvariantCulture, $"; and {reasons.Count - Shown} more") : "";
        throw new IOException($"{ForeignText.Clean(file.Name)}.gz could not be fetched: {string.Join("; ", reasons.Take(Shown))}{more}.");
    }

    private static async Task DownloadAsync(
        HttpClient client, Uri address, Stream target, long uncompressedBytes, DownloadLimits limits, CancellationToken cancellationToken)
    {
        // Deflate adds at most a few bytes per block to data that it cannot shrink.
        long remaining = uncompressedBytes + (uncompressedBytes / 100) + 4096;
        using var patience = new CancellationTokenSource(limits.Patience, limits.Clock);
        using var stall = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, patience.Token);
        using HttpResponseMessage response = await FromMirrorAsync(() => GetAsync(client, address, limits.Redirections, stall.Token)).ConfigureAwait(false);
        if (response.Content.Headers.ContentLength > remaining)
        {
            throw new MirrorException(string.Create(CultureInfo.InvariantCulture, $"{response.Content.Headers.ContentLength} bytes announced, longer than {uncompressedBytes} bytes can be when compressed"));
        }

        Stream source = await FromMirrorAsync(() => response.Content.ReadAsStreamAsync(stall.Token)).ConfigureAwait(false);
        await using (source.ConfigureAwait(false))
        {
            byte[] buffer = new byte[1 << 16];
            long progress = 0;
            int read;
            while ((read = await FromMirrorAsync(() => source.ReadAsync(buffer, stall.Token).AsTask()).ConfigureAwait(false)) > 0)
            {
                remaining -= read;
                if (remaining < 0)
                {
                    throw new MirrorException(string.Create(CultureInfo.InvariantCulture, $"longer than {uncompressedBytes} bytes can be when compressed"));
                }

                await target.WriteAsync(buffer.AsMemory(0, read), cancellationToken).ConfigureAwait(false);
                progress += read;
                if (progress >= limits.MinimumBytes)
                {
                    progress = 0;
                    patience.CancelAfter(limits.Patience);
                }
            }
        }

        async Task<T> FromMirrorAsync<T>(Func<Task<T>> work)
        {
            try
            {
                return await work().ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                throw new MirrorException(string.Create(
                    CultureInfo.InvariantCulture, $"no answer, or less than {limits.MinimumBytes} bytes, in {limits.Patience.TotalSeconds:0} seconds"));
            }
            catch (Exception exception) when (exception is not (OperationCanceledException or MirrorException or OutOfMemoryException))
            {
                // The network fails in many ways, not all of which are documented. The innermost one says most.
                throw new MirrorException(exception.InnerException is SocketException or AuthenticationException ? $"{exception.Message.TrimEnd('.')} ({exception.InnerException.Message})" : exception.Message);
            }
        }
    }

    /// <summary>The answer to a request, wherever the server sends it to.</summary>
    private static async Task<HttpResponseMessage> GetAsync(HttpClient client, Uri address, int redirections, CancellationToken cancellationToken)
    {
        for (int redirection = 0; ; redirection++)
        {
            HttpResponseMessage response = await client.GetAsync(address, HttpCompletionOption.ResponseHeadersRead, cancellationToken).ConfigureAwait(false);
            if (response.IsSuccessStatusCode)
            {
                return response;
            }

            using (response)
            {
                if ((int)response.StatusCode is not (301 or 302 or 303 or 307 or 308) || response.Headers.Location is not { } location)
                {
                    throw new MirrorException($"the server answered {(int)response.StatusCode} {ForeignText.Clean(response.ReasonPhrase)}");
                }

                var next = new Uri(address, location);
                if (!IsWeb(next) || (address.Scheme == Uri.UriSchemeHttps && next.Scheme != Uri.UriSchemeHttps))
                {
                    throw new MirrorException($"the server redirects from {address.Scheme} to '{ForeignText.Clean(next.AbsoluteUri)}'; only redirections to http or https, and from https to https, are followed");
                }

                if (redirection == redirections)
                {
                    throw new MirrorException(string.Create(CultureInfo.InvariantCulture, $"the server redirects more than {redirections} times"));
                }

                address = next;
            }
        }
    }

    private static bool IsWeb(Uri address) => address.Scheme == Uri.UriSchemeHttp || address.Scheme == Uri.UriSchemeHttps;

    [SuppressMessage(
        "Security",
        "CA5351:Do Not Use Broken Cryptographic Algorithms",
        Justification = "MD5 is what the data's publishers give; it finds damage, it does not prove who sent it.")]
    private static void Verify(Stream compressed, DatasetFile file, CancellationToken cancellationToken)
    {
        compressed.Position = 0;
        using var content = new GzipContent(compressed);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.MD5);
        byte[] buffer = new byte[1 << 16];
        long length = 0;
        int read;
        try
        {
            while ((read = content.Read(buffer)) > 0)
            {
                cancellationToken.ThrowIfCancellationRequested();
                length += read;
                if (length > file.Bytes)
                {
                    throw new MirrorException(string.Create(CultureInfo.InvariantCulture, $"more than {file.Bytes} bytes uncompressed, {file.Bytes} expected"));
                }

                hash.AppendData(buffer, 0, read);
            }
        }
        catch (InvalidDataException exception)
        {
            throw new MirrorException(exception.Message);
        }

        string actual = Convert.ToHexString(hash.GetHashAndReset()).ToLowerInvariant();
        if (length != file.Bytes || !actual.Equals(file.Md5, StringComparison.OrdinalIgnoreCase))
        {
            throw new MirrorException(string.Create(
                CultureInfo.InvariantCulture, $"{length} bytes with MD5 {actual} uncompressed, {file.Bytes} bytes with MD5 {file.Md5} expected"));
        }
    }

    /// <summary>A mirror did not deliver a file, for which the next one is asked.</summary>
    private sealed class MirrorException(string message) : Exception(message);
}
