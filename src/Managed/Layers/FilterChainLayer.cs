using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>
/// A layer of random orthogonal additive filters: x ← α O x + β φ(W x + drive), over time steps or over layers.
/// </summary>
public abstract unsafe class FilterChainLayer : Layer
{
    private const long MaximumHiddenSize = 65536;
    private const string FilterKey = "filter";

    /// <summary>Key in a file of the seed of a layer's filter, which every filter chain has and no other layer.</summary>
    internal const string SeedKey = "filter_seed";

    private const string IndexKey = "filter_index";

    private readonly FilterChainOptions _options;
    private ChainHandle? _chain;
    private ulong _filterSeed;
    private uint _filterIndex;

    private protected FilterChainLayer(long hiddenSize, FilterChainOptions options)
    {
        Check.InRange(hiddenSize, 1, MaximumHiddenSize);
        CheckUnitValues(options.Alpha, hiddenSize, "options.Alpha");
        CheckUnitValues(options.Beta, hiddenSize, "options.Beta");
        Check.Defined(options.Activation);
        Check.NotNegative(options.WeightScale);
        Check.NotNegative(options.BiasScale);
        Check.Finite(options.BiasOffset);
        Check.NotNegative(options.WeightLearningRateScale);
        Check.NotNegative(options.BiasLearningRateScale);
        Check.NotNull(options.Filter);
        if (options.Filter.Matrices is not null && options.Filter.Size != hiddenSize)
        {
            throw new ArgumentException($"options.Filter has matrices of size {options.Filter.Size}; their size must be {hiddenSize}, as {nameof(hiddenSize)} is.", nameof(options));
        }

        HiddenSize = hiddenSize;
        _options = options;
    }

    /// <summary>Number of units N.</summary>
    public long HiddenSize { get; }

    /// <summary>α, the factor of the filtered state: one number, or one for each unit.</summary>
    public UnitValues Alpha => _options.Alpha;

    /// <summary>β, the factor of the nonlinearity: one number, or one for each unit.</summary>
    public UnitValues Beta => _options.Beta;

    /// <summary>The nonlinearity φ.</summary>
    public Activation Activation => _options.Activation;

    /// <inheritdoc/>
    public override long OutputSize => HiddenSize;

    internal override bool ChecksOutputGradients => true;

    internal Filter Filter => _options.Filter;

    /// <summary>Tells whether each layer has a filter of its own.</summary>
    internal bool HasFilterPerLayer => Kind.filter_per_layer != 0;

    /// <summary>The chain, once the layer is part of a model.</summary>
    private protected ChainHandle Chain
    {
        get
        {
            _ = Model;
            return _chain!;
        }
    }

    private protected Parameter Weight => Parameters[0];

    private protected Parameter Bias => Parameters[1];

    internal override void CheckFor(DType dtype, string name)
    {
        CheckFactors(Alpha, nameof(Alpha));
        CheckFactors(Beta, nameof(Beta));

        void CheckFactors(UnitValues values, string property)
        {
            for (int i = 0; i < values.Count; i++)
            {
                Check.Finite(values[i], dtype, string.Create(CultureInfo.InvariantCulture, $"{name}.{property}[{i}]"));
            }
        }
    }

    private protected double[,] CopyFilter(long layer)
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
    private protected long StateBytes(long steps, long batch, bool training) => Memory(steps, batch, training).States;

    /// <summary>Bytes that a backward pass takes for sums of gradients.</summary>
    private protected long SumBytes(long steps, long batch) => Memory(steps, batch, training: true).Sums;

    private (long States, long Sums) Memory(long steps, long batch, bool training)
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

    private string Describe(in NativeError error)
    {
        bool last = LayerIndex == Model.Layers.Count - 1;
        return error.Argument switch
        {
            "inputs" => $"{Element("inputs", error)}{InputPlace} {error.Problem}",
            "initial" when Kind.model == (int)ortho_chain_model.ORTHO_FEEDFORWARD => $"{Element("inputs", error)}{InputPlace} {error.Problem}",
            "output_gradients" => $"{Element("outputGradient", error)}{(last ? "" : $" of {Place}")} {error.Problem}",
            "max_state_bytes" => $"{Place}: {error.Message()}",
            _ => error.Message(),
        };

        static string Element(string name, in NativeError error) =>
            error.Element < 0 ? name : string.Create(CultureInfo.InvariantCulture, $"{name}[{error.Element}]");
    }

    /// <summary>W and b, the first two parameters of every chain; [count, ...] for several layers.</summary>
    private protected ParameterDefinition[] ChainDefinitions(ReadOnlySpan<long> weightShape, ReadOnlySpan<long> biasShape) =>
    [
        ParameterDefinition.Normal("weight", weightShape.ToArray(), _options.WeightScale / Math.Sqrt(HiddenSize), _options.WeightLearningRateScale, nameof(FilterChainOptions.WeightScale)),
        ParameterDefinition.Uniform(
            "bias", biasShape.ToArray(), _options.BiasOffset, _options.BiasScale, _options.BiasLearningRateScale,
            $"{nameof(FilterChainOptions.BiasOffset)} and {nameof(FilterChainOptions.BiasScale)}") with { IsBias = true },
    ];

