using System.Net;
using System.Net.Sockets;
using System.Text;

namespace OrthoNative.Tests.Data;

/// <summary>A server on this machine that does with a connection what a test says.</summary>
internal sealed class ScriptedServer : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private int _requests;

    /// <param name="answer">Given the path that is asked for and the connection; what it throws ends the connection.</param>
    public ScriptedServer(Func<string, Socket, Task> answer)
    {
        _listener.Start();
        Address = new Uri($"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}/files");
        _ = ServeAsync(answer);
    }

    /// <summary>Address of the folder of files.</summary>
    public Uri Address { get; }

    /// <summary>Number of requests.</summary>
    public int Requests => Volatile.Read(ref _requests);

    public void Dispose() => _listener.Stop();

    /// <summary>Sends text.</summary>
    public static Task SendAsync(Socket connection, string text) => SendAsync(connection, Encoding.Latin1.GetBytes(text));

    /// <summary>Sends bytes.</summary>
    public static async Task SendAsync(Socket connection, ReadOnlyMemory<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            bytes = bytes[await connection.SendAsync(bytes)..];
        }
    }

    /// <summary>Ends a connection as a crash of the server does.</summary>
    public static void Reset(Socket connection)
    {
        connection.LingerState = new LingerOption(true, 0);
        connection.Close();
    }

    // A client that begins with TLS says no more until it is answered.
    private static bool IsWhole(string request) =>
        request.Contains("\r\n\r\n", StringComparison.Ordinal) || request.StartsWith('\u0016');

    private async Task ServeAsync(Func<string, Socket, Task> answer)
    {
        while (true)
        {
            Socket connection;
            try
            {
                connection = await _listener.AcceptSocketAsync();
            }
            catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
            {
                return;
            }

            _ = Task.Run(async () =>
            {
                using (connection)
                {
                    try
                    {
                        var request = new StringBuilder();
                        byte[] buffer = new byte[4096];
                        int read;
                        while (!IsWhole(request.ToString()) && (read = await connection.ReceiveAsync(buffer)) > 0)
                        {
                            request.Append(Encoding.Latin1.GetString(buffer, 0, read));
                        }

                        Interlocked.Increment(ref _requests);
                        await answer(request.ToString().Split(' ').ElementAtOrDefault(1) ?? "", connection);
                    }
                    catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
                    {
                        // The client has seen enough.
                    }
                }
            });
        }
    }
}
