using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>The gated recurrent unit (K. Cho et al., arXiv 1406.1078), with the equations and the order of gates of PyTorch's <c>nn.GRU</c>.</summary>
/// <remarks>
/// <para>With the logistic function σ and the product of elements ∘:</para>
/// <code>
/// r = σ(V_r u_t + b_r + W_r h_{t-1} + c_r)
/// z = σ(V_z u_t + b_z + W_z h_{t-1} + c_z)
/// n = tanh(V_n u_t + b_n + r ∘ (W_n h_{t-1} + c_n))
/// h_t = (1 - z) ∘ n + z ∘ h_{t-1}
/// </code>
/// <para>
/// Inputs <c>[T, B, D]</c>; outputs h by <see cref="RecurrentCellOptions.Output"/>. Parameters, with the gates r, z, n one below the other:
/// <c>weight</c> W <c>[3 N, N]</c>, <c>bias</c> <c>[2, 3 N]</c>, first b and then c, and <c>input_weight</c> V <c>[3 N, D]</c>. They are PyTorch's
/// <c>weight_hh_l0</c>, <c>bias_ih_l0</c> with <c>bias_hh_l0</c>, and <c>weight_ih_l0</c>. Without
/// <see cref="GatedCellOptions.RecurrentBias"/>, <c>bias</c> is <c>[3 N]</c> and c = 0.
/// </para>
/// </remarks>
public sealed class Gru : RecurrentLayer
{
    private const int Gates = 3;

    private readonly GruOptions _options;

    /// <summary>Describes a layer; memory comes with the model.</summary>
    /// <param name="inputSize">Number of inputs D at a step, 1 to 1048576.</param>
    /// <param name="hiddenSize">Number of units N, 1 to 65536.</param>
    /// <param name="options">Null: the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size or an option is out of range.</exception>
    public Gru(long inputSize, long hiddenSize, GruOptions? options = null)
        : base(inputSize, hiddenSize, (options ??= new GruOptions()).Output, options.Checkpointing, filters: null) =>
        _options = RecurrentCellOptions.Checked(options);

    /// <inheritdoc/>
    protected internal override IReadOnlyList<ParameterDefinition> Definitions =>
        _options.Definitions(InputSize, HiddenSize, Gates, _options.RecurrentBias);

    /// <inheritdoc/>
    protected internal override LayerDescription Describe() => _options.Describe(new LayerDescription(nameof(Gru)).Add("input_size", InputSize).Add("hidden_size", HiddenSize));

    internal static Gru Read(LayerReader reader) => new(
        reader.GetInt64("input_size"),
        reader.GetInt64("hidden_size"),
        RecurrentCellOptions.Read(new GruOptions(), reader) with { RecurrentBias = reader.GetBoolean("recurrent_bias") });

    private protected override ortho_chain_options Kind => new()
    {
        model = (int)ortho_chain_model.ORTHO_RECURRENT,
        cell = (int)ortho_cell.ORTHO_CELL_GRU,
        recurrent_bias = _options.RecurrentBias ? 1 : 0,
        input_size = InputSize,
    };

    /// <inheritdoc/>
    protected internal override IEnumerable<KeyValuePair<string, string>> Settings => [new("cell", nameof(Gru))];
}
