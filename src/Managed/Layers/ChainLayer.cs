using System.Globalization;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>A layer that the native core runs as one chain of steps: time steps or layers.</summary>
public abstract unsafe class ChainLayer : Layer
{
    /// <summary>Key in a file of the seed of a layer's filter, which every layer of filters has and no other one.</summary>
    internal const string SeedKey = "filter_seed";

    private const string IndexKey = "filter_index";
    private const long MaximumHiddenSize = 65536;

    private readonly Checkpointing _checkpointing;
    private ChainHandle? _chain;
    private ulong _filterSeed;
    private uint _filterIndex;

    /// <param name="hiddenSize">Number of units N.</param>
    /// <param name="checkpointing">Which states are kept; null: all.</param>
    /// <param name="filters">The filters of the steps; null: the steps have none.</param>
    private protected ChainLayer(long hiddenSize, Checkpointing? checkpointing, FilterCell? filters)
    {
        CheckHiddenSize(hiddenSize);
        HiddenSize = hiddenSize;
        Filters = filters;
        _checkpointing = checkpointing ?? Checkpointing.None;
    }

    /// <summary>Number of units N.</summary>
    public long HiddenSize { get; }

    /// <inheritdoc/>
    public override long OutputSize => HiddenSize;

    internal override bool ChecksOutputGradients => true;

    /// <summary>The filters of the steps; null: the steps have none.</summary>
    internal FilterCell? Filters { get; }

    /// <summary>Seed and random stream that the filter was drawn from.</summary>
    internal (ulong Seed, uint Index) FilterSource
    {
        get
        {
            _ = Owner;
            return (_filterSeed, _filterIndex);
        }
    }

    /// <summary>Tells whether each layer has a filter of its own.</summary>
    internal bool HasFilterPerLayer => Kind.filter_per_layer != 0;

    /// <summary>The chain, once the layer is part of a model.</summary>
    private protected ChainHandle Chain
    {
        get
        {
            _ = Owner;
            return _chain!;
        }
    }

    internal override void CheckFor(DType dtype, string name) => Filters?.CheckFor(dtype, name);

    internal static void CheckHiddenSize(long hiddenSize, string name = "hiddenSize") => Check.InRange(hiddenSize, 1, MaximumHiddenSize, name);

    /// <summary>A copy of O, [N, N], in double precision as it was drawn.</summary>
    internal double[,] CopyFilter(long layer)
    {
        var matrix = new double[HiddenSize, HiddenSize];
        using HandleScope<ortho_chain> chain = Chain.Borrow();
        fixed (double* values = matrix)
        {
            NativeMethods.ortho_chain_filter(chain.Pointer, layer, values).ThrowOnFailure();
        }

        return matrix;
    }

    /// <summary>Bytes that a forward pass keeps, outputs not among them.</summary>
    private protected long StateBytes(long steps, long batch, bool training) => ChainMemory(steps, batch, training).States;

    /// <summary>Bytes that a backward pass takes for sums of gradients.</summary>
    private protected long SumBytes(long steps, long batch) => ChainMemory(steps, batch, training: true).Sums;

    private (long States, long Sums) ChainMemory(long steps, long batch, bool training)
    {
        using HandleScope<ortho_chain> chain = Chain.Borrow();
        long states;
        long sums;
        ThrowOnFailure(NativeMethods.ortho_chain_memory(chain.Pointer, steps, batch, training ? 1 : 0, &states, &sums));
        return (states, sums);
    }

    /// <summary>Throws what a failed call of the chain stands for, in the names that the model's user knows.</summary>
    /// <param name="status">The status that the call returned.</param>
    /// <param name="argument">The method's argument that the call may refuse; null: it refuses none.</param>
    private protected void ThrowOnFailure(ortho_status status, string? argument = null)
    {
        if (status != ortho_status.ORTHO_OK)
        {
            NativeError error = NativeError.Last() with { Status = status };
            throw error.ToException(Describe(error), argument);
        }
    }

    private protected virtual string Describe(in NativeError error)
    {
        bool last = Owner.IsLast(this);
        return error.Argument switch
        {
            "inputs" => $"{Element("inputs", error)}{InputPlace} {error.Problem}",
            "output_gradients" => $"{Element("outputGradient", error)}{(last ? "" : $" of {Place}")} {error.Problem}",
            "max_state_bytes" => $"{Place}: {error.Message()}",
            _ => error.Message(),
        };
    }

