using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>The step of a random orthogonal additive filter, x ← α O x + β φ(W x + drive), over time steps or over layers: its checked options.</summary>
internal sealed unsafe class FilterCell
{
    private readonly FilterChainOptions _options;

    /// <param name="hiddenSize">Number of units N.</param>
    /// <param name="options">Of the layer.</param>
    public FilterCell(long hiddenSize, FilterChainOptions options)
    {
        ChainLayer.CheckHiddenSize(hiddenSize);
        CheckUnitValues(options.Alpha, hiddenSize, "options.Alpha");
        CheckUnitValues(options.Beta, hiddenSize, "options.Beta");
        Check.OneOf(options.Activation, [Activation.Tanh, Activation.Relu]);
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

    /// <summary>α: one number, or one for each unit.</summary>
    public UnitValues Alpha => _options.Alpha;

    /// <summary>β: one number, or one for each unit.</summary>
    public UnitValues Beta => _options.Beta;

    /// <summary>The nonlinearity φ.</summary>
    public Activation Activation => _options.Activation;

    /// <summary>The kind of the orthogonal matrix O.</summary>
    public Filter Filter => _options.Filter;

    /// <summary>True if O depends on the seed.</summary>
    public bool IsDrawn => Filter == Filter.Haar || Filter == Filter.Permutation;

    /// <summary>Refuses α and β that an element type cannot hold.</summary>
    /// <param name="dtype">The element type.</param>
    /// <param name="name">The caller's name of the layer.</param>
    public void CheckFor(DType dtype, string name)
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

    /// <summary>W and b, the first two parameters of a chain; [count, ...] for several layers.</summary>
    public ParameterDefinition[] Definitions(ReadOnlySpan<long> weightShape, ReadOnlySpan<long> biasShape) =>
    [
        ParameterDefinition.Normal("weight", weightShape, _options.WeightScale / Math.Sqrt(HiddenSize)) with
        {
            LearningRateScale = _options.WeightLearningRateScale,
            Options = nameof(FilterChainOptions.WeightScale),
        },
        ParameterDefinition.Uniform("bias", biasShape, _options.BiasOffset, _options.BiasScale) with
        {
            IsBias = true,
            LearningRateScale = _options.BiasLearningRateScale,
            Options = $"{nameof(FilterChainOptions.BiasOffset)} and {nameof(FilterChainOptions.BiasScale)}",
        },
    ];

    /// <summary>Creates a native chain of filter steps.</summary>
    /// <param name="device">Where it runs.</param>
    /// <param name="options">All but what the cell has.</param>
    /// <param name="name">The caller's name of the layer's options.</param>
    /// <param name="drawn">The filter, [N, N]; null: that of the options.</param>
    public ChainHandle MakeChain(Device device, ortho_chain_options options, string name, double[]? drawn)
    {
        fixed (double* alpha = Alpha.Span, beta = Beta.Span, matrices = drawn ?? Filter.Matrices)
        {
            options.activation = (int)Activation;
            options.filter = (int)(drawn is null ? Filter.Kind : ortho_filter_kind.ORTHO_FILTER_CUSTOM);
            options.alpha = alpha;
            options.alpha_count = Alpha.Count;
            options.beta = beta;
            options.beta_count = Beta.Count;
            options.filter_matrix = matrices;
            return ChainHandle.Create(device.Handle, options, Check.Parameter(name), $"{name}.");
        }
    }

    /// <summary>The settings that change the function of the same parameters, by name in a file.</summary>
    /// <param name="perLayer">Whether each layer has a filter of its own.</param>
    public IEnumerable<KeyValuePair<string, string>> Settings(bool perLayer) =>
    [
        new("filter", Filter.Matrices is { } matrices ? $"{Filter}, {Digest(matrices)}" : Filter.ToString()),
        new("filters", perLayer ? "one for each layer" : "one"),
        new("activation", Activation.ToString()),
        new("alpha", Text(Alpha)),
        new("beta", Text(Beta)),
    ];

    private static string Text(UnitValues values) =>
        values.Count == 1 ? values[0].ToString("R", CultureInfo.InvariantCulture) : $"{values.Count} values, {Digest(values.Span)}";

    private static string Digest(ReadOnlySpan<double> values) => $"SHA-256 {Convert.ToHexString(SHA256.HashData(MemoryMarshal.AsBytes(values)))}";

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
