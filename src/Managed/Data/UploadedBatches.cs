using System.Runtime.ExceptionServices;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>The batches of an epoch on a GPU: while it works on one, the next one is read and on its way to it.</summary>
/// <remarks>
/// Two batches take turns, each with page-locked memory of its own. The one that is handed out stays as it is until the next one is asked
/// for; then it is overwritten, but behind the work on it that the GPU was given meanwhile.
/// </remarks>
internal sealed unsafe class UploadedBatches : IDisposable
{
    private const long None = -1;

    private readonly Action<long, Batch> _prepare;
    private readonly Reader _read;
    private readonly long _fullBatches;
    private readonly long _batches;
    private readonly Slot[] _slots;
    private readonly Batch? _rest;
    private int _turn;
    private long _ahead = None;
    private ExceptionDispatchInfo? _failure;

    /// <summary>Takes the memory.</summary>
    /// <param name="createFull">Creates a full batch; null if there is none.</param>
    /// <param name="createRest">Creates the smaller one behind them; null if there is none.</param>
    /// <param name="fullBatches">Full batches in an epoch.</param>
    /// <param name="batches">Batches in an epoch.</param>
    /// <param name="prepare">Given a batch's number in the epoch, finds its samples and fits the shapes of its tensors to them.</param>
    /// <param name="read">Reads the batch that was prepared last.</param>
    public UploadedBatches(Func<Batch?> createFull, Func<Batch?> createRest, long fullBatches, long batches, Action<long, Batch> prepare, Reader read)
    {
        _prepare = prepare;
        _read = read;
        _fullBatches = fullBatches;
        _batches = batches;
        _slots = new Slot[2];
        try
        {
            _rest = createRest();
            for (int i = 0; i < _slots.Length; i++)
            {
                Batch? full = createFull();
                _slots[i] = new Slot(full);
                _slots[i].Allocate(full ?? _rest!);
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Writes a batch's inputs and values into the host's memory, in the batch's element type, and its classes and weights into the batch.</summary>
    public delegate void Reader(Batch batch, void* inputs, void* values);

    /// <summary>Forgets what was read ahead: another epoch begins.</summary>
    public void Reset()
    {
        _ahead = None;
        _failure = null;
    }

    /// <summary>Hands out a batch, once the one behind it is read and on its way.</summary>
    /// <param name="index">Number in the epoch; one after the other.</param>
    public Batch Take(long index)
    {
        if (_ahead != index)
        {
            ReadAhead(index);
        }

        Slot slot = _slots[_turn];
        ExceptionDispatchInfo? failure = _failure;
        Reset();
        failure?.Throw();
        if (index + 1 < _batches)
        {
            ReadAhead(index + 1);
        }

        slot.Join();
        return BatchOf(slot, index);
    }

    public void Dispose()
    {
        foreach (Slot? slot in _slots)
        {
            slot?.Dispose();
        }

        _rest?.Release();
    }

    /// <summary>Reads a batch and starts its upload. What goes wrong is kept for the call that asks for that batch.</summary>
    private void ReadAhead(long index)
    {
        _turn = 1 - _turn;
        _ahead = index;
        Slot slot = _slots[_turn];
        try
        {
            slot.Wait();
            Batch batch = BatchOf(slot, index);
            _prepare(index, batch);
            if (slot.Inputs is { } staged)
            {
                _read(batch, staged.Data, slot.Values is { } values ? values.Data : null);
            }
            else
            {
                using BufferScope inputs = batch.Inputs.BorrowToWrite();
                _read(batch, inputs.Address, slot.Values is { } values ? values.Data : null);
            }

            slot.Upload(batch);
        }
        catch (Exception exception)
        {
            _failure = ExceptionDispatchInfo.Capture(exception);
        }
    }

    private Batch BatchOf(Slot slot, long index) => index < _fullBatches ? slot.Full! : _rest!;

    /// <summary>A batch, and the memory from which one is uploaded.</summary>
    private sealed class Slot(Batch? full) : IDisposable
    {
        public Batch? Full { get; } = full;

        /// <summary>Null where the inputs are integers, which stay with the host.</summary>
        public StagingHandle? Inputs { get; private set; }

        /// <summary>Null where the targets are classes, which stay with the host.</summary>
        public StagingHandle? Values { get; private set; }

        public void Allocate(Batch largest)
        {
            Inputs = largest.Inputs.DType == DType.Int32 ? null : MakeStaging(largest.Inputs);
            Values = largest.Values is { } values ? MakeStaging(values) : null;
        }

        public void Wait()
        {
            if (Inputs is { } inputs)
            {
                Wait(inputs);
            }

            if (Values is { } values)
            {
                Wait(values);
            }
        }

        public void Upload(Batch batch)
        {
            if (Inputs is { } inputs)
            {
                Upload(inputs, batch.Inputs);
            }

            if (Values is { } values)
            {
                Upload(values, batch.Values!);
            }
        }

        public void Join()
        {
            if (Inputs is { } inputs)
            {
                Join(inputs);
            }

            if (Values is { } values)
            {
                Join(values);
            }
        }

        public void Dispose()
        {
            Inputs?.Dispose();
            Values?.Dispose();
            Full?.Release();
        }

        private static StagingHandle MakeStaging(Tensor tensor) => StagingHandle.Create(tensor.Device.Handle, tensor.Count * tensor.DType.Bytes());

        private static void Wait(StagingHandle staging)
        {
            using HandleScope<ortho_staging> scope = staging.Borrow();
            NativeMethods.ortho_staging_wait(scope.Pointer).ThrowOnFailure();
        }

        private static void Upload(StagingHandle staging, Tensor tensor)
        {
            using HandleScope<ortho_staging> scope = staging.Borrow();
            using BufferScope memory = tensor.BorrowToWrite();
            NativeMethods.ortho_staging_upload(scope.Pointer, memory.Address, tensor.Count * tensor.DType.Bytes()).ThrowOnFailure();
        }

        private static void Join(StagingHandle staging)
        {
            using HandleScope<ortho_staging> scope = staging.Borrow();
            NativeMethods.ortho_staging_join(scope.Pointer).ThrowOnFailure();
        }
    }
}
