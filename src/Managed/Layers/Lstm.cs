using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>
/// The long short-term memory (S. Hochreiter and J. Schmidhuber, 1997) with a forget gate, with the equations and the order of gates of
/// PyTorch's <c>nn.LSTM</c>.
/// </summary>
/// <remarks>
/// <para>With the logistic function σ and the product of elements ∘; b' is the second bias:</para>
/// <code>
/// i = σ(V_i u_t + b_i + W_i h_{t-1} + b'_i)
/// f = σ(V_f u_t + b_f + W_f h_{t-1} + b'_f)
/// g = tanh(V_g u_t + b_g + W_g h_{t-1} + b'_g)
/// o = σ(V_o u_t + b_o + W_o h_{t-1} + b'_o)
/// c_t = f ∘ c_{t-1} + i ∘ g
/// h_t = o ∘ tanh(c_t)
/// </code>
/// <para>
/// Inputs <c>[T, B, D]</c>; outputs h by <see cref="RecurrentCellOptions.Output"/>. Parameters, with the gates i, f, g, o one below the other:
/// <c>weight</c> W <c>[4 N, N]</c>, <c>bias</c> <c>[2, 4 N]</c>, first b and then b', and <c>input_weight</c> V <c>[4 N, D]</c>. They are PyTorch's
/// <c>weight_hh_l0</c>, <c>bias_ih_l0</c> with <c>bias_hh_l0</c>, and <c>weight_ih_l0</c>. Without
/// <see cref="GatedCellOptions.RecurrentBias"/>, <c>bias</c> is <c>[4 N]</c> and b' = 0.
/// </para>
/// <para>Its states in <see cref="Model.GetFinalStates"/> are <c>state</c>, h, and <c>cell_state</c>, c. To continue where the last pass ended, give both.</para>
/// </remarks>
public sealed class Lstm : RecurrentLayer
{
    private const int Gates = 4;
    private const int ForgetGate = 1;

    private readonly LstmOptions _options;

    /// <summary>Describes a layer; memory comes with the model.</summary>
    /// <param name="inputSize">Number of inputs D at a step, 1 to 1048576.</param>
    /// <param name="hiddenSize">Number of units N, 1 to 65536.</param>
    /// <param name="options">Null: the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size or an option is out of range.</exception>
    public Lstm(long inputSize, long hiddenSize, LstmOptions? options = null)
        : base(
            inputSize, hiddenSize, (options ??= new LstmOptions()).Output, options.Checkpointing, filters: null,
            StateName, "cell_state")
    {
        Check.Finite(options.ForgetBias);
        _options = RecurrentCellOptions.Checked(options);
    }

    /// <inheritdoc/>
    protected internal override IReadOnlyList<ParameterDefinition> Definitions => _options.Definitions(
        InputSize, HiddenSize, Gates, _options.RecurrentBias, new BiasOffset(_options.ForgetBias, ForgetGate * HiddenSize, HiddenSize, nameof(LstmOptions.ForgetBias)));

    /// <inheritdoc/>
    protected internal override LayerDescription Describe() => _options.Describe(new LayerDescription(nameof(Lstm)).Add("input_size", InputSize).Add("hidden_size", HiddenSize)).Add("forget_bias", _options.ForgetBias);

    internal static Lstm Read(LayerReader reader) => new(
        reader.GetInt64("input_size"),
        reader.GetInt64("hidden_size"),
        RecurrentCellOptions.Read(new LstmOptions(), reader) with { RecurrentBias = reader.GetBoolean("recurrent_bias"), ForgetBias = reader.GetDouble("forget_bias") });

    private protected override ortho_chain_options Kind => new()
    {
        model = (int)ortho_chain_model.ORTHO_RECURRENT,
        cell = (int)ortho_cell.ORTHO_CELL_LSTM,
        recurrent_bias = _options.RecurrentBias ? 1 : 0,
        input_size = InputSize,
    };

    /// <inheritdoc/>
    protected internal override IEnumerable<KeyValuePair<string, string>> Settings => [new("cell", nameof(Lstm))];
}