    /// <summary>The kind of native chain that the derived layer is: model and sizes.</summary>
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
        fixed (double* alpha = _options.Alpha.Span, beta = _options.Beta.Span, matrices = drawn ?? _options.Filter.Matrices)
        {
            options.dtype = dtype.ToNative();
            options.activation = (int)_options.Activation;
            options.filter = (int)(drawn is null ? _options.Filter.Kind : ortho_filter_kind.ORTHO_FILTER_CUSTOM);
            options.hidden_size = HiddenSize;
            options.seed = seed;
            options.filter_index = filterIndex;
            options.check_finite = checkFinite ? 1 : 0;
            options.alpha = alpha;
            options.alpha_count = _options.Alpha.Count;
            options.beta = beta;
            options.beta_count = _options.Beta.Count;
            options.filter_matrix = matrices;
            Checkpointing checkpointing = _options.Checkpointing ?? Checkpointing.None;
            options.checkpoint_every = checkpointing.Interval;
            options.max_state_bytes = checkpointing.MaximumBytes;
            return ChainHandle.Create(device.Handle, options, Check.Parameter(name), $"{name}.");
        }
    }

    /// <summary>The settings that change the function of the same parameters, by name in a file.</summary>
    private IEnumerable<(string Key, string Value)> Settings =>
    [
        (FilterKey, Filter.Matrices is { } matrices ? $"{Filter}, {Digest(matrices)}" : Filter.ToString()),
        ("filters", Kind.filter_per_layer != 0 ? "one for each layer" : "one"),
        ("activation", Activation.ToString()),
        ("alpha", Text(Alpha)),
        ("beta", Text(Beta)),
    ];

    internal override void SaveState(IDictionary<string, string> metadata, string name)
    {
        foreach ((string key, string value) in Settings)
        {
            metadata[$"{name}.{key}"] = value;
        }

        metadata[$"{name}.{SeedKey}"] = _filterSeed.ToString(CultureInfo.InvariantCulture);
        metadata[$"{name}.{IndexKey}"] = _filterIndex.ToString(CultureInfo.InvariantCulture);
    }

    internal override LoadedState? LoadState(IReadOnlyDictionary<string, string> metadata, string name)
    {
        foreach ((string key, string expected) in Settings)
        {
            if (!metadata.TryGetValue($"{name}.{key}", out string? value) || value != expected)
            {
                throw new InvalidDataException(
                    $"__metadata__.{ForeignText.Clean(name)}.{key} is {(value is null ? "missing" : $"'{ForeignText.Clean(value)}'")}; '{expected}', as in the model, is expected.");
            }
        }

        ulong seed = LoadedState.Number(metadata, $"{name}.{SeedKey}", ulong.MaxValue);
        uint index = (uint)LoadedState.Number(metadata, $"{name}.{IndexKey}", uint.MaxValue);
        bool same = (seed, index) == (_filterSeed, _filterIndex) || !(Filter == Filter.Haar || Filter == Filter.Permutation);
        return same ? null : new LoadedFilter(this, MakeChain(Model.Device, Model.DType, seed, index, checkFinite: true), seed, index);
    }

    private protected override void OnAttach(ulong seed, uint filterIndex)
    {
        _chain = MakeChain(Model.Device, Model.DType, seed, filterIndex, checkFinite: true, $"layers[{LayerIndex}]");
        (_filterSeed, _filterIndex) = (seed, filterIndex);
    }

    private protected override void OnDispose()
    {
        _chain?.Dispose();
        _chain = null;
    }

    private static string Text(UnitValues values) =>
        values.Count == 1 ? values[0].ToString("R", CultureInfo.InvariantCulture) : $"{values.Count} values, {Digest(values.Span)}";

    private static string Digest(ReadOnlySpan<double> values) => $"SHA-256 {Convert.ToHexString(SHA256.HashData(MemoryMarshal.AsBytes(values)))}";

    /// <summary>The chain with the filter that the loaded parameters were trained with.</summary>
    private sealed class LoadedFilter(FilterChainLayer layer, ChainHandle chain, ulong seed, uint index) : LoadedState
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

    private static void CheckUnitValues(UnitValues values, long hiddenSize, string name)
    {
        if (values.Count != 1 && values.Count != hiddenSize)
        {
            throw new ArgumentException($"{name} has {values.Count} values; it must have 1, or {hiddenSize} (one for each unit).", Check.Parameter(name));
        }

        for (int i = 0; i < values.Count; i++)
        {
            Check.Finite(values[i], values.Count == 1 ? name : string.Create(CultureInfo.InvariantCulture, $"{name}[{i}]"));
        }
    }
}