    /// <summary>The name of an argument or of the element of it that an error is about.</summary>
    private protected static string Element(string name, in NativeError error, long start = 0) =>
        error.Element < 0 ? name : string.Create(CultureInfo.InvariantCulture, $"{name}[{error.Element - start}]");

    /// <summary>The kind of native chain that the derived layer is: model, cell and sizes.</summary>
    private protected abstract ortho_chain_options Kind { get; }

    /// <summary>Creates a native chain of this layer and draws its filter.</summary>
    /// <param name="device">Where it runs.</param>
    /// <param name="dtype">Element type of its buffers.</param>
    /// <param name="seed">Seed of the filter.</param>
    /// <param name="filterIndex">Random stream of the filter.</param>
    /// <param name="checkFinite">True to check inputs and gradients for NaN and infinity.</param>
    /// <param name="name">The caller's name of the layer's options.</param>
    /// <param name="drawn">The filter as another chain of the same seed and index drew it, [N, N], or null: it is drawn.</param>
    internal ChainHandle MakeChain(
        Device device, DType dtype, ulong seed, uint filterIndex, bool checkFinite, string name = "options", double[]? drawn = null)
    {
        ortho_chain_options options = Kind;
        options.dtype = dtype.ToNative();
        options.hidden_size = HiddenSize;
        options.check_finite = checkFinite ? 1 : 0;
        options.checkpoint_every = _checkpointing.Interval;
        options.max_state_bytes = _checkpointing.MaximumBytes;
        if (Filters is null)
        {
            return ChainHandle.Create(device.Handle, options, Check.Parameter(name), $"{name}.");
        }

        options.seed = seed;
        options.filter_index = filterIndex;
        return Filters.MakeChain(device, options, name, drawn);
    }

    internal override void SaveState(IDictionary<string, string> metadata, string name)
    {
        base.SaveState(metadata, name);
        if (FilterStreams > 0)
        {
            metadata[$"{name}.{SeedKey}"] = _filterSeed.ToString(CultureInfo.InvariantCulture);
            metadata[$"{name}.{IndexKey}"] = _filterIndex.ToString(CultureInfo.InvariantCulture);
        }
    }

    internal override LoadedState? LoadState(IReadOnlyDictionary<string, string> metadata, string name)
    {
        base.LoadState(metadata, name);
        if (FilterStreams == 0)
        {
            return null;
        }

        (ulong seed, uint index) = FilterSourceOf(metadata, name);
        return PrepareFilter(seed, index);
    }

    /// <summary>Draws the filter of another seed or stream, and changes nothing yet.</summary>
    /// <returns>The action that applies it; null: it is the filter that the layer has.</returns>
    internal LoadedState? PrepareFilter(ulong seed, uint index)
    {
        bool same = (seed, index) == (_filterSeed, _filterIndex) || !Filters!.Filter.IsDrawn;
        return same ? null : new LoadedFilter(this, MakeChain(Owner.Device, Owner.DType, seed, index, checkFinite: true), seed, index);
    }

    /// <summary>Seed and stream that a layer's filter was drawn from.</summary>
    /// <param name="metadata">Of the file.</param>
    /// <param name="name">Name of the layer in the model.</param>
    /// <exception cref="InvalidDataException">One is missing, or no number in range.</exception>
    internal static (ulong Seed, uint Index) FilterSourceOf(IReadOnlyDictionary<string, string> metadata, string name) =>
        (LoadedState.Number(metadata, $"{name}.{SeedKey}", ulong.MaxValue), (uint)LoadedState.Number(metadata, $"{name}.{IndexKey}", uint.MaxValue));

    private protected override void OnAttach(ulong seed, uint filterIndex)
    {
        _chain = MakeChain(Owner.Device, Owner.DType, seed, filterIndex, checkFinite: true, ArgumentPlace);
        (_filterSeed, _filterIndex) = (seed, filterIndex);
    }

    private protected override void OnRelease()
    {
        _chain?.Dispose();
        _chain = null;
    }

    /// <summary>The chain with the filter that the loaded parameters were trained with.</summary>
    private sealed class LoadedFilter(ChainLayer layer, ChainHandle chain, ulong seed, uint index) : LoadedState
    {
        private ChainHandle? _chain = chain;

        public override void Apply()
        {
            layer._chain?.Dispose();
            (layer._chain, _chain) = (_chain, null);
            (layer._filterSeed, layer._filterIndex) = (seed, index);
        }

        public override void Dispose()
        {
            _chain?.Dispose();
            base.Dispose();
        }
    }
}
