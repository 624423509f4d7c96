using OrthoNative.Interop;

namespace OrthoNative.TorchSharp;

/// <summary>
/// The native chains of a module, for one filter and one element type. A chain remembers one forward pass, so every pass that awaits
/// its backward pass has one of its own, up to a limit.
/// </summary>
/// <remarks>
/// A pass may never be differentiated, and nothing says so but a garbage collection. So the number of chains is limited: at the limit,
/// a new pass takes the chain of the oldest pass that waits, which recomputes its states if its backward pass comes after all. Each
/// time that happens the limit grows by one, up to <see cref="MaximumChains"/>: programs that hold several passes recompute in their first
/// step alone, and programs that never call backward keep one chain.
/// </remarks>
internal sealed unsafe class ChainPool(ChainLayer layer, Device device, FilterState filter, DType dtype, double[]? matrix = null) : IDisposable
{
    /// <summary>The most chains that passes hold at once.</summary>
    public const int MaximumChains = 16;

    private readonly Stack<ChainHandle> _idle = new();
    private readonly LinkedList<ChainCall> _waiting = new();
    private int _chains;
    private int _limit = 1;
    private bool _disposed;

    /// <summary>What filters are drawn from.</summary>
    public FilterState Filter { get; } = filter;

    /// <summary>Element type of the chains.</summary>
    public DType DType { get; } = dtype;

    /// <summary>The filter, once it was needed apart from a chain: a second chain copies it instead of drawing it again.</summary>
    public double[]? Matrix { get; private set; } = matrix;

    /// <summary>The number of times that the matrix was drawn; for tests.</summary>
    public int FilterDraws { get; private set; }

    /// <summary>The number of passes that were recomputed because another pass had taken their chain; for tests.</summary>
    public int Recomputations { get; private set; }

    /// <summary>True if all layers share one dense matrix, which takes N³ operations to draw.</summary>
    private bool HasOneDrawnMatrix => layer.Filters!.Filter == OrthoNative.Filter.Haar && !layer.HasFilterPerLayer;

    /// <summary>A chain for a pass: an idle one, a new one, or that of the oldest pass that waits.</summary>
    public ChainHandle Rent()
    {
        lock (_idle)
        {
            if (_idle.TryPop(out ChainHandle? idle))
            {
                return idle;
            }

            if (_chains >= _limit && _waiting.First is LinkedListNode<ChainCall> oldest)
            {
                _waiting.RemoveFirst();
                return oldest.Value.GiveUpChain();
            }

            ChainHandle chain = Make();
            _chains++;
            return chain;
        }
    }

    /// <summary>Leaves a chain with the pass that it remembers, until <see cref="Take"/>.</summary>
    public void Keep(ChainCall call, ChainHandle chain)
    {
        lock (_idle)
        {
            call.Chain = chain;
            _waiting.AddLast(call);
        }
    }

    /// <summary>The chain that remembers a pass; null: the pass has to be recomputed, in a chain from <see cref="Rent"/>.</summary>
    public ChainHandle? Take(ChainCall call)
    {
        lock (_idle)
        {
            if (call.Chain is ChainHandle chain)
            {
                _ = _waiting.Remove(call);
                call.Chain = null;
                return chain;
            }

            if (call.LostChain)
            {
                call.LostChain = false;
                Recomputations++;
                _limit = Math.Min(_limit + 1, MaximumChains);
            }

            return null;
        }
    }

    /// <summary>Gives back a chain that was rented or taken.</summary>
    public void Return(ChainHandle chain)
    {
        lock (_idle)
        {
            if (!_disposed)
            {
                _idle.Push(chain);
                return;
            }
        }

        chain.Dispose();
    }

    /// <summary>Copies the filter of a layer, <c>[N, N]</c>.</summary>
    public double[] CopyFilter(long index)
    {
        ChainHandle chain = Rent();
        try
        {
            lock (_idle)
            {
                return HasOneDrawnMatrix ? Matrix ??= Copy(chain, 0) : Copy(chain, layer.HasFilterPerLayer ? index : 0);
            }
        }
        finally
        {
            Return(chain);
        }
    }

    /// <summary>Frees the chains, those of waiting passes too. Backward passes that follow recompute in a chain of their own.</summary>
    public void Dispose()
    {
        lock (_idle)
        {
            _disposed = true;
            while (_idle.TryPop(out ChainHandle? idle))
            {
                idle.Dispose();
            }

            foreach (ChainCall call in _waiting)
            {
                call.GiveUpChain().Dispose();
            }

            _waiting.Clear();
        }
    }

    private ChainHandle Make()
    {
        if (HasOneDrawnMatrix && Matrix is null && _waiting.First?.Value.Chain is ChainHandle other)
        {
            Matrix = Copy(other, 0);
        }

        FilterDraws += HasOneDrawnMatrix && Matrix is null ? 1 : 0;

        // As torch has it, NaN and infinity pass through.
        return layer.MakeChain(device, DType, Filter.Seed, Filter.Index, checkFinite: false, drawn: Matrix);
    }

    private double[] Copy(ChainHandle handle, long index)
    {
        var values = new double[checked(layer.HiddenSize * layer.HiddenSize)];
        using HandleScope<ortho_chain> chain = handle.Borrow();
        fixed (double* address = values)
        {
            NativeMethods.ortho_chain_filter(chain.Pointer, index, address).ThrowOnFailure();
        }

        FilterDraws += HasOneDrawnMatrix ? 1 : 0;
        return values;
    }
}
