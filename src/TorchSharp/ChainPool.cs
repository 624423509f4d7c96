using OrthoNative.Interop;

namespace OrthoNative.TorchSharp;

/// <summary>
/// The native chains of a module. A chain remembers one forward pass, so every pass that awaits its backward pass has one of its
/// own; those that are done wait here for the next.
/// </summary>
internal sealed class ChainPool(FilterChainLayer layer, Device device, ulong seed) : IDisposable
{
    private readonly Stack<ChainHandle> _idle = new();
    private DType _dtype;
    private bool _disposed;

    /// <summary>Seed that filters are drawn from.</summary>
    public ulong Seed { get; } = seed;

    /// <summary>A chain for tensors of an element type.</summary>
    /// <exception cref="ObjectDisposedException">The module was disposed.</exception>
    public ChainHandle Rent(DType dtype)
    {
        lock (_idle)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (dtype != _dtype)
            {
                DisposeIdle();
                _dtype = dtype;
            }

            if (_idle.TryPop(out ChainHandle? chain))
            {
                return chain;
            }
        }

        // As torch has it, NaN and infinity pass through.
        return layer.MakeChain(device, dtype, Seed, filterIndex: 0, checkFinite: false);
    }

    /// <summary>Gives a chain back.</summary>
    public void Return(ChainHandle chain, DType dtype)
    {
        lock (_idle)
        {
            if (!_disposed && dtype == _dtype)
            {
                _idle.Push(chain);
                return;
            }
        }

        chain.Dispose();
    }

    public void Dispose()
    {
        lock (_idle)
        {
            _disposed = true;
            DisposeIdle();
        }
    }

    private void DisposeIdle()
    {
        while (_idle.TryPop(out ChainHandle? chain))
        {
            chain.Dispose();
        }
    }
}
