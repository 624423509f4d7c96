namespace OrthoNative;

/// <summary>The limits beyond which a server is given up.</summary>
/// <param name="Patience">Time in which it must answer, and then send at least <paramref name="MinimumBytes"/>, or all that is left, again and again.</param>
/// <param name="MinimumBytes">Bytes that count as progress.</param>
/// <param name="Redirections">Addresses that it may send to, one after another.</param>
/// <param name="Clock">The clock.</param>
internal sealed record DownloadLimits(TimeSpan Patience, long MinimumBytes, int Redirections, TimeProvider Clock)
{
    public static DownloadLimits Default { get; } = new(TimeSpan.FromSeconds(30), 1 << 16, 5, TimeProvider.System);
}
