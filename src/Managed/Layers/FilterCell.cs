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
    /// <param name="matrices">Number of orthogonal matrices that the layer has.</param>
    public FilterCell(long hiddenSize, FilterChainOptions options, long matrices)
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
        options.Filter.CheckFor(hiddenSize, matrices);
        HiddenSize = hiddenSize;
        Alpha = options.Filter.WithBlocks(options.Alpha, block => block.Alpha);
        Beta = options.Filter.WithBlocks(options.Beta, block => block.Beta);
        _options = options;
    }

    /// <summary>Number of units N.</summary>
    public long HiddenSize { get; }

    /// <summary>α: one number, or one for each unit.</summary>
    public UnitValues Alpha { get; }

    /// <summary>β: one number, or one for each unit.</summary>
    public UnitValues Beta { get; }

    /// <summary>The nonlinearity φ.</summary>
    public Activation Activation => _options.Activation;

    /// <summary>The kind of the orthogonal matrix O.</summary>
    public Filter Filter => _options.Filter;

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
        WeightDefinition(weightShape) with
        {
            Role = ParameterRole.RecurrentWeight,
            LearningRateScale = _options.WeightLearningRateScale,
            Options = nameof(FilterChainOptions.WeightScale),
        },
        ParameterDefinition.Uniform("bias", biasShape, _options.BiasOffset, _options.BiasScale) with
        {
            Role = ParameterRole.Bias,
            LearningRateScale = _options.BiasLearningRateScale,
            Options = $"{nameof(FilterChainOptions.BiasOffset)} and {nameof(FilterChainOptions.BiasScale)}",
        },
    ];

    /// <summary>W, whose rows start with the scale of their block.</summary>
    private ParameterDefinition WeightDefinition(ReadOnlySpan<long> shape)
    {
        double unit = 1 / Math.Sqrt(HiddenSize);
        UnitValues scales = Filter.WithBlocks(_options.WeightScale, block => block.WeightScale);
        if (scales.Count == 1)
        {
            return ParameterDefinition.Normal("weight", shape, scales[0] * unit);
        }

        double[] deviations = [.. scales.Select(scale => scale * unit)];
        return ParameterDefinition.NormalRows("weight", shape, deviations);
    }

    /// <summary>Creates a native chain of filter steps.</summary>
    /// <param name="device">Where it runs.</param>
    /// <param name="options">All but what the cell has.</param>
    /// <param name="name">The caller's name of the layer's options.</param>
    /// <param name="drawn">The filter, [N, N]; null: that of the options.</param>
    public ChainHandle MakeChain(Device device, ortho_chain_options options, string name, double[]? drawn)
    {
        double[]? given = drawn ?? (Filter.Parts.Count == 0 ? Filter.Matrices : [.. Filter.Parts.SelectMany(part => part.Filter.Matrices ?? [])]);
        var blocks = new ortho_filter_block[drawn is null ? Filter.Parts.Count : 0];
        fixed (double* alpha = Alpha.Span, beta = Beta.Span, matrices = given)
        fixed (ortho_filter_block* parts = blocks)
        {
            double* matrix = matrices;
            for (int i = 0; i < blocks.Length; i++)
            {
                FilterBlock part = Filter.Parts[i];
                bool isGiven = part.Filter.Matrices is not null;
                blocks[i] = new ortho_filter_block { size = part.Size, filter = (int)part.Filter.Kind, matrix = isGiven ? matrix : null };
                matrix += part.Filter.Matrices?.Length ?? 0;
            }

            options.activation = (int)Activation;
            options.filter = (int)(drawn is null ? Filter.Kind : ortho_filter_kind.ORTHO_FILTER_CUSTOM);
            options.blocks = parts;
            options.block_count = blocks.Length;
            options.alpha = alpha;
            options.alpha_count = Alpha.Count;
            options.beta = beta;
            options.beta_count = Beta.Count;
            options.filter_matrix = blocks.Length == 0 ? matrices : null;
            return ChainHandle.Create(device.Handle, options, Check.Parameter(name), $"{name}.");
        }
    }

    /// <summary>The settings that change the function of the same parameters, by name in a file.</summary>
    /// <param name="perLayer">Whether each layer has a filter of its own.</param>
    public IEnumerable<KeyValuePair<string, string>> Settings(bool perLayer) =>
    [
        new("filter", Describe(Filter)),
        new("filters", perLayer ? "one for each layer" : "one"),
        new("activation", Activation.ToString()),
        new("alpha", Text(Alpha)),
        new("beta", Text(Beta)),
    ];

    private static string Describe(Filter filter)
    {
        double[] matrices = filter.Matrices ?? [.. filter.Parts.SelectMany(part => part.Filter.Matrices ?? [])];
        return matrices.Length > 0 ? $"{filter}, {Digest(matrices)}" : filter.ToString();
    }

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
