using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace OrthoNative.Tests.Data;

/// <summary>An HTTP server on this machine that serves what it is given.</summary>
internal sealed class FileServer : IDisposable
{
    private readonly HttpListener _listener = new();

    public FileServer()
    {
        using (var probe = new TcpListener(IPAddress.Loopback, 0))
        {
            probe.Start();
            Address = new Uri($"http://127.0.0.1:{((IPEndPoint)probe.LocalEndpoint).Port}/files");
        }

        _listener.Prefixes.Add(Address.AbsoluteUri + "/");
        _listener.Start();
        _ = ServeAsync();
    }

    /// <summary>Address of the folder of files.</summary>
    public Uri Address { get; }

    /// <summary>Content by name; what is not here is answered with 404.</summary>
    public ConcurrentDictionary<string, byte[]> Files { get; } = new();

    /// <summary>Bytes of each answer after which the connection is cut; null: none is.</summary>
    public int? CutAfter { get; set; }

    /// <summary>Names that were asked for, in this order.</summary>
    public ConcurrentQueue<string> Requests { get; } = new();

    public void Dispose() => _listener.Close();

    private async Task ServeAsync()
    {
        while (_listener.IsListening)
        {
            HttpListenerContext context;
            try
            {
                context = await _listener.GetContextAsync();
            }
            catch (Exception exception) when (exception is HttpListenerException or ObjectDisposedException)
            {
                return;
            }

            string name = Path.GetFileName(context.Request.Url!.AbsolutePath);
            Requests.Enqueue(name);
            if (!Files.TryGetValue(name, out byte[]? content))
            {
                context.Response.StatusCode = 404;
                context.Response.Close();
                continue;
            }

            context.Response.ContentLength64 = content.Length;
            if (CutAfter is { } bytes)
            {
                context.Response.OutputStream.Write(content, 0, bytes);
                context.Response.Abort();
                continue;
            }

            context.Response.Close(content, willBlock: true);
        }
    }
}
