using System.Runtime.ExceptionServices;

namespace OrthoNative;

/// <summary>The batches of an epoch, read ahead on a thread of the thread pool.</summary>
/// <remarks>
/// Batches lie in a ring. The one that is handed out stays as it is until the next one is asked for. The reader runs while there is room in the ring, and is no thread that waits
/// for more: so a loader that nobody disposes of leaves none behind. Where the reader has not come to run, who asks for a batch reads it, so a busy thread pool delays nothing.
/// </remarks>
internal sealed class PrefetchedBatches : IThreadPoolWorkItem, IDisposable
{
    private readonly Action<long, Batch> _read;
    private readonly long _fullBatches;
    private readonly long _batches;
    private readonly Batch?[] _ring;
    private readonly Batch? _rest;

    /// <summary>Guards all that follows. Who has <see cref="_isReading"/> reads without it.</summary>
    private readonly object _lock = new();

    /// <summary>The next batch to be read; those before it, back to the one that was taken last, lie in the ring.</summary>
    private long _next;

    /// <summary>The batch that was taken last.</summary>
    private long _taken;

    /// <summary>The first batch that there is no room for.</summary>
    private long _limit;

    private bool _isReading;

    /// <summary>True: the reader was called for, and has not begun.</summary>
    private bool _isQueued;

    /// <summary>What went wrong with the batch <see cref="_next"/>.</summary>
    private ExceptionDispatchInfo? _failure;

    /// <summary>Takes the memory.</summary>
    /// <param name="createFull">Creates a full batch; null if there is none.</param>
    /// <param name="createRest">Creates the smaller one behind them; null if there is none.</param>
    /// <param name="count">Batches to read ahead, at least 1.</param>
    /// <param name="fullBatches">Full batches in an epoch.</param>
    /// <param name="batches">Batches in an epoch.</param>
    /// <param name="read">Given a batch's number in the epoch, reads it.</param>
    public PrefetchedBatches(Func<Batch?> createFull, Func<Batch?> createRest, int count, long fullBatches, long batches, Action<long, Batch> read)
    {
        _read = read;
        _fullBatches = fullBatches;
        _batches = batches;
        _ring = new Batch?[count + 1];
        try
        {
            _rest = createRest();
            for (int i = 0; i < _ring.Length; i++)
            {
                _ring[i] = createFull();
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Forgets what was read ahead, once nothing is being read any more: another epoch begins.</summary>
    public void Reset()
    {
        lock (_lock)
        {
            Restart(0);
        }
    }

    /// <summary>Waits until nothing is read, and lets nothing be read until a batch is asked for.</summary>
    public void Pause()
    {
        lock (_lock)
        {
            Restart(_next);
        }
    }

    /// <summary>Hands out a batch, once it is read.</summary>
    /// <param name="index">Number in the epoch; above that of the batch before.</param>
    public Batch Take(long index)
    {
        lock (_lock)
        {
            if (index > _next || index < _taken)
            {
                // Batches were skipped, or an older enumerator goes on: this one is none of those that lie in the ring.
                Restart(index);
            }

            _taken = index;

            // The batch before it is not needed any more.
            _limit = Math.Min(index + _ring.Length, _batches);
            while (_next == index)
            {
                if (_isReading)
                {
                    Monitor.Wait(_lock);
                }
                else if (_failure is { } failure)
                {
                    _failure = null;
                    failure.Throw();
                }
                else
                {
                    ReadNext();
                }
            }

            if (_next < _limit && !_isReading && !_isQueued && _failure is null)
            {
                _isQueued = true;
                ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
            }
        }

        return BatchOf(index);
    }

    /// <summary>Reads until the ring is full.</summary>
    void IThreadPoolWorkItem.Execute()
    {
        lock (_lock)
        {
            _isQueued = false;
            while (_next < _limit && !_isReading && _failure is null)
            {
                ReadNext();
            }
        }
    }

    /// <summary>Ends reading, and frees the memory.</summary>
    public void Dispose()
    {
        Reset();
        foreach (Batch? batch in _ring)
        {
            batch?.Release();
        }

        _rest?.Release();
    }

    /// <summary>Waits until nothing is read, and lets nothing be read until the next call of <see cref="Take"/>.</summary>
    private void Restart(long index)
    {
        _limit = 0;
        while (_isReading)
        {
            Monitor.Wait(_lock);
        }

        _next = _taken = index;
        _failure = null;
    }

    /// <summary>Reads a batch without the lock, which the caller has.</summary>
    private void ReadNext()
    {
        long index = _next;
        _isReading = true;
        Monitor.Exit(_lock);
        ExceptionDispatchInfo? failure = null;
        try
        {
            _read(index, BatchOf(index));
        }
        catch (Exception exception)
        {
            failure = ExceptionDispatchInfo.Capture(exception);
        }
        finally
        {
            Monitor.Enter(_lock);
            _isReading = false;
            _failure = failure;
            if (failure is null)
            {
                _next = index + 1;
            }

            Monitor.PulseAll(_lock);
        }
    }

    private Batch BatchOf(long index) => index < _fullBatches ? _ring[index % _ring.Length]! : _rest!;
}
