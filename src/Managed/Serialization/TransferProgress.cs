namespace OrthoNative;

/// <summary>Reports how much of a file is copied, and ends the copying where that is asked for.</summary>
/// <param name="bytes">Number of bytes to copy.</param>
/// <param name="progress">Told the part of them that is copied, up to 1; null: nobody.</param>
/// <param name="cancellationToken">Ends the copying.</param>
internal struct TransferProgress(long bytes, IProgress<double>? progress, CancellationToken cancellationToken)
{
    private long _copied;

    /// <summary>Goes on unless cancellation was asked for.</summary>
    /// <exception cref="OperationCanceledException">It was.</exception>
    public readonly void ThrowIfCancelled() => cancellationToken.ThrowIfCancellationRequested();

    /// <summary>More bytes are copied; not the last ones, which <see cref="Complete"/> reports.</summary>
    public void Add(long count)
    {
        _copied += count;
        if (_copied < bytes)
        {
            progress?.Report((double)_copied / bytes);
        }
    }

    /// <summary>
    /// All bytes are copied, and nothing that they replace has changed yet: the last call into the caller's code, and the last one that ends the operation.
    /// </summary>
    /// <exception cref="OperationCanceledException">Cancellation was asked for.</exception>
    public readonly void Complete()
    {
        progress?.Report(1);
        ThrowIfCancelled();
    }
}
